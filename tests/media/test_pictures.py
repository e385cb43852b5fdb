"""Picture files of all depths, and the shapes in which frames are given."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_media import all_frames, write_media
from PIL import Image
from torchvision.transforms import CenterCrop, InterpolationMode, Resize

from pipeline.media.errors import MediaError
from pipeline.media.file import read_picture

RAMP = np.add.outer(np.arange(20), np.arange(30)) / 48  # (20, 30) from 0 to 1


def saved(path: Path, levels: np.ndarray) -> Path:
    Image.fromarray(levels).save(path)
    return path


def unsquashed(path: Path) -> np.ndarray:
    """(20, 30) uint8: the picture at its own size."""
    frame = read_picture(path, side=20, aspect="kept").frame
    assert frame.shape == (20, 30, 3)
    assert (frame == frame[..., :1]).all()
    return frame[..., 0]


@pytest.mark.parametrize(
    ("name", "levels"),
    [
        ("a.png", np.rint(RAMP * 65535).astype(np.uint16)),
        ("b.tif", np.rint(RAMP * 65535).astype(np.uint16)),
        ("c.tif", RAMP.astype(np.float32)),
        ("d.tif", (RAMP * 255).astype(np.float32)),
        ("e.tif", (RAMP * 65535).astype(np.float32)),
        ("f.tif", np.rint(RAMP * 255).astype(np.int32)),
        ("g.tif", np.rint(RAMP * 65535).astype(np.int32)),
    ],
)
def test_grey_levels_of_more_than_eight_bits(tmp_path: Path, name: str, levels: Any) -> None:
    found = unsquashed(saved(tmp_path / name, levels))
    np.testing.assert_allclose(found, RAMP * 255, atol=0.51)


@pytest.mark.parametrize(
    ("levels", "told"),
    [
        (np.full((4, 4), np.nan, np.float32), "not numbers"),
        (np.full((4, 4), 1e6, np.float32), r"grey levels up to 1e\+06, above 65535"),
    ],
)
def test_grey_levels_that_mean_nothing(tmp_path: Path, levels: Any, told: str) -> None:
    with pytest.raises(MediaError, match=told) as caught:
        read_picture(saved(tmp_path / "a.tif", levels), side=8)
    assert caught.value.cause == "unreadable"


@pytest.mark.parametrize("size", [(64, 48), (48, 64), (50, 50), (402, 38)])
def test_aspect_kept_and_cropped_are_torchvision_s(tmp_path: Path, size: tuple[int, int]) -> None:
    path = write_media(tmp_path / "a.mp4", seconds=1, size=size)
    image = Image.fromarray(all_frames(path)[10])
    kept = Resize(31, InterpolationMode.BICUBIC)(image)
    found = read_picture(path, side=31, aspect="kept")
    np.testing.assert_array_equal(found.frame, np.asarray(kept))
    assert min(found.frame.shape[:2]) == 31
    assert (found.width, found.height) == size
    cropped = read_picture(path, side=31, aspect="cropped").frame
    np.testing.assert_array_equal(cropped, np.asarray(CenterCrop(31)(kept)))


@pytest.mark.parametrize("size", [(1280, 720), (320, 240), (60, 45), (33, 47)])
@pytest.mark.parametrize("aspect", ["squashed", "kept", "cropped"])
def test_without_antialiasing_frames_are_torch_s_of_a_tensor(
    tmp_path: Path, size: tuple[int, int], aspect: Any
) -> None:
    levels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3)).astype(np.uint8)
    path = saved(tmp_path / "a.png", levels)
    found = read_picture(path, side=56, aspect=aspect, antialias=False).frame
    tensor = torch.from_numpy(levels).permute(2, 0, 1).double() / 255
    edges = [56, 56] if aspect == "squashed" else [56]
    expected = Resize(edges, InterpolationMode.BICUBIC, antialias=False)(tensor)
    if aspect == "cropped":
        expected = CenterCrop(56)(expected)
    expected = (255 * expected).clamp(0, 255).permute(1, 2, 0).numpy()
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=0.5 + 1e-6)  # rounded to the nearest byte
    if size == (1280, 720):  # what it is about: a frame that becomes much smaller is another one
        smooth = read_picture(path, side=56, aspect=aspect).frame
        assert found.std() > 3 * smooth.std()


def test_a_strip_is_squashed_but_not_kept(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", np.zeros((1, 4000, 3), np.uint8))
    assert read_picture(path, side=224).frame.shape == (224, 224, 3)
    with pytest.raises(MediaError, match="4000 x 1 pixels becomes 896000 x 224") as caught:
        read_picture(path, side=224, aspect="kept")
    assert caught.value.cause == "too large"
