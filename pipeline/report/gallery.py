"""Galleries: of each benchmark its best, typical and worst samples, to be looked at and heard.

What is shown is chosen by the scores alone, so nobody picks; the price is that the best ones
flatter and the worst ones are often wrong boxes. Everything is drawn from the maps and the table of
samples that stage evaluate wrote, so no network is needed.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from pipeline.benchmarks import Benchmark
from pipeline.errors import InputError
from pipeline.report.clips import Clips
from pipeline.report.markup import Markup, element, render

_CASES = 3  # of each kind
_ROWS = 2  # of answers, of each kind
DIRECTIONS = {"a2i": "A sound finds frames", "i2a": "A frame finds sounds"}


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
    _check(benchmark, rows, "iou")
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
    parts = []
    for title, chosen in groups.items():
        if chosen:
            cases = [_case(benchmark, columns, maps, clips, n, sure) for n in chosen]
            parts.append(_strip(title, cases))
    return render(parts)


def _case(
    benchmark: Benchmark,
    columns: Mapping[str, list],
    maps: np.ndarray,
    clips: Clips,
    place: int,
    sure: list | None,
) -> Markup:
    sample = benchmark.samples[place]
    truth = benchmark.ground_truth(place, place + 1)[0]
    pictures = [clips.frame(sample.frame_clip), clips.heat(sample.frame_clip, maps[place], truth)]
    iou = columns["iou"][place]
    facts: list[object] = []
    if truth.any() and iou is not None:
        facts.append(element("b", f"IoU {iou:.2f}"))
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
    caption = element(
        "figcaption",
        element("span", [[", " if n else None, fact] for n, fact in enumerate(facts)]),
        [element("span", name, class_="clip") for name in names],
    )
    pair = element("div", pictures, class_="pair")
    player = clips.player(sample.sound_clip)
    return element("figure", pair, player, caption, class_="case")


def retrieval_gallery(
    benchmark: Benchmark, rows: pa.Table, classes: Sequence[str] | None, clips: Clips
) -> Markup:
    """Queries with their five best answers both ways, the right one marked; `classes` names what
    each sample is, where that is known. Raises as `gallery` does."""
    _check(benchmark, rows, *(f"answers_{direction}" for direction in DIRECTIONS))
    ids = [sample.sample_id for sample in benchmark.samples]
    known = dict(zip(ids, classes, strict=True)) if classes else {}
    parts = []
    for direction, title in DIRECTIONS.items():
        ranks = rows[f"rank_{direction}"].to_pylist()
        answers = rows[f"answers_{direction}"].to_pylist()
        order = sorted(range(len(ranks)), key=lambda n: (ranks[n], n))
        parts.append(element("h3", title))
        for kind, chosen in choose(order, _ROWS).items():
            for place in chosen:
                parts.append(
                    _answers(
                        clips, direction, kind, ids[place], ranks[place], answers[place], known
                    )
                )
    return render(parts)


def _answers(
    clips: Clips,
    direction: str,
    kind: str,
    query: str,
    rank: int,
    answers: Sequence[str],
    known: Mapping[str, str],
) -> Markup:
    """One row: the query, and its answers as pictures or players."""
    asked = clips.player(query) if direction == "a2i" else clips.frame(query, small=True)
    said = [known.get(query), element("span", query, class_="clip")]
    verdict = "found first" if rank == 1 else f"the right one is number {rank}"
    head = element("div", asked, [element("span", part) for part in said if part], class_="query")
    items = []
    for answer in answers:
        shown = clips.frame(answer, small=True)
        player = clips.player(answer) if direction == "i2a" else None
        mark, style = None, None
        if answer == query:
            mark, style = "right", "right"
        elif known and known[answer] == known[query]:
            mark, style = "same class", "alike"
        words = [element("span", known.get(answer)), element("span", mark, class_="mark")]
        items.append(element("li", shown, player, words, class_=style))
    label = f"{kind}: {verdict}"
    return element(
        "div",
        element("h4", label),
        head,
        element("ol", items, tabindex=0, aria_label=f"answers to {query}"),
        class_=f"answers {direction}",
    )


def _strip(title: str, cases: Sequence[Markup]) -> Markup:
    frame = element("div", cases, class_="cases", role="group", aria_label=title, tabindex=0)
    return render([element("h3", title.capitalize()), frame])


def _check(benchmark: Benchmark, rows: pa.Table, *columns: str) -> None:
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
