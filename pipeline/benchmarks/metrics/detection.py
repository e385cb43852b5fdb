"""Detection with negatives (SLAVC's extended sets): is there a source at all, and where.

Precision and recall at every threshold come from one sort and cumulative counts instead of a
recount per threshold. Both the published sums, which visit about 200 and 10 thresholds, and the
exact ones are here: on a small set they differ by points, so a number without its form says little.
"""

import numpy as np
import pyarrow as pa

from pipeline.benchmarks.metrics.bootstrap import with_intervals
from pipeline.benchmarks.metrics.heatmaps import AUDIO_VISUAL_SHARE
from pipeline.benchmarks.metrics.localization import IOU_THRESHOLD, OBJECT_MAXIMUM

# SLAVC's scripts give the audio-visual map this share.
SLAVC_SHARE = 0.9


def score_maps(maps: np.ndarray) -> np.ndarray:
    """(cosine + 1) / 2 of resized raw maps: comparable between clips, unlike min-max."""
    return (maps + np.float32(1)) / np.float32(2)


def object_guided_score_maps(
    maps: np.ndarray, object_maps: np.ndarray, share: float = AUDIO_VISUAL_SHARE
) -> np.ndarray:
    """Object-guided detection, of resized maps (N, s, s): share x (cosine + 1) / 2 + (1 - share) x
    object / 2.5, without a per-map min-max, which would make confidences incomparable.

    The form is SLAVC's, whose share is 0.9 (`SLAVC_SHARE`); 0.4 is that of localization.
    """
    guidance = object_maps * np.float32((1 - share) / OBJECT_MAXIMUM)
    return score_maps(maps) * np.float32(share) + guidance


