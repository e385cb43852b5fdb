"""Localization: the overlap of a thresholded map with the truth, and what is counted of it.

A threshold is one order statistic of the map, so a partial sort finds it; the adaptive one then
lies in one half of the already divided map and costs half as much. Maps pass through in chunks
that stay in the processor's cache, one map at a time: this is faster than wide batches, whose cost
is memory. The published loops sort each map four times.
"""

from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa

from pipeline.benchmarks.contract import OwnForm
from pipeline.benchmarks.metrics.heatmaps import CHUNK, combine_in_place, object_guided, resize_maps

IOU_THRESHOLD = 0.5
_RANGE_SHARE = 0.5  # of a map's range: SSPL's threshold (main.py:326 of zjsong/SSPL @ d1af4c7)
_SMALL = 1e-10  # added to a map's range there
# SLAVC scales an object map by this fixed maximum before it is combined with cosines.
OBJECT_MAXIMUM = 2.5
SUCCESS_THRESHOLDS = 0.05 * np.arange(21)
# The IoU columns of a table of samples and what their metrics' names end in.
IOU_COLUMNS = {
    "iou": "",
    "iou_adaptive": "_adaptive",
    "iou_ogl": "_ogl",
    "iou_ogl_adaptive": "_adaptive_ogl",
    "iou_half": "_half",
    "iou_published": "_published",
    "iou_ogl_published": "_published_ogl",
}
_CURVES = ("iou", "iou_adaptive", "iou_ogl", "iou_ogl_adaptive")


def _overlap(predicted: np.ndarray, truth: np.ndarray, truth_sum: float) -> float:
    """IoU of one flat bool prediction with one flat truth map (bool, or consensus 0 to 1)."""
    if truth.dtype == np.bool_:
        inside = intersection = float(np.count_nonzero(predicted & truth))
    else:
        intersection = float(truth[predicted].sum(dtype=np.float64))
        inside = float(np.count_nonzero(truth[predicted]))
    union = truth_sum + np.count_nonzero(predicted) - inside
    return intersection / union if union else 0.0


