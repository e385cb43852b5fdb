"""A rehearsal: a study of real clips, walked from decode to report on a handful of them.

What takes days with 200,000 clips and GPUs is tried in minutes without: the same stages, sizes,
forms and methods, with the few changes of the section `rehearsal` of params.yaml. The encoders are
networks of random numbers in the published files' form, so that clips and the official lists are
all that has to be there, and no score means anything. Everything lies in a folder of its own, a
project beside the real one, so that nothing made is taken for something real; the made files also
hold an entry that says what they are, which every stage that reads one tells as being without use.
"""

import json
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import timm
import torch
import yaml

from pipeline.base.code import ROOT
from pipeline.base.files import atomic_file
from pipeline.base.params import Parameters
from pipeline.base.study import Corpus, Study, all_studies
from pipeline.benchmarks import Benchmark, open_benchmark
from pipeline.corpora.layouts import find_sources
from pipeline.corpora.lists import read_clip_list
from pipeline.corpora.source import Source
from pipeline.encoders.common.settings import Embed
from pipeline.encoders.vggsound import AUDIO_WEIGHTS, AudioEncoder
from pipeline.errors import InputError
from pipeline.evaluate.settings import Evaluate
from pipeline.neighbours.settings import Neighbours
from pipeline.networks.weights import save_safetensors, save_torch
from pipeline.train.settings import Train

MADE = "made_at_random_for_a_rehearsal"
CLIPS, ENCODERS = "data/clips", "data/encoders/made"
_NOTE = "REHEARSAL.txt"
_WORDS = """A rehearsal of avloc's study {study}, made by `avloc rehearse`. It shows that all stages
run, and nothing else: the networks in {encoders} are random numbers in the form of the published
files, {clips} clips lie in {folder}, and no score here means anything.
"""
_DVC = """[core]
    no_scm = true
    analytics = false
    check_update = false
[cache]
    type = "reflink,hardlink,copy"
"""
# What the published VGGSound network is (pipeline/encoders/vggsound.py).
_BLOCKS, _WIDTHS, _CLASSES = (2, 2, 2, 2), (64, 128, 256, 512), 309


@dataclass(frozen=True)
class Rehearsal:
    """A rehearsed study under its name, and the content of its params.yaml; `clips` are those that
    are taken, of which `trained` are in its training list; `drawn` is, by corpus, the benchmark
    whose ground truth can be looked at; `left_out` are those that have no sample among the clips,
    as '<benchmark> on <corpus>'."""

    name: str
    study: Study
    content: dict[str, Any]
    clips: Sequence[Source]
    trained: int
    drawn: Mapping[str, str]
    left_out: Sequence[str]


