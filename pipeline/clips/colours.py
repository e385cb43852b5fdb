"""Colours of whole batches of pictures, (B, 3, H, W) RGB in 0..1, each by its own factor: what
torchvision changes picture by picture, with the same arithmetic."""

from collections.abc import Sequence

import torch
from torch import Tensor

_LUMINANCE = (0.2989, 0.587, 0.114)  # ITU-R 601, as torchvision and PIL weigh the channels


def luminance(pictures: Tensor) -> Tensor:
    """(B, 3, H, W) RGB to (B, 1, H, W) grey values."""
    red, green, blue = _LUMINANCE
    return (red * pictures[:, 0] + green * pictures[:, 1] + blue * pictures[:, 2]).unsqueeze(1)


def brighten(pictures: Tensor, factors: Tensor) -> Tensor:
    """Each picture times its factor, kept in 0..1; factors: (B,)."""
    return (pictures * factors[:, None, None, None]).clamp(0, 1)


def contrast(pictures: Tensor, factors: Tensor) -> Tensor:
    """Each picture blended with its mean grey value by its factor, kept in 0..1."""
    return _blend(pictures, luminance(pictures).mean(dim=(2, 3), keepdim=True), factors)


def saturate(pictures: Tensor, factors: Tensor) -> Tensor:
    """Each picture blended with its grey values by its factor, kept in 0..1."""
    return _blend(pictures, luminance(pictures), factors)


def shift_hue(pictures: Tensor, shifts: Tensor) -> Tensor:
    """Each picture's hue turned by its share of the circle, value and saturation (HSV) kept.

    pictures: (B, 3, H, W) in 0..1; shifts: (B,), -0.5 to 0.5."""
    red, green, blue = pictures.unbind(1)
    value, least = pictures.amax(1), pictures.amin(1)
    chroma = value - least
    divisor = torch.where(chroma == 0, 1.0, chroma)
    # Hue in sixths of the circle, by the channel that is the largest.
    sixths = torch.where(
        red == value,
        (green - blue) / divisor,
        torch.where(green == value, 2 + (blue - red) / divisor, 4 + (red - green) / divisor),
    )
    sixths = sixths + 6 * shifts[:, None, None]
    channels = []
    for offset in (5, 3, 1):  # value - chroma x a trapezoid of the hue, a third of a turn apart
        place = torch.remainder(sixths + offset, 6)
        channels.append(value - chroma * torch.minimum(place, 4 - place).clamp(0, 1))
    return torch.stack(channels, dim=1)


def jitter(pictures: Tensor, factors: Tensor, shift: Tensor, order: Sequence[int]) -> Tensor:
    """Brightness, contrast and saturation by `factors` (B, 3) and hue by `shift` (B,), in the given
    order of these four."""
    for operation in order:
        if operation == 3:
            pictures = shift_hue(pictures, shift)
        else:
            adjust = (brighten, contrast, saturate)[operation]
            pictures = adjust(pictures, factors[:, operation])
    return pictures


def _blend(pictures: Tensor, others: Tensor, factors: Tensor) -> Tensor:
    factors = factors[:, None, None, None]
    return (factors * pictures + (1 - factors) * others).clamp(0, 1)
