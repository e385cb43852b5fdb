"""VPO-SS and VPO-MS as boxes: COCO pictures with a sound of VGGSound for an object in them.

From the later work of the paper's authors (TPAMI 2025; sets of Chen et al., CVPR 2024). A sample is
a picture and one of its objects; IIoU and IAUC ask that every listed object of a picture is found,
which in VPO-SS is one. Which clip of VGGSound a sound is stands in no list, so a sound that a model
was trained on is not noticed here.
"""

from collections import Counter
from pathlib import Path

from pipeline.benchmarks.contract import Available, Benchmark, Sample, available_rows
from pipeline.corpora.ground_truth import read_vpo_boxes

NAMES = ("vpo-ss", "vpo-ms")
TEST_LISTS = {"vpo_*_boxes.json": lambda path: [entry.clip_id for entry in read_vpo_boxes(path)]}


def open(name: str, annotations: Path, available: Available, root: Path | None) -> Benchmark:
    """'vpo-ss' or 'vpo-ms', see `open_benchmark`."""
    from pipeline.benchmarks.metrics.rasters import Truth, pixel_boxes
    from pipeline.benchmarks.tasks.localization import LocalizationBenchmark

    entries = read_vpo_boxes(annotations / f"{name.replace('-', '_')}_boxes.json")
    samples = [Sample(entry.clip_id, entry.clip_id, entry.clip_id) for entry in entries]
    images = [entry.clip_id.rsplit("_", 1)[0] for entry in entries]
    truth = Truth([entry.boxes for entry in entries], pixel_boxes)
    benchmark = LocalizationBenchmark(
        samples, len(samples), truth, "corners", images, Counter(images)
    )
    return benchmark.select(available_rows(samples, available))
