"""Scenes under conditions: maps made of the truth score all, maps of something else nothing."""

import json
from pathlib import Path

import numpy as np
import pytest
from four_clips import CLIPS, CONDITIONED

from pipeline.benchmarks import Predictions, open_benchmark
from pipeline.benchmarks.metrics.baselines import true_maps
from pipeline.benchmarks.metrics.detection import average_precision, ranked_right
from pipeline.benchmarks.metrics.localization import lit_above
from pipeline.benchmarks.tasks import ConditionsBenchmark
from pipeline.corpora.check import read_test_clips
from pipeline.errors import InputError

ORDER = [*CLIPS, CONDITIONED["absent"], CLIPS[0], CONDITIONED["laid-over"], CONDITIONED["several"]]
LAID_OVER, SEVERAL = 6, 7  # their places


def opened(annotations: Path) -> ConditionsBenchmark:
    benchmark = open_benchmark("conditions", annotations, lambda _: True)
    assert isinstance(benchmark, ConditionsBenchmark)
    return benchmark


def test_pairs_of_every_condition_and_those_that_are_compared_first(annotations: Path) -> None:
    benchmark = opened(annotations)
    assert [sample.frame_clip for sample in benchmark.samples] == ORDER
    assert benchmark.samples[5].sound_clip == CLIPS[3]  # the swap's
    assert benchmark.retrieval_count == 5
    counts = {name: int(rows.sum()) for name, rows in benchmark.parts.items()}
    assert counts == {
        "congruent": 4, "absent": 1, "conflicting": 1, "laid-over": 1, "several": 1
    }  # fmt: skip
    assert not benchmark.outline(4).any() and not benchmark.ground_truth(4, 5).any()
    both = benchmark.outline(SEVERAL)
    assert both.sum() == 2 * 112 * 112 and both[0, 0] and both[-1, -1]
    assert set(CONDITIONED.values()) < read_test_clips(annotations)


def test_the_truth_as_a_map_scores_all_there_is(annotations: Path) -> None:
    benchmark = opened(annotations)
    maps = true_maps(benchmark.ground_truth(0, 8))
    scores = benchmark.score(Predictions(maps))
    for condition in ("conflicting", "laid-over", "several"):
        assert scores.metrics[f"pointing@{condition}"] == 100.0
        assert scores.metrics[f"cIoU_adaptive@{condition}"] == 100.0
        assert scores.metrics[f"samples@{condition}"] == 1
    assert scores.metrics["pointing@congruent"] == 75.0  # one has no truth at all
    assert scores.metrics["all_lit@several"] == 100.0
    assert not any("@absent" in name for name in scores.metrics)
    assert scores.rows["iou"].null_count == 1 and scores.rows["all_lit"].null_count == 7
    assert (scores.metrics["samples"], scores.metrics["official_samples"]) == (8, 8)


def test_a_map_of_the_silent_object_and_one_of_a_single_source(annotations: Path) -> None:
    benchmark = opened(annotations)
    maps = true_maps(benchmark.ground_truth(0, 8))
    maps[LAID_OVER] = maps[LAID_OVER, ::-1, ::-1]  # the cat's corner, which is silent
    maps[SEVERAL] = 0
    maps[SEVERAL, :112, :112] = 1  # the dog alone
    maps[SEVERAL, 0, 0] = 2
    metrics = benchmark.score(Predictions(maps)).metrics
    assert metrics["pointing@laid-over"] == metrics["cIoU_adaptive@laid-over"] == 0.0
    assert metrics["pointing@several"] == 100.0  # into one of two is right
    assert metrics["all_lit@several"] == 0.0


def test_an_absent_source_is_told_by_the_lowest_score(annotations: Path) -> None:
    benchmark = opened(annotations)
    heights = np.array([0.5, 0.4, 0.3, 0.6, 0.1, 0.0, 0.0, 0.0], np.float32)
    maps = np.broadcast_to(heights[:, None, None], (8, 4, 4)).copy()
    # By s_L two of the four congruent pairs are below the absent one.
    s_l = np.diag(np.array([0.1, 0.2, 0.6, 0.7, 0.3], np.float32))
    metrics = benchmark.score(Predictions(maps, similarities={"s_L": s_l})).metrics
    assert metrics["AP_absent_maximum"] == metrics["ROC_absent_confidence"] == 100.0
    assert metrics["AP_absent_s_L"] == pytest.approx(100 / 3)
    assert metrics["ROC_absent_s_L"] == 50.0
    flat = benchmark.score(Predictions(np.zeros((8, 4, 4), np.float32))).metrics
    assert (flat["AP_absent_maximum"], flat["ROC_absent_maximum"]) == (20.0, 50.0)


def test_precision_and_ranks_are_those_of_a_count() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        scores = rng.integers(0, 12, 60).astype(float)  # with ties
        positive = rng.random(60) < 0.3
        positive[0], positive[1] = True, False
        pairs = [(a > b) + (a == b) / 2 for a in scores[positive] for b in scores[~positive]]
        assert ranked_right(scores, positive) == pytest.approx(np.mean(pairs))
        found = [scores >= threshold for threshold in sorted(set(scores), reverse=True)]
        precision = [positive[rows].mean() for rows in found]
        recall = [0.0, *(positive[rows].sum() / positive.sum() for rows in found)]
        area = sum((recall[n + 1] - recall[n]) * max(precision[n:]) for n in range(len(precision)))
        assert average_precision(scores, positive) == pytest.approx(area)
    order = np.arange(10.0)
    assert average_precision(order, order >= 7) == 1.0
    assert average_precision(order, order == 8) == 0.5


def test_every_source_is_hotter_than_the_rest_and_than_a_silent_object() -> None:
    first, second, silent = np.zeros((3, 4, 4), bool)
    first[0], second[3, :2], silent[3, 3] = True, True, True
    rest = ~(first | second)
    heat = np.zeros((4, 4))
    heat[0], heat[3, :2], heat[3, 3] = 2.0, 1.0, 1.5
    both = np.stack([first, second])
    assert lit_above(heat, both, rest[None])
    assert not lit_above(heat, both, np.stack([rest, silent]))  # hotter than the second
    assert lit_above(heat, first[None], np.stack([rest, silent]))
    assert not lit_above(np.ones((4, 4)), both, rest[None])  # a flat map lights none
    assert lit_above(heat, both, np.zeros((1, 4, 4), bool))


def test_an_unknown_condition_is_named(annotations: Path) -> None:
    path = annotations / "conditions.json"
    entries = json.loads(path.read_text())
    entries[1]["condition"] = "upside-down"
    path.write_text(json.dumps(entries))
    with pytest.raises(InputError, match=r"conditions\.json: fffffffffff_000001: found the condi"):
        opened(annotations)
