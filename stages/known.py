"""What there is by the names that commands take: a wrong one is answered with all right ones."""

from pathlib import Path

from pipeline.errors import InputError
from stages.paths import DATA, decoded_folder, run_folder

_MANY = 12  # names of a message
_WEIGHTS = "weights.safetensors"


def known_corpus(name: str) -> str:
    """The name of a corpus that is decoded. Raises `InputError` with those that are."""
    if (decoded_folder(name) / "clips.parquet").is_file():
        return name
    found = sorted(path.parent.name for path in (DATA / "decoded").glob("*/clips.parquet"))
    raise InputError(f"no decoded corpus {name!r}, {_those(found, 'dvc repro makes them')}")


def known_run(name: str) -> str:
    """The name of a finished run, '<search>/<run>'. Raises `InputError` with those that are."""
    if (run_folder(name) / _WEIGHTS).is_file():
        return name
    how = "dvc repro trains the active study"
    raise InputError(f"no run {name!r}, {_those(finished_runs(), how)}")


def finished_runs() -> list[str]:
    """The names of all finished runs, '<search>/<run>', sorted."""
    folder = DATA / "runs"
    return sorted(p.parent.relative_to(folder).as_posix() for p in folder.glob(f"*/*/{_WEIGHTS}"))


def is_in_project() -> bool:
    """Whether the working folder is a project's."""
    return Path("params.yaml").is_file()


def _those(found: list[str], how: str) -> str:
    if not is_in_project():
        return "and no params.yaml here; run avloc in the project's folder"
    if not found:
        return f"and there is none; {how}"
    more = f" and {len(found) - _MANY} more" if len(found) > _MANY else ""
    return f"expected one of {', '.join(found[:_MANY])}{more}"
