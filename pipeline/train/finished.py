"""A training's results as one: weights, history and what lies beside them are all of one training.

While a training lasts nothing of it lies among the results, so one that is stopped leaves those of
the one before as they were. At its end the old history goes first and the new one comes last: who
finds a history finds the weights that it is of.
"""

from collections.abc import Mapping
from pathlib import Path

from pipeline.base.code import fingerprint
from pipeline.base.files import atomic_file, move_file, read_json, read_tsv, sync_folder, write_json
from pipeline.errors import InputError

WEIGHTS = "weights.safetensors"
HISTORY = "history.tsv"
_RECORD = "finished.json"


def publish(work: Path, output: Path, beside: Mapping[str, bytes], identity: str) -> None:
    """Move the weights and the history that lie in `work` to `output`, with the files `beside`
    them, by name; in `work` is noted of which training, the hash `identity`, they are.

    Called again after a kill it ends in the same."""
    output.mkdir(parents=True, exist_ok=True)
    (output / HISTORY).unlink(missing_ok=True)
    sync_folder(output)
    for name, content in beside.items():
        with atomic_file(output / name) as file:
            file.write(content)
    record = {"identity": identity, "history": fingerprint([(work / HISTORY).read_bytes()])}
    move_file(work / WEIGHTS, output / WEIGHTS)
    move_file(work / HISTORY, output / HISTORY)
    write_json(work / _RECORD, record)


def is_finished(
    work: Path, output: Path, beside: Mapping[str, bytes], identity: str, epochs: int
) -> bool:
    """Whether `output` holds the results of the training `identity`.

    Of results that were made elsewhere, and came from a cache, nothing is noted in `work`: they are
    this training's where the files `beside` them are, and the history has all `epochs`."""
    history = output / HISTORY
    files = [output / WEIGHTS, history, *(output / name for name in beside)]
    if not all(path.is_file() for path in files):
        return False
    if (work / _RECORD).is_file():
        record = read_json(work / _RECORD)
        if record["history"] == fingerprint([history.read_bytes()]):
            return bool(record["identity"] == identity)
    same = all((output / name).read_bytes() == content for name, content in beside.items())
    return bool(beside) and same and _epochs(history) == epochs


def _epochs(history: Path) -> int:
    try:
        return len(read_tsv(history)["epoch"])
    except (InputError, KeyError):  # somebody's other file, which is no finished training's
        return 0
