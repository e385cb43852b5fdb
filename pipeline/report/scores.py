"""A benchmark's own scores: every metric beside its baselines, and its curves."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from pipeline.report.curves import Line, chart
from pipeline.report.html_tables import Head, TableRow, draw_table, number
from pipeline.report.runs import BASELINES, Scored

# Facts of the samples, which say the same for every map.
_COUNTS = ("samples", "official_samples", "leaked_clips", "images", "official_images")
_LINES = {
    "iou": "median threshold",
    "iou_adaptive": "adaptive threshold",
    "iou_ogl": "with OGL",
    "iou_ogl_adaptive": "with OGL, adaptive",
    "F": "maps",
}
_TITLES = {
    "success": ("Success", "IoU at least", "share of samples"),
    "f_score": ("F-score", "threshold", "F"),
    "precision_recall": ("Precision and recall", "recall", "precision"),
}
_UNIT = (0.0, 1.0)

Columns = Mapping[str, Sequence[float]]


def score_table(scored: Scored) -> Markup:
    """Every metric of one evaluation, a column for the run and one for each baseline."""
    metrics = scored.metrics
    known = [name for name in BASELINES if any(key.endswith(f".{name}") for key in metrics)]
    rows = []
    for key, value in metrics.items():
        if "." in key:
            continue
        if key.startswith(("samples", *_COUNTS)) or key == "sounding_samples":
            cells = [f"{value:.0f}", *[""] * len(known)]
        else:
            cells = [number(value), *(number(metrics.get(f"{key}.{name}")) for name in known)]
        rows.append(TableRow(key, cells))
    heads = [Head(name) for name in (scored.run.name, *(BASELINES[name] for name in known))]
    caption = "All scores, in per cent but for counts and thresholds"
    return draw_table(caption, f"All scores on {scored.benchmark}", "metric", heads, rows)


def curve_charts(curves: Mapping[str, Columns]) -> list[Markup]:
    """A chart for each kind of curve that an evaluation wrote (`<kind>.tsv`, `<kind>_ogl.tsv`)."""
    charts = []
    for kind, (title, x_label, y_label) in _TITLES.items():
        lines: list[Line] = []
        for suffix, word in (("", "maps"), ("_ogl", "with OGL")):
            rows = curves.get(f"{kind}{suffix}")
            if rows is None:
                continue
            if kind == "precision_recall":
                lines.append(Line(word, rows["recall"], rows["precision"]))
                continue
            for name in rows:
                if name != "threshold":
                    label = word if suffix else _LINES.get(name, name)
                    lines.append(Line(label, rows["threshold"], rows[name]))
        if lines:
            charts.append(chart(title, lines, x_label, y_label, _UNIT, _UNIT))
    return charts


def training_charts(histories: Mapping[str, Columns]) -> list[Markup]:
    """The training curve of each run: its loss and the loss's parts over the epochs."""
    charts = []
    for run, history in histories.items():
        parts = [name for name in history if name not in ("epoch", "loss", "learning_rate")]
        lines = [
            Line(name, history["epoch"], history[name])
            for name in ("loss", *(parts if len(parts) > 1 else ()))
            if any(history[name])
        ]
        charts.append(chart(f"Loss of {run}", lines, "epoch", "loss"))
    return charts
