"""One figure of all runs on all benchmarks: a row a run, a column a score, in each cell a dot.

A cell is a strip that begins at 0 and ends where its column's head says, so that the dots of a
column compare at a glance and those of a row do not. The bar through a dot is the 95 % interval
over seeds, of a single seed that over samples; the line down a column is the best baseline that
has not seen a training. The numbers stand beside the dots, so that the figure is read without them
as well.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from pipeline.report.paper_numbers import PAPER_CLIPS
from pipeline.report.runs import BASELINES, Group, Scored, groups
from pipeline.report.tables import over_seeds
from pipeline.report.templating import render

WIDTH, HEIGHT = 96, 18  # of a strip
_EDGE = 5  # beside the scale, so that no dot is cut
# What is shown of the toy's scenes, and of others the first that there is.
_SCENES = ("cIoU_adaptive", "pointing_distractors", "swap", "class_R@1_a2i", "class_R@1_i2a")
_OTHERS = ("cIoU", "AP", "mIoU", "F_AUC", "class_R@1_a2i", "R@1_a2i")
# What a reader calls them.
_WORDS = {
    "cIoU_adaptive": "cIoU, adaptive threshold",
    "pointing_distractors": "maximum in the object, beside silent ones",
    "swap": "maximum moves with the sound",
    "class_R@1_a2i": "R@1 of the class, sound to image",
    "class_R@1_i2a": "R@1 of the class, image to sound",
    "R@1_a2i": "R@1, sound to image",
}
_TRIVIAL = tuple(name for name in BASELINES if name != "bound")


@dataclass(frozen=True)
class Strip:
    """A cell: its score in words and where its dot, bar and column's line stand, in pixels; `dot`
    is None for a run that was not scored. `best`: no run of the column has more."""

    text: str
    dot: str | None
    bar: tuple[str, str] | None
    line: str | None
    best: bool


@dataclass(frozen=True)
class Scale:
    """A column: the benchmark, the metric in words, over which part of the samples where not over
    all, and the end of its strips."""

    benchmark: str
    metric: str
    part: str
    end: str


@dataclass(frozen=True)
class _Value:
    mean: float
    low: float
    high: float


def overview(scored: Sequence[Scored]) -> Markup:
    """The figure of a study's scores."""
    together = groups(scored)
    scales, columns = [], []
    for benchmark in dict.fromkeys(item.benchmark for item in scored):
        for metric in _shown(benchmark, together):
            values = [_value(group, benchmark, metric) for group in together]
            trivial = _baseline(together[0], benchmark, metric)
            end = _end([value.high for value in values if value] + ([trivial] if trivial else []))
            part = "the paper's clips, " if metric.endswith(PAPER_CLIPS) else ""
            name = metric.removesuffix(PAPER_CLIPS)
            name = _WORDS.get(name, name)
            scales.append(Scale(benchmark, name, part, f"{end:g}"))
            columns.append(_strips(values, trivial, end))
    rows = [
        (group.label, [column[number] for column in columns])
        for number, group in enumerate(together)
    ]
    return render("overview", scales=scales, rows=rows, width=WIDTH, height=HEIGHT)


def _shown(benchmark: str, together: Sequence[Group]) -> list[str]:
    known = {key for group in together for item in group.on(benchmark) for key in item.metrics}
    if benchmark.startswith("scenes"):
        return [metric for metric in _SCENES if metric in known]
    metric = next((metric for metric in _OTHERS if metric in known), None)
    if metric is None:
        return []
    return [metric + PAPER_CLIPS if metric + PAPER_CLIPS in known else metric]


def _value(group: Group, benchmark: str, metric: str) -> _Value | None:
    values = group.values(benchmark, metric)
    if not values:
        return None
    spread = over_seeds(values)
    if spread.half is not None:
        return _Value(spread.mean, spread.mean - spread.half, spread.mean + spread.half)
    ends = group.interval(benchmark, metric) or (spread.mean, spread.mean)
    return _Value(spread.mean, *ends)


def _baseline(group: Group, benchmark: str, metric: str) -> float | None:
    found = [group.values(benchmark, f"{metric}.{name}") for name in _TRIVIAL]
    return max((values[0] for values in found if values), default=None)


def _end(values: Sequence[float]) -> float:
    """The end of a scale that holds all `values`: some power of ten once to ten times, at most
    100."""
    largest = min(max(values, default=1.0), 100.0)
    step = 10.0 ** math.floor(math.log10(max(largest, 0.1)))
    return round(min(step * math.ceil(largest / step - 1e-9), 100.0), 6)


def _strips(values: Sequence[_Value | None], trivial: float | None, end: float) -> list[Strip]:
    best = max((value.mean for value in values if value), default=None)
    line = None if trivial is None else _place(trivial, end)
    strips = []
    for value in values:
        if value is None:
            strips.append(Strip("", None, None, line, False))
            continue
        bar = (_place(value.low, end), _place(value.high, end))
        text, first = f"{value.mean:.1f}", len(values) > 1 and value.mean == best
        strips.append(Strip(text, _place(value.mean, end), bar, line, first))
    return strips


def _place(value: float, end: float) -> str:
    share = min(max(value / end, 0.0), 1.0)
    return f"{_EDGE + share * (WIDTH - 2 * _EDGE):.1f}"
