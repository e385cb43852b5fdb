"""Views of frames whose aspect was kept, against torchvision's operations picture by picture."""

import math

import numpy as np
import pytest
import torch
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms import functional as reference

from pipeline.clips.frames import Frames, kept_frames
from pipeline.clips.views import (
    DRAWS,
    IMAGENET_DEVIATION,
    IMAGENET_MEAN,
    draw,
    light_crop,
    light_flow,
    light_view,
    normalise,
    simclr_view,
)

SIDE, RESIZED = 32, 35


def _frames(shapes: list[tuple[int, int]]) -> list[np.ndarray]:
    generator = np.random.default_rng(3)
    return [generator.integers(0, 256, (*shape, 3)).astype(np.uint8) for shape in shapes]


def _picture(frame: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(frame).permute(2, 0, 1).float() / 255


# The shorter edge as it is stored for this side, and stored larger.
@pytest.mark.parametrize("shorter", [35, 40])
def test_light_view_is_a_crop_of_the_frame_resized_by_its_shorter_edge(shorter: int) -> None:
    edges = [shorter, 62, 48, 200]
    shapes = [(shorter, edge) for edge in edges] + [(edge, shorter) for edge in edges]
    frames, draws = _frames(shapes), draw(torch.Generator().manual_seed(0), len(shapes))
    found = light_view(kept_frames(frames), draws, SIDE)
    for frame, view, u in zip(frames, found, draws.tolist(), strict=True):
        picture = reference.resize(_picture(frame), [RESIZED], antialias=False)
        height, width = picture.shape[1:]
        x, y = int(u[0] * (width - SIDE + 1)), int(u[1] * (height - SIDE + 1))
        expected = reference.crop(picture, y, x, SIDE, SIDE)
        if u[2] < 0.5:
            expected = reference.hflip(expected)
        expected = reference.normalize(expected, list(IMAGENET_MEAN), list(IMAGENET_DEVIATION))
        torch.testing.assert_close(view, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("shape", [(RESIZED, 62), (62, RESIZED)])
def test_a_crop_may_lie_anywhere_in_the_whole_length(shape: tuple[int, int]) -> None:
    # Every pixel holds its place along the longer edge, so a crop tells where it was cut.
    long = int(shape[1] > shape[0])
    frame = np.zeros((*shape, 3), np.uint8)
    frame += np.arange(62, dtype=np.uint8).reshape((1, -1, 1) if long else (-1, 1, 1))
    count = 31 * 400
    draws = draw(torch.Generator().manual_seed(2), count)
    draws[:, 2] = 0.9  # no flip
    same = Frames((torch.from_numpy(frame).expand(count, *frame.shape),), torch.arange(count))
    pictures = light_crop(same, draws, SIDE)
    starts = (pictures[:, 0, 0, 0] * 255).round().long()
    places = torch.bincount(starts, minlength=31)
    # 62 - 32 + 1 places, all as likely: four deviations of a binomial count around 1/31.
    assert len(places) == 31 == 62 - SIDE + 1
    expected = count / 31
    assert (places - expected).abs().max() < 4 * math.sqrt(expected)
    last = (pictures[:, 0, -1, -1] * 255).round().long()
    assert torch.equal(last, starts + SIDE - 1)


@pytest.mark.parametrize("shape", [(36, 64), (48, 36), (36, 36)])
@pytest.mark.parametrize("smallest", [0.08, 0.3])  # SimCLR's and MoCo's
def test_simclr_s_crops_have_torchvision_s_areas_and_aspects(
    shape: tuple[int, int], smallest: float
) -> None:
    height, width = shape
    # Coordinates in two channels: a bilinear crop of a ramp tells its own corners.
    ramp = np.zeros((*shape, 3), np.uint8)
    ramp[..., 0] = 3 * np.arange(width)
    ramp[..., 1] = 3 * np.arange(height)[:, None]
    count, side = 6000, 8
    draws = draw(torch.Generator().manual_seed(4), count)
    draws[:, 4:6] = 0.9  # no flip, no jitter
    draws[:, 10:] = torch.tensor([0.9, 0.1])  # no grey, no blur
    frames = Frames((torch.from_numpy(ramp).expand(count, *ramp.shape),), torch.arange(count))
    views = simclr_view(frames, draws, side, area=(smallest, 1.0))
    deviation, mean = torch.tensor(IMAGENET_DEVIATION), torch.tensor(IMAGENET_MEAN)
    pixels = (views * deviation[:, None, None] + mean[:, None, None]) * 255 / 3
    # Inner samples alone: the outermost may be cut at the frame's edge.
    across = (pixels[:, 0, 0, 5] - pixels[:, 0, 0, 2]) * side / 3
    down = (pixels[:, 1, 5, 0] - pixels[:, 1, 2, 0]) * side / 3
    left = pixels[:, 0, 0, 2] + 0.5 - across * 2.5 / side
    assert float(across.max()) <= width + 1e-3 and float(down.max()) <= height + 1e-3
    assert float(left.min()) >= -1e-3 and float((left + across).max()) <= width + 1e-3
    torch.manual_seed(0)
    large = torch.zeros(3, 100 * height, 100 * width)  # whose whole pixels round nothing away
    theirs = [
        RandomResizedCrop.get_params(large, [smallest, 1.0], [3 / 4, 4 / 3]) for _ in range(count)
    ]
    their_height, their_width = (torch.tensor(theirs)[:, 2:] / 100).T
    for ours, other in (
        (across * down / (width * height), their_height * their_width / (width * height)),
        (torch.log(across / down), torch.log(their_width / their_height)),
        (across / width, their_width / width),
        (down / height, their_height / height),
    ):
        shares = torch.tensor([0.05, 0.25, 0.5, 0.75, 0.95])
        torch.testing.assert_close(
            ours.quantile(shares), other.quantile(shares), atol=0.025, rtol=0
        )


def test_a_strip_that_no_crop_fits_gives_its_whole_shorter_edge() -> None:
    # Of 4 x 400 pixels 8 % are 128, and the largest crop is 4 high and 16 / 3 wide.
    strip = np.zeros((4, 400, 3), np.uint8)
    strip[..., 0] = np.arange(4)[:, None] * 60
    draws = draw(torch.Generator().manual_seed(0), 20)
    draws[:, 4:6] = 0.9
    draws[:, 10:] = torch.tensor([0.9, 0.1])
    views = simclr_view(kept_frames([strip] * 20), draws, 4)
    expected = normalise(torch.from_numpy(strip[None, :, :4]).permute(0, 3, 1, 2).float() / 255)
    torch.testing.assert_close(views, expected.expand(20, -1, -1, -1), atol=1e-5, rtol=0)


def test_square_frames_are_seen_as_squashed_ones_are() -> None:
    frames, draws = _frames([(36, 36)] * 6), draw(torch.Generator().manual_seed(1), 6)
    whole = torch.from_numpy(np.stack(frames))
    assert torch.equal(light_view(kept_frames(frames), draws, SIDE), light_view(whole, draws, SIDE))


@pytest.mark.parametrize("view", [light_view, simclr_view])
def test_a_view_is_of_each_clip_alone(view) -> None:
    shapes = [(35, 62), (35, 48), (50, 35), (35, 62), (35, 35), (35, 62)]
    frames, draws = _frames(shapes), draw(torch.Generator().manual_seed(5), 6)
    assert draws.shape == (6, DRAWS)
    whole = view(kept_frames(frames), draws, SIDE)
    assert whole.shape == (6, 3, SIDE, SIDE)
    for rows in ([0, 1, 2], [3, 4, 5], [5], [1, 0]):
        part = view(kept_frames([frames[row] for row in rows]), draws[rows], SIDE)
        torch.testing.assert_close(part, whole[rows], atol=1e-6, rtol=0)


@pytest.mark.parametrize("signed", [False, True])
def test_flow_is_cut_as_its_kept_frame(signed: bool) -> None:
    frames = _frames([(35, 50), (60, 35), (35, 50)])
    flows = [frame[..., :2].astype(np.float16 if signed else np.uint8) for frame in frames]
    draws = draw(torch.Generator().manual_seed(0), 3)
    draws[:, 2] = torch.tensor([0.1, 0.9, 0.2])  # the first and the last are mirrored
    expected = light_crop(kept_frames(frames), draws, SIDE)[:, :2]
    if signed:  # to the right is to the left in a mirrored frame
        expected[[0, 2], 0] *= -1
    torch.testing.assert_close(light_flow(kept_frames(flows), draws, SIDE), expected)
