"""Negative sounds as a benchmark: how much of a map lights up when nothing in the frame is heard.

After Juanola et al., *A Critical Assessment of Visual Sound Source Localization Models Including
Negative Audio* (arXiv 2410.01020); see `metrics/negatives.py` for the numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from pipeline.benchmarks.contract import (
    Defaults,
    Predictions,
    Sample,
    Scores,
    Window,
    checked_maps,
    counted,
    sample_columns,
)
from pipeline.benchmarks.metrics.bootstrap import with_intervals
from pipeline.benchmarks.metrics.heatmaps import CHUNK, SIDE, resize_maps
from pipeline.benchmarks.metrics.localization import (
    IOU_THRESHOLD,
    area_under_success,
    intersection_over_union,
)
from pipeline.benchmarks.metrics.negatives import (
    area_under_dark,
    harmonic_mean,
    lit_shares,
    universal_threshold,
)
from pipeline.benchmarks.metrics.rasters import Truth

KINDS = ("silence", "noise", "offscreen")
_EMPTY = np.zeros((SIDE, SIDE), dtype=np.bool_)


@dataclass
class NegativesBenchmark(Defaults):
    """Samples are the clips with their own sounds, then the negatives; `kinds` says which is which
    ('own' or one of `KINDS`), and `truth` holds the boxes of all of them."""

    samples: list[Sample]
    official_count: int
    kinds: np.ndarray
    truth: Truth
    resize: str = "half-pixel"

    def ground_truth(self, start: int, stop: int) -> np.ndarray:
        """See `Benchmark.ground_truth`; a negative sound has none."""
        maps = self.truth.maps(start, stop)
        maps[self.kinds[start:stop] != "own"] = _EMPTY
        return maps

    def through(self, windows: Sequence[Window]) -> "NegativesBenchmark":
        """See `Benchmark.through`."""
        return replace(self, truth=self.truth.through(windows))

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
        metrics.update(with_intervals({}, {"cIoU_universal": iou[own] >= IOU_THRESHOLD}))
        metrics["AUC_universal"] = 100 * area_under_success(iou[own])
        metrics["F_AUC"] = harmonic_mean(metrics["AUC_universal"], metrics["AUC_N"])
        rows = {"kind": self.kinds.tolist(), "maximum": maxima, "lit_share": lit}
        rows["iou"] = pa.array(iou, mask=~own)
        return Scores(
            counted(metrics, int(own.sum()), self.official_count),
            pa.table({**sample_columns(self.samples), **rows}),
        )