def confidences(scores: np.ndarray) -> np.ndarray:
    """The mean of the top quarter of each score map's pixels: (N, h, w) to float64 (N,)."""
    flat = scores.reshape(len(scores), -1)
    top = -(-flat.shape[1] // 4)
    result = np.empty(len(flat))
    for row, values in enumerate(flat):
        divided = np.partition(values, flat.shape[1] - top)
        result[row] = divided[flat.shape[1] - top :].mean(dtype=np.float64)
    return result


def precision_recall(
    confidence: np.ndarray, iou: np.ndarray, sounding: np.ndarray, thresholds: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Precision and recall at each of `thresholds` (any order), two float64 arrays.

    `confidence` and `iou` are (N,), `sounding` bool (N,): whether the clip has boxes. With
    confidence >= threshold a sounding clip with IoU >= 0.5 is a true positive, any other clip a
    false positive; a sounding clip below the threshold is a false negative. 1 where a denominator
    is 0. SLAVC's evaluation counts so (stoneMo/SLAVC @ 05b429c, utils.py).
    """
    order = np.argsort(confidence, kind="stable")
    ordered = confidence[order]
    right = (sounding & (iou >= IOU_THRESHOLD))[order]
    # How many of the clips at or above position i are right, and how many sounding are below it.
    right_from = np.concatenate([np.cumsum(right[::-1])[::-1], [0]])
    sounding_below = np.concatenate([[0], np.cumsum(sounding[order])])
    position = np.searchsorted(ordered, thresholds, side="left")
    true_positive = right_from[position].astype(np.float64)
    detected = len(ordered) - position
    missed = sounding_below[position]
    precision = np.where(detected == 0, 1.0, true_positive / np.maximum(detected, 1))
    relevant = true_positive + missed
    recall = np.where(relevant == 0, 1.0, true_positive / np.maximum(relevant, 1))
    return precision, recall


def _best_from_here(precision: np.ndarray) -> np.ndarray:
    return np.maximum.accumulate(precision[::-1])[::-1]


def published_average_precision(
    confidence: np.ndarray, iou: np.ndarray, sounding: np.ndarray
) -> float:
    """AP as published, 0 to 1: thresholds are the sorted confidences without the largest, from the
    top with a step of max(1, n // 200); the sum of max(precision[i:]) x (recall[i+1] - recall[i]).

    Below two thresholds the sum is empty and AP is 0.
    """
    step = max(1, len(confidence) // 200)
    thresholds = np.sort(confidence)[:-1][::-step]
    precision, recall = precision_recall(confidence, iou, sounding, thresholds)
    return float(np.sum(_best_from_here(precision)[:-1] * np.diff(recall)))


def published_max_f1(confidence: np.ndarray, iou: np.ndarray, sounding: np.ndarray) -> float:
    """max-F1 as published, 0 to 1: the best F1 over the sorted confidences with a step of
    max(1, n // 10)."""
    thresholds = np.sort(confidence)[:: max(1, len(confidence) // 10)]
    return best_f1(*precision_recall(confidence, iou, sounding, thresholds))


def exact_curve(
    confidence: np.ndarray, iou: np.ndarray, sounding: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every distinct confidence, falling, with precision and recall at it; three float64 arrays."""
    order = np.argsort(-confidence)
    falling = confidence[order]
    right = np.cumsum((sounding & (iou >= IOU_THRESHOLD))[order])
    heard = np.cumsum(sounding[order])
    last = np.append(np.flatnonzero(falling[1:] != falling[:-1]), len(falling) - 1)
    true_positive = right[last].astype(np.float64)
    relevant = true_positive + (heard[-1] - heard[last])
    recall = np.where(relevant == 0, 1.0, true_positive / np.maximum(relevant, 1))
    return falling[last], true_positive / (last + 1), recall


def area_under_curve(precision: np.ndarray, recall: np.ndarray) -> float:
    """The exact AP, 0 to 1, of `exact_curve`: the area under the interpolated curve from recall 0
    on, the sum over falling thresholds of (recall[i] - recall[i-1]) x max(precision[i:])."""
    return float(np.sum(_best_from_here(precision) * np.diff(recall, prepend=0.0)))


def average_precision(scores: np.ndarray, positive: np.ndarray) -> float:
    """The exact AP, 0 to 1, of finding what is `positive` (N,) bool by high `scores` (N,): equal
    scores are found together, and precision is interpolated (`area_under_curve`). N and the number
    of positives are at least 1."""
    _, precision, recall = exact_curve(scores, np.ones(len(scores)), positive)
    return area_under_curve(precision, recall)


def ranked_right(scores: np.ndarray, positive: np.ndarray) -> float:
    """The area under the ROC curve, 0 to 1: of all pairs of one that is `positive` (N,) bool and
    one that is not, the share in which the first has the higher of the `scores` (N,), a tie for
    half. There is at least one of either."""
    count = int(positive.sum())
    _, places, equal = np.unique(scores, return_inverse=True, return_counts=True)
    last = np.cumsum(equal)
    ranks = float((last - (equal - 1) / 2)[places][positive].sum())  # equal scores share theirs
    return (ranks - count * (count + 1) / 2) / (count * (len(scores) - count))


def best_f1(precision: np.ndarray, recall: np.ndarray) -> float:
    """max-F1 over the given thresholds, 0 to 1; F1 is 0 where precision and recall are."""
    total = precision + recall
    f1 = np.where(total > 0, 2 * precision * recall / np.where(total > 0, total, 1), 0.0)
    return float(f1.max())


def detection_metrics(
    confidence: np.ndarray, iou: np.ndarray, sounding: np.ndarray, suffix: str = "", part: str = ""
) -> dict[str, float]:
    """All of the above in per cent, names ending in `suffix` and `part`; at least one clip sounds.

    `LocAcc_bicubic` is the share of sounding clips with IoU >= 0.5, with its interval, of the very
    maps that detection goes by. Table 7's LocAcc is another one, see `tasks/detection.py`.
    """
    _, precision, recall = exact_curve(confidence, iou, sounding)
    values = {
        "AP": published_average_precision(confidence, iou, sounding),
        "max_F1": published_max_f1(confidence, iou, sounding),
        "AP_exact": area_under_curve(precision, recall),
        "max_F1_exact": best_f1(precision, recall),
    }
    hits = {f"LocAcc_bicubic{suffix}": iou[sounding] >= IOU_THRESHOLD}
    return with_intervals(
        {f"{name}{suffix}": 100 * value for name, value in values.items()}, hits, part
    )


def precision_recall_table(
    confidence: np.ndarray, iou: np.ndarray, sounding: np.ndarray
) -> pa.Table:
    """The exact curve from the highest confidence to the lowest: `confidence`, `precision`,
    `recall`."""
    thresholds, precision, recall = exact_curve(confidence, iou, sounding)
    return pa.table({"confidence": thresholds, "precision": precision, "recall": recall})
