"""Negative sounds over VGG-SS: each test frame with its own sound, silence, noise, and a sound from
elsewhere (arXiv 2410.01020, see `negatives.py` for the numbers).

The off-screen sound is another test clip's of another class, drawn once with a fixed seed from the
official list, so that two models and two partial downloads meet the same pairs; the price is that a
missing sound takes its pair with it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa

from pipeline.benchmarks.contract import (
    NOISE,
    SILENCE,
    Available,
    Predictions,
    Sample,
    Scores,
    checked_maps,
    counted,
    is_available,
    sample_columns,
)
from pipeline.benchmarks.metrics.heatmaps import CHUNK, SIDE, resize_maps
from pipeline.benchmarks.metrics.localization import (
    area_under_success,
    intersection_over_union,
    success_rate,
)
from pipeline.benchmarks.metrics.negatives import (
    area_under_dark,
    harmonic_mean,
    lit_shares,
    universal_threshold,
)
from pipeline.benchmarks.metrics.rasters import Truth, fraction_boxes
from pipeline.benchmarks.sets.extended import pair_id
from pipeline.benchmarks.sets.vggss import RESIZE, read_subset

KINDS = ("silence", "noise", "offscreen")
_SEED = 2410
_EMPTY = np.zeros((SIDE, SIDE), dtype=np.bool_)


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


@dataclass
class NegativesBenchmark:
    """Samples are the clips with their own sounds, then the negatives; `kinds` says which is which
    ('own' or one of `KINDS`), and `truth` holds the boxes of all of them."""

    samples: list[Sample]
    official_count: int
    kinds: np.ndarray
    truth: Truth
    resize: str = RESIZE

    wants_maps: ClassVar[bool] = True
    retrieval_count: ClassVar[int] = 0

    def ground_truth(self, start: int, stop: int) -> np.ndarray:
        """See `Benchmark.ground_truth`; a negative sound has none."""
        maps = self.truth.maps(start, stop)
        maps[self.kinds[start:stop] != "own"] = _EMPTY
        return maps

    def score(self, predictions: Predictions) -> Scores:
        """See `Benchmark.score`.

        `universal_threshold` is on raw similarities. Under it: `pIA_<kind>` the mean share of the
        frame that lights up and `AUC_N_<kind>` the area under the dark curve, `pIA` and `AUC_N`
        their means over the kinds; `cIoU_universal` and `AUC_universal` of the clips' own sounds;
        `F_AUC` the harmonic mean of `AUC_universal` and `AUC_N`.
        """
        count = len(self.samples)
        maps = checked_maps(predictions.maps, count)
        maxima = np.empty(count)
        for start in range(0, count, CHUNK):
            part = slice(start, start + CHUNK)
            maxima[part] = resize_maps(maps[part], self.resize).max(axis=(1, 2))
        kinds = [kind for kind in KINDS if (self.kinds == kind).any()]
        threshold = universal_threshold({kind: maxima[self.kinds == kind] for kind in kinds})
        lit, iou = np.empty(count), np.empty(count)
        for start in range(0, count, CHUNK):
            part = slice(start, min(start + CHUNK, count))
            resized = resize_maps(maps[part], self.resize)
            lit[part] = lit_shares(resized, threshold)
            truth = self.ground_truth(part.start, part.stop)
            iou[part] = intersection_over_union(resized > threshold, truth)
        own = self.kinds == "own"
        metrics: dict[str, float] = {"universal_threshold": threshold}
        for kind in kinds:
            shares = lit[self.kinds == kind]
            metrics[f"pIA_{kind}"] = 100 * float(shares.mean())
            metrics[f"AUC_N_{kind}"] = 100 * area_under_dark(shares)
        for name in ("pIA", "AUC_N"):
            metrics[name] = float(np.mean([metrics[f"{name}_{kind}"] for kind in kinds]))
        metrics["cIoU_universal"] = 100 * success_rate(iou[own])
        metrics["AUC_universal"] = 100 * area_under_success(iou[own])
        metrics["F_AUC"] = harmonic_mean(metrics["AUC_universal"], metrics["AUC_N"])
        rows = {"kind": self.kinds.tolist(), "maximum": maxima, "lit_share": lit}
        rows["iou"] = pa.array(iou, mask=~own)
        return Scores(
            counted(metrics, int(own.sum()), self.official_count),
            pa.table({**sample_columns(self.samples), **rows}),
        )


def open_negatives(
    name: str, annotations: Path, available: Available, media: Path | None
) -> NegativesBenchmark:
    """'negatives', see `open_benchmark`. `official_count` counts clips, not pairs."""
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
