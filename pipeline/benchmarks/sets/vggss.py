"""VGG-SS and its subsets (Tables 1, 3, 4): boxes from `vggss.json`, samples from a list."""

from dataclasses import replace
from pathlib import Path

from pipeline.benchmarks.contract import Available, Benchmark, available_rows
from pipeline.benchmarks.vggss import VGGSS_TEST_LISTS, read_subset, vggss_parts

NAMES = ("vggss", "vggss-4655", "heard", "unheard", "heard-tie", "unheard-tie")
TEST_LISTS = VGGSS_TEST_LISTS


def open(name: str, annotations: Path, available: Available, root: Path | None) -> Benchmark:
    """'vggss' or a subset, see `open_benchmark`."""
    from pipeline.benchmarks.tasks.localization import boxes_benchmark

    entries = read_subset(name, annotations)
    every = boxes_benchmark(entries)
    rows = available_rows(every.samples, available)
    parts, counts = vggss_parts(annotations, [entries[row] for row in rows])
    return replace(every.select(rows), parts=parts, counts=counts)
