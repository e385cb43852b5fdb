"""How far a share of samples would move with other samples of the same kind: bootstrap intervals.

The percentile bootstrap (Efron, 1979): samples are drawn again with replacement, as many as there
are, and the middle 95 % of the means are the interval. All columns of one call meet the same draws,
one product of counts and values. It says nothing about another training of the model (seeds do) nor
about clips that a set has several of, which it takes for independent.
"""

from collections.abc import Mapping

import numpy as np

DRAWS = 1000
LEVEL = 0.95
SEED = 1979
# What stands behind a metric's name: a dot is a baseline's, so a colon.
LOW, HIGH = ":low", ":high"
_CELLS = 2**21  # counts held at a time


def resampled_means(values: np.ndarray, draws: int = DRAWS, seed: int = SEED) -> np.ndarray:
    """The means of `values` (N, m), N > 0, over `draws` samples of N rows with replacement:
    float64 (draws, m). The draws follow from `seed` and N alone; means of 0 and 1 are exact."""
    count = len(values)
    generator = np.random.default_rng(seed)
    double = np.ascontiguousarray(values, dtype=np.float64)
    means = np.empty((draws, double.shape[1]))
    step = max(1, _CELLS // count)
    for start in range(0, draws, step):
        size = min(step, draws - start)
        rows = generator.integers(count, size=(size, count)) + count * np.arange(size)[:, None]
        counts = np.bincount(rows.ravel(), minlength=size * count).reshape(size, count)
        means[start : start + size] = counts.astype(np.float64) @ double / count
    return means


def intervals(values: np.ndarray, draws: int = DRAWS, seed: int = SEED) -> np.ndarray:
    """The 95 % interval of the mean of each column of `values` (N, m), N > 0: float64 (2, m), lower
    ends first, in the values' own unit; quantiles are interpolated linearly."""
    tail = (1 - LEVEL) / 2
    return np.quantile(resampled_means(values, draws, seed), [tail, 1 - tail], axis=0)


def with_intervals(
    metrics: Mapping[str, float], hits: Mapping[str, np.ndarray], part: str = ""
) -> dict[str, float]:
    """`metrics` in per cent, each one of `hits` followed by its interval, `<metric>:low` and
    `<metric>:high`, and every name by `part` before the colon.

    `hits` (N,) bool, all of one N > 0, say of each sample whether it counts in the metric of that
    name, which is 100 x their mean; a metric that is not in `metrics` yet comes behind.
    """
    if not hits:
        return {f"{name}{part}": value for name, value in metrics.items()}
    values = np.stack(list(hits.values()), axis=1)
    ends = dict(zip(hits, (100 * intervals(values)).T.tolist(), strict=True))
    result: dict[str, float] = {}
    for name in dict.fromkeys([*metrics, *hits]):
        result[f"{name}{part}"] = (
            metrics[name] if name in metrics else 100 * float(np.mean(hits[name]))
        )
        if name in ends:
            result[f"{name}{part}{LOW}"], result[f"{name}{part}{HIGH}"] = ends[name]
    return result
