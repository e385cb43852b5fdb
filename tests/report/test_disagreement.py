"""Which methods are right: what divides them stands first, and what has no truth is not judged."""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from made_pages import HOSTILE, LARGE, Reader, make_clips

from pipeline.benchmarks import Predictions, Sample
from pipeline.benchmarks.metrics.rasters import Truth, fraction_boxes
from pipeline.benchmarks.tasks import DetectionBenchmark, LocalizationBenchmark
from pipeline.errors import InputError
from pipeline.report.disagreement import (
    Judged,
    Verdicts,
    agreed,
    most_disagreed,
    share_of,
    side_by_side,
    verdicts,
)

MAPS = np.zeros((4, 2, 2), np.float32)


def _judged(label: str, *seeds: list[float | None], **columns: list) -> Judged:
    return Judged(label, [pa.table({"iou": seed, **columns}) for seed in seeds], MAPS)


def test_right_is_the_benchmark_s_own_measure_and_the_mean_over_seeds() -> None:
    found = verdicts(
        [_judged("a", [0.5, 0.4, 0.9, None], [0.6, 0.6, 0.1, None]), _judged("b", [0.0] * 4)]
    )
    np.testing.assert_array_equal(found.right[0], [1, 0.5, 0.5, np.nan])
    np.testing.assert_allclose(found.iou[0], [0.55, 0.5, 0.5, np.nan])
    pointed = verdicts([_judged("a", [0.0] * 2, pointing=[True, False])])
    np.testing.assert_array_equal(pointed.right, [[1, 0]])  # where the toy knows the visible mask
    located = verdicts([_judged("a", [0.0] * 2, localization_iou=[0.7, float("nan")])])
    np.testing.assert_array_equal(located.right, [[1, np.nan]])  # Table 1's form of Table 7
    nothing = verdicts([_judged("a", [1.0] * 2, has_mask=[True, False])])
    np.testing.assert_array_equal(nothing.right, [[1, np.nan]])
    with pytest.raises(ValueError, match="without an IoU: rank"):
        verdicts([Judged("a", [pa.table({"rank": [1]})], MAPS)])


def test_the_most_even_division_stands_first() -> None:
    right = np.array([[1, 1, 1, 0, np.nan], [1, 1, 0, 0, 1], [1, 0, 0, 0, 1], [1, 0, 0, 0, 1]])
    iou = np.where(right == 1, 0.8, 0.1)
    found = Verdicts(right, iou)
    assert most_disagreed(found, 9) == [1, 2]  # two of four before one of four
    assert most_disagreed(found, 1) == [1]
    assert agreed(found, True) == [0] and agreed(found, False) == [3]
    even = Verdicts(
        np.array([[1.0, 1, 1], [0, 0, 0]]), np.array([[0.6, 0.9, 0.6], [0.4, 0.1, 0.4]])
    )
    assert most_disagreed(even, 9) == [1, 0, 2]  # then the wider apart, then the list's order


def test_many_benchmarks_share_one_page() -> None:
    assert [share_of(96, count) for count in (1, 4, 8, 50)] == [24, 24, 12, 6]


def test_every_run_s_map_stands_beside_the_frame(tmp_path: Path) -> None:
    clips = make_clips(tmp_path, [HOSTILE, "b", "c"], sounds=False)
    samples = [Sample(clip, clip, clip) for clip in (HOSTILE, "b", "c")]
    benchmark = LocalizationBenchmark(
        samples, 3, Truth([[box] for box in LARGE[:3]], fraction_boxes)
    )
    truth = benchmark.ground_truth(0, 3).astype(np.float32)
    right = truth.reshape(3, 7, 32, 7, 32).mean(axis=(2, 4))
    judged = []
    for label, maps in ((HOSTILE, right), ("wrong", 1 - right)):
        judged.append(Judged(label, [benchmark.score(Predictions(maps)).rows], maps))
    text = side_by_side(benchmark, judged, clips, 24)
    reader = Reader(text)
    assert len(reader.of("img")) == 3 * 3 and not reader.of("script")
    assert text.count("<b>1 of 2 right</b>") == 3 and "3 of 3 samples" in text
    assert re.findall(r'<li class="(\w+)">', text) == ["right", "wrong"] * 3
    other = LocalizationBenchmark(samples[1:], 3, benchmark.truth.select([1, 2]))
    with pytest.raises(InputError, match="holds 3 samples, expected the benchmark's own 2"):
        side_by_side(other, judged, clips, 24)


def test_negatives_are_judged_by_nobody() -> None:
    samples = [Sample("a", "a", "a"), Sample("b+a", "b", "a")]
    truth = Truth([[LARGE[0]], []], fraction_boxes)
    benchmark = DetectionBenchmark(samples, 2, truth, np.array([True, False]))
    heat = benchmark.ground_truth(0, 2).astype(np.float32)
    heat = heat.reshape(2, 7, 32, 7, 32).mean(axis=(2, 4))
    judged = [
        Judged(label, [benchmark.score(Predictions(maps)).rows], maps)
        for label, maps in (("a", heat), ("b", 1 - heat))
    ]
    assert most_disagreed(verdicts(judged), 9) == [0]
    assert agreed(verdicts(judged), False) == []
