"""The toy corpus in parts, so that a killed run goes on where it stopped.

A part is a few dozen samples in a folder of its own, with a table of what they show and of every
file's hash beside it. Hashes, and not one flush to the disk per file, tell after a power cut what
is whole: thousands of small files are written anyway, and reading them back takes milliseconds.
"""

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path

from pipeline.base.files import read_json, write_json
from pipeline.errors import InputError
from pipeline.toy.samples import ObjectTruth, SamplePlan, SampleTruth, make_sample


@dataclass(frozen=True)
class Part:
    """Some samples of a corpus and the folder for their files, whose table is `<folder>.json`."""

    folder: Path
    plans: tuple[SamplePlan, ...]

    @property
    def table(self) -> Path:
        """Where the truths and hashes of the finished part are."""
        return self.folder.with_name(f"{self.folder.name}.json")


def make_part(part: Part, width: int, height: int, seconds: float) -> list[SampleTruth]:
    """The truths of a part's samples, whose files are made unless they are there and whole.

    Raises OSError, with the name of a file or folder, where the disk fails or is full."""
    truths = read_part(part)
    if truths is not None:
        return truths
    shutil.rmtree(part.folder, ignore_errors=True)
    (part.folder / "vggsound").mkdir(parents=True)
    try:
        truths = [make_sample(plan, part.folder, width, height, seconds) for plan in part.plans]
    except OSError as error:
        if error.errno is None:
            raise
        # Of one plain kind, since not every library's can travel between processes.
        place = error.filename or str(part.folder)
        raise OSError(error.errno, os.strerror(error.errno), place) from error
    objects = [[asdict(item) for item in truth.objects] for truth in truths]
    write_json(part.table, {"objects": objects, "files": _hashes(part.folder)})
    return truths


def read_part(part: Part) -> list[SampleTruth] | None:
    """The truths of a finished part; None where it is not finished or not whole."""
    try:
        table = read_json(part.table)
        if table["files"] != _hashes(part.folder):
            return None
        objects = [[ObjectTruth(**item) for item in items] for items in table["objects"]]
    except (InputError, OSError, KeyError, TypeError):  # damaged since: made again
        return None
    return [SampleTruth(*both) for both in zip(part.plans, objects, strict=True)]


def join_parts(parts: Sequence[Part], folder: Path) -> None:
    """Put the files of all parts below `folder`, as further names of the same files where the file
    system can, as copies where not."""
    for part in parts:
        for path in _files(part.folder):
            target = folder / path.relative_to(part.folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(path, target)
            except OSError:
                shutil.copyfile(path, target)


def plan_text(plans: Sequence[SamplePlan]) -> str:
    """Everything that the plans say, for a fingerprint."""
    return json.dumps([asdict(plan) for plan in plans])


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _hashes(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): blake2b(path.read_bytes(), digest_size=16).hexdigest()
        for path in _files(folder)
    }
