"""VGG-SS and its subsets (Tables 1, 3, 4): boxes from `vggss.json`, samples from a list."""

from dataclasses import replace
from pathlib import Path

from pipeline.benchmarks.contract import Available, Benchmark, Sample, available_rows
from pipeline.benchmarks.vggss import VGGSS_TEST_LISTS, read_subset, vggss_parts

NAMES = ("vggss", "vggss-4655", "heard", "unheard", "heard-tie", "unheard-tie")
TEST_LISTS = VGGSS_TEST_LISTS


def open(name: str, annotations: Path, available: Available, root: Path | None) -> Benchmark:
    """'vggss' or a subset, see `open_benchmark`."""
    from pipeline.benchmarks.metrics.rasters import Truth, fraction_boxes
    from pipeline.benchmarks.tasks.localization import LocalizationBenchmark

    entries = read_subset(name, annotations)
    samples = [Sample(entry.clip_id, entry.clip_id, entry.clip_id) for entry in entries]
    truth = Truth([entry.boxes for entry in entries], fraction_boxes)
    labels = [entry.label for entry in entries]
    rows = available_rows(samples, available)
    parts, counts = vggss_parts(annotations, [entries[row] for row in rows])
    benchmark = LocalizationBenchmark(samples, len(samples), truth, labels=labels)
    return replace(benchmark.select(rows), parts=parts, counts=counts)
