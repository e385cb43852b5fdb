"""The health of what was trained and tested on: clips, rejects by cause, durations, leakage."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from pipeline.report.html_tables import Head, TableRow, draw_table
from pipeline.report.runs import Scored, groups

_COUNTS = {
    "clips": "clips",
    "rejects": "rejects",
    "silent": "silent",
    "cancelled": "channels cancel",
    "with_holes": "with holes",
    "still": "still",
    "duplicates": "duplicates",
    "not_taken": "files not taken",
}
_QUANTILES = {"min": "shortest", "p05": "5 %", "median": "median", "max": "longest"}
_REJECTS = "rejects_"


def corpora_health(summaries: Mapping[str, Mapping[str, float]]) -> Markup:
    """What decoding found in each corpus, `summaries` being its `summary.json`."""
    names = [*_COUNTS.values(), *(f"{name} (s)" for name in _QUANTILES.values())]
    rows = []
    for corpus, summary in summaries.items():
        counts = [f"{summary[key]:.0f}" for key in _COUNTS]
        seconds = [summary.get(f"sound_seconds_{quantile}") for quantile in _QUANTILES]
        counts += ["" if value is None else f"{value:.1f}" for value in seconds]
        causes = {
            key.removeprefix(_REJECTS).replace("_", " "): count
            for key, count in summary.items()
            if key.startswith(_REJECTS) and count
        }
        why = ", ".join(f"{cause}: {count:.0f}" for cause, count in causes.items())
        rows.append(TableRow(corpus, counts, [why or "nothing was rejected"]))
    caption = (
        "Clips as decoded: rejects by cause, and how long the sounds are. Where channels cancel "
        "the first was kept; holes were filled with silence. Of different files for one clip the "
        "largest was taken; not_taken.parquet beside the clip table names the others"
    )
    return draw_table(caption, "The corpora's health", "corpus", list(map(Head, names)), rows)


def leakage(scored: Sequence[Scored]) -> Markup:
    """How many clips of each benchmark the runs were trained on, a column for each method and run:
    seeds share their training list."""
    benchmarks = list(dict.fromkeys(item.benchmark for item in scored))
    together = groups(scored)
    rows = []
    for benchmark in benchmarks:
        found = [sorted(set(group.values(benchmark, "leaked_clips"))) for group in together]
        cells = [" or ".join(f"{count:.0f}" for count in counts) for counts in found]
        rows.append(TableRow(benchmark, cells))
    caption = "Leakage: how many different clips of a benchmark the run was trained on"
    heads = [Head(group.label) for group in together]
    return draw_table(caption, "Leakage", "benchmark", heads, rows)
