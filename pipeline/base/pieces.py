"""Long results made piece by piece, so that a killed stage goes on where it stopped.

A piece is named by a fingerprint of everything that it depends on: another parameter or input is
another piece, and stale work is never taken up. Two forms:

- a **piece** is a folder of files that counts as made once its `piece.json` lists them. `Shards`
  turns pieces into the numbered shards of a stage's output by moving them there, and takes over
  from an older output what is the same, so the output is the store and nothing is on the disk
  twice;
- a **block** is one npy file, and `Blocks` joins those of a result to one array. The price is that
  the result is written twice.

No file that exists is ever opened for writing: an output may be a read-only link of DVC's cache.
"""

import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b, file_digest
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.base.files import (
    atomic_file,
    link_file,
    map_npy,
    move_file,
    read_json,
    remove_partials,
    sync_folder,
    write_json,
    write_npy,
)
from pipeline.errors import InputError
from pipeline.execution.progress import console

_MARK = "piece.json"
_NAME = re.compile("[0-9a-f]{32}")


# --- pieces --------------------------------------------------------------------------------------


def finish_piece(folder: Path, *, hashed: bool = False) -> None:
    """Declare everything below `folder` a finished piece.

    By their sizes, which is enough for files that are flushed to the disk as they are written;
    `hashed` by their content: cheaper for thousands of small files than a flush of each, and after
    a power cut it tells what is whole.
    """
    write_json(folder / _MARK, {"files": _seen(folder, hashed), "hashed": hashed})


def is_whole(folder: Path) -> bool:
    """Whether `folder` is a finished piece whose files are all there and as they were."""
    try:
        mark = read_json(folder / _MARK)
        found: bool = mark["files"] == _seen(folder, mark["hashed"])
    except (InputError, OSError, KeyError, TypeError):  # damaged since: made again
        return False
    return found


def remove_pieces(work: Path, *, but: Iterable[str] = ()) -> None:
    """Remove the pieces in `work`, finished or not, whose names are not in `but`, and `work` itself
    where nothing is left."""
    kept = set(but)
    if not work.is_dir():
        return
    for folder in work.iterdir():
        if _NAME.fullmatch(folder.name) and folder.name not in kept:
            shutil.rmtree(folder)
    if not any(work.iterdir()):
        work.rmdir()


def _seen(folder: Path, hashed: bool) -> dict[str, int | str]:
    """Size or hash of every file of a piece by its path."""
    paths = (path for path in folder.rglob("*") if path.is_file() and path != folder / _MARK)
    return {
        path.relative_to(folder).as_posix(): (str(_hash(path)) if hashed else path.stat().st_size)
        for path in sorted(paths)
    }


# --- pieces that become the shards of an output --------------------------------------------------


