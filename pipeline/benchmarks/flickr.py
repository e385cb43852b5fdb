"""SoundNet-Flickr's test clips and where the boxes of each lie, for the families made of them.

One XML file a clip, in `flickr/` beside the lists. They are read when ground truth is asked for,
so a check of the lists needs none of them; the price is that a damaged one shows up late.
"""

from pathlib import Path
from typing import Any

import numpy as np

from pipeline.corpora.ground_truth import read_flickr_boxes
from pipeline.corpora.lists import read_clip_list

FLICKR_TEST_LISTS = {"flickr_test.csv": read_clip_list}


def read_consensus(path: Path, *window: Any) -> np.ndarray:
    """The consensus map of one XML file, float32 (224, 224); with a `Window` of what is in it."""
    from pipeline.benchmarks.metrics.rasters import consensus_boxes

    return consensus_boxes(read_flickr_boxes(path), *window)


def read_flickr(annotations: Path) -> tuple[list[str], list[Path]]:
    """The test clips and the XML file of each."""
    clips = read_clip_list(annotations / "flickr_test.csv")
    return clips, [annotations / "flickr" / f"{clip}.xml" for clip in clips]
