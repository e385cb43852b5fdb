"""IS3: synthetic pictures of two sounding objects, the same picture under each of the two sounds.

A sample is an entry of `is3_boxes.json`. IIoU and IAUC ask that every object of an image is found;
an image with a missing entry is left out of them rather than made easier, so their count of images
stands beside them.
"""

from collections import Counter
from pathlib import Path

from pipeline.benchmarks.contract import Available, Sample, available_rows
from pipeline.benchmarks.metrics.rasters import Truth, pixel_boxes
from pipeline.benchmarks.tasks import LocalizationBenchmark
from pipeline.corpora.ground_truth import read_is3

RESIZE = "corners"


def open_is3(
    name: str, annotations: Path, available: Available, media: Path | None
) -> LocalizationBenchmark:
    """'is3', see `open_benchmark`."""
    entries = read_is3(annotations / "is3_boxes.json")
    samples = [Sample(entry.clip_id, entry.clip_id, entry.clip_id) for entry in entries]
    images = [entry.clip_id.rsplit("_", 1)[0] for entry in entries]
    truth = Truth([entry.boxes for entry in entries], pixel_boxes)
    benchmark = LocalizationBenchmark(samples, len(samples), truth, RESIZE, images, Counter(images))
    return benchmark.select(available_rows(samples, available))
