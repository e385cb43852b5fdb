"""Localization metrics against loops over pixels and samples, on random maps with ties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.benchmarks.contract import OwnForm
from pipeline.benchmarks.metrics.heatmaps import object_guided, resize_maps
from pipeline.benchmarks.metrics.localization import (
    area_under_success,
    intersection_over_union,
    localize,
    overlap_at_half,
    overlaps,
    overlaps_as_published,
    pointing,
    success_curve,
    success_rate,
    weakest_of_group,
)


def _iou(predicted: np.ndarray, truth: np.ndarray) -> float:
    top = np.sum(predicted * truth)
    bottom = np.sum(truth) + np.sum(predicted * (truth == 0))
    return float(top / bottom) if bottom else 0.0


def _twin(heat: np.ndarray, truth: np.ndarray, inclusive: bool) -> tuple[float, float]:
    """The published loop: a full sort for each threshold, pixels of 0 and 1 in double precision."""
    truth = truth.astype(np.float64)
    count = heat.size
    median = np.sort(heat.flatten())[int(count * 0.5)]
    area = int((truth != 0).sum()) or count // 2
    adaptive = np.sort(heat.flatten())[count - area]
    middle = (heat >= median if inclusive else heat > median).astype(np.float64)
    return _iou(middle, truth), _iou((heat > adaptive).astype(np.float64), truth)


def _cases(count: int, side: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Maps and truths: smooth, tied and constant maps; empty, full, boxed and consensus truths."""
    rng = np.random.default_rng(seed)
    maps = rng.normal(size=(count, side, side)).astype(np.float32)
    maps[1::3] = np.round(maps[1::3])  # many ties
    maps[2::10] = maps[2::10, :1, :1]  # constant
    truths = np.zeros((count, side, side), dtype=np.float32)
    for number in range(count):
        for _ in range(number % 4):
            (y0, y1), (x0, x1) = rng.integers(0, side + 1, (2, 2))  # also degenerate
            truths[number, y0:y1, x0:x1] += 0.5
    truths = np.minimum(truths, 1)
    truths[::17] = 1
    return maps, truths


@pytest.mark.parametrize("inclusive", [False, True])
@pytest.mark.parametrize("binary", [False, True])
def test_overlaps_against_the_loop(inclusive: bool, binary: bool) -> None:
    maps, truths = _cases(5000, 9, 3)
    truth = truths > 0 if binary else truths
    got = np.stack(overlaps(maps, truth, inclusive), axis=1)
    expected = [_twin(m, t, inclusive) for m, t in zip(maps, truth, strict=True)]
    assert np.abs(got - expected).max() <= 1e-9


def test_intersection_over_union_against_the_formula() -> None:
    maps, truths = _cases(500, 8, 4)
    got = intersection_over_union(maps > 0.3, truths)
    expected = [_iou((m > 0.3).astype(float), t) for m, t in zip(maps, truths, strict=True)]
    assert np.abs(got - expected).max() <= 1e-9


def test_by_hand() -> None:
    heat = np.arange(16, dtype=np.float32).reshape(1, 4, 4)
    truth = np.zeros((1, 4, 4), dtype=bool)
    truth[0, 3] = True  # pixels 12 to 15
    # Above the value 8 lie 9..15: 7 pixels, 4 of them right. The four hottest but the lowest: 3.
    assert overlaps(heat, truth)[0][0] == pytest.approx(4 / 7)
    assert overlaps(heat, truth, inclusive=True)[0][0] == pytest.approx(4 / 8)
    assert overlaps(heat, truth)[1][0] == pytest.approx(3 / 4)


def test_nothing_predicted_and_nothing_true_is_zero() -> None:
    heat = np.zeros((1, 4, 4), dtype=np.float32)
    assert overlaps(heat, np.zeros((1, 4, 4), dtype=bool)) == ([0.0], [0.0])


@settings(max_examples=200, deadline=None)
@given(
    hnp.arrays(np.float64, st.integers(1, 40), elements=st.sampled_from(np.arange(0, 1.01, 0.05)))
)
def test_success_curve_counts_samples(iou: np.ndarray) -> None:
    shares = [np.sum(iou >= 0.05 * i) / len(iou) for i in range(21)]
    assert np.abs(success_curve(iou) - shares).max() <= 1e-12
    area = sum(0.05 * (shares[i] + shares[i + 1]) / 2 for i in range(20))
    assert area_under_success(iou) == pytest.approx(area, abs=1e-12)
    assert success_rate(iou) == shares[10]


def test_an_image_counts_only_if_all_its_objects_do() -> None:
    iou = np.array([0.9, 0.6, 0.4, 0.7, 0.5])
    groups = np.array(["b", "a", "a", "b", "c"])
    assert weakest_of_group(iou, groups).tolist() == [0.4, 0.7, 0.5]
    assert success_rate(weakest_of_group(iou, groups)) == pytest.approx(2 / 3)


@pytest.mark.parametrize("resize", ["half-pixel", "corners"])
def test_localize_is_the_whole_published_way(resize: str) -> None:
    """Resize, min-max, four sorts, per sample; chunked or not, within a pixel's worth."""
    rng = np.random.default_rng(5)
    maps = rng.normal(size=(11, 14, 14)).astype(np.float32)
    objects = rng.random((11, 7, 7), dtype=np.float32)
    truth = np.zeros((11, 224, 224), dtype=bool)
    for number in range(1, 11):
        truth[number, : 20 * number, 30 : 40 + 15 * number] = True
    columns = localize(maps, lambda start, stop: truth[start:stop], resize, objects)
    for number in range(11):
        one = slice(number, number + 1)
        heat = resize_maps(maps[one], resize)
        guided = object_guided(heat, resize_maps(objects[one], resize))
        expected = [*_twin(heat[0], truth[number], False), *_twin(guided[0], truth[number], False)]
        names = ("iou", "iou_adaptive", "iou_ogl", "iou_ogl_adaptive")
        pixel = 1 / max(int(truth[number].sum()), 1)
        np.testing.assert_allclose([columns[n][number] for n in names], expected, atol=1.1 * pixel)


