"""A benchmark's own scores: every metric beside its baselines, and its curves."""

from collections.abc import Mapping, Sequence
from statistics import fmean

from markupsafe import Markup

from pipeline.benchmarks.metrics.bootstrap import HIGH, LOW
from pipeline.report.curves import Line, chart
from pipeline.report.html_tables import Head, TableRow, draw_table
from pipeline.report.runs import BASELINES, Group

# Facts of the samples, which say the same for every map.
_COUNTS = ("samples", "sounding_samples", "official_", "leaked_clips", "images")
# The charts of a benchmark: its kind of curve, the column of the horizontal axis and that of the
# vertical one of the plain maps and of those with OGL, and the words around them.
_CHARTS = (
    ("success", "threshold", "iou", "iou_ogl", "Success, cut at the median", "IoU at least",
     "share of samples"),
    ("success", "threshold", "iou_adaptive", "iou_ogl_adaptive",
     "Success, cut at the true area", "IoU at least", "share of samples"),
    ("f_score", "threshold", "F", "F", "F-score", "threshold", "F"),
    ("precision_recall", "recall", "precision", "precision", "Precision and recall", "recall",
     "precision"),
)  # fmt: skip
_UNIT = (0.0, 1.0)
# Metrics keep their names, by which they are found in the file; of the parts that say themselves
# nothing is said.
_NAMES = (
    "Names are those of metrics.json: a2i is a sound that looks for frames and i2a a frame that "
    "looks for sounds; _adaptive is cut at the true area, _half at half of the map's range, "
    "_published in the form of the method's own code; _distractors is beside silent objects; "
    "behind @ stands a part of the samples"
)

Columns = Mapping[str, Sequence[float]]


def score_table(benchmark: str, together: Sequence[Group]) -> Markup:
    """Every metric on one benchmark: a column for each run, and one for each baseline beside the
    first run. The ends of an interval stand below their metric."""
    first = together[0].on(benchmark)[0].metrics
    baselines = [name for name in BASELINES if any(key.endswith(f".{name}") for key in first)]
    everything = [item.metrics for group in together for item in group.on(benchmark)]
    rows = []
    for key in dict.fromkeys(key for metrics in everything for key in metrics):
        if "." in key or key.endswith((LOW, HIGH)):
            continue
        if key.startswith(_COUNTS):
            found = [sorted(set(group.values(benchmark, key))) for group in together]
            cells: list[object] = [" or ".join(f"{n:.0f}" for n in counts) for counts in found]
            cells += [""] * len(baselines)
        else:
            cells = [group.cell(benchmark, key) for group in together]
            cells += [together[0].cell(benchmark, f"{key}.{name}") for name in baselines]
        rows.append(TableRow(key, cells))
    heads = [Head(group.label) for group in together]
    heads += [Head(BASELINES[name]) for name in baselines]
    caption = f"All scores, in per cent but for counts and thresholds. {_NAMES}"
    if len(together) > 1 and baselines:
        caption += f"; the baselines are those beside {together[0].label}"
    return draw_table(caption, f"All scores on {benchmark}", "metric", heads, rows)


def curve_charts(
    curves: Mapping[str, Columns], trivial: Mapping[str, Mapping[str, Columns]]
) -> list[Markup]:
    """A chart for each kind of curve that an evaluation wrote (`<kind>.tsv`, `<kind>_ogl.tsv`),
    with those of the baselines and the bound in it, `trivial` by their name."""
    charts = []
    for kind, across, plain, guided, title, x_label, y_label in _CHARTS:
        ours = [("this run", curves.get(kind), plain)]
        ours += [("with OGL", curves.get(kind if guided != plain else f"{kind}_ogl"), guided)]
        ours += [(BASELINES[name], found.get(kind), plain) for name, found in trivial.items()]
        lines = [
            Line(label, rows[across], rows[column])
            for label, rows, column in ours
            if rows and column in rows
        ]
        if lines:
            charts.append(chart(title, lines, x_label, y_label, _UNIT, _UNIT))
    return charts


def training_charts(histories: Mapping[str, Sequence[Columns]]) -> list[Markup]:
    """The training curve of each run, by its label: its loss and the loss's parts over the epochs,
    of several seeds the mean; behind them each learning rate that some runs have."""
    charts = []
    rates: dict[tuple[float, ...], list[str]] = {}
    for run, seeds in histories.items():
        first = seeds[0]
        parts = [name for name in first if name not in ("epoch", "loss", "learning_rate")]
        lines = []
        for name in ("loss", *(parts if len(parts) > 1 else ())):
            curve = [fmean(values) for values in zip(*(seed[name] for seed in seeds), strict=False)]
            if any(curve):
                lines.append(Line(name, first["epoch"][: len(curve)], curve))
        mean = f", mean of {len(seeds)} seeds" if len(seeds) > 1 else ""
        charts.append(chart(f"Loss of {run}{mean}", lines, "epoch", "loss"))
        if "learning_rate" in first:
            rates.setdefault(tuple(first["learning_rate"]), []).append(run)
    for rate, runs in rates.items():
        whose = "all runs" if len(runs) == len(histories) > 1 else ", ".join(runs)
        line = Line("learning rate", range(1, len(rate) + 1), rate)
        charts.append(chart(f"Learning rate of {whose}", [line], "epoch", "rate"))
    return charts
