"""On which classes and sizes a run is good: a benchmark's scores over parts of its samples.

Sizes are those that evaluation scored (`pipeline/benchmarks/tasks/parts.py`), with their baselines
and bound. Classes are counted here from the samples of the first seed: a share of few samples has
Wilson's 95 % interval (Journal of the American Statistical Association, 1927), which is no point
where none or all of them are right, as a bootstrap's is.
"""

import math
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from pipeline.benchmarks.metrics.localization import IOU_THRESHOLD
from pipeline.benchmarks.tasks.parts import SIZE_BANDS
from pipeline.report.dots import Column, Value, dots
from pipeline.report.facts import ADAPTIVE, BenchmarkFacts
from pipeline.report.names import metric_words
from pipeline.report.overview import value_of
from pipeline.report.runs import Group
from pipeline.report.store import Seen

_QUANTILE = 1.959964  # the normal distribution's at 97.5 %
_BY_SIZE = ("cIoU", "cIoU_adaptive", "pointing", "mIoU")


def wilson(hits: int, count: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share, `hits` of `count` > 0, in per cent."""
    share, square = hits / count, _QUANTILE**2
    middle = (share + square / (2 * count)) / (1 + square / count)
    half = _QUANTILE / (1 + square / count)
    half *= math.sqrt(share * (1 - share) / count + square / (4 * count**2))
    return 100 * max(0.0, middle - half), 100 * min(1.0, middle + half)


def by_size(benchmark: str, together: Sequence[Group]) -> Markup | None:
    """Scores by the share of the frame that sounds; None where the benchmark has no such parts."""
    bands = [
        (band, low, high, counts[0])
        for band, (low, high) in SIZE_BANDS.items()
        if (counts := together[0].values(benchmark, f"samples@{band}"))
    ]
    first = together[0].on(benchmark)[0].metrics if bands else {}
    metrics = [name for name in _BY_SIZE if any(f"{name}@{band[0]}" in first for band in bands)]
    columns = [
        Column(
            group.label if len(together) > 1 else metric_words(metric),
            [metric_words(metric)] if len(together) > 1 else [],
            [value_of(group, benchmark, f"{metric}@{band}") for band, *_ in bands],
            best=False,
        )
        for metric in metrics
        for group in together
    ]
    if not columns:
        return None
    rows = [
        f"{100 * low:.0f} to {min(100, round(100 * high))} % of the frame, {count:.0f} samples"
        for _, low, high, count in bands
    ]
    caption = "By the size of what sounds. Broken line: the best of the baselines; shaded: possible"
    return dots("Scores by size", caption, "what sounds takes", rows, columns, one_scale=True)


def by_class(facts: BenchmarkFacts, runs: Sequence[Seen]) -> tuple[str, Markup] | None:
    """The share of right samples of each class, the lowest of the first run first, and a sentence
    that names the ends; None for fewer than two classes."""
    classes = np.array(facts.classes)
    names = sorted({name for name in classes[facts.true].tolist() if name})
    if len(names) < 2:
        return None
    members = {name: facts.true & (classes == name) for name in names}
    shares = [{name: _share(run, rows) for name, rows in members.items()} for run in runs]
    names.sort(key=lambda name: (shares[0][name].mean, name))
    columns = [
        Column(
            run.label,
            ["right" + (", true area" if run.facts.lead == ADAPTIVE else "")],
            [share[name] for name in names],
            best=False,
        )
        for run, share in zip(runs, shares, strict=True)
    ]
    rows = [f"{name}, {int(members[name].sum())}" for name in names]
    words = (
        f"By class: {len(names)} classes, from {names[0]} ({shares[0][names[0]].mean:.0f} %) to "
        f"{names[-1]} ({shares[0][names[-1]].mean:.0f} %)"
    )
    caption = (
        f"Share of samples with an IoU of at least {IOU_THRESHOLD:g} and its 95 % interval "
        "(Wilson), of several seeds the first; behind a class its samples"
    )
    return words, dots("Scores by class", caption, "class", rows, columns, one_scale=True)


def _share(run: Seen, members: np.ndarray) -> Value:
    right = run.facts.cuts[run.facts.lead][members] >= IOU_THRESHOLD
    hits, count = int(right.sum()), len(right)
    return Value(100 * hits / count, *wilson(hits, count))