def test_at_half_of_the_range_against_the_loop() -> None:
    """SSPL's way: min-max with 1e-10 in the denominator, then >= 0.5; a constant map meets
    nothing."""
    maps, truths = _cases(3000, 9, 7)
    got = overlap_at_half(maps, truths)
    for heat, truth, found in zip(maps, truths, got, strict=True):
        scaled = (heat - heat.min()) / (heat.max() - heat.min() + np.float32(1e-10))
        assert found == pytest.approx(_iou((scaled >= 0.5).astype(float), truth), abs=1e-9)
    assert (got[2::10] == 0).all()


def test_at_half_by_hand() -> None:
    heat = np.array([[[0.0, 1.0], [2.0, 4.0]]], dtype=np.float32)
    truth = np.array([[[False, False], [True, True]]])
    assert overlap_at_half(heat, truth).tolist() == [1.0]  # 2 is half of the way, and counts
    assert localize(heat, lambda a, b: np.repeat(np.repeat(truth, 112, 1), 112, 2), "corners")[
        "iou_half"
    ][0] < 1.0  # fmt: skip


def _published_twin(
    heat: np.ndarray, objects: np.ndarray, truth: np.ndarray, method: str
) -> tuple[float, float]:
    """IoU of a map and of the object-guided one as EZ-VSL's and SLAVC's test.py have them."""

    def minmax(values: np.ndarray) -> np.ndarray:
        return (values - values.min()) / (values.max() - values.min())

    resize = "corners" if method == "ezvsl" else "bicubic-corners"
    heat, objects = (resize_maps(x[None], resize)[0].astype(np.float64) for x in (heat, objects))
    if method == "ezvsl":
        guided = minmax(0.4 * minmax(heat) + 0.6 * minmax(objects))
    else:
        guided = minmax(0.9 * (heat + 1) / 2 + 0.1 * objects / 2.5)
    shares = [np.sort(x.flatten())[x.size // 2] for x in (heat, guided)]
    first, second = (
        _iou((x >= share).astype(float), truth.astype(float))
        for x, share in zip((heat, guided), shares, strict=True)
    )
    return first, second


@pytest.mark.parametrize(
    ("method", "form"),
    [
        ("ezvsl", OwnForm("corners", inclusive=True, share=0.4)),
        ("slavc", OwnForm("bicubic-corners", inclusive=True, share=0.9, scaled=False)),
    ],
)
def test_a_method_s_own_form_is_its_code_s(method: str, form: OwnForm) -> None:
    rng = np.random.default_rng(9)
    maps = np.tanh(rng.normal(size=(6, 7, 7))).astype(np.float32)
    objects = rng.random((6, 7, 7), dtype=np.float32) * 2.5
    truth = np.zeros((6, 224, 224), dtype=bool)
    for number in range(6):
        truth[number, 30 * number : 100 + 20 * number, 20 : 90 + 20 * number] = True
    columns = localize(maps, lambda a, b: truth[a:b], "half-pixel", objects, form)
    plain = localize(maps, lambda a, b: truth[a:b], "half-pixel", objects)
    for name, values in plain.items():  # what is there without a form stays
        np.testing.assert_array_equal(columns[name], values)
    assert set(columns) - set(plain) == {"iou_published", "iou_ogl_published"}
    for number in range(6):
        expected = _published_twin(maps[number], objects[number], truth[number], method)
        found = [columns[name][number] for name in ("iou_published", "iou_ogl_published")]
        np.testing.assert_allclose(found, expected, atol=2e-3)  # a pixel or two at the threshold


def test_a_form_without_object_guidance_has_none() -> None:
    maps = np.random.default_rng(0).random((2, 5, 5), dtype=np.float32)
    truth = np.ones((2, 224, 224), dtype=bool)
    form = OwnForm("half-pixel", "half", inclusive=True)
    found = overlaps_as_published(maps, truth, form, maps)
    assert list(found) == ["iou_published"]
    np.testing.assert_array_equal(
        found["iou_published"], overlap_at_half(resize_maps(maps, "half-pixel"), truth)
    )


def test_pointing_by_hand() -> None:
    heat = np.zeros((3, 2, 2), dtype=np.float32)
    heat[0, 1, 0] = 1
    heat[1, 1, 0] = heat[1, 0, 0] = 1
    mask = np.zeros((3, 224, 224), dtype=bool)
    mask[:, 150:190, 40:70] = True  # holds the centre of the lower left cell, (168, 56)
    assert pointing(heat, mask).tolist() == [True, False, False]
    mask[:, :, :] = True
    assert pointing(heat, mask).all()


def test_pointing_against_a_loop() -> None:
    maps, truths = _cases(600, 6, 6)
    masks = truths > 0
    for heat, mask, right in zip(maps, masks, pointing(maps, masks), strict=True):
        best = [mask[at] for at in np.ndindex(6, 6) if heat[at] == heat.max()]
        assert right == all(best)
