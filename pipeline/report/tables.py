"""Tables of scores as Markdown, which reads alike in a terminal, in a README and on a page."""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, stdev

from scipy.stats import t as student
from tabulate import tabulate

Metrics = Mapping[str, float]


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, its columns padded to one width each; cells stay the text that they are."""
    return str(tabulate(rows, header, tablefmt="github", disable_numparse=True))


def seeds_table(variants: Mapping[str, Sequence[Metrics]], names: Mapping[str, str]) -> str:
    """Mean, its 95 % interval, and smallest and largest score of each variant over its seeds.

    The interval is Student's, of the mean over seeds; of a single seed there is none.

    `variants` holds one mapping of metrics a seed; `names` maps a column's head to its metric. The
    baselines that the same files hold (`<metric>.<baseline>`) stand below, each at the mean of all.
    A metric that a file lacks is left blank.
    """
    rows = []
    for variant, scores in variants.items():
        rows.append(
            [f"{variant} ({len(scores)} seeds)", *(_spread(scores, m) for m in names.values())]
        )
    everything = [metrics for scores in variants.values() for metrics in scores]
    known = {key.split(".", 1)[1] for metrics in everything for key in metrics if "." in key}
    for baseline in sorted(known):
        cells = [_mean(everything, f"{metric}.{baseline}") for metric in names.values()]
        if any(cells):
            rows.append([baseline, *cells])
    return markdown(["", *names], rows)


def _values(scores: Sequence[Metrics], metric: str) -> list[float]:
    return [metrics[metric] for metrics in scores if metric in metrics]


def _mean(scores: Sequence[Metrics], metric: str) -> str:
    values = _values(scores, metric)
    return f"{fmean(values):.1f}" if values else ""


def _spread(scores: Sequence[Metrics], metric: str) -> str:
    values = _values(scores, metric)
    if not values:
        return ""
    mean = f"{fmean(values):.1f}"
    if len(values) == 1:
        return mean
    return f"{mean} ± {half_interval(values):.1f} ({min(values):.1f} to {max(values):.1f})"


def half_interval(values: Sequence[float]) -> float:
    """Half the width of Student's 95 % interval of the mean of two values or more."""
    quantile = float(student.ppf(0.975, len(values) - 1))
    return quantile * stdev(values) / math.sqrt(len(values))
