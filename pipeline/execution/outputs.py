"""Whether a command's outputs can be written, told before any work is done."""

import os
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path

from pipeline.errors import InputError


def check_outputs(outputs: Iterable[Path], inputs: Iterable[Path] = ()) -> None:
    """Raise `InputError` for a file of `outputs` that could not be written, or only over something.

    That is one of `inputs` or a file below a folder of them, one that is named twice, one that is
    there and no file, and one in a place that takes no files. Nothing is left behind.
    """
    read = [path.resolve() for path in inputs]
    outputs, written = list(outputs), set()
    for path in outputs:
        place = path.resolve()
        if any(place.is_relative_to(own) for own in read):
            raise InputError(f"{path}: is read by this command, expected another file to write")
        if place in written:
            raise InputError(f"{path}: is named for two outputs, expected a file for each")
        written.add(place)
    for path in outputs:
        if path.is_dir():
            raise InputError(f"{path}: found a folder, expected a file to write")
        try:
            if path.exists() and not path.is_file():
                raise InputError(f"{path}: found a device, expected a file to write")
            _try_to_write(path)
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            raise InputError(f"{path}: cannot be written here: {reason}") from None


def check_ending(path: Path, endings: Collection[str], what: str) -> None:
    """Raise `InputError` unless an output's ending, in any case, is one of `endings`, which say the
    formats that there are of `what` it is."""
    if path.suffix.lower() not in endings:
        *first, last = endings
        expected = f"{', '.join(first)} or {last}" if first else last
        found = f"ends in {path.suffix}" if path.suffix else "has no ending"
        raise InputError(f"{path}: {found}, expected {what} ending in {expected}")


def _try_to_write(path: Path) -> None:
    """Make what writing `path` makes first, as `atomic_file` does, and remove it again."""
    folders = [path.parent, *path.parent.parents]
    missing = [folder for folder in folders if not folder.exists()]
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.touch()
        partial.unlink()
    finally:
        for folder in missing:
            with suppress(OSError):  # was not made, or another command uses it by now
                folder.rmdir()
