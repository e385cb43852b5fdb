"""What the baselines are: seeded, centred, drawn to texture, bounded by the box's size."""

import numpy as np
import pytest

from pipeline.benchmarks.metrics.baselines import (
    bound_maps,
    centre_maps,
    random_maps,
    texture_maps,
    true_maps,
)
from pipeline.benchmarks.metrics.localization import overlaps, pointing


def test_random_maps_follow_their_seed() -> None:
    np.testing.assert_array_equal(random_maps(3, 4, 5, seed=1), random_maps(3, 4, 5, seed=1))
    assert (random_maps(3, 4, 5, seed=1) != random_maps(3, 4, 5, seed=2)).any()


def test_centre_maps_fall_off_from_the_centre() -> None:
    heat = centre_maps(2, 9, 9)
    assert heat.shape == (2, 9, 9) and heat[0, 4, 4] == heat.max() == 1
    np.testing.assert_allclose(heat[0], heat[0].T)
    assert (np.diff(heat[0, 4, :5]) > 0).all()


def test_texture_maps_find_the_texture() -> None:
    rng = np.random.default_rng(13)
    frames = np.full((2, 64, 64, 3), 90, dtype=np.uint8)
    frames[0, :24, 40:] = rng.integers(0, 256, (24, 24, 3))
    heat = texture_maps(frames, 8, 8)
    row, column = np.unravel_index(heat[0].argmax(), (8, 8))
    assert row < 3 and column >= 5
    assert heat[1].max() == pytest.approx(0, abs=1e-9)


def test_the_true_box_is_bounded_by_its_size_at_the_median_only() -> None:
    truth = np.zeros((2, 224, 224), dtype=bool)
    truth[0, :56, :112] = True  # an eighth of the frame
    truth[1, :, :168] = True  # three quarters
    iou, adaptive = overlaps(true_maps(truth), truth)
    np.testing.assert_allclose(iou, [1 / 4, 2 / 3], atol=1e-3)
    np.testing.assert_allclose(adaptive, [1, 1], atol=2e-3)
    assert pointing(true_maps(truth), truth).all()


def test_the_bound_of_many_samples_is_that_of_each() -> None:
    truth = np.random.default_rng(0).random((70, 6, 8)) > 0.5
    maps = bound_maps(lambda start, stop: truth[start:stop], len(truth))
    assert np.array_equal(maps, true_maps(truth))
