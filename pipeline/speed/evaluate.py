"""Scoring against the loops of the published evaluation codes, with the numbers compared.

The alternatives are written as the field writes them: one sample at a time, one full sort for each
threshold, one pass for each threshold of a curve. Their time is linear in the samples, so of maps
and frames they take every eighth, which a row tells; its times are per sample on both sides.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from pipeline.benchmarks.metrics.detection import area_under_curve, best_f1, exact_curve
from pipeline.benchmarks.metrics.heatmaps import AUDIO_VISUAL_SHARE, SIDE, min_max, resize_maps
from pipeline.benchmarks.metrics.localization import IOU_THRESHOLD, localize
from pipeline.benchmarks.metrics.rasters import Truth, fraction_boxes
from pipeline.benchmarks.metrics.segmentation import BETA_SQUARED, THRESHOLDS, f_scores
from pipeline.speed.harness import Fact, Row, Setup, compare, scaled

MAPS, FRAMES, SAMPLES = 5158, 740, 10_000  # VGG-SS, AVSBench S4, an extended set and more
_EVERY = 8  # the alternatives' share of maps and frames


def measure(folder: Path, setup: Setup) -> Iterator[Row]:
    """Rows for localization with and without OGL, the F-score and the exact detection numbers;
    `size` scales how many samples each has."""
    size, repeats = setup.size, setup.repeats
    generator = np.random.default_rng(0)
    count = scaled(MAPS, size, least=8)
    maps, object_maps, truth = made_maps(count)
    for objects in (None, object_maps):
        yield compare(
            f"localization of {count} maps, {'without' if objects is None else 'with'} OGL",
            partial(localize, maps, truth.maps, "half-pixel", objects),
            partial(sample_by_sample, maps, truth.maps, objects, _EVERY),
            f"per sample: resize, min-max, full sorts; {len(maps[::_EVERY])} of the maps",
            repeats=repeats,
            units=count,
            other_units=len(maps[::_EVERY]),
            bar=4.0,
            facts=lambda ours, theirs: [
                Fact("IoUs differ by, pixels", _pixels_apart(ours, *theirs), at_most=1.0)
            ],
        )
    count = scaled(FRAMES, size, least=4)
    normalised = min_max(resize_maps(generator.random((count, 14, 14), np.float32), "corners"))
    masks = Truth(list(generator.random((count, 1, 4))), fraction_boxes).maps(0, count)
    masks[:, :8, :8] = True  # an empty mask has no F-score
    yield compare(
        f"F-score of {count} frames at {len(THRESHOLDS)} thresholds",
        lambda: f_scores(normalised, masks),
        lambda: f_scores_in_a_loop(normalised[::_EVERY], masks[::_EVERY]),
        f"a pass over the frame per threshold; {len(masks[::_EVERY])} of the frames",
        repeats=repeats,
        units=count,
        other_units=len(masks[::_EVERY]),
        bar=20.0,
        facts=lambda ours, theirs: [
            Fact("F differs by", float(np.abs(ours[::_EVERY] - theirs).max()), at_most=1e-6)
        ],
    )
    count = scaled(SAMPLES, size, least=16)
    confidence, iou = generator.random((2, count))
    sounding = generator.random(count) < 0.7
    yield compare(
        f"exact AP and max-F1 of {count} samples",
        lambda: _exact(confidence, iou, sounding),
        lambda: recounted(confidence, iou, sounding),
        "a recount per threshold",
        repeats=repeats,
        bar=100.0,
        facts=lambda ours, theirs: [
            Fact("they differ by", float(np.abs(ours - theirs).max()), at_most=1e-12)
        ],
    )


def made_maps(count: int) -> tuple[np.ndarray, np.ndarray, Truth]:
    """Random maps and object maps (count, 14, 14) and (count, 7, 7), one random box each."""
    generator = np.random.default_rng(0)
    corners = np.sort(generator.random((count, 2, 2)), axis=1).reshape(count, 1, 4)
    maps = generator.random((count, 14, 14), np.float32)
    return maps, generator.random((count, 7, 7), np.float32), Truth(list(corners), fraction_boxes)


def sample_by_sample(
    maps: np.ndarray,
    truth: Callable[[int, int], np.ndarray],
    object_maps: np.ndarray | None,
    every: int = 1,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The IoU columns of `localize` for every `every`-th sample as the published codes find them,
    and each union's pixels."""
    found: dict[str, list[tuple[float, float]]] = {}
    for row in range(0, len(maps), every):
        raw = maps[row]
        target = truth(row, row + 1)[0].astype(np.float64)
        heat = _normalised(_resized(raw))
        variants = {"": heat}
        if object_maps is not None:
            prior = _normalised(_resized(object_maps[row]))
            guided = AUDIO_VISUAL_SHARE * heat + (1 - AUDIO_VISUAL_SHARE) * prior
            variants["_ogl"] = _normalised(guided)
        for suffix, values in variants.items():
            median = np.sort(values.flatten())[int(values.size * 0.5)]
            area = int((target > 0).sum()) or values.size // 2
            adaptive = np.sort(values.flatten())[values.size - area]
            for name, threshold in ((f"iou{suffix}", median), (f"iou{suffix}_adaptive", adaptive)):
                predicted = (values > threshold).astype(np.float64)
                union = target.sum() + (predicted * (target == 0)).sum()
                overlap = (predicted * target).sum()
                found.setdefault(name, []).append((overlap / union if union else 0.0, union))
    columns = {name: np.array(pairs) for name, pairs in found.items()}
    return (
        {name: pairs[:, 0] for name, pairs in columns.items()},
        {name: pairs[:, 1] for name, pairs in columns.items()},
    )


