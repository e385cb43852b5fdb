"""Galleries: of each benchmark its best, typical and worst samples, to be looked at and heard.

What is shown is chosen by the scores alone, so nobody picks; the price is that the best ones
flatter and the worst ones are often wrong boxes. Everything is drawn from the maps and the table of
samples that stage evaluate wrote, so no network is needed.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from markupsafe import Markup

from pipeline.benchmarks import Benchmark
from pipeline.report.clips import Clips, Picture, Player
from pipeline.report.facts import (
    ADAPTIVE,
    CUT_WORDS,
    BenchmarkFacts,
    RunFacts,
    check_rows,
    scored_region,
)
from pipeline.report.failures import KINDS
from pipeline.report.templating import render

_CASES = 3  # of each kind
_ROWS = 2  # of answers, of each kind
DIRECTIONS = {"a2i": "A sound finds frames", "i2a": "A frame finds sounds"}


@dataclass(frozen=True)
class Case:
    """A sample with its map: the class of what sounds ('' where nobody says), two pictures, its
    sound, its IoU in words (None where nothing sounds), what else is known of it, and the names of
    its clips."""

    class_: str
    frame: Picture
    heat: Picture
    player: Player
    iou: str | None
    facts: Sequence[str]
    names: Sequence[str]


@dataclass(frozen=True)
class Answer:
    """A clip that a query found; `mark` says so where it is the right one or of its class, and
    `style` is how that is drawn."""

    picture: Picture
    player: Player | None
    class_: str
    mark: str
    style: str | None


@dataclass(frozen=True)
class Query:
    """A clip's picture or, where frames are looked for, sound, and the clips that it found."""

    title: str
    clip: str
    words: Sequence[str]
    picture: Picture | None
    player: Player | None
    answers: Sequence[Answer]


def choose(order: Sequence[int], count: int) -> dict[str, list[int]]:
    """The best, typical and worst of samples that stand in `order`, the best first: `count` each,
    the typical ones around the median. With too few samples none is shown twice."""
    best = list(order[:count])
    rest = list(order[len(best) :])
    worst = rest[max(len(rest) - count, 0) :]
    middle = max(len(order) // 2 - count // 2, len(best))
    typical = list(order[middle : min(middle + count, len(order) - len(worst))])
    return {"best": best, "typical": typical, "worst": worst}


def gallery(
    benchmark: Benchmark,
    facts: BenchmarkFacts,
    run: RunFacts,
    maps: np.ndarray,
    clips: Clips,
    shown: set[str] | None = None,
) -> Markup:
    """The cases of a run on a benchmark that scores maps; of one with negative sounds also those
    negatives that the model is surest of.

    `maps` (samples, h, w) are what evaluating it wrote. Clips that are `shown` elsewhere are passed
    over where there are enough others, and the chosen ones are added to them.
    """
    iou = run.cuts[run.lead]
    order = sorted(np.flatnonzero(facts.true).tolist(), key=lambda n: (-iou[n], n))
    shown = set() if shown is None else shown
    groups: dict[str, list[int]] = choose(_others(facts, order, shown), _CASES)
    negative = np.flatnonzero(~facts.true).tolist()
    loudest = sorted(negative, key=lambda n: (-run.sureness[n], n))
    groups["surest where nothing sounds"] = loudest[:_CASES]
    shown.update(facts.sounds[n] for chosen in groups.values() for n in chosen)
    drawn = [
        (title.capitalize(), [_case(benchmark, facts, run, maps, clips, n) for n in chosen])
        for title, chosen in groups.items()
        if chosen
    ]
    return render("cases", groups=drawn, cut=CUT_WORDS[run.lead])


def _others(facts: BenchmarkFacts, order: Sequence[int], shown: Collection[str]) -> list[int]:
    """The samples of `order` whose sounds are not `shown`, one of each sound; all of them where
    these are too few."""
    first: dict[str, int] = {}
    for place in order:
        first.setdefault(facts.sounds[place], place)
    once = list(first.values())
    other = [place for place in once if facts.sounds[place] not in shown]
    return next((each for each in (other, once) if len(each) >= 3 * _CASES), list(order))


def _case(
    benchmark: Benchmark,
    facts: BenchmarkFacts,
    run: RunFacts,
    maps: np.ndarray,
    clips: Clips,
    place: int,
) -> Case:
    frame, sound = facts.frames[place], facts.sounds[place]
    truth = benchmark.ground_truth(place, place + 1)[0]
    region = scored_region(maps[place], facts.resize, run.lead, facts.area[place], run.threshold)
    true = bool(facts.true[place])
    said = [KINDS[run.kinds[place]]]
    if true and run.lead != ADAPTIVE:
        said.append(f"{run.cuts[ADAPTIVE][place]:.2f} at the true area")
    said.append(f"sureness {run.sureness[place]:.2f}")
    names = [frame] if frame == sound else [f"frame {frame}", f"sound {sound}"]
    return Case(
        facts.classes[place],
        clips.frame(frame, truth=truth if true else None),
        clips.heat(frame, maps[place], truth, region=region),
        clips.player(sound),
        f"IoU {run.cuts[run.lead][place]:.2f}" if true else None,
        said,
        names,
    )


def retrieval_gallery(
    benchmark: Benchmark, rows: pa.Table, classes: Sequence[str] | None, clips: Clips
) -> Markup:
    """Queries with their five best answers both ways, the right one marked; `classes` names what
    each sample is, where that is known. Raises as `gallery` does."""
    check_rows(benchmark, rows, *(f"answers_{direction}" for direction in DIRECTIONS))
    ids = [sample.sample_id for sample in benchmark.samples]
    known = dict(zip(ids, classes, strict=True)) if classes else {}
    groups = []
    for direction, title in DIRECTIONS.items():
        ranks = rows[f"rank_{direction}"].to_pylist()
        answers = rows[f"answers_{direction}"].to_pylist()
        order = sorted(range(len(ranks)), key=lambda n: (ranks[n], n))
        queries = [
            _query(clips, direction, kind, ids[place], ranks[place], answers[place], known)
            for kind, chosen in choose(order, _ROWS).items()
            for place in chosen
        ]
        groups.append((title, direction, queries))
    return render("queries", groups=groups)


def _query(
    clips: Clips,
    direction: str,
    kind: str,
    clip: str,
    rank: int,
    answers: Sequence[str],
    known: Mapping[str, str],
) -> Query:
    by_sound = direction == "a2i"
    found = []
    for answer in answers:
        mark, style = "", None
        if answer == clip:
            mark, style = "right", "right"
        elif known and known[answer] == known[clip]:
            mark, style = "same class", "alike"
        player = None if by_sound else clips.player(answer)
        picture = clips.frame(answer, small=True)
        found.append(Answer(picture, player, known.get(answer, ""), mark, style))
    verdict = "found first" if rank == 1 else f"the right one is number {rank}"
    return Query(
        f"{kind}: {verdict}",
        clip,
        [known[clip]] if known else [],
        None if by_sound else clips.frame(clip, small=True),
        clips.player(clip) if by_sound else None,
        found,
    )
