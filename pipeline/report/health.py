"""The health of what was trained and tested on: clips, rejects by cause, durations, leakage."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from pipeline.report.html_tables import Head, TableRow, draw_table
from pipeline.report.runs import Scored

_QUANTILES = {"min": "shortest", "p05": "5 %", "median": "median", "max": "longest"}
_REJECTS = "rejects_"


def corpora_health(summaries: Mapping[str, Mapping[str, float]]) -> Markup:
    """What decoding found in each corpus, `summaries` being its `summary.json`."""
    names = ["clips", "rejects", "silent", "still", "duplicates"]
    names += [f"{name} (s)" for name in _QUANTILES.values()]
    rows = []
    for corpus, summary in summaries.items():
        counts = [f"{summary[key]:.0f}" for key in ("clips", "rejects", "silent", "still")]
        counts.append(f"{summary['duplicates']:.0f}")
        seconds = [summary.get(f"sound_seconds_{quantile}") for quantile in _QUANTILES]
        counts += ["" if value is None else f"{value:.1f}" for value in seconds]
        causes = {
            key.removeprefix(_REJECTS).replace("_", " "): count
            for key, count in summary.items()
            if key.startswith(_REJECTS) and count
        }
        why = ", ".join(f"{cause}: {count:.0f}" for cause, count in causes.items())
        rows.append(TableRow(corpus, counts, [why or "nothing was rejected"]))
    caption = "Clips as decoded: rejects by cause, and how long the sounds are"
    return draw_table(caption, "The corpora's health", "corpus", list(map(Head, names)), rows)


def leakage(scored: Sequence[Scored]) -> Markup:
    """How many clips of each benchmark each run was trained on."""
    benchmarks = list(dict.fromkeys(item.benchmark for item in scored))
    runs = list(dict.fromkeys(item.run.name for item in scored))
    found = {(item.run.name, item.benchmark): item.metrics for item in scored}
    rows = []
    for benchmark in benchmarks:
        cells = []
        for run in runs:
            metrics = found.get((run, benchmark))
            cells.append(f"{metrics['leaked_clips']:.0f}" if metrics else "")
        rows.append(TableRow(benchmark, cells))
    caption = "Leakage: how many different clips of a benchmark the run was trained on"
    return draw_table(caption, "Leakage", "benchmark", list(map(Head, runs)), rows)