def _resized(raw: np.ndarray) -> np.ndarray:
    tensor = torch.from_numpy(raw)[None, None]
    resized = functional.interpolate(tensor, size=(SIDE, SIDE), mode="bilinear")
    return resized.numpy()[0, 0]


def _normalised(values: np.ndarray) -> np.ndarray:
    return (values - values.min()) / (values.max() - values.min())


def _pixels_apart(
    ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray], unions: dict[str, np.ndarray]
) -> float:
    return max(
        float((np.abs(ours[name][::_EVERY] - theirs[name]) * unions[name]).max()) for name in theirs
    )


def f_scores_in_a_loop(maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """`f_scores` with one pass over the frame for every threshold, float64 (N, 255)."""
    scores = np.zeros((len(maps), len(THRESHOLDS)))
    for row, (values, mask) in enumerate(zip(maps, masks, strict=True)):
        target = mask.astype(np.float32)
        for place, threshold in enumerate(THRESHOLDS):
            predicted = (values >= threshold).astype(np.float32)
            hit = (predicted * target).sum()
            precision = hit / (predicted.sum() + 1e-20)
            recall = hit / (target.sum() + 1e-20)
            bottom = BETA_SQUARED * precision + recall
            scores[row, place] = (1 + BETA_SQUARED) * precision * recall / bottom if bottom else 0
    return scores


def _exact(confidence: np.ndarray, iou: np.ndarray, sounding: np.ndarray) -> np.ndarray:
    _, precision, recall = exact_curve(confidence, iou, sounding)
    return np.array([area_under_curve(precision, recall), best_f1(precision, recall)])


def recounted(confidence: np.ndarray, iou: np.ndarray, sounding: np.ndarray) -> np.ndarray:
    """AP and max-F1 with every clip counted anew at every threshold, float64 (2,)."""
    curve = []
    for threshold in np.unique(confidence)[::-1]:
        detected = confidence >= threshold
        right = detected & sounding & (iou >= IOU_THRESHOLD)
        missed = (~detected & sounding).sum()
        relevant = right.sum() + missed
        curve.append((right.sum() / detected.sum(), right.sum() / relevant if relevant else 1.0))
    precision, recall = np.array(curve).T
    average = before = best = 0.0
    for place in range(len(curve)):
        average += (recall[place] - before) * precision[place:].max()
        before = recall[place]
        total = precision[place] + recall[place]
        best = max(best, 2 * precision[place] * recall[place] / total if total else 0.0)
    return np.array([average, best])
