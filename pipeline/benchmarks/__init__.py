"""Every benchmark behind one contract: maps and similarities in, metrics and tables out.

A family of benchmarks is a file of `sets/`; adding one touches no other file. Metrics are pure
functions of arrays (`metrics/`), `tasks/` makes kinds of benchmark of them, and families know where
their lists and boxes are. The price of one contract is that a family that needs unusual pairs has
to spell them out as samples.
"""

from pathlib import Path

from pipeline.benchmarks import sets
from pipeline.benchmarks.contract import (
    NOISE,
    SILENCE,
    Available,
    Benchmark,
    Predictions,
    Sample,
    Scores,
)

__all__ = [
    "NOISE",
    "SILENCE",
    "Available",
    "Benchmark",
    "Predictions",
    "Sample",
    "Scores",
    "benchmark_names",
    "open_benchmark",
]


def benchmark_names() -> tuple[str, ...]:
    """The names of all benchmarks."""
    return tuple(sets.names())


def open_benchmark(
    name: str, annotations: Path, available: Available, media: Path | None = None
) -> Benchmark:
    """The benchmark `name` with the samples whose clips can be had.

    `annotations` is the folder of the official lists and boxes under their published names;
    `available` holds, or tells of, the clip ids at hand; `media` is the corpus' root, needed only
    for AVSBench's masks. Raises `InputError` for an unknown name and for a missing or damaged file.
    """
    benchmark: Benchmark = sets.family(name).open(name, annotations, available, media)
    return benchmark
