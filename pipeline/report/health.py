"""The health of what was trained and tested on: clips, rejects by cause, durations, leakage."""

from collections.abc import Mapping, Sequence

from pipeline.report.markup import Markup, element, table
from pipeline.report.runs import Scored

_QUANTILES = {"min": "shortest", "p05": "5 %", "median": "median", "max": "longest"}
_REJECTS = "rejects_"


def corpora_health(summaries: Mapping[str, Mapping[str, float]]) -> Markup:
    """What decoding found in each corpus, `summaries` being its `summary.json`."""
    names = ["corpus", "clips", "rejects", "silent", "still", "duplicates"]
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
        head = [corpus, element("span", why or "nothing was rejected", class_="condition")]
        rows.append(_row(head, counts))
    header = element("tr", [element("th", name, scope="col") for name in names])
    caption = "Clips as decoded: rejects by cause, and how long the sounds are"
    return table(caption, [header], [element("tbody", rows)], label="The corpora's health")


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
        rows.append(_row(benchmark, cells))
    header = element("tr", [element("th", name, scope="col") for name in ("benchmark", *runs)])
    caption = "Leakage: how many different clips of a benchmark the run was trained on"
    return table(caption, [header], [element("tbody", rows)], label="Leakage")


def _row(head: object, cells: Sequence[str]) -> Markup:
    values = [element("td", cell, class_="number") for cell in cells]
    return element("tr", element("th", head, scope="row"), values)
