"""Where the stages put their outputs below data/: the same paths that dvc.yaml names.

Where a user names an output, `check_outputs` looks at it before any work is done.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from pipeline.errors import InputError

DATA = Path("data")
WORK = DATA / "work"


def toy_folder(name: str) -> Path:
    """A made toy corpus."""
    return DATA / "toys" / name


def decoded_folder(corpus: str) -> Path:
    """Frames and the clip table of a corpus."""
    return DATA / "decoded" / corpus


def spectrograms_folder(corpus: str, name: str) -> Path:
    """The spectrograms of a corpus' sounds in the form of a method or an encoder."""
    return DATA / "spectrograms" / corpus / name


def encoders_folder(toy: str) -> Path:
    """The weight files of a toy's labelled encoders."""
    return DATA / "encoders" / toy


def embeddings_folder(name: str) -> Path:
    """Off-the-shelf features of a corpus."""
    return DATA / "embeddings" / name


def neighbours_folder(search: str) -> Path:
    """Neighbours among the clips of one training list."""
    return DATA / "neighbours" / search


def run_folder(run: str) -> Path:
    """Weights and history of a training run."""
    return DATA / "runs" / run


def results_folder(evaluation: str) -> Path:
    """Metrics and per-sample results of one run on one benchmark."""
    return DATA / "results" / evaluation


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
