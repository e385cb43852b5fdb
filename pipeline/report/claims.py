"""The paper's claims about its own method, asked of runs that differ in their seed: Tables 8 and 9
of Senocak et al., ICCV 2023, and what its text says of them (4.3, 4.4, 5).

Two runs are compared seed by seed, since a seed decides the order of the clips and how both begin.
A claim *holds* where Student's 95 % interval of the mean difference lies on its side of 0, is
*contradicted* where it lies on the other, and is *open* where it holds 0. Of a claim that one run
is no worse than another the same interval decides, the other way round. The price of five seeds is
that differences under a few points stay open.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

from markupsafe import Markup

from pipeline.report.html_tables import Head, TableRow, draw_table
from pipeline.report.paper_numbers import ABLATIONS, NEIGHBOURS
from pipeline.report.runs import PAPER, Scored
from pipeline.report.tables import Spread, over_seeds

_K = re.compile(r"k-(\d+)")
_OF_A_FORM = re.compile("[A-H]-(.+)")

# By seed the scores of one run's evaluation on one benchmark.
Seeds = Mapping[int, Mapping[str, float]]
Verdict = Literal["holds", "contradicted", "open"]


@dataclass(frozen=True)
class Claim:
    """`better` is better than `worse`, runs by their names, or with `no_worse` not worse; the claim
    in words is `said`, and stands in the paper's `place`."""

    said: str
    place: str
    better: str
    worse: str
    no_worse: bool = False


class Answer(NamedTuple):
    """A table of answers: what it is about, the heads of its columns, its rows."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]


_HELPS, _BEATS = "feature alignment helps", "semantic positives beat multi-view ones"
_BOTH = "semantic and multi-view positives complement each other"
# The comparisons that 4.3 names, and of feature alignment the fourth, which it does not.
CLAIMS = (
    *(Claim(_HELPS, "4.3, Table 8", *pair) for pair in ("AB", "CD", "EF", "GH")),
    *(Claim(_BEATS, "4.3, Table 8", *pair) for pair in ("CE", "DF")),
    *(Claim(_BOTH, "4.3, Table 8", *pair) for pair in ("AC", "AE", "BD", "BF")),
)
# Columns of the page: heads and the scenes' metrics. Retrieval is s_L's, which every run has.
SCORES = {
    "cIoU": "cIoU",
    "cIoU, adaptive": "cIoU_adaptive",
    "pointing, silent objects": "pointing_distractors",
    "swap": "swap",
    "both": "both",
    "class R@1 by s_L": "class_R@1_a2i_s_L",
    "mAP by s_L": "mAP_a2i_s_L",
}


def with_s_l(metrics: Mapping[str, float]) -> dict[str, float]:
    """Scores of retrieval under s_L's names also where s_L is the only similarity and has none."""
    plain = (metric for metric in SCORES.values() if metric.endswith("_s_L"))
    named = {name: metrics.get(name.removesuffix("_s_L")) for name in plain}
    return {**{name: score for name, score in named.items() if score is not None}, **metrics}


def differences(better: Seeds, worse: Seeds, metric: str) -> list[float]:
    """`better` minus `worse` in one metric, by the seeds that both have, in their order."""
    shared = sorted(better.keys() & worse.keys())
    pairs = [(better[seed], worse[seed]) for seed in shared]
    return [a[metric] - b[metric] for a, b in pairs if metric in a and metric in b]


def verdict(found: Spread, no_worse: bool = False) -> Verdict:
    """What the interval of a mean difference says of the claim that it is above 0, or with
    `no_worse` that it is not below. Of a single seed nothing."""
    if found.half is None:
        return "open"
    if found.mean - found.half > 0:
        return "holds"
    if found.mean + found.half < 0:
        return "contradicted"
    return "holds" if no_worse else "open"


def answers(runs: Mapping[str, Seeds]) -> list[Answer]:
    """All tables that have a row, of runs named A to H, or k-1, k-10 and so on."""
    by_k = {int(match[1]): name for name in runs if (match := _K.fullmatch(name))}
    found = [
        claims_table(runs, [*CLAIMS, *k_claims(by_k)]),
        order_table(runs),
        guided_table(runs),
        apart_table(runs),
    ]
    return [answer for answer in found if answer.rows]


def of_form(found: Mapping[str, Seeds], form: str) -> dict[str, Seeds]:
    """The runs of a form under their letters, of A-text those of `text`; of the form "" all that
    are of no other."""
    if form:
        ending = f"-{form}"
        return {n.removesuffix(ending): s for n, s in found.items() if n.endswith(ending)}
    return {name: seeds for name, seeds in found.items() if not _OF_A_FORM.fullmatch(name)}


def forms(found: Iterable[str]) -> list[str]:
    """The forms that runs are of, "" first."""
    named = (_OF_A_FORM.fullmatch(name) for name in found)
    return ["", *dict.fromkeys(match[1] for match in named if match)]


def claims_table(runs: Mapping[str, Seeds], claims: Sequence[Claim] = CLAIMS) -> Answer:
    """A row for each comparison whose runs are there: mean difference, its interval and verdict in
    each of `SCORES`."""
    rows = []
    for claim in claims:
        if claim.better not in runs or claim.worse not in runs:
            continue
        cells = []
        for metric in SCORES.values():
            found = differences(runs[claim.better], runs[claim.worse], metric)
            cells.append(_told(over_seeds(found), claim.no_worse) if found else "")
        sign = "not worse than" if claim.no_worse else "over"
        rows.append([claim.said, f"{claim.better} {sign} {claim.worse}", *cells])
    return Answer("Claims, mean difference over seeds", ["claim", "runs", *SCORES], rows)


