"""Segmentation (AVSBench): mean IoU and F-score of thresholded maps, F-score over 255 thresholds.

Two F-scores, both with beta^2 = 0.3: `F_median` is that of the map cut at its median, as mIoU cuts
it, and `F_max` the best of 255 thresholds, as AVSBench's own code takes it. The paper does not say
which one stands in its Table 5. **That it is F_median is an inference**: its F is 1.21 to 1.25
times its mIoU for all four methods; over ellipses in the boxes of S4 the cut at the median gives
such ratios and the maximum 1.3 to 2. Nothing else supports it.

Precision and recall at all thresholds follow from one histogram of a frame's pixels, split by the
mask, and its cumulative sums; the published loop compares the whole frame 255 times. F is averaged
over all frames before the best threshold is picked: the original picked one per batch, so that its
score depended on the batch size.
"""

import numpy as np

BETA_SQUARED = 0.3
THRESHOLDS = np.linspace(0, 1 - 1e-10, 255)
_EPSILON = 1e-7


def mask_iou(predicted: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """IoU of bool predictions and masks (N, h, w) with + 1e-7 in the denominator, float64 (N,).

    A frame with an empty mask scores the share of its pixels that are predicted background.
    """
    result = np.empty(len(masks))
    for row, (values, mask) in enumerate(zip(predicted.astype(bool), masks, strict=True)):
        target = mask.astype(bool)
        if target.any():
            intersection = np.count_nonzero(values & target)
            union = np.count_nonzero(values | target)
        else:
            intersection = values.size - np.count_nonzero(values)
            union = values.size
        result[row] = intersection / (union + _EPSILON)
    return result


def above_median(maps: np.ndarray) -> np.ndarray:
    """What lies above each map's median, the value at index int(n x 0.5): bool (N, h, w)."""
    flat = maps.reshape(len(maps), -1)
    middle = int(flat.shape[1] * 0.5)
    medians = np.partition(flat, middle, axis=1)[:, middle]
    return maps > medians[:, None, None]


def f_scores(maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """The F-score of each frame at each threshold, float64 (N, 255).

    `maps` (N, h, w) are min-max normalised; predicted is what is >= one of the 255 thresholds
    linspace(0, 1 - 1e-10). F = (1 + 0.3) P R / (0.3 P + R), 0 where both are 0. Frames with an
    empty mask give a row of NaN: they are to be left out.
    """
    count = len(THRESHOLDS)
    edges = np.append(THRESHOLDS, np.inf)
    result = np.full((len(maps), count), np.nan)
    for row, (values, mask) in enumerate(zip(maps, masks, strict=True)):
        target = mask.astype(bool).ravel()
        area = np.count_nonzero(target)
        if not area:
            continue
        flat = values.ravel().astype(np.float64)
        # The last threshold at or below each pixel: a guess by scaling, then made exact.
        level = (flat * ((count - 1) / THRESHOLDS[-1])).astype(np.int64)
        np.clip(level, 0, count - 1, out=level)
        level += flat >= edges[level + 1]
        level -= flat < edges[level]
        level += 1  # a pixel below every threshold, which no normalised map has, goes to 0
        histogram = np.bincount(2 * level + target, minlength=2 * (count + 1)).reshape(-1, 2)
        at_least = np.cumsum(histogram[::-1], axis=0)[::-1][1:]
        true_positive = at_least[:, 1].astype(np.float64)
        predicted = at_least.sum(axis=1)
        precision = true_positive / (predicted + 1e-20)
        recall = true_positive / (area + 1e-20)
        bottom = BETA_SQUARED * precision + recall
        top = (1 + BETA_SQUARED) * precision * recall
        result[row] = np.divide(top, bottom, out=np.zeros(count), where=bottom > 0)
    return result


def f_of_masks(predicted: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """The F-score of bool predictions and masks (N, h, w): (1 + 0.3) P R / (0.3 P + R), 0 where
    nothing of the mask is predicted; float64 (N,), NaN for a frame with an empty mask, which is to
    be left out."""
    axes = (1, 2)
    target = masks.astype(bool)
    right = np.count_nonzero(predicted & target, axis=axes)
    # F is (1 + b) TP / (b area + predicted): P and R written out.
    area = np.count_nonzero(target, axis=axes)
    bottom = BETA_SQUARED * area + np.count_nonzero(predicted, axis=axes)
    result = np.full(len(masks), np.nan)
    np.divide((1 + BETA_SQUARED) * right, bottom, out=result, where=area > 0)
    return result


def best_mean_f(scores: np.ndarray) -> float:
    """The F-score of a set: F averaged over the frames per threshold, then the maximum; 0 to 1.

    `scores` (N, 255) as from `f_scores`; at least one frame must have a mask.
    """
    return float(scores[~np.isnan(scores[:, 0])].mean(axis=0).max())
