"""What a training took, kept where neither git nor DVC looks.

Seconds differ between two runs of equal bytes, so they may stand in no output. They stand in the
folder of unfinished work, with a hash of the history that they are the seconds of; a run that came
out of DVC's cache, or was trained again elsewhere, is then not given another training's seconds.
"""

from pathlib import Path

from pipeline.base.code import fingerprint
from pipeline.base.files import read_json, write_json

SECONDS = "seconds"  # what a table calls them
_FILE = "seconds.json"


def keep_seconds(work: Path, history: Path, seconds: float) -> None:
    """Keep in the folder `work` that the finished training whose history is the file `history` took
    `seconds`."""
    write_json(work / _FILE, {SECONDS: round(seconds, 1), "history": _hash(history)})


def seconds_of(work: Path, history: Path) -> dict[str, float]:
    """`seconds` of the training that left `history`, a file; empty where `work` holds those of
    another one or none. Raises `InputError` for a damaged file."""
    path = work / _FILE
    if not path.is_file() or not history.is_file():
        return {}
    kept = read_json(path)
    return {SECONDS: kept[SECONDS]} if kept["history"] == _hash(history) else {}


def _hash(history: Path) -> str:
    return fingerprint([history.read_bytes()])
