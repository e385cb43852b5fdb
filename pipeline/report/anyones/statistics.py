"""What each sample gives to a score, so that a score can be had of any samples, with its interval.

Most scores are means over samples (cIoU, AUC, LocAcc, mIoU, F at the median, R@k), and a bootstrap
of them is one product of counts and values. AP and max-F1 are of a whole curve and are computed
anew for each draw. F_max, the best threshold of a whole set, needs every frame's curve, which is
kept nowhere: it has no interval. Retrieval draws queries, all of whose answers stay.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from pipeline.benchmarks.metrics.bootstrap import DRAWS, LEVEL, SEED, resampled_means
from pipeline.benchmarks.metrics.detection import published_average_precision, published_max_f1
from pipeline.benchmarks.metrics.localization import (
    IOU_COLUMNS,
    IOU_THRESHOLD,
    SUCCESS_THRESHOLDS,
)
from pipeline.benchmarks.metrics.retrieval import DIRECTIONS, RANKS

Columns = Mapping[str, np.ndarray]
Curve = Callable[[np.ndarray], float]  # of the rows that are drawn, 0 to 1
_SUFFIXES = ("", "_ogl", "_ogl_slavc")


class Estimate(NamedTuple):
    """A score and the ends of its 95 % interval over samples, in per cent."""

    value: float
    low: float
    high: float


def sample_values(kind: str, columns: Columns) -> dict[str, np.ndarray]:
    """What each sample gives to each score that is a mean, 0 to 1, by the score's name: float64
    (N,), NaN where a sample does not count. `columns` are those of `Scores.rows`."""
    values: dict[str, np.ndarray] = {}
    if kind == "localization":
        for name, suffix in IOU_COLUMNS.items():
            if name in columns:
                values[f"cIoU{suffix}"] = _hits(columns[name])
                met = columns[name][:, None] >= SUCCESS_THRESHOLDS
                values[f"AUC{suffix}"] = np.trapezoid(met.astype(np.float64), SUCCESS_THRESHOLDS)
    if kind == "detection":
        for suffix in _SUFFIXES:
            if f"localization_iou{suffix}" in columns:
                values[f"LocAcc{suffix}"] = _hits(columns[f"localization_iou{suffix}"])
    if kind == "segmentation":
        for suffix in _SUFFIXES:
            if f"iou{suffix}" in columns:
                values[f"mIoU{suffix}"] = columns[f"iou{suffix}"]
                values[f"F_median{suffix}"] = columns[f"f_median{suffix}"]
    if kind == "retrieval":
        for direction in DIRECTIONS:
            for prefix in ("", "class_"):
                if (ranks := columns.get(f"{prefix}rank_{direction}")) is not None:
                    for k in RANKS:
                        values[f"{prefix}R@{k}_{direction}"] = (ranks <= k).astype(np.float64)
    return values


def curves(kind: str, columns: Columns) -> dict[str, Curve]:
    """The scores of a whole curve, by name: functions of the rows (n,) int that are drawn."""
    found: dict[str, Curve] = {}
    if kind == "detection":
        for suffix in _SUFFIXES:
            if f"confidence{suffix}" in columns:
                for name, score in _CURVES.items():
                    found[f"{name}{suffix}"] = _of_rows(score, columns, suffix)
    return found


_CURVES = {"AP": published_average_precision, "max_F1": published_max_f1}


def _of_rows(score: Callable[..., float], columns: Columns, suffix: str) -> Curve:
    names = (f"confidence{suffix}", f"iou{suffix}", "sounding")
    confidence, iou, sounding = (columns[name] for name in names)
    return lambda rows: score(confidence[rows], iou[rows], sounding[rows].astype(bool))


def _hits(iou: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(iou), np.nan, iou >= IOU_THRESHOLD)


def estimates(
    kind: str, columns: Columns, members: np.ndarray | None = None
) -> dict[str, Estimate]:
    """Every score with an interval, of all samples or of those in `members`, bool (N,).

    The interval is the percentile bootstrap's (`metrics/bootstrap.py`): 1,000 draws of as many
    samples, the middle 95 % of their scores. A score that no sample counts in is left out.
    """
    if members is not None:
        columns = {name: values[members] for name, values in columns.items()}
    found: dict[str, Estimate] = {}
    means = {k: v for k, v in sample_values(kind, columns).items() if not np.isnan(v).all()}
    if means:
        drawn = mean_draws(list(means.values()))
        for (name, values), of_draws in zip(means.items(), drawn.T, strict=True):
            found[name] = _estimate(float(np.nanmean(values)), of_draws)
    for name, curve in curves(kind, columns).items():
        count = len(columns["sounding"])
        if columns["sounding"].any():
            value = curve(np.arange(count))
            found[name] = _estimate(value, np.array([curve(rows) for rows in row_draws(count)]))
    return found


def mean_draws(values: list[np.ndarray], draws: int = DRAWS) -> np.ndarray:
    """The mean of each of `values` (N,) over the samples of each draw that count in it, all of the
    same draws: float64 (draws, len(values)), NaN for a draw in which none counts."""
    stacked = np.stack(values, axis=1).astype(np.float64)
    counts = ~np.isnan(stacked)
    both = np.concatenate([np.where(counts, stacked, 0), counts], axis=1)
    top, bottom = np.split(resampled_means(both, draws), 2, axis=1)
    return np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0)


def row_draws(count: int, draws: int = DRAWS) -> np.ndarray:
    """The rows of each draw of `count` samples with replacement, int64 (draws, count)."""
    return np.random.default_rng(SEED).integers(count, size=(draws, count))


def ends(of_draws: np.ndarray) -> tuple[float, float]:
    """The ends of the middle 95 % of a score over the draws, passing over NaN."""
    tail = (1 - LEVEL) / 2
    low, high = np.nanquantile(of_draws, [tail, 1 - tail])
    return float(low), float(high)


def _estimate(value: float, of_draws: np.ndarray) -> Estimate:
    low, high = ends(of_draws)
    return Estimate(100 * value, 100 * low, 100 * high)
