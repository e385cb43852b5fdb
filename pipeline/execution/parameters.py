"""All parameters of the active study, bound within a second, before a stage imports what it needs.

A stage binds its own parameters once more when it runs. Here they are bound together, by settings
that are taken out of their modules alone (`pipeline.execution.excerpt`): a slip is told before DVC
has gone from one stage to the next, and not after the seconds that torch takes to come.
"""

import reprlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.base.code import ROOT
from pipeline.base.params import Parameters
from pipeline.base.study import Study, active_study, check_listed, find_evaluated
from pipeline.errors import InputError
from pipeline.execution.excerpt import excerpt, settings_of_method

_LOOP = "train"  # what of a method's section, or of a run, changes the section `train`
_NO_METHODS = ("__init__", "contract")


@dataclass(frozen=True)
class _Section:
    """Settings of a world: the key below it, their module and their class."""

    key: str
    module: str
    name: str

    @property
    def kind(self) -> Any:
        return excerpt(f"pipeline.{self.module}", self.name)


_DECODE = _Section("decode", "decode.settings", "Decode")
_EMBED = _Section("embed", "encoders.common.settings", "Embed")
_TRAIN = _Section("train", "train.settings", "Train")
_FORM = _Section("forms", "clips.sound_form", "SoundForm")
_EVERY = (
    _Section("training_list", "neighbours.settings", "Listed"),
    _Section("neighbours", "neighbours.settings", "Neighbours"),
    _Section("evaluate", "evaluate.settings", "Evaluate"),
)
_TOYS = (
    _Section("toy", "toy.settings", "Toy"),
    _Section("encoders", "toy.settings", "Encoders"),
)


def check_parameters(parameters: Parameters) -> None:
    """Bind everything that the stages of the active study will read.

    Raises `InputError`, as the stage that reads it would, for the first key that is missing,
    unknown or of another kind, for values that contradict each other, and for a name of a method or
    of a benchmark that no file has."""
    study = active_study(parameters)
    world = study.settings
    parameters.read("execution", excerpt("pipeline.execution.settings", "Execution"))
    for section in (*_EVERY, *(_TOYS if study.toys else ())):
        parameters.read(f"{world}.{section.key}", section.kind)
    for corpus in study.corpora.values():
        parameters.read(f"{world}.{_DECODE.key}", _DECODE.kind, corpus.decode)
    parameters.read(f"{world}.{_EMBED.key}", _EMBED.kind, study.encoders.models())
    for name in dict.fromkeys([study.encoders.audio, *(m for m, _ in _varied(study))]):
        parameters.read(f"{world}.{_FORM.key}.{name}", _FORM.kind)
    for method, changes in _varied(study):
        _check_method(parameters, world, method, changes)
    _check_benchmarks(parameters, study)


# What the words of a stage's command name: keys of params.yaml, or lists of the active study.
_NAMED = {
    "toy": ("toys",),
    "decode": ("active.corpora",),
    "spectrograms": ("active.corpora", "{}.forms"),
    "flow": ("active.corpora", "active.flow"),
    "encoders": ("toys",),
    "embed": ("corpora",),
    "training-list": ("train_on.search",),
    "neighbours": ("train_on.search",),
    "train": ("{}.methods", "active.runs"),
    "load": ("active.published",),
    "tests": ("active.corpora",),
    "evaluate": ("", "active.corpora"),
    "moving": ("", "moving"),
}


def check_names(parameters: Parameters, words: Sequence[str]) -> None:
    """Raise `InputError` for a name in a stage's command that params.yaml does not have there, as
    the stage itself would. words: the command without `avloc`; what an option says is not looked
    at."""
    world = parameters.read("active.settings", str)
    if any(word.startswith("-") for word in words):
        return
    for place, name in zip(_NAMED.get(words[0], ()), words[1:], strict=False):
        if place.startswith(("active.", "{}.")):
            parameters.read(f"{place.format(world)}.{name}", Any)  # type: ignore[arg-type]
        elif place:
            check_listed(parameters, place, name)


def check_rows(parameters: Parameters, words: Sequence[str]) -> None:
    """Raise `InputError` for a row of a figure that names a file which is not there, or an
    evaluation that no study has, as the command itself would. words: the command without `avloc`,
    each of whose options has a value."""
    rest = iter(words[2:])
    for word in rest:
        if word.startswith("--"):
            if "=" not in word:
                next(rest, None)
            continue
        name = word.rpartition("=")[2]
        if not Path(name).suffix:
            find_evaluated(parameters, name)
        elif not Path(name).exists():
            raise InputError(f"{name}: no such file, expected maps as avloc score reads them")


def _varied(study: Study) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each method that the study trains or reads, with what changes its section."""
    for method in study.methods:
        for changes in study.runs.values():
            yield method, changes
    for item in study.published.values():
        yield item.method, item.settings


def _check_method(parameters: Parameters, world: str, method: str, changes: dict[str, Any]) -> None:
    key = f"{world}.methods.{method}"
    section = parameters.read(key, dict[str, Any])
    known = sorted(p.stem for p in (ROOT / "pipeline/methods").glob("*.py"))
    known = [name for name in known if name not in _NO_METHODS]
    if method not in known:
        found = reprlib.repr(method)
        raise InputError(
            f"{parameters.path}: {key}: method {found}: expected one of {', '.join(known)}"
        )
    own, over = (
        {name: value for name, value in entry.items() if name != _LOOP}
        for entry in (section, changes)
    )
    loops = [entry[_LOOP] for entry in (section, changes) if _LOOP in entry]
    parameters.read(f"{world}.{_TRAIN.key}", _TRAIN.kind, *loops)
    parameters.bound(settings_of_method(method), key, own, over)


def _check_benchmarks(parameters: Parameters, study: Study) -> None:
    every = _benchmark_names()
    for corpus, name in study.benchmarks():
        if name not in every:
            raise InputError(
                f"{parameters.path}: active.tests.{corpus}: found {reprlib.repr(name)}, expected "
                f"some of {', '.join(every)}"
            )


def _benchmark_names() -> list[str]:
    """What each family's file says of itself; see `pipeline.benchmarks.sets`."""
    families = sorted((ROOT / "pipeline/benchmarks/sets").glob("*.py"))
    stems = [path.stem for path in families if not path.name.startswith("_")]
    return [name for stem in stems for name in excerpt(f"pipeline.benchmarks.sets.{stem}", "NAMES")]