def k_claims(names: Mapping[int, str]) -> tuple[Claim, ...]:
    """That no larger k of Table 9 is worse than the next smaller; `names` are the runs' by k."""
    ordered = sorted(names)
    said = "a larger k is not worse"
    return tuple(
        Claim(said, "4.3, Table 9", names[large], names[small], no_worse=True)
        for small, large in pairwise(ordered)
    )


def guided_table(runs: Mapping[str, Seeds]) -> Answer:
    """What object-guided localization changes in each run's adaptive cIoU (4.4: it hurts where
    localization is right)."""
    rows = []
    for name, seeds in runs.items():
        pairs = [(m.get("cIoU_adaptive"), m.get("cIoU_adaptive_ogl")) for m in seeds.values()]
        found = [plain - guided for plain, guided in pairs if plain is not None and guided]
        if found:
            plain = over_seeds([m["cIoU_adaptive"] for m in seeds.values()])
            rows.append([name, f"{plain.mean:.1f}", _told(over_seeds(found))])
    heads = ["run", "cIoU, adaptive", "what OGL costs, points"]
    return Answer("Object-guided localization hurts where localization is right", heads, rows)


def order_table(runs: Mapping[str, Seeds]) -> Answer:
    """Spearman's correlation of the mean order of A to H with the paper's cIoU on VGG-SS (Table 8),
    and of the order by k with Table 9's, in each of `SCORES` that all of them have."""
    rows = []
    printed: list[tuple[str, dict[str, float]]] = [
        ("Table 8, A to H", {name: values[0] for name, (_, values) in ABLATIONS.items()}),
        ("Table 9, k", {f"k-{k}": values[0] for k, values in NEIGHBOURS.items()}),
    ]
    for title, theirs in printed:
        names = [name for name in theirs if runs.get(name)]
        if len(names) > 2:
            cells = [_spearman(runs, names, theirs, metric) for metric in SCORES.values()]
            rows.append([f"{title} ({len(names)} runs)", *cells])
    return Answer("The order beside the paper's", ["Spearman with", *SCORES], rows)


def apart_table(runs: Mapping[str, Seeds]) -> Answer:
    """Spearman's correlation over runs between each score of localization and retrieval by s_L:
    near 1 they go together, which the paper says they do not (5)."""
    retrieval = "class_R@1_a2i_s_L"
    rows = []
    for head, metric in SCORES.items():
        if "s_L" in metric:
            continue
        both = {
            name: (_mean(seeds, metric), _mean(seeds, retrieval)) for name, seeds in runs.items()
        }
        known = [(a, b) for a, b in both.values() if a is not None and b is not None]
        if len(known) > 2:
            first, second = zip(*known, strict=True)
            rows.append([head, str(len(known)), f"{_rank_correlation(first, second):.2f}"])
    heads = ["localization by", "runs", "Spearman with class R@1 by s_L"]
    return Answer("Localization and retrieval over runs", heads, rows)


def _rank_correlation(first: Sequence[float | None], second: Sequence[float | None]) -> float:
    # Imported here, since it takes a second that every page and table would lose.
    from scipy.stats import spearmanr

    return float(spearmanr(first, second).statistic)


def _told(found: Spread, no_worse: bool = False) -> str:
    if found.half is None:
        return f"{found.mean:+.1f} (one seed)"
    return f"{found.mean:+.1f} ± {found.half:.1f} {verdict(found, no_worse)}"


def _mean(seeds: Seeds, metric: str) -> float | None:
    values = [metrics[metric] for metrics in seeds.values() if metric in metrics]
    return over_seeds(values).mean if values else None


def _spearman(
    runs: Mapping[str, Seeds], names: Sequence[str], theirs: Mapping[str, float], metric: str
) -> str:
    ours = [_mean(runs[name], metric) for name in names]
    if any(value is None for value in ours):
        return ""
    return f"{_rank_correlation(ours, [theirs[name] for name in names]):.2f}"


def scored_runs(scored: Iterable[Scored], benchmark: str = "scenes") -> dict[str, Seeds]:
    """The paper's method's runs among evaluations on a benchmark, by run and seed."""
    found: dict[str, dict[int, Mapping[str, float]]] = {}
    for item in scored:
        if item.benchmark == benchmark and item.run.method == PAPER and item.run.seed is not None:
            name = item.run.without_seed.removeprefix(f"{PAPER}-")
            found.setdefault(name, {})[item.run.seed] = with_s_l(item.metrics)
    return dict(found)


def claims_section(scored: Sequence[Scored]) -> list[Markup]:
    """The tables of each form whose runs can be compared; none where there are none."""
    found = scored_runs(scored)
    drawn = []
    for form in forms(found):
        runs = of_form(found, form)
        if len(runs.keys() & ABLATIONS.keys()) < 2 and not any(_K.fullmatch(n) for n in runs):
            continue
        for answer in answers(runs):
            title = f"{answer.title}{f', form {form}' if form else ''}"
            first, *heads = answer.heads
            rows = [TableRow(name, cells) for name, *cells in answer.rows]
            drawn.append(draw_table(title, title, first, [Head(h, False) for h in heads], rows))
    return drawn
