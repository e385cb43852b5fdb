"""Time and memory of what each stage does with names, rows and features, up to a million clips.

Every part runs in a process of its own; the time is what its CPUs took, the memory what it held
above its start, mapped files left out. What a million takes is inferred from the last two sizes:
linearly, or, of what is held against all others, by the square. DVC's part is the time of a
`dvc status` whose stage depends on a folder of so many small files, as decode does on its media.
"""

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.speed import million_work as work
from pipeline.speed.harness import MEBIBYTE, Fact, Row, Setup, cost_alone, scaled, timed_row

SIZES = (10_000, 40_000, 160_000)
MILLION = 1_000_000


class Part(NamedTuple):
    """What is measured: its name, what makes it ready, whether it grows with the square, and the
    share of the sizes at which it is measured (of a square, less)."""

    name: str
    prepare: Callable[..., Callable[[], object]]
    arguments: tuple[Any, ...] = ()
    order: int = 1
    share: float = 1.0


PARTS = (
    Part("list a folder of N videos", work.list_clips),
    Part("read a list of N clips", work.read_list),
    Part("decode, but for the media", work.decode_without_media),
    Part("open a decoded corpus", work.open_corpus),
    Part("choose the training list", work.training_list),
    Part("join the features of a modality", work.join_features),
    Part("1,024 queries, exact", work.find_neighbours, ("exact",)),
    Part("1,024 queries, ivf, with its building", work.find_neighbours, ("ivf",)),
    Part("training set, k = 1,000", work.training_set),
    Part("intervals of N scored samples", work.intervals_of),
    Part("retrieval among N pairs", work.retrieval_of, (), 2, 0.05),
)


def measure(folder: Path, setup: Setup) -> Iterator[Row]:
    """A row for each part at each of three sizes, `size` times 10,000, 40,000 and 160,000 clips, or
    of the sizes in `setup.clips`; then the same of DVC."""
    sizes = [scaled(count, setup.size, least=64) for count in SIZES]
    sizes = sorted(setup.clips) or sizes
    for part in PARTS:
        counts = [max(16, round(count * part.share)) for count in sizes]
        measured = []
        for count in counts:
            scratch = folder / "scratch"
            costs = [
                cost_alone(part.prepare, count, scratch_of(folder), *part.arguments)
                for _ in range(setup.repeats)
            ]
            shutil.rmtree(scratch, ignore_errors=True)
            measured.append(np.median(np.array(costs, np.float64), axis=0))
            yield _row(part, counts, measured)
    yield from _dvc_rows(folder / "dvc", sizes)


def scratch_of(folder: Path) -> Path:
    """The folder of what the parts make, which those of one size share."""
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    return scratch


def inferred(counts: Sequence[int], values: Sequence[float], order: int) -> float:
    """What a million takes: on the line through the last two of `values` at `counts` (to the power
    `order`), or in proportion where there is one; never less than the last."""
    powers = [float(count) ** order for count in counts[-2:]]
    slope = values[-1] / powers[-1]
    if len(powers) > 1:
        slope = (values[-1] - values[-2]) / (powers[-1] - powers[-2])
    return max(values[-1], values[-1] + slope * (float(MILLION) ** order - powers[-1]))


def _row(part: Part, counts: Sequence[int], measured: Sequence[np.ndarray]) -> Row:
    """The last of what was measured (seconds, bytes where they were), beside the first as often as
    there are more clips."""
    place = len(measured) - 1
    facts = []
    for column, (unit, size) in enumerate((("s", 1.0), ("MiB", MEBIBYTE))[: len(measured[0])]):
        values = [float(each[column]) / size for each in measured]
        if unit == "MiB":
            facts.append(Fact("memory, MiB", round(values[-1], 1)))
        if place + 1 == len(counts) and counts[-1] < MILLION:
            million = round(inferred(counts, values, part.order), 1)
            facts.append(Fact(f"{unit} at a million, inferred", million))
    times = (counts[place] / counts[0]) ** part.order
    return timed_row(
        f"{part.name}, {counts[place]}",
        f"{times:g} x the time of {counts[0]}",
        np.array([[measured[-1][0], times * measured[0][0]]]),
        facts=facts,
    )


# --- DVC -----------------------------------------------------------------------------------------

_STAGE = """stages:
  decode:
    cmd: echo > made
    deps: [media]
    outs: [made]
"""


def _dvc_rows(folder: Path, sizes: Sequence[int]) -> Iterator[Row]:
    """`dvc status` of a stage that depends on N small files, and of the same stage frozen."""
    status, frozen = [], []
    for count in sizes:
        project = folder / str(count)
        work.media_folder(count, project).rename(project / "media")
        (project / "dvc.yaml").write_text(_STAGE)
        for words in (["init", "--no-scm"], ["repro"], ["status"]):
            _dvc(project, *words)
        status.append(np.array([_dvc(project, "status")]))
        _dvc(project, "freeze", "decode")
        frozen.append(np.array([_dvc(project, "status")]))
        shutil.rmtree(project)
        for name, found in (("dvc status", status), ("dvc status, decode frozen", frozen)):
            yield _row(Part(name, work.list_clips), sizes, found)


def _dvc(project: Path, *words: str) -> float:
    """CPU seconds of a command of DVC's. Raises CalledProcessError where it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "dvc", *words, "--quiet"]
    environment = {**os.environ, "DVC_NO_ANALYTICS": "1"}
    subprocess.run(command, cwd=project, check=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
