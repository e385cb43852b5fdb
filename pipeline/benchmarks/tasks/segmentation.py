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
    f_scores,
    mask_iou,
)


@dataclass
class SegmentationBenchmark(Defaults):
    """mIoU and F-score against masks. `threshold` binarises the min-max normalised map for mIoU;
    None is each map's median, as published."""

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

    def score(self, predictions: Predictions) -> Scores:
        """See `Benchmark.score`; F is left out where every mask is empty."""
        count = len(self.samples)
        maps = checked_maps(predictions.maps, count)
        object_maps = checked_object_maps(predictions, count)
        suffixes = [""] if object_maps is None else ["", "_ogl"]
        iou = {suffix: np.empty(count) for suffix in suffixes}
        f = {suffix: np.empty((count, len(THRESHOLDS))) for suffix in suffixes}
        for start in range(0, count, CHUNK):
            part = slice(start, min(start + CHUNK, count))
            masks = self.truth.maps(part.start, part.stop)
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
                f[suffix][part] = f_scores(normalised, masks)
        metrics: dict[str, float] = {}
        columns: dict[str, np.ndarray] = {}
        curves = {}
        filled = ~np.isnan(f[""][:, 0])
        for suffix in suffixes:
            metrics[f"mIoU{suffix}"] = 100 * float(iou[suffix].mean())
            columns[f"iou{suffix}"] = iou[suffix]
            if filled.any():
                metrics[f"F{suffix}"] = 100 * best_mean_f(f[suffix])
                mean = f[suffix][filled].mean(axis=0)
                curves[f"f_score{suffix}"] = pa.table({"threshold": THRESHOLDS, "F": mean})
        metrics["samples_with_mask"] = int(filled.sum())
        rows = {**sample_columns(self.samples), "has_mask": filled, **columns}
        return Scores(counted(metrics, count, self.official_count), pa.table(rows), curves)
