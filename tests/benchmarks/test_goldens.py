"""Our metrics against what the published evaluation codes gave for the same maps.

`goldens/maps.npz` holds raw 7x7 maps and object maps of six clips, one box each, and the overlaps,
thresholds and confidences of the evaluation of LVS, EZ-VSL and SLAVC; `negative_sounds.npz` those
of the negative sounds of Juanola et al.
"""

from pathlib import Path

import numpy as np
import pytest

from pipeline.benchmarks import Predictions, Sample
from pipeline.benchmarks.metrics.detection import (
    OBJECT_MAXIMUM,
    SLAVC_SHARE,
    confidences,
    object_guided_score_maps,
    score_maps,
)
from pipeline.benchmarks.metrics.heatmaps import min_max, object_guided, resize_maps
from pipeline.benchmarks.metrics.localization import (
    area_under_success,
    intersection_over_union,
    overlaps,
)
from pipeline.benchmarks.metrics.negatives import area_under_dark, harmonic_mean, lit_shares
from pipeline.benchmarks.metrics.rasters import Truth, pixel_boxes
from pipeline.benchmarks.tasks import DetectionBenchmark, LocalizationBenchmark

GOLDENS = Path(__file__).parent / "goldens"
FOLLOW_UP = (
    Path(__file__).resolve().parents[2]
    / ".."
    / "shared"
    / "goldens"
    / "2"
    / "follow_up_metrics.npz"
)


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDENS / "maps.npz") as file:
        return dict(file)


def _truth(boxes: np.ndarray) -> np.ndarray:
    return np.stack([pixel_boxes([box]) for box in boxes])


def _median(heat: np.ndarray) -> np.ndarray:
    return np.sort(heat.reshape(len(heat), -1), axis=1)[:, heat[0].size // 2]


def test_lvs(golden: dict[str, np.ndarray]) -> None:
    heat = resize_maps(golden["lvs_map"].astype(np.float32), "half-pixel")
    iou, _ = overlaps(heat, _truth(golden["lvs_boxes"]))
    np.testing.assert_allclose(iou, golden["lvs_ciou"], atol=1e-9)
    normalised = min_max(heat)
    np.testing.assert_allclose(_median(normalised), golden["lvs_threshold"], atol=1e-6)
    above = np.count_nonzero(heat > _median(heat)[:, None, None], axis=(1, 2))
    np.testing.assert_array_equal(above, golden["lvs_area"])


def test_ezvsl(golden: dict[str, np.ndarray]) -> None:
    heat = resize_maps(golden["ezvsl_map"].astype(np.float32), "corners")
    objects = resize_maps(golden["ezvsl_object_map"].astype(np.float32), "corners")
    truth = _truth(golden["ezvsl_boxes"])
    forms = {"avl": min_max(heat), "ogl": min_max(objects), "avl_ogl": object_guided(heat, objects)}
    for form, scored in forms.items():
        iou, _ = overlaps(scored, truth, inclusive=True)
        np.testing.assert_allclose(iou, golden[f"ezvsl_{form}_ciou"], atol=1e-9, err_msg=form)
        np.testing.assert_allclose(_median(scored), golden[f"ezvsl_{form}_threshold"], atol=1e-6)


def test_slavc(golden: dict[str, np.ndarray]) -> None:
    heat = resize_maps(golden["slavc_map"].astype(np.float32), "bicubic-corners")
    objects = resize_maps(golden["slavc_object_map"].astype(np.float32), "bicubic-corners")
    truth = _truth(golden["slavc_boxes"])
    forms = {
        "avl": score_maps(heat),
        "ogl": objects / np.float32(OBJECT_MAXIMUM),
        "avl_ogl_alpha0.9": object_guided_score_maps(heat, objects, SLAVC_SHARE),
        "avl_ogl_alpha0.4": object_guided_score_maps(heat, objects),
    }
    for form, scored in forms.items():
        iou, _ = overlaps(scored, truth, inclusive=True)
        np.testing.assert_allclose(iou, golden[f"slavc_{form}_ciou"], atol=1e-9, err_msg=form)
        got = confidences(scored)
        np.testing.assert_allclose(got, golden[f"slavc_{form}_confidence"], atol=5e-7)


def test_slavc_through_the_benchmark(golden: dict[str, np.ndarray]) -> None:
    samples = [Sample(str(n), str(n), str(n)) for n in range(6)]
    truth = Truth(golden["slavc_boxes"][:, None].tolist(), pixel_boxes)
    benchmark = DetectionBenchmark(samples, 6, truth, np.arange(6) < 5)
    scores = benchmark.score(Predictions(golden["slavc_map"], golden["slavc_object_map"]))
    for suffix, form in {
        "": "avl",
        "_ogl": "avl_ogl_alpha0.4",
        "_ogl_slavc": "avl_ogl_alpha0.9",
    }.items():
        expected = golden[f"slavc_{form}_ciou"]
        np.testing.assert_allclose(scores.rows[f"iou{suffix}"].to_numpy(), expected, atol=1e-9)
        confidence = scores.rows[f"confidence{suffix}"].to_numpy()
        np.testing.assert_allclose(confidence, golden[f"slavc_{form}_confidence"], atol=5e-7)
        share = 100 * np.mean(expected[:5] >= 0.5)
        assert scores.metrics[f"LocAcc_bicubic{suffix}"] == pytest.approx(share)


def test_negative_sounds() -> None:
    with np.load(GOLDENS / "negative_sounds.npz") as file:
        golden = dict(file)
    threshold = float(golden["threshold"])
    shares = lit_shares(golden["maps"], threshold)
    np.testing.assert_allclose(shares, golden["pia"], atol=1e-9)
    iou = intersection_over_union(golden["maps"] > threshold, golden["truth"])
    np.testing.assert_allclose(iou, golden["iou"], atol=1e-9)
    dark, found = area_under_dark(shares), area_under_success(iou)
    assert dark == pytest.approx(float(golden["aoc"])) and found == pytest.approx(golden["auc"])
    assert harmonic_mean(dark, found) == pytest.approx(float(golden["f"]))


@pytest.mark.skipif(not FOLLOW_UP.is_file(), reason="the published numbers are absent")
def test_the_follow_up_s_interactive_metrics() -> None:
    with np.load(FOLLOW_UP) as file:
        golden = dict(file)
    masks = np.unpackbits(golden["truth"], axis=-1).astype(bool)
    images = [str(scene) for scene in golden["scene"]]
    samples = [Sample(str(n), str(n), str(n)) for n in range(len(images))]
    truth = Truth(list(masks), lambda mask: mask)
    benchmark = LocalizationBenchmark(
        samples, len(samples), truth, "corners", images, dict.fromkeys(images, 2)
    )
    scores = benchmark.score(Predictions(golden["maps"]))
    np.testing.assert_allclose(scores.rows["iou"], golden["ciou"], atol=1e-9)
    np.testing.assert_allclose(scores.rows["iou_adaptive"], golden["ciou_adaptive"], atol=1e-9)
    names = [f"{n}{s}" for n in ("cIoU", "IIoU", "AUC", "IAUC") for s in ("", "_adaptive")]
    got = [scores.metrics[name] for name in names]
    np.testing.assert_allclose(got, 100 * golden["summary"], atol=1e-9)
