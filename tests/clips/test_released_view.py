"""v_aug of the authors' training code, against torchvision's own operations picture by picture."""

import pytest
import torch
from torch import Tensor
from torchvision.transforms import functional as reference

from pipeline.clips.frames import kept_frames
from pipeline.clips.views import IMAGENET_DEVIATION, IMAGENET_MEAN, RELEASED_DRAWS, released_view

BATCH, STORED = 32, 40


def _frames() -> Tensor:
    generator = torch.Generator().manual_seed(3)
    shape = (BATCH, STORED, STORED, 3)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


def _draws() -> Tensor:
    return torch.rand(BATCH, RELEASED_DRAWS, generator=torch.Generator().manual_seed(1))


def _expected(
    frame: Tensor, u: list[float], side: int, order: tuple[int, ...], kept: bool = False
) -> Tensor:
    """The same of one frame, step by step; u are its draws."""
    picture = reference.rotate(frame.permute(2, 0, 1).float() / 255, 90 * int(4 * u[0]))
    if u[1] < 0.8:
        operations = (
            reference.adjust_brightness,
            reference.adjust_contrast,
            reference.adjust_saturation,
            reference.adjust_hue,
        )
        values = [0.4 * u[2], 0.4 * u[3], 0.4 * u[4], 0.1 * u[5]]
        for operation in order:
            picture = operations[operation](picture, values[operation])
    if u[6] >= 0.5:
        picture = reference.gaussian_blur(picture, [3, 3], [0.1 + (2 * u[6] - 1) * 1.9] * 2)
    resized = round(1.1 * side)
    size = [resized] if kept else [resized, resized]  # of the shorter edge, or of both
    picture = reference.resize(picture, size, antialias=False)
    height, width = picture.shape[1:]
    x, y = (int(v * (edge - side + 1)) for v, edge in zip(u[7:9], (width, height), strict=True))
    picture = reference.crop(picture, y, x, side, side)
    if u[9] < 0.5:
        picture = reference.hflip(picture)
    if u[10] < 0.5:
        picture = reference.vflip(picture)
    shift = [round((2 * v - 1) * 0.2 * side) for v in u[11:13]]
    picture = reference.affine(picture, angle=0.0, translate=shift, scale=1.0, shear=[0.0])
    if u[13] < 0.2:
        picture = reference.rgb_to_grayscale(picture, 3)
    return reference.normalize(picture, list(IMAGENET_MEAN), list(IMAGENET_DEVIATION))


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (2, 0, 3, 1)])
@pytest.mark.parametrize("side", [32, 36])  # 36 x 1.1 is the stored side: nothing is resized
def test_released_view_equals_torchvision_step_by_step(side: int, order: tuple[int, ...]) -> None:
    frames, draws = _frames(), _draws()
    found = released_view(frames, draws, side, order=order)
    assert found.shape == (BATCH, 3, side, side)
    for frame, picture, u in zip(frames, found, draws.tolist(), strict=True):
        torch.testing.assert_close(picture, _expected(frame, u, side, order), atol=5e-4, rtol=0)


@pytest.mark.parametrize("side", [32, 36])
def test_of_kept_frames_the_turn_is_on_their_own_canvas(side: int) -> None:
    generator = torch.Generator().manual_seed(3)
    shapes = [[(40, 40), (40, 72), (58, 40), (40, 54)][clip % 4] for clip in range(BATCH)]
    frames = [
        torch.randint(0, 256, (*shape, 3), generator=generator, dtype=torch.uint8).numpy()
        for shape in shapes
    ]
    draws = _draws()
    found = released_view(kept_frames(frames), draws, side, order=(2, 0, 3, 1))
    for frame, picture, u in zip(frames, found, draws.tolist(), strict=True):
        expected = _expected(torch.from_numpy(frame), u, side, (2, 0, 3, 1), kept=True)
        torch.testing.assert_close(picture, expected, atol=5e-4, rtol=0)


def test_the_draws_reach_every_branch() -> None:
    draws = _draws()
    assert (4 * draws[:, 0]).long().unique().tolist() == [0, 1, 2, 3]
    for column, share in ((1, 0.8), (6, 0.5), (9, 0.5), (10, 0.5), (13, 0.2)):
        assert 0 < int((draws[:, column] < share).sum()) < BATCH


def test_released_view_is_of_each_clip_alone() -> None:
    frames, draws = _frames(), _draws()
    whole = released_view(frames, draws, 32)
    parts = [released_view(frames[rows], draws[rows], 32) for rows in (slice(9), slice(9, None))]
    torch.testing.assert_close(torch.cat(parts), whole, atol=1e-6, rtol=0)
