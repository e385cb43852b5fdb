"""The toy corpus in parts, so that a killed run goes on where it stopped.

A part is a few dozen samples: a piece of the corpus with the samples' files and a table of what
they show. Hashes, and not one flush to the disk per file, tell after a power cut what is whole:
thousands of small files are written anyway, and reading them back takes milliseconds.
"""

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.base.files import link_file, read_json, write_json
from pipeline.base.pieces import finish_piece, is_whole
from pipeline.execution.pool import Report, Whole
from pipeline.toy.samples import ObjectTruth, SamplePlan, SampleTruth, make_sample


@dataclass(frozen=True)
class Part(Whole):
    """Some samples of a corpus and the folder of the piece that they become.

    `width` and `height` are of their frames in pixels, `seconds` is how long a clip lasts.
    """

    folder: Path
    plans: tuple[SamplePlan, ...]
    width: int
    height: int
    seconds: float

    @property
    def files(self) -> Path:
        """The folder of the samples' files, as they lie in the corpus."""
        return self.folder / "files"

    @property
    def title(self) -> str:
        """What a message calls it."""
        return f"toy corpus, part {self.folder}"

    @property
    def items(self) -> list[str]:
        """The ids of its samples."""
        return [plan.sample_id for plan in self.plans]


def make_part(part: Part, report: Report) -> None:
    """Make the files of a part's samples and the table of their truths, unless they are whole.

    `report(n)` is called when sample number n begins and, with their number, at the end.
    Raises OSError, with the name of a file or folder, where the disk fails or is full."""
    if is_whole(part.folder):
        return
    shutil.rmtree(part.folder, ignore_errors=True)
    (part.files / "vggsound").mkdir(parents=True)
    truths = []
    try:
        for number, plan in enumerate(part.plans):
            report(number)
            truths.append(make_sample(plan, part.files, part.width, part.height, part.seconds))
    except OSError as error:
        if error.errno is None:
            raise
        # Of one plain kind, since not every library's can travel between processes.
        place = error.filename or str(part.folder)
        raise OSError(error.errno, os.strerror(error.errno), place) from error
    objects = [[asdict(item) for item in truth.objects] for truth in truths]
    write_json(part.folder / "truths.json", objects)
    finish_piece(part.folder, hashed=True)
    report(len(part.plans))


def read_part(part: Part) -> list[SampleTruth]:
    """The truths of a finished part's samples."""
    table = read_json(part.folder / "truths.json")
    objects = [[ObjectTruth(**item) for item in items] for items in table]
    return [SampleTruth(*both) for both in zip(part.plans, objects, strict=True)]


def join_parts(parts: Sequence[Part], folder: Path) -> None:
    """Put the files of all parts below `folder`, as further names of the same files where the file
    system can, as copies where not."""
    for part in parts:
        for path in sorted(path for path in part.files.rglob("*") if path.is_file()):
            target = folder / path.relative_to(part.files)
            target.parent.mkdir(parents=True, exist_ok=True)
            link_file(path, target)


def plan_text(plans: Sequence[SamplePlan]) -> str:
    """Everything that the plans say, for a fingerprint."""
    return json.dumps([asdict(plan) for plan in plans])