def plan(parameters: Parameters, name: str, folder: Path, count: int) -> Rehearsal:
    """The rehearsal of a study on at most `count` clips of `folder`, which has the layout of the
    study's training corpus: its corpora in that folder, its first seed, and the changes of the
    section `rehearsal`.

    Of more clips than that, half are of the benchmarks and the rest of the training list, each in
    the order of ids. Raises `InputError` for an unknown study and one of made clips, as the readers
    of lists and corpora do, and where too few clips are listed to be trained on, or none is tested.
    """
    study = _real_study(parameters, name)
    changes = parameters.read("rehearsal", dict[str, Any])
    sections = parameters.read(study.settings, dict[str, Any], changes)
    batch = parameters.bound(Train, f"{study.settings}.train", sections.get("train")).batch
    k = parameters.bound(Neighbours, f"{study.settings}.neighbours", sections.get("neighbours")).k
    corpora = _of_one_source(study)
    sources = find_sources(corpora[study.train_on.corpus].reader, folder)
    listed = frozenset(read_clip_list(Path(study.train_on.list)))
    there = {source.clip_id for source in sources}
    tested = _tested_clips(study, corpora, there, folder)
    clips = choose(sources, listed, tested, count)
    taken = {source.clip_id for source in clips}
    trained, needed = len(taken & listed), max(k + 1, batch)
    if trained < needed:
        raise InputError(
            f"{folder}: {trained} of its {len(sources)} clips are in {study.train_on.list}, "
            f"expected at least {needed}: a batch of {batch}, and {k} neighbours of each clip"
        )
    kept: dict[str, list[str]] = {}
    drawn: dict[str, str] = {}
    left_out: list[str] = []
    for corpus, test in study.benchmarks():
        benchmark = _open(study, test, taken, folder) if corpus in corpora else None
        if benchmark is None or not benchmark.samples:
            left_out.append(f"{test} on {corpus}")
            continue
        kept.setdefault(corpus, []).append(test)
        if benchmark.wants_maps:
            drawn.setdefault(corpus, test)
    if study.tests and not kept:
        wanted = ", ".join(dict.fromkeys(test for names in study.tests.values() for test in names))
        raise InputError(
            f"{folder}: none of its {len(sources)} clips is tested by study {name}, expected at "
            f"least one of {wanted}"
        )
    changed = {
        **asdict(study),
        "corpora": {
            corpus: {
                **asdict(item),
                "root": CLIPS,
                "decode": {**item.decode, **changes.get("decode", {})},
            }
            for corpus, item in corpora.items()
            if corpus == study.train_on.corpus or corpus in kept
        },
        "weights": ENCODERS,
        "runs": {run: _shorter(entry, changes, k) for run, entry in study.runs.items()},
        "seeds": study.seeds[:1],
        "published": {},
        "tests": kept,
    }
    content = {
        "execution": parameters.read("execution", dict[str, Any]),
        study.settings: sections,
        "studies": {f"{name}-rehearsed": changed},
        "active": changed,
    }
    rehearsed = parameters.bound(Study, "studies", changed)
    return Rehearsal(f"{name}-rehearsed", rehearsed, content, clips, trained, drawn, left_out)


def _real_study(parameters: Parameters, name: str) -> Study:
    """A study of params.yaml that makes no clips of its own."""
    studies = all_studies(parameters)
    if name not in studies:
        raise InputError(
            f"{parameters.path}: no study {name!r}, expected one of {', '.join(studies)}"
        )
    if studies[name].toys:
        raise InputError(
            f"study {name}: makes its own clips and encoders, so `dvc repro` is all; expected a "
            f"study of real clips"
        )
    return studies[name]


