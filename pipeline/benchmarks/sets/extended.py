"""Extended VGG-SS and Extended SoundNet-Flickr (Table 7): the test clips and as many negatives.

A negative pairs one clip's frame with another's sound, silent, off-screen or mismatched, by id: no
media are copied. Its sample id is `<frame>+<sound>`, because its frame's own id is taken. The price
of SLAVC's lists is kept too: some of its VGG-SS negatives pair a clip with itself.

Of VGG-SS, all is scored once more on the pairs whose frame and sound are both among the paper's
4,655 clips (`@available`). For LocAcc that is the paper's set; for AP and max-F1 it is an
inference, since the paper does not say which negatives it could use.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.benchmarks.contract import Available, Benchmark, Sample, available_rows, pair_id
from pipeline.benchmarks.flickr import FLICKR_TEST_LISTS, read_consensus, read_flickr
from pipeline.benchmarks.vggss import VGGSS_TEST_LISTS, available_clips, members, read_subset
from pipeline.corpora.lists import read_pairs

LISTS = {
    "extended-vggss": "vggss_test_plus_silent.csv",
    "extended-flickr": "flickr_test_plus_silent.csv",
}
NAMES = ("extended-vggss", "extended-flickr")


def _pairs(path: Path) -> list[str]:
    return [clip for frame, sound, _ in read_pairs(path) for clip in (frame, sound)]


TEST_LISTS = {**VGGSS_TEST_LISTS, **FLICKR_TEST_LISTS, "*_plus_silent.csv": _pairs}


def _paint(entry: Any, *window: Any) -> np.ndarray:
    """A negative's empty map, the consensus of a Flickr XML, or the union of VGG-SS boxes."""
    from pipeline.benchmarks.metrics.rasters import fraction_boxes

    if isinstance(entry, Path):
        return read_consensus(entry, *window)
    return fraction_boxes(entry, *window)


def open(name: str, annotations: Path, available: Available, root: Path | None) -> Benchmark:
    """'extended-vggss' or 'extended-flickr', see `open_benchmark`."""
    from pipeline.benchmarks.metrics.rasters import Truth
    from pipeline.benchmarks.tasks.detection import DetectionBenchmark

    entries: Sequence[Any]
    if name == "extended-vggss":
        boxes = read_subset("vggss", annotations)
        clips, entries = [entry.clip_id for entry in boxes], [entry.boxes for entry in boxes]
    else:
        clips, entries = read_flickr(annotations)
    samples = [Sample(clip, clip, clip) for clip in clips]
    for frame, sound, _ in read_pairs(annotations / LISTS[name]):
        samples.append(Sample(pair_id(frame, sound), frame, sound))
    negatives = len(samples) - len(clips)
    truth = Truth([*entries, *[()] * negatives], _paint)
    sounding = np.arange(len(samples)) < len(clips)
    benchmark = DetectionBenchmark(samples, len(samples), truth, sounding)
    if name == "extended-flickr":
        benchmark.localization_resize = "corners"
    elif (listed := available_clips(annotations)) is not None:
        frames, sounds = [s.frame_clip for s in samples], [s.sound_clip for s in samples]
        benchmark.parts = {"available": members(frames, listed) & members(sounds, listed)}
    return benchmark.select(available_rows(samples, available))
