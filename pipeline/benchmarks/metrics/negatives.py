"""Negative sounds: how much of a map lights up when nothing in the picture is heard.

After Juanola et al., *A Critical Assessment of Visual Sound Source Localization Models Including
Negative Audio* (arXiv 2410.01020): one **universal threshold** on raw similarities replaces the
median of each map, which always lights up half of it. The threshold comes from the negatives alone.
Their thresholds are constants per published model; ours is computed, by the rule of
`universal_threshold`, so that it exists for any model; the price is that it is fitted on the set
it is used on, one number for thousands of maps.
"""

from collections.abc import Mapping

import numpy as np

from pipeline.benchmarks.metrics.localization import SUCCESS_THRESHOLDS

QUANTILE = 0.75


def universal_threshold(maxima: Mapping[str, np.ndarray]) -> float:
    """The one threshold of a set: for each kind of negative sound the third quartile (linear
    interpolation) of its maps' maxima (N,), then the largest of these.

    At this threshold at least three quarters of the maps of every kind stay entirely dark.
    """
    return max(
        float(np.quantile(values.astype(np.float64), QUANTILE)) for values in maxima.values()
    )


def lit_shares(maps: np.ndarray, threshold: float) -> np.ndarray:
    """pIA: the share of each map (N, h, w) that exceeds the threshold, float64 (N,)."""
    flat = maps.reshape(len(maps), -1)
    return np.array([np.count_nonzero(values > threshold) / values.size for values in flat])


def area_under_dark(shares: np.ndarray) -> float:
    """AUC_N: the area (trapezoid) under the share of maps whose lit share is at most t, over t = 0,
    0.05, ..., 1; 1 where every map stays dark."""
    curve = np.searchsorted(np.sort(shares), SUCCESS_THRESHOLDS, side="right") / len(shares)
    return float(np.trapezoid(curve, SUCCESS_THRESHOLDS))


def harmonic_mean(first: float, second: float) -> float:
    """2 a b / (a + b), 0 where both are 0."""
    return 2 * first * second / (first + second) if first + second else 0.0
