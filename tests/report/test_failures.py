"""Kinds of failure follow from numbers, and everything that is drawn of a region from its map."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pipeline.benchmarks import Predictions, Sample
from pipeline.benchmarks.metrics.localization import intersection_over_union
from pipeline.benchmarks.metrics.rasters import Truth, fraction_boxes
from pipeline.benchmarks.tasks import LocalizationBenchmark
from pipeline.errors import InputError
from pipeline.report.facts import (
    ADAPTIVE,
    HALF,
    MEDIAN,
    UNIVERSAL,
    benchmark_facts,
    run_facts,
    scored_region,
)
from pipeline.report.failures import (
    NOTHING_FOUND,
    NOTHING_SOUNDS,
    RIGHT,
    TOO_SMALL,
    TOO_WIDE,
    WRONG_OBJECT,
    is_flat,
    kinds,
)
from pipeline.report.regions import packed

# IoU at the benchmark's cut, at the true area, area, whether it points right, whether it is flat.
CASES = [
    ((0.50, 0.1, 0.1, False, True), RIGHT),
    ((0.49, 0.5, 0.24, True, False), TOO_SMALL),
    ((0.49, 0.5, 0.25, True, False), TOO_WIDE),  # half of the frame can meet it
    ((0.49, 0.4, 0.1, True, False), TOO_WIDE),
    ((0.49, 0.6, 0.3, False, False), TOO_WIDE),
    ((0.0, 0.0, 0.3, False, True), NOTHING_FOUND),
    ((0.0, 0.0, 0.3, False, False), WRONG_OBJECT),
]


@pytest.mark.parametrize(("sample", "expected"), CASES)
def test_kinds_follow_from_numbers(sample: tuple[float, ...], expected: int) -> None:
    columns = [np.array([value]) for value in sample]
    assert kinds(*columns, by_median=True)[0] == expected
    if expected == TOO_SMALL:  # no other cut has that bound
        assert kinds(*columns, by_median=False)[0] == TOO_WIDE


def test_a_flat_map_has_no_place_that_stands_out() -> None:
    peak, plateau = np.zeros((4, 4)), np.ones((4, 4))
    peak[1, 1] = 1
    plateau[:2] = 0
    maps = np.stack([peak, plateau, np.full((4, 4), 3.0)])
    assert is_flat(maps).tolist() == [False, True, True]


def _benchmark(count: int) -> LocalizationBenchmark:
    boxes = [[[0.03 * n, 0.1, 0.03 * n + 0.3 + 0.02 * n, 0.7]] for n in range(count)]
    boxes[-1] = []  # where nothing sounds
    samples = [Sample(f"s{n}", f"s{n}", f"s{n}") for n in range(count)]
    labels = ["a", "b"] * (count // 2)
    part = np.arange(count) < 3
    truth = Truth(boxes, fraction_boxes)
    return LocalizationBenchmark(samples, count, truth, labels=labels, parts={"few": part})


def test_facts_say_what_the_tables_say() -> None:
    benchmark = _benchmark(8)
    maps = np.random.default_rng(0).random((8, 7, 7), np.float32)
    table = benchmark.score(Predictions(maps)).rows
    facts = benchmark_facts(benchmark, table, {}, {"s1"})
    run = run_facts(benchmark, facts, table, maps)
    np.testing.assert_array_equal(facts.area, table["area"].to_numpy())
    assert facts.true.tolist() == [True] * 7 + [False]
    assert {name: rows.sum() for name, rows in facts.conditions.items()} == {
        "part: few": 3,
        "trained on": 1,
    }
    assert run.lead == MEDIAN and list(run.cuts) == [MEDIAN, HALF, ADAPTIVE]
    np.testing.assert_array_equal(run.cuts[MEDIAN][:7], table["iou"].to_numpy()[:7])
    assert np.isnan(run.cuts[MEDIAN][7]) and run.kinds[7] == NOTHING_SOUNDS
    np.testing.assert_array_equal(run.sureness, table["confidence"].to_numpy())
    # A table that lacks the IoU at the true area gets it from the maps.
    bare = run_facts(benchmark, facts, table.drop_columns("iou_adaptive"), maps)
    np.testing.assert_array_equal(bare.cuts[ADAPTIVE], run.cuts[ADAPTIVE])
    with pytest.raises(InputError, match="holds 7 samples, expected the benchmark's own 8"):
        run_facts(benchmark, facts, table.slice(1), maps)


def test_the_region_that_is_drawn_is_the_one_that_was_scored() -> None:
    benchmark = _benchmark(8)
    maps = np.random.default_rng(1).random((8, 7, 7), np.float32)
    table = benchmark.score(Predictions(maps)).rows
    facts = benchmark_facts(benchmark, table, {}, set())
    run = run_facts(benchmark, facts, table, maps)
    for cut in (MEDIAN, ADAPTIVE, HALF):
        for n in range(7):
            drawn = scored_region(maps[n], "half-pixel", cut, facts.area[n], None)
            truth = benchmark.ground_truth(n, n + 1)
            assert intersection_over_union(drawn[None], truth)[0] == run.cuts[cut][n], cut
    lit = scored_region(maps[0], "half-pixel", UNIVERSAL, 0.1, 0.5)
    assert 0 < lit.mean() < 1 and not scored_region(maps[0], "half-pixel", UNIVERSAL, 0, 2.0).any()


def test_negative_sounds_light_up_in_vain_or_not() -> None:
    boxes, maps = _benchmark(4), np.random.default_rng(0).random((4, 7, 7))
    benchmark: Any = SimpleNamespace(
        samples=boxes.samples, ground_truth=boxes.ground_truth, labels=(), resize="half-pixel"
    )
    table = boxes.score(Predictions(maps)).rows
    table = table.append_column("lit_share", [[0.3, 0.0, 0.2, 0.0]])
    facts = benchmark_facts(benchmark, table, {"s0": "dog"}, set())
    assert facts.classes == ["dog", "", "", ""]
    run = run_facts(benchmark, facts, table, maps, 0.5)
    assert run.lead == UNIVERSAL and run.kinds[1] == NOTHING_FOUND
    assert run.kinds[3] == 7  # rightly dark


def _unpacked(content: bytes) -> np.ndarray:
    side, place = content[0], 1
    region = np.zeros((side, side), np.bool_)
    while place < len(content):
        first, behind, runs = content[place : place + 3]
        for start in range(place + 3, place + 3 + 2 * runs, 2):
            region[first:behind, content[start] : content[start + 1]] = True
        place += 3 + 2 * runs
    return region


def test_regions_come_back_from_their_bytes() -> None:
    box = fraction_boxes([[0.1, 0.2, 0.6, 0.9], [0.0, 0.0, 1.0, 0.1]])
    assert len(packed(box)) <= 16 and (_unpacked(packed(box)) == box).all()
    assert packed(np.zeros((224, 224), np.bool_)) == bytes([224])
    y, x = np.mgrid[:224, :224]
    disc = (y - 100) ** 2 + (x - 90) ** 2 < 60**2
    # A region of many bands keeps every second pixel.
    assert (_unpacked(packed(disc)) == disc[::2, ::2]).all()
