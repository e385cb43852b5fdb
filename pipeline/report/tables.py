"""Tables of scores as Markdown, which reads alike in a terminal, in a README and on a page."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from scipy.special import stdtrit
from tabulate import tabulate

Metrics = Mapping[str, float]


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, its columns padded to one width each; cells stay the text that they are."""
    return str(tabulate(rows, header, tablefmt="github", disable_numparse=True))


def seeds_table(
    variants: Mapping[str, Sequence[Metrics]],
    names: Mapping[str, str],
    ranges: bool = True,
    seedless: Collection[str] = (),
) -> str:
    """Mean, its 95 % interval, and with `ranges` smallest and largest score of each variant over
    its seeds.

    The interval is Student's, of the mean over seeds; of a single seed there is none.

    `variants` holds one mapping of metrics a seed; `names` maps a column's head to its metric. The
    baselines that the same files hold (`<metric>.<baseline>`) stand below, each at the mean of all.
    A metric that a file lacks is left blank. Of the variants in `seedless`, files of maps, the
    number of seeds is not told.
    """
    rows = []
    for variant, scores in variants.items():
        count = f" ({len(scores)} seed{'s' if len(scores) > 1 else ''})"
        rows.append(
            [
                variant if variant in seedless else f"{variant}{count}",
                *(_spread(scores, metric, ranges) for metric in names.values()),
            ]
        )
    everything = [metrics for scores in variants.values() for metrics in scores]
    known = {key.split(".", 1)[1] for metrics in everything for key in metrics if "." in key}
    for baseline in sorted(known):
        cells = [_mean(everything, f"{metric}.{baseline}") for metric in names.values()]
        if any(cells):
            rows.append([baseline, *cells])
    return markdown(["", *names], rows)


@dataclass(frozen=True)
class Spread:
    """A score over seeds: its mean, half the width of Student's 95 % interval of that mean (None
    for a single seed), and the smallest and the largest value."""

    mean: float
    half: float | None
    low: float
    high: float


def over_seeds(values: Sequence[float]) -> Spread:
    """The spread of one value a seed, of at least one."""
    half = half_interval(values) if len(values) > 1 else None
    return Spread(fmean(values), half, min(values), max(values))


def _values(scores: Sequence[Metrics], metric: str) -> list[float]:
    return [metrics[metric] for metrics in scores if metric in metrics]


def _mean(scores: Sequence[Metrics], metric: str) -> str:
    values = _values(scores, metric)
    return f"{fmean(values):.1f}" if values else ""


def _spread(scores: Sequence[Metrics], metric: str, ranges: bool) -> str:
    values = _values(scores, metric)
    if not values:
        return ""
    spread = over_seeds(values)
    if spread.half is None:
        return f"{spread.mean:.1f}"
    text = f"{spread.mean:.1f} ± {spread.half:.1f}"
    return f"{text} ({spread.low:.1f} to {spread.high:.1f})" if ranges else text


def paired(differences: Sequence[float]) -> str:
    """The mean of differences seed by seed with its 95 % interval, and a star where that does not
    hold 0; '' for none."""
    if not differences:
        return ""
    spread = over_seeds(differences)
    if spread.half is None:
        return f"{spread.mean:+.1f}"
    star = " *" if abs(spread.mean) > spread.half else ""
    return f"{spread.mean:+.1f} ± {spread.half:.1f}{star}"


def half_interval(values: Sequence[float]) -> float:
    """Half the width of Student's 95 % interval of the mean of two values or more."""
    quantile = float(stdtrit(len(values) - 1, 0.975))  # of Student's t; scipy.stats takes a second
    return quantile * stdev(values) / math.sqrt(len(values))
