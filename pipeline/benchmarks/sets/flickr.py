"""SoundNet-Flickr (Table 2): 250 test clips, the consensus of several annotators as ground truth.

One XML file a clip, in `flickr/` beside the lists. They are read when ground truth is asked for,
so a check of the lists needs none of them; the price is that a damaged one shows up late.
"""

from pathlib import Path

import numpy as np

from pipeline.benchmarks.contract import Available, Sample, available_rows
from pipeline.benchmarks.metrics.rasters import Truth, consensus_boxes
from pipeline.benchmarks.tasks import LocalizationBenchmark
from pipeline.corpora.ground_truth import read_flickr_boxes
from pipeline.corpora.lists import read_clip_list

RESIZE = "corners"


def read_consensus(path: Path) -> np.ndarray:
    """The consensus map of one XML file, float32 (224, 224)."""
    return consensus_boxes(read_flickr_boxes(path))


def read_flickr(annotations: Path) -> tuple[list[str], list[Path]]:
    """The test clips and the XML file of each."""
    clips = read_clip_list(annotations / "flickr_test.csv")
    return clips, [annotations / "flickr" / f"{clip}.xml" for clip in clips]


def open_flickr(
    name: str, annotations: Path, available: Available, media: Path | None
) -> LocalizationBenchmark:
    """'flickr', see `open_benchmark`."""
    clips, paths = read_flickr(annotations)
    samples = [Sample(clip, clip, clip) for clip in clips]
    benchmark = LocalizationBenchmark(samples, len(clips), Truth(paths, read_consensus), RESIZE)
    return benchmark.select(available_rows(samples, available))
