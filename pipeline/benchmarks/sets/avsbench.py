"""AVSBench S4 and MS3 (Table 5): a mask per frame, five frames over one sound.

The masks lie with the media, below the corpus' root, and are read a few at a time when they are
needed. A frame in the list whose mask is missing is an error, not a frame less: the mean would
silently be another one.
"""

from pathlib import Path
from typing import Any

import numpy as np

from pipeline.benchmarks.contract import Available, Benchmark, Sample, available_rows
from pipeline.corpora.avsbench import find_avsbench_masks
from pipeline.corpora.ground_truth import read_mask
from pipeline.corpora.lists import read_avsbench_list
from pipeline.corpora.names import avsbench_frame_id, avsbench_sound_id
from pipeline.errors import InputError

NAMES = ("avsbench-s4", "avsbench-ms3")
SUBSETS = {"avsbench-s4": "s4", "avsbench-ms3": "ms3"}


def _clips(path: Path) -> list[str]:
    subset = path.name.split("_")[1]
    return [
        clip
        for video, number, _ in read_avsbench_list(path)
        for clip in (avsbench_frame_id(subset, video, number), avsbench_sound_id(subset, video))
    ]


TEST_LISTS = {"avsbench_*_test.csv": _clips}


class _Masks:
    """The masks below a corpus' root by frame; the folder is listed at the first one."""

    def __init__(self, media: Path | None) -> None:
        self.media = media
        self.paths: dict[str, Path] | None = None

    def __call__(self, frame: str, *window: Any) -> np.ndarray:
        from pipeline.benchmarks.metrics.rasters import resize_mask

        if self.media is None:
            raise InputError("AVSBench: no corpus folder named, expected the one with gt_masks")
        if self.paths is None:
            self.paths = find_avsbench_masks(self.media)
        if frame not in self.paths:
            raise InputError(f"{self.media}: no mask of frame {frame}, expected one in gt_masks")
        return resize_mask(read_mask(self.paths[frame]), *window)


def open(name: str, annotations: Path, available: Available, root: Path | None) -> Benchmark:
    """'avsbench-s4' or 'avsbench-ms3', see `open_benchmark`; `root` is the corpus' folder."""
    from pipeline.benchmarks.metrics.rasters import Truth
    from pipeline.benchmarks.tasks.segmentation import SegmentationBenchmark

    subset = SUBSETS[name]
    samples, labels = [], []
    for video, number, category in read_avsbench_list(annotations / f"avsbench_{subset}_test.csv"):
        frame = avsbench_frame_id(subset, video, number)
        samples.append(Sample(frame, frame, avsbench_sound_id(subset, video)))
        labels.append(category)
    truth = Truth([sample.frame_clip for sample in samples], _Masks(root))
    benchmark = SegmentationBenchmark(samples, len(samples), truth, labels=labels)
    return benchmark.select(available_rows(samples, available))
