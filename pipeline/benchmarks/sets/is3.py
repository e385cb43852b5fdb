"""IS3: synthetic pictures of two sounding objects, the same picture under each of the two sounds.

A sample is an entry of `is3_boxes.json`. IIoU and IAUC ask that every object of an image is found;
an image with a missing entry is left out of them rather than made easier, so their count of images
stands beside them.
"""

from collections import Counter
from pathlib import Path

from pipeline.benchmarks.contract import Available, Benchmark, Sample, available_rows
from pipeline.corpora.ground_truth import read_is3

NAMES = ("is3",)
TEST_LISTS = {"is3_boxes.json": lambda path: [entry.clip_id for entry in read_is3(path)]}


def open(name: str, annotations: Path, available: Available, root: Path | None) -> Benchmark:
    """'is3', see `open_benchmark`."""
    from pipeline.benchmarks.metrics.rasters import Truth, pixel_boxes
    from pipeline.benchmarks.tasks.localization import LocalizationBenchmark

    entries = read_is3(annotations / "is3_boxes.json")
    samples = [Sample(entry.clip_id, entry.clip_id, entry.clip_id) for entry in entries]
    images = [entry.clip_id.rsplit("_", 1)[0] for entry in entries]
    truth = Truth([entry.boxes for entry in entries], pixel_boxes)
    labels = [entry.label for entry in entries]
    benchmark = LocalizationBenchmark(
        samples, len(samples), truth, "corners", images, Counter(images), labels
    )
    return benchmark.select(available_rows(samples, available))