def intersection_over_union(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """IoU of predictions (N, h, w) bool with ground truth (N, h, w), float64 (N,).

    sum(pred x gt) / (sum(gt) + sum(pred x (gt == 0))), for truth of 0 and 1 or a consensus between;
    0 where nothing is predicted and nothing is true. The formula is that of the authors' evaluation
    (kaistmm/SSLalignment @ e7ae3c5, utils.py).
    """
    return np.array(
        [
            _overlap(p.ravel(), t.ravel(), float(t.sum(dtype=np.float64)))
            for p, t in zip(predicted.astype(bool), truth, strict=True)
        ],
        dtype=np.float64,
    )


def overlaps(
    maps: np.ndarray, truth: np.ndarray, inclusive: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """IoU at the median and at the adaptive threshold of maps (N, h, w), two float64 (N,).

    Of the n sorted values of a map the median threshold is the one at index int(n x 0.5), the
    adaptive one that at n - (number of non-zero truth pixels), or at n - n // 2 without truth.
    Predicted is what lies above the threshold (the authors' code), or with `inclusive` at or above
    the median one (SLAVC's extended evaluation); the adaptive form is always strict. Ground truth
    (N, h, w) is bool or a consensus map. Monotone changes of a map do not matter, so no min-max.
    """
    flat = maps.reshape(len(maps), -1)
    count = flat.shape[1]
    middle = int(count * 0.5)
    result = np.empty((2, len(maps)))
    for row, (values, target) in enumerate(zip(flat, truth.reshape(len(maps), -1), strict=True)):
        area = int(np.count_nonzero(target))
        total = float(area) if target.dtype == np.bool_ else float(target.sum(dtype=np.float64))
        divided = np.partition(values, middle)
        median = divided[middle]
        index = count - (area or count // 2)
        if index < middle:
            lower = divided[:middle]
            lower.partition(index)
            adaptive = lower[index]
        else:
            upper = divided[middle:]
            upper.partition(index - middle)
            adaptive = upper[index - middle]
        above = values >= median if inclusive else values > median
        result[0, row] = _overlap(above, target, total)
        result[1, row] = _overlap(values > adaptive, target, total)
    return result[0], result[1]


def overlap_at_half(maps: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """IoU at half of each map's own range, float64 (N,), of maps (N, h, w): predicted is where
    (x - min) / (max - min + 1e-10) >= 0.5, so nothing of a constant map.

    The threshold of SSPL's published scores (zjsong/SSPL @ d1af4c7, main.py:326, test.py:241);
    ground truth as `overlaps` takes it.
    """
    result = np.empty(len(maps))
    for row, (heat, target) in enumerate(zip(maps, truth, strict=True)):
        low = heat.min()
        predicted = (heat - low) / (heat.max() - low + np.float32(_SMALL)) >= _RANGE_SHARE
        total = float(target.sum(dtype=np.float64))
        result[row] = _overlap(predicted.ravel(), target.ravel(), total)
    return result


def overlaps_as_published(
    maps: np.ndarray, truth: np.ndarray, form: OwnForm, object_maps: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """`iou_published` of raw maps (N, h, w) in a method's own form, and `iou_ogl_published` where
    the form has object guidance and there are object maps; float64 (N,)."""
    resized = resize_maps(maps, form.resize)
    found = {"iou_published": _in_form(resized, truth, form)}
    if form.share is not None and object_maps is not None:
        objects = resize_maps(object_maps, form.resize)
        if form.scaled:
            guided = object_guided(resized, objects, form.share)
        else:
            guidance = objects * np.float32((1 - form.share) / OBJECT_MAXIMUM)
            scores = (resized + np.float32(1)) / np.float32(2)
            guided = scores * np.float32(form.share) + guidance
        found["iou_ogl_published"] = _in_form(guided, truth, form)
    return found


def _in_form(maps: np.ndarray, truth: np.ndarray, form: OwnForm) -> np.ndarray:
    if form.threshold == "half":
        return overlap_at_half(maps, truth)
    return overlaps(maps, truth, form.inclusive)[0]


def localize(
    maps: np.ndarray,
    truth: Callable[[int, int], np.ndarray],
    resize: str,
    object_maps: np.ndarray | None = None,
    form: OwnForm | None = None,
) -> dict[str, np.ndarray]:
    """Per-sample overlaps of raw maps (N, h, w) float32, resized as `resize` says.

    `truth(start, stop)` gives the ground truth of samples start to stop. Columns `iou`,
    `iou_adaptive` and `iou_half`, and with object maps (N, h', w') `iou_ogl` and
    `iou_ogl_adaptive`; with a method's own `form` those of `overlaps_as_published`; `area` is the
    share of the frame where the truth is not 0; float64 (N,).
    """
    names = ["iou", "iou_adaptive"]
    if object_maps is not None:
        names += ["iou_ogl", "iou_ogl_adaptive"]
    names += ["area", "iou_half"]
    if form is not None:
        names.append("iou_published")
        if form.share is not None and object_maps is not None:
            names.append("iou_ogl_published")
    columns = {name: np.empty(len(maps)) for name in names}
    for start in range(0, len(maps), CHUNK):
        part = slice(start, min(start + CHUNK, len(maps)))
        target = truth(part.start, part.stop)
        columns["area"][part] = np.count_nonzero(target, axis=(1, 2)) / target[0].size
        resized = resize_maps(maps[part], resize)
        columns["iou"][part], columns["iou_adaptive"][part] = overlaps(resized, target)
        columns["iou_half"][part] = overlap_at_half(resized, target)
        if form is not None:
            objects = None if object_maps is None else object_maps[part]
            own = overlaps_as_published(maps[part], target, form, objects)
            for name, values in own.items():
                columns[name][part] = values
        if object_maps is not None:
            guided = combine_in_place(resized, resize_maps(object_maps[part], resize))
            columns["iou_ogl"][part], columns["iou_ogl_adaptive"][part] = overlaps(guided, target)
    return columns


def success_rate(iou: np.ndarray, threshold: float = IOU_THRESHOLD) -> float:
    """cIoU: the share of samples with IoU >= `threshold`, of (N,) with N > 0."""
    return float(np.mean(iou >= threshold))


def success_curve(iou: np.ndarray) -> np.ndarray:
    """The share of samples with IoU >= t for t = 0, 0.05, ..., 1; float64 (21,)."""
    ordered = np.sort(iou)
    return 1 - np.searchsorted(ordered, SUCCESS_THRESHOLDS, side="left") / len(iou)


def area_under_success(iou: np.ndarray) -> float:
    """AUC: the area (trapezoid) under the success curve of IoU (N,), 0 to 1."""
    return float(np.trapezoid(success_curve(iou), SUCCESS_THRESHOLDS))


def weakest_of_group(iou: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """The smallest IoU of each group (an image with all its sounding objects), in the order of the
    sorted group names. Its success rate is IIoU and the area under its curve IAUC."""
    names, members = np.unique(groups, return_inverse=True)
    smallest = np.full(len(names), np.inf)
    np.minimum.at(smallest, members, iou)
    return smallest


def localization_metrics(columns: Mapping[str, np.ndarray]) -> dict[str, float]:
    """cIoU and AUC in per cent of every column that `localize` gives, named as the field does."""
    metrics = {}
    for name, suffix in IOU_COLUMNS.items():
        if name in columns:
            metrics[f"cIoU{suffix}"] = 100 * success_rate(columns[name])
            metrics[f"AUC{suffix}"] = 100 * area_under_success(columns[name])
    return metrics


def success_table(columns: dict[str, np.ndarray]) -> pa.Table:
    """The success curves as a table: `threshold`, then the share for each IoU column at the median
    or the adaptive threshold."""
    curves = {name: success_curve(columns[name]) for name in _CURVES if name in columns}
    return pa.table({"threshold": SUCCESS_THRESHOLDS, **curves})


def pointing(maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Whether a raw map's maximum lies in the mask: bool (N,), of maps (N, h, w), masks (N, H, W).

    The maximum's place is the centre of its cell. Where several cells share the maximum all of
    them have to be inside, so a constant map never points right.
    """
    height, width = maps.shape[1:]
    rows = np.floor((np.arange(height) + 0.5) * masks.shape[1] / height).astype(np.int64)
    columns = np.floor((np.arange(width) + 0.5) * masks.shape[2] / width).astype(np.int64)
    highest = maps == maps.max(axis=(1, 2), keepdims=True)
    outside = ~masks[:, rows[:, None], columns].astype(bool)
    return ~(highest & outside).any(axis=(1, 2))


def lit_above(heat: np.ndarray, regions: np.ndarray, others: np.ndarray) -> bool:
    """Whether a map (h, w) is hotter on every one of the `regions` (n, h, w), bool and none of them
    empty, than on any of the `others` (m, h, w), by the mean over a region. An empty one of the
    others says nothing."""
    coldest = min(float(heat[region].mean()) for region in regions)
    return all(float(heat[other].mean()) < coldest for other in others if other.any())
