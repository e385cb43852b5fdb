"""The page's first screen: how good, of how much possible, against what; can it be trusted; what
fails.

One score leads, that of the study's first benchmark. A study of one run shows beside it what its
other benchmarks are known by; one of several runs shows the leading score of each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

import numpy as np
from markupsafe import Markup

from pipeline.report.dots import Value
from pipeline.report.failures import FAILURES, KINDS, MEANINGS, RIGHT
from pipeline.report.names import benchmark_title, metric_words
from pipeline.report.overview import best_baseline, shown_metrics, value_of
from pipeline.report.paper_numbers import PAPER_CLIPS
from pipeline.report.runs import MAPS, Group, Scored, groups
from pipeline.report.store import Seen
from pipeline.report.templating import render

_TRACKS = 8  # of a study of one run


@dataclass(frozen=True)
class Track:
    """A line of the picture: a name, what is small below it, and its score; `trivial` names the
    best baseline."""

    name: str
    below: str
    value: Value
    trivial: str | None


@dataclass(frozen=True)
class Part:
    """How many samples are of a kind: its number, name and meaning, their count and share in per
    cent, and the address at which the browser shows them."""

    kind: int
    name: str
    meaning: str
    count: int
    share: str
    address: str


def first_screen(
    scored: Sequence[Scored],
    failing: tuple[str, str, Seen] | None,
    left_out: Mapping[str, str] | None = None,
) -> Markup:
    """The answer of a study with at least one score; `failing` is the key of the section whose
    failures are told, its benchmark and the run, None where no map is scored. `left_out` are
    benchmarks that the study would have too, with why it has not."""
    together = groups(scored)
    benchmark, metric = _lead(scored, together)
    values = [(group, value_of(group, benchmark, metric)) for group in together]
    known = [(group, value) for group, value in values if value]
    best, value = max(known, key=lambda pair: pair[1].mean)
    several = len(known) > 1  # maps of anyone's may not be scored on what leads
    if several:
        ordered = sorted(known, key=lambda pair: -pair[1].mean)
        tracks = [_track(group, benchmark, metric, group.label, "") for group, _ in ordered]
    else:
        tracks = [
            _track(best, name, each, benchmark_title(name), metric_words(each))
            for name, each in _different(best.scored, [best])[:_TRACKS]
        ]
    return render(
        "first_screen",
        label=best.label,
        several=len(known) if several else 0,
        named=len(together) > 1,
        score=f"{value.mean:.1f}",
        low=f"{value.low:.0f}",
        high=f"{value.high:.0f}",
        over="seeds" if len(best.runs) > 1 else "samples",
        bound=None if value.bound is None else f"{value.bound:.0f}",
        metric=metric_words(metric),
        benchmark=benchmark_title(benchmark),
        trivial=best_baseline(best, benchmark, metric),
        clear=value.trivial is not None and value.low > value.trivial,
        tracks=tracks,
        doubts=[*_doubts(scored, together), *_left_out(left_out or {})],
        made=any(item.made for item in scored),
        failing=None if failing is None else (failing[1], failing[2].label, *_failures(*failing)),
    )


def _lead(scored: Sequence[Scored], together: Sequence[Group]) -> tuple[str, str]:
    for benchmark in dict.fromkeys(item.benchmark for item in scored):
        if metrics := shown_metrics(benchmark, together):
            return benchmark, metrics[0]
    raise ValueError("no benchmark has a score that it is known by")


def _different(scored: Sequence[Scored], together: Sequence[Group]) -> list[tuple[str, str]]:
    """The benchmarks with the metrics that they are known by; of several benchmarks on one corpus
    that are known by one metric the first, since the others are mostly parts of it."""
    found: dict[tuple[str, str], tuple[str, str]] = {}
    for corpus, name in dict.fromkeys((item.corpus, item.benchmark) for item in scored):
        for metric in shown_metrics(name, together):
            found.setdefault((corpus, metric.removesuffix(PAPER_CLIPS)), (name, metric))
    return list(found.values())


def _track(group: Group, benchmark: str, metric: str, name: str, below: str) -> Track:
    value, found = value_of(group, benchmark, metric), best_baseline(group, benchmark, metric)
    assert value is not None
    return Track(name, below, value, found and found[0])


def _doubts(scored: Sequence[Scored], together: Sequence[Group]) -> list[tuple[bool, str]]:
    """What speaks for and against trusting the numbers: whether it is fine, and a sentence."""
    leaks = {
        item.benchmark: item.metrics["leaked_clips"]
        for item in scored
        if item.metrics.get("leaked_clips")
    }
    unknown = [item.run.name for item in scored if "leaked_clips" not in item.metrics]
    trained = [group for group in together if group.runs[0].method != MAPS]
    found = []
    if leaks:
        words = ", ".join(f"{count:.0f} of {benchmark_title(n)}" for n, count in leaks.items())
        found.append((False, f"Clips of the tests were trained on: {words}."))
    elif not unknown:
        found.append((True, "No clip of any test was trained on."))
    elif len(set(unknown)) < len({item.run.name for item in scored}):
        found.append((True, "No clip of any test is among those that our runs were trained on."))
    if unknown:
        names = ", ".join(dict.fromkeys(unknown))
        found.append((False, f"What {names} was trained on is not known."))
    counts = {
        item.benchmark: (item.metrics["samples"], item.metrics["official_samples"])
        for item in scored
    }
    partial = {name: pair for name, pair in counts.items() if pair[0] < pair[1]}
    if partial:
        words = ", ".join(
            f"{had:.0f} of {benchmark_title(name)}'s {all_:.0f}"
            for name, (had, all_) in partial.items()
        )
        found.append((False, f"Samples are missing: {words}."))
    else:
        found.append((True, f"All samples of all {len(counts)} benchmarks were scored."))
    seeds = min((len(group.runs) for group in trained), default=0)
    if seeds == 1:
        text = "One seed: another training may differ by more than an interval over samples says."
        found.append((False, text))
    elif seeds:
        found.append((True, f"{seeds} seeds of each run; intervals are over them."))
    return found


def _left_out(reasons: Mapping[str, str]) -> list[tuple[bool, str]]:
    """What is told of benchmarks that were left out, those of one reason together."""
    found = []
    for why in dict.fromkeys(reasons.values()):
        names = [benchmark_title(name) for name, each in reasons.items() if each == why]
        found.append((False, f"Left out, and not scored: {', '.join(names)} ({why})."))
    return found


def _failures(key: str, benchmark: str, seen: Seen) -> tuple[int, list[Part]]:
    """How many samples have a truth, and the parts of them, the right ones first."""
    kinds = seen.facts.kinds
    total = int(np.isin(kinds, [RIGHT, *FAILURES]).sum())
    parts = []
    for kind in (RIGHT, *FAILURES):
        count = int((kinds == kind).sum())
        if count:
            path = "/".join(quote(each, safe="") for each in (key, seen.label, KINDS[kind]))
            share = f"{100 * count / total:.1f}"
            parts.append(Part(kind, KINDS[kind], MEANINGS[kind], count, share, f"#kind/{path}"))
    return total, parts
