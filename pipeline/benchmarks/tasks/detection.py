"""Detection with negatives as a benchmark: AP, max-F1 and LocAcc (Table 7)."""

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
from pipeline.benchmarks.metrics.detection import (
    confidences,
    detection_metrics,
    object_guided_score_maps,
    precision_recall_table,
    score_maps,
)
from pipeline.benchmarks.metrics.heatmaps import CHUNK, resize_maps
from pipeline.benchmarks.metrics.localization import overlaps
from pipeline.benchmarks.metrics.rasters import Truth
from pipeline.errors import InputError


@dataclass
class DetectionBenchmark(Defaults):
    """AP, max-F1 and LocAcc over sounding clips and negatives; `sounding` (N,) bool says which."""

    samples: list[Sample]
    official_count: int
    truth: Truth
    sounding: np.ndarray
    resize: str = "bicubic-corners"

    def ground_truth(self, start: int, stop: int) -> np.ndarray:
        """See `Benchmark.ground_truth`."""
        return self.truth.maps(start, stop)

    def select(self, rows: Sequence[int]) -> "DetectionBenchmark":
        """The same with some of the samples, in the given order."""
        samples = [self.samples[row] for row in rows]
        sounding = self.sounding[np.array(rows, dtype=np.int64)]
        return replace(self, samples=samples, truth=self.truth.select(rows), sounding=sounding)

    def score(self, predictions: Predictions) -> Scores:
        """See `Benchmark.score`; raises `InputError` as well where no clip sounds."""
        count = len(self.samples)
        maps = checked_maps(predictions.maps, count)
        object_maps = checked_object_maps(predictions, count)
        if not self.sounding.any():
            raise InputError("no sample with boxes, expected at least one beside the negatives")
        suffixes = [""] if object_maps is None else ["", "_ogl"]
        columns = {f"{c}{suffix}": np.empty(count) for suffix in suffixes for c in _DETECTION}
        for start in range(0, count, CHUNK):
            part = slice(start, min(start + CHUNK, count))
            truth = self.truth.maps(part.start, part.stop)
            resized = resize_maps(maps[part], self.resize)
            scored = {"": score_maps(resized)}
            if object_maps is not None:
                guidance = resize_maps(object_maps[part], self.resize)
                scored["_ogl"] = object_guided_score_maps(resized, guidance)
            for suffix, scores in scored.items():
                columns[f"iou{suffix}"][part] = overlaps(scores, truth, inclusive=True)[0]
                columns[f"confidence{suffix}"][part] = confidences(scores)
        metrics: dict[str, float] = {}
        curves = {}
        for suffix in suffixes:
            confidence, iou = columns[f"confidence{suffix}"], columns[f"iou{suffix}"]
            metrics.update(detection_metrics(confidence, iou, self.sounding, suffix))
            curve = precision_recall_table(confidence, iou, self.sounding)
            curves[f"precision_recall{suffix}"] = curve
        metrics["sounding_samples"] = int(self.sounding.sum())
        rows = {**sample_columns(self.samples), "sounding": self.sounding, **columns}
        return Scores(counted(metrics, count, self.official_count), pa.table(rows), curves)


_DETECTION = ("iou", "confidence")
