"""Bootstrap intervals against the binomial distribution that they approximate, and a plain loop."""

import numpy as np
import pytest
from scipy.stats import binom

from pipeline.benchmarks.metrics.bootstrap import intervals, resampled_means, with_intervals


@pytest.mark.parametrize(("count", "right"), [(250, 199), (4655, 1859), (20, 3), (7, 7), (5, 0)])
def test_a_share_s_interval_is_the_binomial_one(count: int, right: int) -> None:
    """Resampling 0 and 1 draws the sum from a binomial; with 20,000 draws the ends agree."""
    values = (np.arange(count) < right)[:, None]
    low, high = intervals(values, draws=20_000)[:, 0]
    expected = binom.ppf([0.025, 0.975], count, right / count) / count
    spread = np.sqrt(right / count * (1 - right / count) / count)
    np.testing.assert_allclose([low, high], expected, atol=0.05 * spread + 1 / count * (right > 0))
    assert low <= right / count <= high


def test_resampled_means_against_a_loop() -> None:
    rng = np.random.default_rng(3)
    values = rng.random((37, 3)) < [0.2, 0.5, 1.0]
    generator = np.random.default_rng(5)
    expected = [values[generator.integers(37, size=37)].mean(axis=0) for _ in range(64)]
    np.testing.assert_allclose(resampled_means(values, 64, seed=5), expected, atol=1e-12)


def test_draws_do_not_depend_on_how_many_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).random((50, 2)) < 0.4
    whole = resampled_means(values)
    monkeypatch.setattr("pipeline.benchmarks.metrics.bootstrap._CELLS", 170)
    np.testing.assert_array_equal(resampled_means(values), whole)
    assert (resampled_means(values, seed=1) != whole).any()


def test_the_same_samples_are_drawn_for_every_column() -> None:
    hit = np.random.default_rng(1).random(80) < 0.3
    means = resampled_means(np.stack([hit, hit, ~hit], axis=1))
    np.testing.assert_array_equal(means[:, 0], means[:, 1])
    np.testing.assert_allclose(means[:, 0], 1 - means[:, 2], atol=1e-12)


def test_an_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    samples = rng.random((200, 300)) < 0.4  # 300 sets of 200 samples of a share of 0.4
    low, high = intervals(samples)
    covered = np.mean((low <= 0.4) & (high >= 0.4))
    assert 0.90 <= covered <= 0.98


def test_names_and_per_cent() -> None:
    hit = np.arange(100) < 40
    metrics = with_intervals({"cIoU": 40.0, "AUC": 12.0}, {"cIoU": hit, "R": hit}, "@part")
    names = ["cIoU@part", "cIoU@part:low", "cIoU@part:high", "AUC@part"]
    assert list(metrics) == [*names, "R@part", "R@part:low", "R@part:high"]
    assert metrics["cIoU@part"] == metrics["R@part"] == 40.0 and metrics["AUC@part"] == 12.0
    assert metrics["cIoU@part:low"] == pytest.approx(30, abs=2)
    assert metrics["cIoU@part:high"] == pytest.approx(50, abs=2)
    assert with_intervals({"AUC": 1.0}, {}, "@x") == {"AUC@x": 1.0}
