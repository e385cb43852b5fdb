"""Two files of maps over the same samples: is one truly better?"""

from typing import NamedTuple

import numpy as np

from pipeline.errors import InputError
from pipeline.report.anyones.score import Scored
from pipeline.report.anyones.statistics import (
    Columns,
    curves,
    ends,
    mean_draws,
    row_draws,
    sample_values,
)

DRAWS = 10_000
CURVE_DRAWS = 1000  # of scores that are computed anew for each draw


class Difference(NamedTuple):
    """A score of the first and of the second file, the first less the second with its 95 %
    interval, in per cent, and the two-sided p-value of no difference."""

    first: float
    second: float
    difference: float
    low: float
    high: float
    p: float


def compare(first: Scored, second: Scored) -> dict[str, Difference]:
    """The paired bootstrap test of each score that both have, by the score's name.

    Each of 10,000 draws (1,000 for AP and max-F1) takes as many samples as there are, with
    replacement, the same ones for both files, so that what is hard for both weighs on neither.
    The interval is the middle 95 % of the drawn differences (percentile bootstrap, Efron 1979).
    For the p-value the drawn differences are moved to a mean of no difference: p is the share of
    draws d* with |d* - d| >= |d|, where d is the difference found, with one added to both counts
    (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, 16.4; as Berg-Kirkpatrick et al.
    2012 use it); it is never under 1/10,001. Scores are not corrected for being several. What the
    test knows is other samples of this kind, not another training.

    Raises `InputError` unless both are of the same kind, samples and ground truth.
    """
    theirs = _aligned(first, second)
    found: dict[str, Difference] = {}
    ours = sample_values(first.kind, first.columns)
    other = sample_values(second.kind, theirs)
    names = [name for name in ours if name in other and not np.isnan(ours[name]).all()]
    if names:
        drawn = mean_draws([ours[name] - other[name] for name in names], DRAWS)
        for name, of_draws in zip(names, drawn.T, strict=True):
            pair = float(np.nanmean(ours[name])), float(np.nanmean(other[name]))
            found[name] = _difference(*pair, of_draws)
    our_curves, their_curves = curves(first.kind, first.columns), curves(first.kind, theirs)
    for name in our_curves.keys() & their_curves.keys():
        one, two = our_curves[name], their_curves[name]
        count = len(first.rows)
        of_draws = np.array([one(rows) - two(rows) for rows in row_draws(count, CURVE_DRAWS)])
        found[name] = _difference(one(np.arange(count)), two(np.arange(count)), of_draws)
    return {name: found[name] for name in sorted(found, key=list(first.metrics).index)}


def _difference(first: float, second: float, drawn: np.ndarray) -> Difference:
    difference = first - second
    drawn = drawn[~np.isnan(drawn)]
    low, high = ends(drawn)
    beyond = np.abs(drawn - difference) >= abs(difference) - 1e-12  # ties are of rounding
    p = (1 + int(beyond.sum())) / (1 + len(drawn))
    return Difference(100 * first, 100 * second, 100 * difference, 100 * low, 100 * high, p)


def _aligned(first: Scored, second: Scored) -> Columns:
    """The columns of `second` in the order of the samples of `first`."""
    if first.kind != second.kind:
        raise InputError(f"cannot compare {first.kind} with {second.kind}")
    ids = [sample.sample_id for sample in first.task.samples]
    place = {sample.sample_id: row for row, sample in enumerate(second.task.samples)}
    missing = [name for name in ids if name not in place]
    if missing or len(ids) != len(place):
        example = f", {missing[0]} is in the first alone" if missing else ""
        raise InputError(
            f"cannot compare: found {len(ids)} samples and {len(place)}, expected the same ones"
            f"{example}"
        )
    rows = np.array([place[name] for name in ids], dtype=np.int64)
    columns = {name: values[rows] for name, values in second.columns.items()}
    if first.kind != "retrieval" and not np.array_equal(
        first.area, second.area[rows], equal_nan=True
    ):
        raise InputError(
            "cannot compare: the two files have other boxes or masks, expected one truth"
        )
    return columns
