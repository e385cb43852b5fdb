"""The universal threshold and what is measured under it, against loops."""

import numpy as np
import pytest

from pipeline.benchmarks.metrics.negatives import (
    area_under_dark,
    harmonic_mean,
    lit_shares,
    universal_threshold,
)


def test_the_threshold_is_the_largest_third_quartile() -> None:
    silence = np.array([0.1, 0.2, 0.3, 0.4, 0.5])
    noise = np.array([0.0, 0.0, 0.9])
    assert universal_threshold({"silence": silence, "noise": noise}) == pytest.approx(0.45)


def test_lit_shares_and_the_dark_curve_against_loops() -> None:
    rng = np.random.default_rng(12)
    maps = np.round(rng.normal(size=(300, 5, 6)), 1).astype(np.float32)
    maps[::5] = -9
    shares = lit_shares(maps, 0.5)
    assert np.abs(shares - [(heat > 0.5).sum() / 30 for heat in maps]).max() <= 1e-12
    curve = [np.mean(shares <= 0.05 * i) for i in range(21)]
    area = sum(0.05 * (curve[i] + curve[i + 1]) / 2 for i in range(20))
    assert area_under_dark(shares) == pytest.approx(area, abs=1e-12)
    assert area_under_dark(np.zeros(4)) == pytest.approx(1.0)


def test_harmonic_mean() -> None:
    assert harmonic_mean(50, 100) == pytest.approx(200 / 3)
    assert harmonic_mean(0, 0) == 0.0
