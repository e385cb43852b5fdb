"""Detection metrics against a recount per threshold, with ties and without positives."""

import numpy as np
import pytest

from pipeline.benchmarks.metrics.detection import (
    area_under_curve,
    best_f1,
    confidences,
    detection_metrics,
    exact_curve,
    object_guided_score_maps,
    precision_recall,
    published_average_precision,
    published_max_f1,
    score_maps,
)


def _recount(
    confidence: np.ndarray, iou: np.ndarray, sounding: np.ndarray, threshold: float
) -> tuple[float, float]:
    true_positive = false_positive = false_negative = 0
    for c, overlap, has_box in zip(confidence, iou, sounding, strict=True):
        if c >= threshold:
            if has_box and overlap >= 0.5:
                true_positive += 1
            else:
                false_positive += 1
        elif has_box:
            false_negative += 1
    detected, relevant = true_positive + false_positive, true_positive + false_negative
    return (
        true_positive / detected if detected else 1.0,
        true_positive / relevant if relevant else 1.0,
    )


def _f1(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _cases() -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(7)
    cases = []
    for count in (1, 2, 3, 10, 199, 200, 433):
        confidence, iou = rng.random(count), rng.random(count)
        sounding = rng.random(count) < 0.6
        cases.append((confidence, iou, sounding))
        cases.append((np.round(confidence, 1), iou, sounding))  # ties
        cases.append((np.full(count, 0.5), iou, ~sounding))
        cases.append((confidence, iou, np.zeros(count, dtype=bool)))
        cases.append((confidence, np.ones(count), np.ones(count, dtype=bool)))
    return cases


@pytest.mark.parametrize("case", _cases())
def test_against_recounting(case: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    confidence = case[0]
    count = len(confidence)

    thresholds = np.sort(confidence)[:-1][:: -max(1, count // 200)]
    points = [_recount(*case, t) for t in thresholds]
    best = [max(p for p, _ in points[i:]) for i in range(len(points))]
    ap = sum(best[i] * (points[i + 1][1] - points[i][1]) for i in range(len(points) - 1))
    assert published_average_precision(*case) == pytest.approx(ap, abs=1e-9)

    some = np.sort(confidence)[:: max(1, count // 10)]
    assert published_max_f1(*case) == pytest.approx(
        max(_f1(*_recount(*case, t)) for t in some), abs=1e-9
    )

    every = sorted(set(confidence.tolist()), reverse=True)
    points = [_recount(*case, t) for t in every]
    found, precision, recall = exact_curve(*case)
    assert found.tolist() == every
    assert np.abs(np.stack([precision, recall], axis=1) - points).max() <= 1e-12
    recalls = [0.0, *(r for _, r in points)]
    exact = sum(
        (recalls[i + 1] - recalls[i]) * max(p for p, _ in points[i:]) for i in range(len(points))
    )
    assert area_under_curve(precision, recall) == pytest.approx(exact, abs=1e-12)
    assert best_f1(precision, recall) == pytest.approx(max(_f1(*p) for p in points), abs=1e-12)

    beyond = np.array([-1.0, 0.5, 2.0])
    got = np.stack(precision_recall(*case, beyond), axis=1)
    assert np.abs(got - [_recount(*case, t) for t in beyond]).max() <= 1e-12


def test_a_perfect_detector_by_hand() -> None:
    confidence = np.array([0.9, 0.8, 0.3, 0.2])
    iou = np.array([0.7, 0.6, 0.0, 0.0])
    sounding = np.array([True, True, False, False])
    metrics = detection_metrics(confidence, iou, sounding)
    # Published thresholds: .8 (P 1, R 1), .3, .2 (R stays 1): nothing is gained after the first.
    assert metrics == {
        "AP": 0.0,
        "max_F1": 100.0,
        "AP_exact": 100.0,
        "max_F1_exact": 100.0,
        "LocAcc_bicubic": 100.0,
        "LocAcc_bicubic:low": 100.0,
        "LocAcc_bicubic:high": 100.0,
    }


def test_confidence_is_the_top_quarter_s_mean() -> None:
    rng = np.random.default_rng(8)
    maps = rng.normal(size=(20, 6, 7)).astype(np.float32)
    top = [np.sort(heat.ravel().astype(np.float64))[-42 // 4 :].mean() for heat in maps]
    np.testing.assert_allclose(confidences(maps), top, atol=1e-12)


def test_score_maps_by_hand() -> None:
    cosines = np.array([[[-1.0, 0.0, 1.0]]], dtype=np.float32)
    assert score_maps(cosines).tolist() == [[[0, 0.5, 1]]]
    objects = np.array([[[2.5, 0.0, 1.25]]], dtype=np.float32)
    expected = [[[0.6, 0.2, 0.7]]]
    np.testing.assert_allclose(object_guided_score_maps(cosines, objects), expected, atol=1e-6)
    slavc = [[[0.1, 0.45, 0.95]]]
    np.testing.assert_allclose(object_guided_score_maps(cosines, objects, 0.9), slavc, atol=1e-6)
