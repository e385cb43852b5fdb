"""Detection with negatives as a benchmark: AP, max-F1 and LocAcc (Table 7)."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

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
from pipeline.benchmarks.metrics.bootstrap import with_intervals
from pipeline.benchmarks.metrics.detection import (
    SLAVC_SHARE,
    confidences,
    detection_metrics,
    object_guided_score_maps,
    precision_recall_table,
    score_maps,
)
from pipeline.benchmarks.metrics.heatmaps import CHUNK, resize_maps
from pipeline.benchmarks.metrics.localization import IOU_THRESHOLD, localize, overlaps
from pipeline.benchmarks.metrics.rasters import Truth
from pipeline.benchmarks.tasks.parts import Parts, select_parts
from pipeline.errors import InputError

# Suffixes of what is scored, each with the columns of a sample's IoU and confidence under it:
# maps alone, object-guided by localization's share and by SLAVC's for these sets.
_PLAIN, _OGL, _SLAVC = "", "_ogl", "_ogl_slavc"


@dataclass
class DetectionBenchmark(Defaults):
    """AP, max-F1 and LocAcc over sounding clips and negatives; `sounding` (N,) bool says which.

    Confidence and the IoU that AP and max-F1 ask for are of maps resized by `resize`, predicted at
    or above the median, as SLAVC's evaluation has it; its LocAcc is `LocAcc_bicubic`. **`LocAcc`**
    itself is the cIoU of Table 1's form on the sounding clips, resized by `localization_resize` and
    predicted above the median: the paper's Table 7 prints Table 1's cIoU there to the digit, for
    every method that is in both. With object maps everything is repeated: `_ogl` with 0.4 of the
    audio-visual map, `_ogl_slavc` (not for LocAcc) with the 0.9 of SLAVC's scripts.
    All is scored once more over the `parts` of the samples, bool (N,) by name (`@<part>`).
    """

    samples: list[Sample]
    official_count: int
    truth: Truth
    sounding: np.ndarray
    resize: str = "bicubic-corners"
    localization_resize: str = "half-pixel"
    parts: Parts = field(default_factory=dict)

    def ground_truth(self, start: int, stop: int) -> np.ndarray:
        """See `Benchmark.ground_truth`."""
        return self.truth.maps(start, stop)

    def select(self, rows: Sequence[int]) -> "DetectionBenchmark":
        """The same with some of the samples, in the given order."""
        samples = [self.samples[row] for row in rows]
        sounding = self.sounding[np.array(rows, dtype=np.int64)]
        truth, parts = self.truth.select(rows), select_parts(self.parts, rows)
        return replace(self, samples=samples, truth=truth, sounding=sounding, parts=parts)

    def through(self, windows: Sequence[Window]) -> "DetectionBenchmark":
        """See `Benchmark.through`."""
        return replace(self, truth=self.truth.through(windows))

    def score(self, predictions: Predictions) -> Scores:
        """See `Benchmark.score`; raises `InputError` as well where no clip sounds."""
        count = len(self.samples)
        maps = checked_maps(predictions.maps, count)
        object_maps = checked_object_maps(predictions, count)
        if not self.sounding.any():
            raise InputError("no sample with boxes, expected at least one beside the negatives")
        columns = {
            **self._detect(maps, object_maps),
            **self._localize(maps, object_maps),
        }
        metrics = self._metrics(columns, np.ones(count, dtype=np.bool_), "")
        curves = {}
        for suffix in (_PLAIN, _OGL, _SLAVC):
            if f"iou{suffix}" in columns:
                confidence, iou = columns[f"confidence{suffix}"], columns[f"iou{suffix}"]
                curve = precision_recall_table(confidence, iou, self.sounding)
                curves[f"precision_recall{suffix}"] = curve
        metrics["sounding_samples"] = int(self.sounding.sum())
        for name, members in self.parts.items():
            if (members & self.sounding).any():
                metrics.update(self._metrics(columns, members, f"@{name}"))
                metrics[f"samples@{name}"] = int(members.sum())
                metrics[f"sounding_samples@{name}"] = int((members & self.sounding).sum())
        rows = {**sample_columns(self.samples), "sounding": self.sounding, **columns}
        return Scores(counted(metrics, count, self.official_count), pa.table(rows), curves)

    def _detect(self, maps: np.ndarray, object_maps: np.ndarray | None) -> dict[str, np.ndarray]:
        """`iou` and `confidence` of each form, by the suffix behind, float64 (N,)."""
        count = len(maps)
        suffixes = [_PLAIN] if object_maps is None else [_PLAIN, _OGL, _SLAVC]
        columns = {f"{c}{s}": np.empty(count) for s in suffixes for c in ("iou", "confidence")}
        for start in range(0, count, CHUNK):
            part = slice(start, min(start + CHUNK, count))
            truth = self.truth.maps(part.start, part.stop)
            resized = resize_maps(maps[part], self.resize)
            scored = {_PLAIN: score_maps(resized)}
            if object_maps is not None:
                guidance = resize_maps(object_maps[part], self.resize)
                scored[_OGL] = object_guided_score_maps(resized, guidance)
                scored[_SLAVC] = object_guided_score_maps(resized, guidance, SLAVC_SHARE)
            for suffix, scores in scored.items():
                columns[f"iou{suffix}"][part] = overlaps(scores, truth, inclusive=True)[0]
                columns[f"confidence{suffix}"][part] = confidences(scores)
        return columns

    def _localize(self, maps: np.ndarray, object_maps: np.ndarray | None) -> dict[str, np.ndarray]:
        """`localization_iou` of the sounding clips in Table 1's form, NaN for negatives."""
        rows = np.flatnonzero(self.sounding)
        truth = self.truth.select(rows.tolist())
        objects = None if object_maps is None else object_maps[rows]
        found = localize(maps[rows], truth.maps, self.localization_resize, objects)
        columns = {}
        for suffix in (_PLAIN, _OGL):
            if f"iou{suffix}" in found:
                columns[f"localization_iou{suffix}"] = np.full(len(maps), np.nan)
                columns[f"localization_iou{suffix}"][rows] = found[f"iou{suffix}"]
        return columns

    def _metrics(
        self, columns: dict[str, np.ndarray], members: np.ndarray, part: str
    ) -> dict[str, float]:
        sounding = self.sounding[members]
        metrics: dict[str, float] = {}
        for suffix in (_PLAIN, _OGL, _SLAVC):
            if f"iou{suffix}" not in columns:
                continue
            confidence = columns[f"confidence{suffix}"][members]
            iou = columns[f"iou{suffix}"][members]
            metrics.update(detection_metrics(confidence, iou, sounding, suffix, part))
            if f"localization_iou{suffix}" in columns:
                located = columns[f"localization_iou{suffix}"][members][sounding]
                hits = {f"LocAcc{suffix}": located >= IOU_THRESHOLD}
                metrics.update(with_intervals({}, hits, part))
        return metrics
