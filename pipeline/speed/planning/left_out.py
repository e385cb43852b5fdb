"""What of a study's data is absent, what can be made without it, and the study without it.

DVC wants every file that a stage reads, and says so in words of its own; so a study without some
of its benchmarks is a study that does not name them. It stands in params.yaml as the active one,
with what was left out and why, which its page tells.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from pipeline.base.files import atomic_file
from pipeline.base.study import EVERY_CLIP, Study
from pipeline.corpora.layouts import find_sources
from pipeline.corpora.lists import read_listed
from pipeline.corpora.ready import benchmark_clips, collect
from pipeline.encoders.imagenet import image_weights_file
from pipeline.encoders.vggsound import AUDIO_WEIGHTS
from pipeline.errors import InputError
from pipeline.networks.weights import file_of_name


@dataclass(frozen=True)
class Absent:
    """What is not there: messages of what no stage of the study can do without, or fetches by
    itself, and for each benchmark that cannot be scored the reason."""

    needed: list[str]
    fetched: list[str]
    benchmarks: dict[str, str]


def absent_of(study: Study, made: Collection[Path]) -> Absent:
    """What of a study is absent; `made` are the folders that its own stages make. Nothing is
    fetched."""

    def is_made(path: str) -> bool:
        return any(Path(path).is_relative_to(folder) for folder in made)

    corpora: dict[str, list[str]] = {}
    for name, item in study.corpora.items():
        found = corpora[name] = []
        if is_made(item.root):
            continue
        collect(partial(find_sources, item.reader, Path(item.root)), found)
        if item.list != EVERY_CLIP and not is_made(item.list):
            collect(partial(_read, item.list), found)
    needed = list(corpora[study.train_on.corpus])
    if study.train_on.list != EVERY_CLIP and not is_made(study.train_on.list):
        collect(partial(_read, study.train_on.list), needed)
    fetched: list[str] = []
    if not is_made(study.weights):
        _networks(study, needed, fetched)
    for published in study.published.values():
        if not Path(published.weights).is_file():
            needed.append(f"{published.weights}: not found, expected a localizer's weights")
        if not is_made(published.list):
            collect(partial(_read, published.list), needed)
    benchmarks: dict[str, str] = {}
    for corpus, name in study.benchmarks():
        messages = list(corpora[corpus])
        if not is_made(study.annotations):
            root = Path(study.corpora[corpus].root)
            collect(partial(benchmark_clips, name, Path(study.annotations), root), messages)
        if messages:
            benchmarks[name] = messages[0]
    return Absent(list(dict.fromkeys(needed)), fetched, benchmarks)


def without(content: Mapping[str, Any], reasons: Mapping[str, str]) -> dict[str, Any]:
    """A study, as params.yaml has it, without the benchmarks that `reasons` are given for, and
    without the corpora that nothing else needs; `left_out` gets the reasons up to a semicolon.
    """
    tests = {
        corpus: [name for name in names if name not in reasons]
        for corpus, names in content["tests"].items()
    }
    tests = {corpus: names for corpus, names in tests.items() if names}
    left = {*tests, content["train_on"]["corpus"]}
    emptied = set(content["tests"]) - left
    found = dict(content)
    found["tests"] = tests
    found["corpora"] = {k: v for k, v in content["corpora"].items() if k not in emptied}
    found["index"] = [corpus for corpus in content.get("index", []) if corpus not in emptied]
    found["maps"] = [item for item in content.get("maps", []) if item["corpus"] in tests]
    short = {name: why.partition(";")[0] for name, why in reasons.items()}
    found["left_out"] = {**content.get("left_out", {}), **short}
    return found


def switched(text: str, name: str, content: Mapping[str, Any]) -> str:
    """params.yaml's text with `content` as its active study. Where the text gives the study `name`
    an anchor, only what differs from it is written. Raises `InputError` where its entry `active`
    does not begin a line of its own."""
    entry = re.search(r"^active:.*\n?(?:^[ #].*\n?|^\s*\n)*", text, re.MULTILINE)
    if entry is None:
        raise InputError("params.yaml: holds no line that begins with active:, expected one")
    return f"{text[: entry.start()]}{written(text, name, content)}{text[entry.end() :]}"


def written(text: str, name: str, content: Mapping[str, Any]) -> str:
    """The entry `active` of `switched`."""
    anchor = re.search(rf"^  {re.escape(name)}: &([\w-]+)", text, re.MULTILINE)
    whole = yaml.safe_load(text)["studies"].get(name, {}) if anchor else {}
    lines = ["active:", *([f"  <<: *{anchor[1]}"] if anchor else [])]
    for key, value in content.items():
        if key not in whole or whole[key] != value:
            flow = yaml.dump(
                value, Dumper=_NoAliases, default_flow_style=True, width=100_000, sort_keys=False
            )
            flow = flow.removesuffix("\n").removesuffix("\n...")
            lines.append(f"  {key}: {flow}")
    return "\n".join([*lines, ""])


def write_switched(path: Path, name: str, content: Mapping[str, Any]) -> None:
    """Make `content` the active study of the parameter file at `path`. Raises as `switched`, and
    where the text would not say that; nothing is written then."""
    text = switched(path.read_text(), name, content)
    if yaml.safe_load(text)["active"] != content:
        raise InputError(f"{path}: its entry active cannot be replaced; write it by hand")
    with atomic_file(path) as file:
        file.write(text.encode())


class _NoAliases(yaml.SafeDumper):
    """Writes what stands at two places twice: a name of another anchor could be taken."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _read(path: str) -> list[str]:
    if not Path(path).is_file():
        raise InputError(f"{path}: not found; `avloc corpus lists` brings the official lists")
    return read_listed(Path(path))


def _networks(study: Study, needed: list[str], fetched: list[str]) -> None:
    """The networks of the neighbours in the folder of the study's weights."""
    folder = Path(study.weights)
    model = study.encoders.image_model or "ImageNet's network"
    if image_weights_file(folder, model) is None and file_of_name(folder, "image") is None:
        fetched.append(f"{folder}: holds no {model}, which is fetched when it is asked for")
    if study.encoders.audio == "vggsound" and not (folder / AUDIO_WEIGHTS).is_file():
        needed.append(
            f"{folder / AUDIO_WEIGHTS}: not found, the VGGSound audio network; "
            f"https://github.com/hche11/VGGSound"
        )
