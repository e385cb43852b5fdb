"""Galleries: of each benchmark its best, typical and worst samples, to be looked at and heard.

What is shown is chosen by the scores alone, so nobody picks; the price is that the best ones
flatter and the worst ones are often wrong boxes. Everything is drawn from the maps and the table of
samples that stage evaluate wrote, so no network is needed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from markupsafe import Markup

from pipeline.benchmarks import Benchmark
from pipeline.errors import InputError
from pipeline.report.clips import Clips, Picture, Player
from pipeline.report.templating import render

_CASES = 3  # of each kind
_ROWS = 2  # of answers, of each kind
DIRECTIONS = {"a2i": "A sound finds frames", "i2a": "A frame finds sounds"}


@dataclass(frozen=True)
class Case:
    """A sample with its map: two pictures, its sound, its IoU in words (None where nothing sounds),
    what else is known of it, and the names of its clips."""

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


def gallery(benchmark: Benchmark, rows: pa.Table, maps: np.ndarray, clips: Clips) -> Markup:
    """The cases of a benchmark that scores maps; of one with negative sounds also those negatives
    that the model is surest of.

    `rows` and `maps` (samples, h, w) are what evaluating it wrote. Raises `InputError` where they
    are of other samples than the benchmark's.
    """
    check_rows(benchmark, rows, "iou")
    columns = {name: rows[name].to_pylist() for name in rows.column_names}
    shown = columns.get("sounding") or columns.get("has_mask") or [True] * rows.num_rows
    true = [n for n, iou in enumerate(columns["iou"]) if shown[n] and iou is not None]
    order = sorted(true, key=lambda n: (-columns["iou"][n], n))
    groups: dict[str, list[int]] = choose(order, _CASES)
    sure = columns.get("confidence") or columns.get("maximum")
    negative = set(range(rows.num_rows)).difference(true)
    if sure and negative and ("sounding" in columns or "kind" in columns):
        loudest = sorted(negative, key=lambda n: (-sure[n], n))
        groups["surest where nothing sounds"] = loudest[:_CASES]
    drawn = [
        (title.capitalize(), [_case(benchmark, columns, maps, clips, n, sure) for n in chosen])
        for title, chosen in groups.items()
        if chosen
    ]
    return render("cases", groups=drawn)


def _case(
    benchmark: Benchmark,
    columns: Mapping[str, list],
    maps: np.ndarray,
    clips: Clips,
    place: int,
    sure: list | None,
) -> Case:
    sample = benchmark.samples[place]
    truth = benchmark.ground_truth(place, place + 1)[0]
    iou = columns["iou"][place]
    facts = []
    if columns.get("iou_adaptive"):
        facts.append(f"adaptive {columns['iou_adaptive'][place]:.2f}")
    if columns.get("pointing"):
        facts.append("points right" if columns["pointing"][place] else "points wrong")
    if sure and not truth.any():
        facts.append(
            f"{'confidence' if columns.get('confidence') else 'maximum'} {sure[place]:.2f}"
        )
    names = [sample.frame_clip]
    if sample.sound_clip != sample.frame_clip:
        names = [f"frame {sample.frame_clip}", f"sound {sample.sound_clip}"]
    return Case(
        clips.frame(sample.frame_clip),
        clips.heat(sample.frame_clip, maps[place], truth),
        clips.player(sample.sound_clip),
        f"IoU {iou:.2f}" if truth.any() and iou is not None else None,
        facts,
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


def check_rows(benchmark: Benchmark, rows: pa.Table, *columns: str) -> None:
    """Raise `InputError` unless a table of samples has `columns` and is of the benchmark's own."""
    for column in columns:
        if column not in rows.column_names:
            raise InputError(f"the table of samples has no {column}; run dvc repro evaluate")
    found = rows["sample_id"].to_pylist()
    expected = [sample.sample_id for sample in benchmark.samples]
    if found != expected:
        raise InputError(
            f"the table of samples holds {len(found)} samples, expected the benchmark's own "
            f"{len(expected)}; run dvc repro evaluate"
        )
