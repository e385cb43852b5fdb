"""Views of frames and sounds, against torchvision's own operations picture by picture."""

import math

import pytest
import torch
from torchvision.transforms import functional as reference

from pipeline.clips.colours import brighten, contrast, luminance, saturate, shift_hue
from pipeline.clips.views import (
    DRAWS,
    IMAGENET_DEVIATION,
    IMAGENET_MEAN,
    blur,
    draw,
    light_view,
    normalise,
    plain_view,
    simclr_view,
    spectrograms,
)


def _frames(batch: int, side: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randint(0, 256, (batch, side, side, 3), generator=generator, dtype=torch.uint8)


def _unit(frames: torch.Tensor) -> torch.Tensor:
    return frames.permute(0, 3, 1, 2).float() / 255


@pytest.mark.parametrize(
    ("ours", "theirs", "values"),
    [
        (brighten, reference.adjust_brightness, [0.0, 0.4, 1.0, 1.7]),
        (contrast, reference.adjust_contrast, [0.0, 0.4, 1.0, 1.7]),
        (saturate, reference.adjust_saturation, [0.0, 0.4, 1.0, 1.7]),
        (shift_hue, reference.adjust_hue, [-0.5, -0.17, 0.0, 0.2]),
    ],
)
def test_colour_operations_equal_torchvision(ours, theirs, values) -> None:
    pictures = _unit(_frames(4, 12))
    pictures[:, :, 0] = 0.5  # grey has no hue
    pictures[:, 1, 1] = pictures[:, 0, 1]  # two channels share the maximum or the minimum
    found = ours(pictures, torch.tensor(values))
    for picture, value, result in zip(pictures, values, found, strict=True):
        torch.testing.assert_close(result, theirs(picture, value), atol=2e-6, rtol=0)


def test_grey_equals_torchvision() -> None:
    pictures = _unit(_frames(2, 8))
    torch.testing.assert_close(luminance(pictures), reference.rgb_to_grayscale(pictures))


@pytest.mark.parametrize("size", [3, 7])
def test_blur_equals_torchvision(size: int) -> None:
    pictures, sigmas = _unit(_frames(4, 16)), torch.tensor([0.1, 0.0, 1.3, 2.0])
    found = blur(pictures, sigmas, size)
    torch.testing.assert_close(found[1], pictures[1], atol=0, rtol=0)
    for i in (0, 2, 3):
        expected = reference.gaussian_blur(pictures[i], [size, size], [float(sigmas[i])] * 2)
        torch.testing.assert_close(found[i], expected, atol=2e-6, rtol=0)


@pytest.mark.parametrize("stored", [32, 35, 40])
def test_light_view_is_a_crop_of_the_resized_frame(stored: int) -> None:
    frames, side, resized = _frames(6, stored), 32, 35
    draws = draw(torch.Generator().manual_seed(0), 6)
    found = light_view(frames, draws, side)
    pictures = reference.resize(_unit(frames), [resized, resized], antialias=False)
    for i in range(6):
        x, y = (int(u * (resized - side + 1)) for u in draws[i, :2].tolist())
        expected = reference.crop(pictures[i], y, x, side, side)
        if draws[i, 2] < 0.5:
            expected = reference.hflip(expected)
        expected = reference.normalize(expected, list(IMAGENET_MEAN), list(IMAGENET_DEVIATION))
        torch.testing.assert_close(found[i], expected, atol=1e-4, rtol=0)


def test_simclr_view_equals_torchvision_step_by_step() -> None:
    frames, side, order, batch = _frames(16, 40), 40, (2, 0, 3, 1), 16
    draws = draw(torch.Generator().manual_seed(1), batch)
    found = simclr_view(frames, draws, side, order=order, strength=0.5)
    operations = (
        reference.adjust_brightness,
        reference.adjust_contrast,
        reference.adjust_saturation,
        reference.adjust_hue,
    )
    for i, u in enumerate(draws.double().tolist()):
        share, aspect = 0.08 + 0.92 * u[0], (4 / 3) ** (2 * u[1] - 1)
        width, height = min(1, math.sqrt(share * aspect)), min(1, math.sqrt(share / aspect))
        left, top = u[2] * (1 - width), u[3] * (1 - height)
        # Each pixel by hand: the centre of its cell in the crop, bilinearly, edges repeated.
        x = (left + (torch.arange(side).double() + 0.5) / side * width) * 40 - 0.5
        y = (top + (torch.arange(side).double() + 0.5) / side * height) * 40 - 0.5
        x, y = x.clamp(0, 39), y.clamp(0, 39)
        x0, y0 = x.floor().long().clamp(max=38), y.floor().long().clamp(max=38)
        fx, fy = (x - x0), (y - y0)[:, None]
        image = _unit(frames)[i].double()
        rows = image[:, y0] * (1 - fy) + image[:, y0 + 1] * fy
        picture = (rows[:, :, x0] * (1 - fx) + rows[:, :, x0 + 1] * fx).float()
        if u[4] < 0.5:
            picture = reference.hflip(picture)
        if u[5] < 0.8:
            values = [1 + (2 * u[6 + n] - 1) * 0.4 for n in range(3)] + [(2 * u[9] - 1) * 0.1]
            for operation in order:
                picture = operations[operation](picture, values[operation])
        if u[10] < 0.2:
            picture = reference.rgb_to_grayscale(picture, 3)
        if u[11] >= 0.5:
            sigma = (0.1 + (2 * u[11] - 1) * 1.9) * side / 224
            picture = reference.gaussian_blur(picture, [5, 5], [sigma, sigma])
        expected = reference.normalize(picture, list(IMAGENET_MEAN), list(IMAGENET_DEVIATION))
        torch.testing.assert_close(found[i], expected, atol=5e-4, rtol=0)


def test_plain_view_resizes_with_antialiasing() -> None:
    frames = _frames(2, 40)
    expected = normalise(reference.resize(_unit(frames), [16, 16], antialias=True))
    torch.testing.assert_close(plain_view(frames, 16), expected)
    torch.testing.assert_close(plain_view(frames, 40), normalise(_unit(frames)))


def test_views_are_of_the_seed_and_of_each_clip_alone() -> None:
    frames = _frames(6, 24)
    draws = draw(torch.Generator().manual_seed(5), 6)
    assert draws.shape == (6, DRAWS)
    torch.testing.assert_close(draws, draw(torch.Generator().manual_seed(5), 6), atol=0, rtol=0)
    for view in (light_view, simclr_view):
        whole = view(frames, draws, 20)
        assert whole.shape == (6, 3, 20, 20)
        parts = torch.cat([view(frames[:2], draws[:2], 20), view(frames[2:], draws[2:], 20)])
        torch.testing.assert_close(parts, whole, atol=1e-6, rtol=0)


def test_spectrograms_are_turned_and_divided() -> None:
    stored = torch.arange(2 * 5 * 3, dtype=torch.float16).view(2, 5, 3)
    found = spectrograms(stored)
    assert found.shape == (2, 1, 3, 5)
    assert float(found[1, 0, 2, 4]) == pytest.approx(29 / 12)
