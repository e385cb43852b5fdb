"""AVSBench as boxes: localization on the boxes around its masks, without the masks themselves.

From the later work of the paper's authors (TPAMI 2025). IIoU and IAUC go by their rule for all
sets, the name without its last part: of AVSBench's `<video>_<frame>` that is the video, so all five
frames of a video have to be found. A frame with an empty mask has an empty box and is never found
(6 of S4's 3,700, 29 of MS3's 320).
"""

from collections import Counter
from pathlib import Path

from pipeline.benchmarks.contract import Available, Benchmark, Sample, available_rows
from pipeline.corpora.ground_truth import read_avsbench_boxes
from pipeline.corpora.names import avsbench_frame_id, avsbench_sound_id

NAMES = ("avsbench-s4-boxes", "avsbench-ms3-boxes")


def _clips(path: Path) -> list[str]:
    subset = path.name.split("_")[1]
    return [
        clip
        for video, number, _ in read_avsbench_boxes(path)
        for clip in (avsbench_frame_id(subset, video, number), avsbench_sound_id(subset, video))
    ]


TEST_LISTS = {"avsbench_*_boxes.json": _clips}


def open(name: str, annotations: Path, available: Available, root: Path | None) -> Benchmark:
    """'avsbench-s4-boxes' or 'avsbench-ms3-boxes', see `open_benchmark`."""
    from pipeline.benchmarks.metrics.rasters import Truth, pixel_boxes
    from pipeline.benchmarks.tasks.localization import LocalizationBenchmark

    subset = name.split("-")[1]
    samples, videos, boxes = [], [], []
    for video, number, box in read_avsbench_boxes(annotations / f"avsbench_{subset}_boxes.json"):
        frame = avsbench_frame_id(subset, video, number)
        samples.append(Sample(frame, frame, avsbench_sound_id(subset, video)))
        videos.append(video)
        boxes.append([box])
    benchmark = LocalizationBenchmark(
        samples,
        len(samples),
        Truth(boxes, pixel_boxes),
        "corners",
        image_sizes=Counter(videos),
        groups=videos,
    )
    return benchmark.select(available_rows(samples, available))
