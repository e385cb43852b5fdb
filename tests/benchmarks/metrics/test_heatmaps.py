"""Resizing is torch's, min-max leaves constants alone, OGL is the published combination."""

import numpy as np
import pytest
import torch

from pipeline.benchmarks.metrics.heatmaps import RESIZES, min_max, object_guided, resize_maps


def _torch(maps: np.ndarray, resize: str, side: int) -> np.ndarray:
    mode, corners = {
        "half-pixel": ("bilinear", False),
        "corners": ("bilinear", True),
        "bicubic": ("bicubic", False),
        "bicubic-corners": ("bicubic", True),
    }[resize]
    batch = torch.from_numpy(maps)[:, None]
    resized = torch.nn.functional.interpolate(
        batch, size=(side, side), mode=mode, align_corners=corners
    )
    return resized[:, 0].numpy()


def _loop(heat: np.ndarray, side: int, corners: bool) -> np.ndarray:
    """Bilinear interpolation from its definition, one pixel at a time, in double precision."""
    result = np.empty((side, side))
    for index in np.ndindex(side, side):
        ends, weights = [], []
        for place, length in zip(index, heat.shape, strict=True):
            at = (
                place * (length - 1) / (side - 1)
                if corners
                else (place + 0.5) * length / side - 0.5
            )
            at = min(max(at, 0.0), length - 1.0)
            low = int(at)
            ends.append((low, min(low + 1, length - 1)))
            weights.append((1 - (at - low), at - low))
        result[index] = sum(
            weights[0][i] * weights[1][j] * heat[ends[0][i], ends[1][j]]
            for i in range(2)
            for j in range(2)
        )
    return result


@pytest.mark.parametrize("resize", RESIZES)
@pytest.mark.parametrize("shape", [(14, 14), (7, 7), (8, 8), (5, 9), (1, 3), (40, 33), (224, 224)])
def test_resizing_is_torch_s(resize: str, shape: tuple[int, int]) -> None:
    maps = np.random.default_rng(0).normal(size=(3, *shape)).astype(np.float32)
    resized = resize_maps(maps, resize)
    assert resized.shape == (3, 224, 224) and resized.dtype == np.float32
    np.testing.assert_allclose(resized, _torch(maps, resize, 224), rtol=0, atol=2e-6)


@pytest.mark.parametrize("resize", ["half-pixel", "corners"])
def test_bilinear_weights_are_torch_s(resize: str) -> None:
    """A column at a time: each cell's weight at every pixel."""
    for length in range(1, 33):
        cells = np.eye(length, dtype=np.float32)[:, None, :].repeat(2, axis=1)
        found, expected = resize_maps(cells, resize), _torch(cells, resize, 224)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-7, err_msg=str(length))


@pytest.mark.parametrize("resize", ["half-pixel", "corners"])
def test_bilinear_from_its_definition(resize: str) -> None:
    heat = np.random.default_rng(1).normal(size=(5, 4)).astype(np.float32)
    expected = _loop(heat, 23, resize == "corners")
    np.testing.assert_allclose(resize_maps(heat[None], resize, 23)[0], expected, atol=1e-6)


@pytest.mark.parametrize("resize", RESIZES)
def test_a_constant_map_stays_exactly_constant(resize: str) -> None:
    maps = np.full((2, 14, 14), 0.3, dtype=np.float32)
    assert (resize_maps(maps, resize) == np.float32(0.3)).all()


def test_the_caller_s_maps_are_never_written() -> None:
    maps = np.random.default_rng(2).random((2, 224, 224), dtype=np.float32)
    before = maps.copy()
    resize_maps(maps, "corners")[:] = 0
    object_guided(maps, maps)
    min_max(maps)
    np.testing.assert_array_equal(maps, before)


def test_an_unknown_resize_is_refused() -> None:
    with pytest.raises(ValueError, match="bicubic-corners"):
        resize_maps(np.zeros((1, 2, 2), np.float32), "nearest")


def test_min_max_and_constant_maps() -> None:
    maps = np.array([[[2.0, 4.0], [3.0, 2.0]], [[7.0, 7.0], [7.0, 7.0]]], dtype=np.float32)
    expected = [[[0, 1], [0.5, 0]], [[7, 7], [7, 7]]]
    np.testing.assert_array_equal(min_max(maps), expected)


def test_object_guided_by_hand() -> None:
    heat = np.array([[[0.0, 1.0, 0.5, 0.0]]], dtype=np.float32)
    guidance = np.array([[[4.0, 0.0, 2.0, 0.0]]], dtype=np.float32)
    # 0.4 x (0, 1, .5, 0) + 0.6 x (1, 0, .5, 0) = .6, .4, .5, 0 -> divided by .6
    expected = [[[1, 2 / 3, 5 / 6, 0]]]
    np.testing.assert_allclose(object_guided(heat, guidance), expected, atol=1e-6)
