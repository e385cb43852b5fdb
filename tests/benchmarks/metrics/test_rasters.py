"""Boxes become pixels by the published roundings, hostile coordinates included."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.benchmarks.metrics.rasters import (
    Truth,
    consensus_boxes,
    fraction_boxes,
    pixel_boxes,
    resize_mask,
)
from pipeline.errors import InputError


def _published_fractions(boxes: list[list[float]]) -> np.ndarray:
    canvas = np.zeros((224, 224))
    for box in boxes:
        x0, y0, x1, y1 = (np.clip(np.array(box), 0, 1) * 224).astype(int)
        part = np.zeros((224, 224))
        part[y0:y1, x0:x1] = 1
        canvas += part
    return canvas > 0


_edge = st.one_of(st.floats(-0.5, 1.5), st.floats(allow_nan=False, allow_infinity=False))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(_edge, min_size=4, max_size=4), max_size=4))
def test_fractions_as_published(boxes: list[list[float]]) -> None:
    np.testing.assert_array_equal(fraction_boxes(boxes), _published_fractions(boxes))


def test_fractions_clip_and_truncate() -> None:
    mask = fraction_boxes([[-2.9e16, 0.5, 0.0499, 7.0]])
    rows, columns = np.nonzero(mask)
    assert (rows.min(), rows.max()) == (112, 223)
    assert (columns.min(), columns.max()) == (0, 10)  # 0.0499 x 224 = 11.18


@pytest.mark.parametrize("box", [[0.2, 0.3, 0.2, 0.9], [0.6, 0.1, 0.4, 0.9], [0.5, 0.5, 0.504, 1]])
def test_degenerate_boxes_paint_nothing(box: list[float]) -> None:
    assert not fraction_boxes([box]).any()


def test_no_box_at_all() -> None:
    assert not fraction_boxes([]).any()
    assert not consensus_boxes([]).any()


def test_nan_is_refused() -> None:
    with pytest.raises(InputError, match="expected numbers"):
        fraction_boxes([[0, 0, float("nan"), 1]])


def test_consensus_by_hand() -> None:
    heat = consensus_boxes([[0, 0, 128, 256], [64, 0, 256, 256], [64, 0, 128, 64]])
    assert heat.dtype == np.float32
    assert heat[100, 10] == 0.5 and heat[100, 60] == 1.0 and heat[100, 200] == 0.5
    assert heat[10, 60] == 1.0  # three boxes count no more than two
    assert set(np.unique(heat)) <= {0.0, 0.5, 1.0}


@pytest.mark.parametrize("value", [1, 7, 8, 9, 100, 255, 256])
def test_consensus_coordinates_truncate(value: int) -> None:
    columns = np.nonzero(consensus_boxes([[0, 0, value, 256]]).any(axis=0))[0]
    assert len(columns) == int(224 * value / 256)


def test_boxes_outside_the_frame_do_not_wrap_round() -> None:
    assert not pixel_boxes([[-50, -50, -10, -10]]).any()
    assert pixel_boxes([[-50.5, 200, 10.9, 900]]).sum() == 10 * 24


def test_masks_take_the_nearest_pixel() -> None:
    mask = np.zeros((2, 4), dtype=bool)
    mask[0, 3] = True
    resized = resize_mask(mask)
    assert resized.shape == (224, 224)
    assert resized[:112, 168:].all() and resized.sum() == 112 * 56


def test_truth_paints_what_is_asked_for() -> None:
    truth = Truth([[[0, 0, 1, 1]], []], fraction_boxes)
    assert truth.maps(0, 5).sum(axis=(1, 2)).tolist() == [224 * 224, 0]
    assert truth.select([1, 0]).maps(0, 1).sum() == 0
