"""Negative sounds over VGG-SS: each test frame with its own sound, silence, noise, and a sound from
elsewhere (arXiv 2410.01020).

The off-screen sound is another test clip's of another class, drawn once with a fixed seed from the
official list, so that two models and two partial downloads meet the same pairs; the price is that a
missing sound takes its pair with it.
"""

from pathlib import Path

import numpy as np

from pipeline.benchmarks.contract import (
    NOISE,
    SILENCE,
    Available,
    Benchmark,
    Sample,
    is_available,
    pair_id,
)
from pipeline.benchmarks.vggss import VGGSS_TEST_LISTS, read_subset

NAMES = ("negatives",)
TEST_LISTS = VGGSS_TEST_LISTS
_SEED = 2410


def draw_offscreen(clips: list[str], classes: list[str]) -> dict[str, str]:
    """For each clip another one of another class, by a fixed seed; clips of a set with one class
    only have none."""
    rng = np.random.default_rng(_SEED)
    labels = np.array(classes)
    drawn = {}
    for clip, label in zip(clips, classes, strict=True):
        others = np.flatnonzero(labels != label)
        if len(others):
            drawn[clip] = clips[int(rng.choice(others))]
    return drawn


def open(name: str, annotations: Path, available: Available, root: Path | None) -> Benchmark:
    """'negatives', see `open_benchmark`. `official_count` counts clips, not pairs."""
    from pipeline.benchmarks.metrics.rasters import Truth, fraction_boxes
    from pipeline.benchmarks.tasks.negatives import KINDS, NegativesBenchmark

    entries = read_subset("vggss", annotations)
    clips = [entry.clip_id for entry in entries]
    offscreen = draw_offscreen(clips, [entry.label for entry in entries])
    samples, kinds, boxes = [], [], []
    for kind in ("own", *KINDS):
        for entry in entries:
            clip = entry.clip_id
            sounds = {"own": clip, "silence": SILENCE, "noise": NOISE}
            sound = sounds.get(kind) or offscreen.get(clip)
            if sound and is_available(clip, available) and is_available(sound, available):
                sample_id = clip if kind == "own" else pair_id(clip, sound)
                samples.append(Sample(sample_id, clip, sound))
                kinds.append(kind)
                boxes.append(entry.boxes)
    truth = Truth(boxes, fraction_boxes)
    return NegativesBenchmark(samples, len(entries), np.array(kinds), truth)
