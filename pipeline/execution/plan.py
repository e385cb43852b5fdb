"""Which stage of how many a command is, and about how long the rest of them takes.

The stages are those of dvc.yaml, spread over the active study as DVC spreads them. Seconds are what
this machine took for a command the last time; of one that it has not run yet they are those of
`toy_seconds.json`, times how much longer this machine took than the file says for what it has run.
The file is of the toy at its usual size: its stages in one run, on two cores and for nine minutes
in all, and the trainings of pipeline/toy/README.md. Of a real corpus there is no number before it
has run once.

What is kept lies in the folder of unfinished work, where neither git nor DVC looks.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from pipeline.base.files import read_json, write_json
from pipeline.errors import InputError

KEPT = Path("data/work/seconds.json")
MEASURED = Path(__file__).with_name("toy_seconds.json")
_TRUSTED = 60.0  # seconds that a machine is taken for one as fast as that of the file
TOY = "toy"  # the settings that the measured seconds are those of

_HOLE = re.compile(r"\$\{([^}]*)\}")
_PROGRAM = "avloc "


def stage_commands(stages: Mapping[str, Any], params: Mapping[str, Any]) -> list[str]:
    """The command of each stage, without `avloc`, in the order of dvc.yaml.

    stages: dvc.yaml's entry of this name. params: params.yaml's content. A stage is one, or one for
    each item under `foreach`, or for each combination of those under `matrix`. Raises `InputError`
    for a hole that names nothing."""
    found = []
    for stage in stages.values():
        if "foreach" in stage:
            items = _items(stage["foreach"], params)
            holes = [{"key": key, "item": item} for key, item in items]
            found += [_filled(stage["do"]["cmd"], {**params, **hole}) for hole in holes]
        else:
            crossed = _crossed(stage.get("matrix", {}), params)
            found += [_filled(stage["cmd"], {**params, "item": item}) for item in crossed]
    return [text.removeprefix(_PROGRAM) for text in found]


def _crossed(matrix: Mapping[str, Any], params: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The combinations of a matrix, the last axis first to change."""
    if not matrix:
        yield {}
        return
    *others, last = matrix
    for above in _crossed({name: matrix[name] for name in others}, params):
        for key, _ in _items(matrix[last], params):
            yield {**above, last: key}


def _items(written: Any, params: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    """Key and value of a mapping's entries; of a list's, which have no key, the value twice."""
    if isinstance(written, str):
        written = _value(written.removeprefix("${").removesuffix("}"), params)
    if isinstance(written, Mapping):
        return list(written.items())
    filled = [_filled(item, params) if isinstance(item, str) else item for item in written or ()]
    return [(item, item) for item in filled]


def _filled(text: str, params: Mapping[str, Any]) -> str:
    return _HOLE.sub(lambda hole: str(_value(hole[1], params)), text)


def _value(key: str, params: Mapping[str, Any]) -> Any:
    value: Any = params
    for part in key.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise InputError(f"dvc.yaml: ${{{key}}}: params.yaml holds no such entry")
        value = value[part]
    return value


def where(commands: Sequence[str], command: str) -> int | None:
    """The number of a command among a study's, from 1; None for one that is not among them."""
    return commands.index(command) + 1 if command in commands else None


def seconds_left(
    left: Sequence[str], took: Mapping[str, float], measured: Mapping[str, float]
) -> float | None:
    """About how long commands will take: the sum of what each of them took here, or else was
    measured elsewhere, times this machine's slowness; None where one of them has neither.

    The slowness is what the commands took here by what they took there, `_TRUSTED` seconds added to
    both, so that a first stage of two seconds says little of the hour behind it."""
    both = [(took[command], _measured(command, measured)) for command in took]
    known = [(here, there) for here, there in both if there is not None]
    here, there = (_TRUSTED + sum(pair[place] for pair in known) for place in (0, 1))
    slowness = here / there
    total = 0.0
    for command in left:
        elsewhere = _measured(command, measured)
        if command in took:
            total += took[command]
        elif elsewhere is not None:
            total += elsewhere * slowness
        else:
            return None
    return total


def _measured(command: str, measured: Mapping[str, float]) -> float | None:
    """The seconds of the first pattern that a command fits."""
    return next((measured[key] for key in measured if fnmatchcase(command, key)), None)


def describe(number: int, count: int, seconds: float | None) -> str:
    """'stage 7 of 26, about 6 min left'."""
    told = f"stage {number} of {count}"
    if seconds is None:
        return told
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{told}, less than a minute left"
    hours, minutes = divmod(minutes, 60)
    return f"{told}, about {f'{hours} h ' if hours else ''}{minutes} min left"


def announce(command: str, folder: Path = Path()) -> str | None:
    """The line about a stage that begins: `describe` of where it stands in the project's folder;
    None for a command that is no stage of the active study."""
    stages, params = read_stages(folder), _load(folder / "params.yaml", "SafeLoader")
    commands = stage_commands(stages, params)
    number = where(commands, command)
    if number is None:
        return None
    is_toy = params["active"]["settings"] == TOY
    measured = read_json(MEASURED) if is_toy else {}
    left = seconds_left(commands[number - 1 :], kept_seconds(folder), measured)
    return describe(number, len(commands), left)


def kept_seconds(folder: Path = Path()) -> dict[str, float]:
    """What the stages of a project took on this machine, by command."""
    path = folder / KEPT
    return dict(read_json(path)) if path.is_file() else {}


def keep(command: str, seconds: float, folder: Path = Path()) -> None:
    """Keep that a stage took `seconds`."""
    write_json(folder / KEPT, {**kept_seconds(folder), command: round(seconds, 1)})


def read_stages(folder: Path = Path()) -> dict[str, Any]:
    """dvc.yaml's stages, every scalar as text: YAML 1.1 would take a key `on` for true."""
    return dict(_load(folder / "dvc.yaml", "BaseLoader")["stages"])


def _load(path: Path, loader: str) -> Any:
    # The C parser, where YAML was built with it, is several times as fast.
    return yaml.load(path.read_text(), getattr(yaml, f"C{loader}", getattr(yaml, loader)))
