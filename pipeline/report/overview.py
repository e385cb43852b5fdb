"""One figure of all runs on all benchmarks: a row a run, a column a score, in each cell a dot."""

from collections.abc import Sequence

from markupsafe import Markup

from pipeline.report.dots import Column, Value, dots
from pipeline.report.names import benchmark_title, metric_words
from pipeline.report.paper_numbers import PAPER_CLIPS
from pipeline.report.runs import BASELINES, Group, Scored, groups
from pipeline.report.tables import over_seeds

# What is shown of the toy's scenes, and of others the first that there is.
_SCENES = ("cIoU_adaptive", "pointing_distractors", "swap", "class_R@1_a2i", "class_R@1_i2a")
_CONDITIONS = (
    *(f"pointing@{name}" for name in ("congruent", "conflicting", "laid-over", "several")),
    "AP_absent_maximum",
)
_OTHERS = ("cIoU", "AP", "mIoU", "F_AUC", "class_R@1_a2i", "R@1_a2i")
TRIVIAL = tuple(name for name in BASELINES if name != "bound")
_FEW, _WIDE = 3, 6  # runs that stand side by side; scores that a window shows of a run's row
_CAPTION = (
    "Dot: the score, in per cent from 0 to the number in the head. Bar: its 95 % interval, over "
    "seeds or, of a single one, over samples. Broken line: the best of the baselines. Shaded: what "
    "is possible, where the bound is known. Bold: the highest of a column"
)


def overview(scored: Sequence[Scored]) -> Markup:
    """The figure of a study's scores: a row a run, or, of one run or of a few with more scores
    than a window is wide, a row a score."""
    together = groups(scored)
    shown = [
        (benchmark, metric)
        for benchmark in dict.fromkeys(item.benchmark for item in scored)
        for metric in shown_metrics(benchmark, together)
    ]
    title = "All runs on all benchmarks"
    if len(together) == 1 or (len(together) <= _FEW and len(shown) > _WIDE):
        names = [f"{benchmark_title(name)}: {metric_words(metric)}" for name, metric in shown]
        columns = [
            Column(run.label, [], [value_of(run, *each) for each in shown], best=False)
            for run in together
        ]
        return dots(title, _CAPTION.rpartition(". ")[0], "score", names, columns, one_scale=True)
    columns = [
        Column(
            benchmark_title(name),
            [metric_words(metric)],
            [value_of(group, name, metric) for group in together],
        )
        for name, metric in shown
    ]
    return dots(title, _CAPTION, "run", [group.label for group in together], columns)


def shown_metrics(benchmark: str, together: Sequence[Group]) -> list[str]:
    """The metrics that a benchmark is known by, of those that some run has; the first one leads."""
    known = {key for group in together for item in group.on(benchmark) for key in item.metrics}
    if benchmark.startswith("scenes"):
        return [metric for metric in _SCENES if metric in known]
    if benchmark == "conditions":
        return [metric for metric in _CONDITIONS if metric in known]
    metric = next((metric for metric in _OTHERS if metric in known), None)
    if metric is None:
        return []
    return [metric + PAPER_CLIPS if metric + PAPER_CLIPS in known else metric]


def value_of(group: Group, benchmark: str, metric: str) -> Value | None:
    """A group's score with its interval, over seeds or, of a single one, over samples, and with the
    best baseline and the bound that were scored beside it; None where it has none."""
    values = group.values(benchmark, metric)
    if not values:
        return None
    spread = over_seeds(values)
    found = best_baseline(group, benchmark, metric)
    trivial = None if found is None else found[1]
    bound = next(iter(group.values(benchmark, f"{metric}.bound")), None)
    if spread.half is not None:
        low, high = spread.mean - spread.half, spread.mean + spread.half
    else:
        low, high = group.interval(benchmark, metric) or (spread.mean, spread.mean)
    # Student's interval goes beyond what a share can be.
    return Value(spread.mean, max(low, 0.0), min(high, 100.0), trivial, bound)


def best_baseline(group: Group, benchmark: str, metric: str) -> tuple[str, float] | None:
    """The name and the score of the highest baseline, the bound aside."""
    found = {name: group.values(benchmark, f"{metric}.{name}") for name in TRIVIAL}
    known = {name: values[0] for name, values in found.items() if values}
    best = max(known, key=lambda name: known[name], default=None)
    return None if best is None else (BASELINES[best], known[best])
