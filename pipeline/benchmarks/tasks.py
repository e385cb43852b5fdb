"""The four tasks, each a complete benchmark once it is given samples and ground truth.

A benchmark family is then a file that knows where its lists and boxes are, and `avloc score` is the
same objects around a file's arrays: one arithmetic for our models and anyone's. Everything passes
through in chunks, so memory grows with the samples' numbers and never with their 224x224 maps.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pyarrow as pa

from pipeline.benchmarks.contract import (
    Predictions,
    Sample,
    Scores,
    checked_maps,
    checked_similarities,
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
from pipeline.benchmarks.metrics.heatmaps import CHUNK, min_max, object_guided, resize_maps
from pipeline.benchmarks.metrics.localization import (
    IOU_COLUMNS,
    area_under_success,
    localization_metrics,
    localize,
    overlaps,
    success_rate,
    success_table,
    weakest_of_group,
)
from pipeline.benchmarks.metrics.rasters import Truth
from pipeline.benchmarks.metrics.retrieval import DIRECTIONS, best_answers, retrieval_metrics
from pipeline.benchmarks.metrics.segmentation import (
    THRESHOLDS,
    above_median,
    best_mean_f,
    f_scores,
    mask_iou,
)
from pipeline.errors import InputError


def checked_object_maps(predictions: Predictions, count: int) -> np.ndarray | None:
    """The object maps (count, h, w) float32, or None; raises as `checked_maps`."""
    if predictions.object_maps is None:
        return None
    return checked_maps(predictions.object_maps, count, "object_maps")


@dataclass
class LocalizationBenchmark:
    """cIoU and AUC, plain and adaptive, with OGL where there are object maps.

    `images` names the image of each sample where one image has several sounding objects, and
    `image_sizes` how many; IIoU and IAUC then count the images whose objects are all present.
    """

    samples: list[Sample]
    official_count: int
    truth: Truth
    resize: str
    images: Sequence[str] = ()
    image_sizes: Counter[str] | None = None

    wants_maps: ClassVar[bool] = True
    retrieval_count: ClassVar[int] = 0

    def ground_truth(self, start: int, stop: int) -> np.ndarray:
        """See `Benchmark.ground_truth`."""
        return self.truth.maps(start, stop)

    def select(self, rows: Sequence[int]) -> "LocalizationBenchmark":
        """The same with some of the samples, in the given order."""
        images = [self.images[row] for row in rows] if self.images else ()
        samples = [self.samples[row] for row in rows]
        return replace(self, samples=samples, truth=self.truth.select(rows), images=images)

    def score(self, predictions: Predictions) -> Scores:
        """See `Benchmark.score`. `confidence` is the mean of the top quarter of the raw map's
        cells as (cosine + 1) / 2."""
        maps = checked_maps(predictions.maps, len(self.samples))
        object_maps = checked_object_maps(predictions, len(self.samples))
        columns = localize(maps, self.truth.maps, self.resize, object_maps)
        metrics = localization_metrics(columns)
        if self.image_sizes is not None:
            metrics.update(self._interactive(columns))
        rows = {**columns, "confidence": confidences(score_maps(maps))}
        return Scores(
            counted(metrics, len(self.samples), self.official_count),
            pa.table({**sample_columns(self.samples), **rows}),
            {"success": success_table(columns)},
        )

    def _interactive(self, columns: dict[str, np.ndarray]) -> dict[str, float]:
        assert self.image_sizes is not None
        present = Counter(self.images)
        complete = np.array([present[name] == self.image_sizes[name] for name in self.images])
        images = np.array(self.images)[complete]
        metrics: dict[str, float] = {
            "images": len(set(images)),
            "official_images": len(self.image_sizes),
        }
        for name, suffix in IOU_COLUMNS.items():
            if name in columns and len(images):
                weakest = weakest_of_group(columns[name][complete], images)
                metrics[f"IIoU{suffix}"] = 100 * success_rate(weakest)
                metrics[f"IAUC{suffix}"] = 100 * area_under_success(weakest)
        return metrics


@dataclass
class DetectionBenchmark:
    """AP, max-F1 and LocAcc over sounding clips and negatives; `sounding` (N,) bool says which."""

    samples: list[Sample]
    official_count: int
    truth: Truth
    sounding: np.ndarray
    resize: str = "bicubic-corners"

    wants_maps: ClassVar[bool] = True
    retrieval_count: ClassVar[int] = 0

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


@dataclass
class SegmentationBenchmark:
    """mIoU and F-score against masks. `threshold` binarises the min-max normalised map for mIoU;
    None is each map's median, as published."""

    samples: list[Sample]
    official_count: int
    truth: Truth
    resize: str = "corners"
    threshold: float | None = None

    wants_maps: ClassVar[bool] = True
    retrieval_count: ClassVar[int] = 0

    def ground_truth(self, start: int, stop: int) -> np.ndarray:
        """See `Benchmark.ground_truth`."""
        return self.truth.maps(start, stop)

    def select(self, rows: Sequence[int]) -> "SegmentationBenchmark":
        """The same with some of the samples, in the given order."""
        samples = [self.samples[row] for row in rows]
        return replace(self, samples=samples, truth=self.truth.select(rows))

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


@dataclass
class RetrievalBenchmark:
    """R@k both ways for each similarity, and class metrics where `classes` are known.

    The default similarity (s_A where there is one) has the plain names; another carries its own,
    as in `R@1_a2i_s_L`.
    """

    samples: list[Sample]
    official_count: int
    classes: Sequence[str] | None = None

    wants_maps: ClassVar[bool] = False

    @property
    def retrieval_count(self) -> int:
        """All samples."""
        return len(self.samples)

    def ground_truth(self, start: int, stop: int) -> np.ndarray:
        """Retrieval has none: an empty (0, 224, 224)."""
        return np.zeros((0, 224, 224), dtype=np.bool_)

    def select(self, rows: Sequence[int]) -> "RetrievalBenchmark":
        """The same with some of the samples, in the given order."""
        classes = None if self.classes is None else [self.classes[row] for row in rows]
        return replace(self, samples=[self.samples[row] for row in rows], classes=classes)

    def score(self, predictions: Predictions) -> Scores:
        """See `Benchmark.score`. `answers_*` are the ids of the samples that the default similarity
        ranks first."""
        count = len(self.samples)
        blocks = checked_similarities(predictions.similarities, count)
        metrics, ranks = score_similarities(blocks, self.classes)
        columns: dict[str, object] = {**sample_columns(self.samples), **ranks}
        ids = [sample.sample_id for sample in self.samples]
        for direction in DIRECTIONS:
            answers = best_answers(next(iter(blocks.values())), direction)
            columns[f"answers_{direction}"] = [[ids[n] for n in row] for row in answers.tolist()]
        rows = pa.table(columns)
        return Scores(counted(metrics, count, self.official_count), rows)


def score_similarities(
    blocks: dict[str, np.ndarray], classes: Sequence[str] | None, suffix: str = ""
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Retrieval metrics and rank columns of several similarities, the first of them the default.

    Names end in `suffix`, and before it in the similarity's name for all but the first.
    """
    metrics: dict[str, float] = {}
    columns: dict[str, np.ndarray] = {}
    for number, (name, matrix) in enumerate(blocks.items()):
        own = f"_{name}{suffix}" if number else suffix
        more_metrics, more_columns = retrieval_metrics(matrix, classes, own)
        metrics.update(more_metrics)
        columns.update(more_columns)
    return metrics, columns