class Shards:
    """The shards of an output folder, made as pieces in a work folder and moved when all are there.

    File `frames.npy` of piece number 7 becomes `<output>/shards/frames_00007.npy`. A record beside
    the work folder (`<work>.json`) names the pieces that the shards are and the hashes of their
    files: names depend on times and places of a machine, so they are no part of an output, and only
    a file whose content is still the recorded one is taken for a piece. Killed at any moment, each
    file is in one of the two places, and the next run finds it there.
    """

    def __init__(self, output: Path, work: Path, names: Sequence[str]) -> None:
        """`names` are the fingerprints of the pieces that the output is to hold, in order."""
        self.output, self.work, self.names = output, work, list(names)
        self._record = _record(work)
        self._held: dict[str, bool] = {}

    def place(self, number: int) -> Path:
        """Where piece `number` is made."""
        return self.work / self.names[number]

    def is_whole(self, number: int) -> bool:
        """Whether piece `number` is finished, in the work folder or in the output."""
        return is_whole(self.place(number)) or self._is_held(self.names[number])

    def take_from(self, other: Path, work: Path) -> int:
        """Take what is missing from another output of the same kind, whose work folder is `work`,
        as hard links; gives the number of pieces that this was."""
        record, taken = _record(work), 0
        for number, name in enumerate(self.names):
            if name not in record or self.is_whole(number):
                continue
            their_number, files = record[name]
            found = {file: _shard(other, file, their_number) for file in files}
            if any(_hash(found[file]) != known for file, known in files.items()):
                continue
            place = self.place(number)
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
            for file, path in found.items():
                link_file(path, place / file)
            finish_piece(place)
            taken += 1
        return taken

    def gather(self) -> None:
        """Bring every piece into the work folder, those too that an older output holds, and remove
        what else that output's shards are. To be called when all pieces are whole."""
        for name in self.names:
            if is_whole(self.work / name) or not self._is_held(name):
                continue
            number, files = self._record[name]
            place = self.work / name
            place.mkdir(parents=True, exist_ok=True)
            # First, since a piece of which a file is still in the output is whole as well.
            write_json(place / _MARK, {"files": files, "hashed": True})
            for file, known in files.items():
                if _hash(place / file) != known:
                    move_file(_shard(self.output, file, number), place / file)
        if (self.output / "shards").is_dir():
            shutil.rmtree(self.output / "shards")

    def publish(self) -> None:
        """Move the files of all pieces, which have been gathered, to their place in the output."""
        pieces = []
        for number, name in enumerate(self.names):
            files = sorted(read_json(self.place(number) / _MARK)["files"])
            hashes = {file: _hash(self.place(number) / file) for file in files}
            pieces.append({"name": name, "files": hashes})
        # First, since it is what says whose the moved files are.
        write_json(_record_file(self.work), pieces)
        (self.output / "shards").mkdir(parents=True, exist_ok=True)
        for number, piece in enumerate(pieces):
            for file in piece["files"]:
                move_file(self.place(number) / file, _shard(self.output, file, number))
        sync_folder(self.output / "shards")

    def _is_held(self, name: str) -> bool:
        """Whether the output holds a piece, or what of it is not in the work folder."""
        if name not in self._record:
            return False
        if name not in self._held:
            number, files = self._record[name]
            self._held[name] = all(
                known in (_hash(_shard(self.output, file, number)), _hash(self.work / name / file))
                for file, known in files.items()
            )
        return self._held[name]


def _record_file(work: Path) -> Path:
    return work.with_name(f"{work.name}.json")


def _record(work: Path) -> dict[str, tuple[int, dict[str, str]]]:
    """The pieces that the output of a work folder is said to hold: their numbers and the hashes of
    their files."""
    try:
        pieces: list[dict[str, Any]] = read_json(_record_file(work))
        return {piece["name"]: (n, dict(piece["files"])) for n, piece in enumerate(pieces)}
    except (InputError, KeyError, TypeError, ValueError):  # none, or damaged: it holds nothing
        return {}


def _shard(output: Path, file: str, number: int) -> Path:
    path = Path(file)
    return output / "shards" / f"{path.stem}_{number:05d}{path.suffix}"


def _hash(path: Path) -> str | None:
    """The hash of a file's content, None where there is no file."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return file_digest(file, lambda: blake2b(digest_size=16)).hexdigest()


# --- blocks of one array -------------------------------------------------------------------------


class Blocks:
    """The finished blocks of one stage's results in `folder / fingerprint`."""

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self.folder = folder / fingerprint
        remove_partials(self.folder)
        if finished := len(list(self.folder.glob("*.npy"))):
            console.print(f"{folder}: resuming after {finished} finished blocks", markup=False)

    def make(self, name: str, start: int, compute: Callable[[], np.ndarray]) -> None:
        """The block of result `name` that begins at row `start`, computed unless it is there."""
        path = self._path(name, start)
        if not path.exists():
            write_npy(path, compute())

    def join(self, name: str, starts: Sequence[int], path: Path, field: str | None = None) -> None:
        """Write the blocks of `name`, one behind the other, as one npy file, atomically; of
        structured blocks, their `field`."""
        blocks = [map_npy(self._path(name, start)) for start in starts]
        if field is not None:
            blocks = [block[field] for block in blocks]
        shape = (sum(len(block) for block in blocks), *blocks[0].shape[1:])
        descr = np.lib.format.dtype_to_descr(blocks[0].dtype)
        with atomic_file(path) as file:
            np.lib.format.write_array_header_1_0(
                file, {"descr": descr, "fortran_order": False, "shape": shape}
            )
            for block in blocks:
                file.write(np.ascontiguousarray(block).data)

    def discard(self) -> None:
        """Remove the blocks, once their results are written."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, name: str, start: int) -> Path:
        return self.folder / f"{name}_{start:09d}.npy"
