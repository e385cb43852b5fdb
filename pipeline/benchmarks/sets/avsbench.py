"""AVSBench S4 and MS3 (Table 5): a mask per frame, five frames over one sound.

The masks lie with the media, below the corpus' root, and are read a few at a time when they are
needed. A frame in the list whose mask is missing is an error, not a frame less: the mean would
silently be another one.
"""

from pathlib import Path

import numpy as np

from pipeline.benchmarks.contract import Available, Sample, available_rows
from pipeline.benchmarks.metrics.rasters import Truth, resize_mask
from pipeline.benchmarks.tasks import SegmentationBenchmark
from pipeline.corpora.avsbench import find_avsbench_masks
from pipeline.corpora.ground_truth import read_mask
from pipeline.corpora.lists import read_avsbench_list
from pipeline.corpora.names import avsbench_frame_id, avsbench_sound_id
from pipeline.errors import InputError

SUBSETS = {"avsbench-s4": "s4", "avsbench-ms3": "ms3"}


class _Masks:
    """The masks below a corpus' root by frame; the folder is listed at the first one."""

    def __init__(self, media: Path | None) -> None:
        self.media = media
        self.paths: dict[str, Path] | None = None

    def __call__(self, frame: str) -> np.ndarray:
        if self.media is None:
            raise InputError("AVSBench: no corpus folder named, expected the one with gt_masks")
        if self.paths is None:
            self.paths = find_avsbench_masks(self.media)
        if frame not in self.paths:
            raise InputError(f"{self.media}: no mask of frame {frame}, expected one in gt_masks")
        return resize_mask(read_mask(self.paths[frame]))


def open_avsbench(
    name: str, annotations: Path, available: Available, media: Path | None
) -> SegmentationBenchmark:
    """'avsbench-s4' or 'avsbench-ms3', see `open_benchmark`."""
    subset = SUBSETS[name]
    samples = []
    for video, number, _ in read_avsbench_list(annotations / f"avsbench_{subset}_test.csv"):
        frame = avsbench_frame_id(subset, video, number)
        samples.append(Sample(frame, frame, avsbench_sound_id(subset, video)))
    truth = Truth([sample.frame_clip for sample in samples], _Masks(media))
    benchmark = SegmentationBenchmark(samples, len(samples), truth)
    return benchmark.select(available_rows(samples, available))
