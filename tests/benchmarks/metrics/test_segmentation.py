"""Segmentation metrics against loops over frames and thresholds."""

import numpy as np
import pytest

from pipeline.benchmarks.metrics.heatmaps import min_max
from pipeline.benchmarks.metrics.segmentation import (
    THRESHOLDS,
    above_median,
    best_mean_f,
    f_of_masks,
    f_scores,
    mask_iou,
)


def _cases(count: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(9)
    maps = rng.normal(size=(count, side, side)).astype(np.float32)
    maps[1::3] = np.round(maps[1::3])
    maps[2::9] = rng.choice(THRESHOLDS, size=maps[2::9].shape)  # exactly on thresholds
    maps[3::9] = 0.25
    masks = rng.random(maps.shape) < rng.random((count, 1, 1))
    masks[::7] = False
    masks[1::11] = True
    return maps, masks


def _f(heat: np.ndarray, mask: np.ndarray) -> list[float]:
    scores = []
    for threshold in THRESHOLDS:
        predicted = (heat >= threshold).astype(np.float64)
        right = (predicted * mask).sum()
        precision, recall = right / (predicted.sum() + 1e-20), right / (mask.sum() + 1e-20)
        bottom = 0.3 * precision + recall
        scores.append(1.3 * precision * recall / bottom if bottom else 0.0)
    return scores


def test_f_scores_against_the_loop() -> None:
    maps, masks = _cases(150, 12)
    heat = min_max(maps)
    got = f_scores(heat, masks)
    filled = masks.any(axis=(1, 2))
    assert np.isnan(got[~filled]).all()
    expected = np.array([_f(h, m) for h, m in zip(heat[filled], masks[filled], strict=True)])
    assert np.abs(got[filled] - expected).max() <= 1e-9
    assert best_mean_f(got) == pytest.approx(expected.mean(axis=0).max(), abs=1e-9)


def test_f_scores_take_any_range_of_values() -> None:
    maps, masks = _cases(40, 8)
    masks[:, 0, 0] = True
    expected = [_f(h, m) for h, m in zip(3 * maps, masks, strict=True)]
    assert np.abs(f_scores(3 * maps, masks) - expected).max() <= 1e-9


def test_mask_iou_against_the_loop() -> None:
    maps, masks = _cases(2000, 7)
    got = mask_iou(above_median(maps), masks)
    for heat, mask, iou in zip(maps, masks, got, strict=True):
        predicted = heat > np.sort(heat.ravel())[int(heat.size / 2)]
        if mask.any():
            expected = (predicted & mask).sum() / ((predicted | mask).sum() + 1e-7)
        else:
            expected = (~predicted).sum() / (heat.size + 1e-7)
        assert abs(iou - expected) <= 1e-9


def test_f_of_masks_against_precision_and_recall() -> None:
    maps, masks = _cases(2000, 7)
    predicted = above_median(maps)
    got = f_of_masks(predicted, masks)
    for own, mask, f in zip(predicted, masks, got, strict=True):
        if not mask.any():
            assert np.isnan(f)
            continue
        right = (own & mask).sum()
        precision, recall = right / max(own.sum(), 1), right / mask.sum()
        bottom = 0.3 * precision + recall
        assert f == pytest.approx(1.3 * precision * recall / bottom if bottom else 0.0, abs=1e-12)
    # A threshold of THRESHOLDS cuts a map as its own value does: the two forms are one there.
    heat = min_max(maps[masks.any(axis=(1, 2))])
    filled = masks[masks.any(axis=(1, 2))]
    np.testing.assert_allclose(
        f_of_masks(heat >= THRESHOLDS[100], filled), f_scores(heat, filled)[:, 100], atol=1e-12
    )


def test_by_hand() -> None:
    heat = np.array([[[0.0, 0.2], [0.6, 1.0]]], dtype=np.float32)
    mask = np.array([[[False, False], [False, True]]])
    assert mask_iou(above_median(heat), mask)[0] == pytest.approx(1.0)  # above 0.6 lies 1.0 alone
    scores = f_scores(heat, mask)[0]
    assert scores[0] == pytest.approx(1.3 * 0.25 / (0.3 * 0.25 + 1))
    assert scores[254] == pytest.approx(1.0)


def test_f_does_not_depend_on_how_frames_are_batched() -> None:
    maps, masks = _cases(30, 6)
    whole = f_scores(min_max(maps), masks)
    parts = np.concatenate(
        [f_scores(min_max(maps[i : i + 1]), masks[i : i + 1]) for i in range(30)]
    )
    np.testing.assert_array_equal(whole, parts)
