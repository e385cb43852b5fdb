"""Every benchmark behind one contract: maps and similarities in, metrics and tables out.

A benchmark is a line in `BENCHMARKS`; adding one touches no other file. Metrics are pure functions
of arrays in the modules beside this one, families know where their lists and boxes are. The price
of one contract is that a family that needs unusual pairs has to spell them out as samples.
"""

from collections.abc import Callable
from pathlib import Path

from pipeline.benchmarks.contract import (
    NOISE,
    SILENCE,
    Available,
    Benchmark,
    Predictions,
    Sample,
    Scores,
)
from pipeline.benchmarks.sets.avsbench import open_avsbench
from pipeline.benchmarks.sets.extended import open_extended
from pipeline.benchmarks.sets.flickr import open_flickr
from pipeline.benchmarks.sets.is3 import open_is3
from pipeline.benchmarks.sets.scenes import open_scenes
from pipeline.benchmarks.sets.vggss import open_vggss
from pipeline.benchmarks.sets.vggss_negatives import open_negatives
from pipeline.benchmarks.sets.vggss_retrieval import open_retrieval
from pipeline.errors import InputError

__all__ = [
    "BENCHMARKS",
    "NOISE",
    "SILENCE",
    "Available",
    "Benchmark",
    "Predictions",
    "Sample",
    "Scores",
    "open_benchmark",
]

Opener = Callable[[str, Path, Available, Path | None], Benchmark]

BENCHMARKS: dict[str, Opener] = {
    "vggss": open_vggss,
    "vggss-4654": open_vggss,
    "heard": open_vggss,
    "unheard": open_vggss,
    "heard-tie": open_vggss,
    "unheard-tie": open_vggss,
    "flickr": open_flickr,
    "avsbench-s4": open_avsbench,
    "avsbench-ms3": open_avsbench,
    "extended-vggss": open_extended,
    "extended-flickr": open_extended,
    "is3": open_is3,
    "retrieval": open_retrieval,
    "negatives": open_negatives,
    "scenes": open_scenes,
    "scenes-validation": open_scenes,
}


def open_benchmark(
    name: str, annotations: Path, available: Available, media: Path | None = None
) -> Benchmark:
    """The benchmark `name` with the samples whose clips can be had.

    `annotations` is the folder of the official lists and boxes under their published names;
    `available` holds, or tells of, the clip ids at hand; `media` is the corpus' root, needed only
    for AVSBench's masks. Raises `InputError` for an unknown name and for a missing or damaged file.
    """
    if name not in BENCHMARKS:
        raise InputError(f"benchmark {name!r}: expected one of {', '.join(BENCHMARKS)}")
    return BENCHMARKS[name](name, annotations, available, media)