def choose(
    sources: Sequence[Source], listed: Collection[str], tested: Collection[str], count: int
) -> list[Source]:
    """At most `count` of a corpus' clips, in its order: all where they are so few, else half of
    them `tested` clips, or as many as there are, and then clips that are `listed`."""
    if len(sources) <= count:
        return list(sources)
    first = [source for source in sources if source.clip_id in tested][: count // 2]
    taken = {source.clip_id for source in first}
    more = [s for s in sources if s.clip_id in listed and s.clip_id not in taken]
    taken.update(source.clip_id for source in more[: count - len(first)])
    return [source for source in sources if source.clip_id in taken]


def make_project(rehearsal: Rehearsal, parameters: Parameters, folder: Path, project: Path) -> None:
    """Write the project of a rehearsal: parameters, stages, lists, clips and made encoders.

    What stages have made there stays, so that a rehearsal goes on where it ended. Raises
    `InputError` where `project` holds something else, or lies in or around the clips' `folder`."""
    inner, outer = project.resolve(), folder.resolve()
    if inner.is_relative_to(outer) or outer.is_relative_to(inner):
        raise InputError(f"{project}: lies in or around {folder}, expected a folder apart from it")
    if project.exists() and not project.is_dir():
        raise InputError(f"{project}: found a file, expected a folder for the rehearsal")
    if project.is_dir() and any(project.iterdir()) and not (project / _NOTE).is_file():
        raise InputError(
            f"{project}: holds something that is no rehearsal, expected an empty folder or none"
        )
    study = rehearsal.study
    words = _WORDS.format(
        study=rehearsal.name.removesuffix("-rehearsed"),
        encoders=ENCODERS,
        clips=len(rehearsal.clips),
        folder=CLIPS,
    )
    _write(project / _NOTE, words)
    # Through JSON, so that what the entries share is written out instead of as aliases.
    plain = json.loads(json.dumps(rehearsal.content))
    _write(project / "params.yaml", yaml.safe_dump(plain, sort_keys=False))
    _write(project / "dvc.yaml", Path("dvc.yaml").read_text())
    _write(project / ".dvc/config", _DVC)
    for room in ("pipeline", "stages"):  # DVC looks at the code that it depends on
        if not (project / room).is_symlink():
            (project / room).symlink_to(ROOT / room)
    _copy_annotations(Path(study.annotations), project)
    for path in (study.train_on.list, *(corpus.list for corpus in study.corpora.values())):
        _copy(Path(path), project / path)
    shutil.rmtree(project / CLIPS, ignore_errors=True)
    for source in rehearsal.clips:
        for media in filter(None, (source.picture, source.sound, source.mask)):
            _copy(media, project / CLIPS / media.relative_to(folder))
    models = [
        parameters.read(f"{study.settings}.embed", Embed).image_model,
        parameters.read(f"{study.settings}.evaluate", Evaluate).object_model,
    ]
    make_encoders(project / ENCODERS, models)


def make_encoders(folder: Path, image_models: Collection[str], seed: int = 0) -> None:
    """Write networks of random numbers in the form of the published files: the VGGSound network,
    `H.pth.tar`, and each of the image models, by timm's names, as `<name>.safetensors`.

    Equal arguments give equal bytes. Raises `InputError` for a name that timm does not know."""
    label = {MADE: torch.zeros(1)}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        sounds = AudioEncoder(_BLOCKS, _WIDTHS, stem=_WIDTHS[0], classes=_CLASSES)
        state = {**sounds.state_dict(), **label}
        save_torch(folder / AUDIO_WEIGHTS, {"epoch": 0, "model_state_dict": state})
        for model in dict.fromkeys(image_models):
            if not timm.is_model(model):
                raise InputError(
                    f"image model {model!r}: unknown to timm, expected a name it lists"
                )
            network = timm.create_model(model)
            save_safetensors(folder / f"{model}.safetensors", {**network.state_dict(), **label})


def _of_one_source(study: Study) -> dict[str, Corpus]:
    """The study's corpora whose clips lie where those that it trains on do."""
    own = study.corpora[study.train_on.corpus]
    return {
        name: corpus
        for name, corpus in study.corpora.items()
        if (corpus.reader, corpus.root) == (own.reader, own.root)
    }


def _open(study: Study, benchmark: str, clips: Collection[str], root: Path) -> Benchmark:
    """A benchmark of the study with the samples that some clips make."""
    return open_benchmark(benchmark, Path(study.annotations), clips, root)


def _tested_clips(
    study: Study, corpora: Collection[str], clips: Collection[str], root: Path
) -> set[str]:
    """Those of the clips whose frames the benchmarks on some corpora score."""
    tests = dict.fromkeys(test for corpus, test in study.benchmarks() if corpus in corpora)
    return {
        sample.frame_clip for test in tests for sample in _open(study, test, clips, root).samples
    }


def _shorter(run: dict[str, Any], changes: dict[str, Any], k: int) -> dict[str, Any]:
    """A run with the rehearsal's loop, which a method's own section could change back, and with no
    more neighbours than there are."""
    short = {**run, "train": {**run.get("train", {}), **changes.get("train", {})}}
    return {**short, "k": min(run["k"], k)} if isinstance(run.get("k"), int) else short


def _copy_annotations(annotations: Path, project: Path) -> None:
    """Copy the official lists, without the `.dvc` files that tell where they come from: DVC would
    then ask for all of them."""
    for path in sorted(annotations.rglob("*")):
        if path.is_file() and path.suffix != ".dvc" and not path.name.startswith("."):
            _copy(path, project / path)


def _copy(source: Path, target: Path) -> None:
    """Copy a file, unless it lies at its target already (an absolute path does)."""
    if not source.is_file():
        raise InputError(f"{source}: no such file")
    if not (target.exists() and target.samefile(source)):
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def _write(path: Path, text: str) -> None:
    with atomic_file(path) as file:
        file.write(text.encode())
