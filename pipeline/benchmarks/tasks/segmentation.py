"""Segmentation as a benchmark: mIoU and F-score of maps against masks (Table 5)."""

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
    checked_object_maps,
    counted,
    sample_columns,
)
from pipeline.benchmarks.metrics.heatmaps import CHUNK, min_max, object_guided, resize_maps
from pipeline.benchmarks.metrics.rasters import Truth
from pipeline.benchmarks.metrics.segmentation import (
    THRESHOLDS,
    above_median,
    best_mean_f,
    f_of_masks,
    f_scores,
    mask_iou,
)
from pipeline.benchmarks.tasks.parts import size_bands


@dataclass
class SegmentationBenchmark(Defaults):
    """mIoU and F-scores against masks, over all frames and over the bands of the mask's size.

    mIoU is the mean over frames, not the IoU of all frames' pixels together. `F_median` is the mean
    F of the masks that mIoU is of, `F_max` the best over 255 thresholds, see
    `metrics/segmentation.py` on which one the paper prints. `threshold` binarises the min-max
    normalised map for mIoU and `F_median`; None is each map's median, as published.
    """

    samples: list[Sample]
    official_count: int
    truth: Truth
    resize: str = "corners"
    threshold: float | None = None
    labels: Sequence[str] = ()

    def ground_truth(self, start: int, stop: int) -> np.ndarray:
        """See `Benchmark.ground_truth`."""
        return self.truth.maps(start, stop)

    def select(self, rows: Sequence[int]) -> "SegmentationBenchmark":
        """The same with some of the samples, in the given order."""
        samples = [self.samples[row] for row in rows]
        labels = [self.labels[row] for row in rows] if self.labels else ()
        return replace(self, samples=samples, truth=self.truth.select(rows), labels=labels)

    def through(self, windows: Sequence[Window]) -> "SegmentationBenchmark":
        """See `Benchmark.through`."""
        return replace(self, truth=self.truth.through(windows))

    def score(self, predictions: Predictions) -> Scores:
        """See `Benchmark.score`; F is left out where every mask is empty."""
        count = len(self.samples)
        maps = checked_maps(predictions.maps, count)
        object_maps = checked_object_maps(predictions, count)
        suffixes = [""] if object_maps is None else ["", "_ogl"]
        iou = {suffix: np.empty(count) for suffix in suffixes}
        f = {suffix: np.empty((count, len(THRESHOLDS))) for suffix in suffixes}
        cut = {suffix: np.empty(count) for suffix in suffixes}
        area = np.empty(count)
        for start in range(0, count, CHUNK):
            part = slice(start, min(start + CHUNK, count))
            masks = self.truth.maps(part.start, part.stop)
            area[part] = np.count_nonzero(masks, axis=(1, 2)) / masks[0].size
            resized = resize_maps(maps[part], self.resize)
            variants = {"": resized}
            if object_maps is not None:
                guidance = resize_maps(object_maps[part], self.resize)
                variants["_ogl"] = object_guided(resized, guidance)
            for suffix, heat in variants.items():
                normalised = min_max(heat)
                # The median is the raw map's: rounding in min-max can make pixels equal.
                fixed = self.threshold
                predicted = above_median(heat) if fixed is None else normalised > fixed
                iou[suffix][part] = mask_iou(predicted, masks)
                cut[suffix][part] = f_of_masks(predicted, masks)
                f[suffix][part] = f_scores(normalised, masks)
        filled = area > 0
        metrics: dict[str, float] = {}
        columns: dict[str, np.ndarray] = {"area": area}
        curves = {}
        for suffix in suffixes:
            columns[f"iou{suffix}"] = iou[suffix]
            columns[f"f_median{suffix}"] = cut[suffix]
            if filled.any():
                mean = f[suffix][filled].mean(axis=0)
                curves[f"f_score{suffix}"] = pa.table({"threshold": THRESHOLDS, "F": mean})
        parts = {f"@{name}": rows for name, rows in size_bands(area).items()}
        for name, rows in {"": np.ones(count, dtype=np.bool_), **parts}.items():
            for suffix in suffixes if rows.any() else ():
                metrics[f"mIoU{suffix}{name}"] = 100 * float(iou[suffix][rows].mean())
                if (rows & filled).any():
                    shown = rows & filled
                    metrics[f"F_median{suffix}{name}"] = 100 * float(cut[suffix][shown].mean())
                    metrics[f"F_max{suffix}{name}"] = 100 * best_mean_f(f[suffix][rows])
            if name and rows.any():
                metrics[f"samples{name}"] = int(rows.sum())
        metrics["samples_with_mask"] = int(filled.sum())
        table = pa.table({**sample_columns(self.samples), "has_mask": filled, **columns})
        return Scores(counted(metrics, count, self.official_count), table, curves)
