"""From a picture of any size to the size that is stored, in one resampling.

Pillow's antialiased bicubic filter works in integers and gives the same bytes on any machine. The
filter without antialiasing, which some published test transforms have, is made of single products
and sums in an order of its own and does so too.
"""

from typing import Literal

import numpy as np
from PIL import Image

from pipeline.media.container import MAX_PIXELS
from pipeline.media.crop import centre_crop, kept_size
from pipeline.media.errors import MediaError

Aspect = Literal[
    "squashed",  # side x side, the proportions given up (the paper's tested frames)
    "kept",  # the shorter edge has `side` pixels, the proportions stay
    "cropped",  # as "kept", then the middle side x side of it (LVS's and SSL-TIE's tested frames)
]

_SHARPNESS = -0.75  # torch's bicubic kernel; Pillow's has -0.5


def resized(
    image: Image.Image, side: int, aspect: Aspect = "squashed", antialias: bool = True
) -> np.ndarray:
    """(side, side, 3) uint8, or (h, w, 3) with min(h, w) = `side` where `aspect` is "kept"; the
    longer edge is rounded down, as torchvision's Resize does.

    Without `antialias` as torchvision before 0.17 resized a tensor (bicubic, four pixels along each
    axis however much smaller the result is), which is how the paper's evaluation code makes its
    tested frames; its values are here rounded to bytes and cut at 0 and 255. Raises `MediaError`
    "too large" for a strip so narrow that its longer edge would give more than 8192 x 8192 pixels.
    """
    size = (side, side) if aspect == "squashed" else kept_size(*image.size, side)
    if size[0] * size[1] > MAX_PIXELS:
        raise MediaError(
            "too large",
            f"a picture of {image.width} x {image.height} pixels becomes {size[0]} x {size[1]}",
        )
    if antialias:
        pixels = np.asarray(image.resize(size, Image.Resampling.BICUBIC))
    else:
        pixels = _sampled(np.asarray(image), *size)
    if aspect == "cropped":
        left, top = centre_crop(*size, side)
        pixels = pixels[top : top + side, left : left + side]
    return np.ascontiguousarray(pixels)


def _sampled(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    """Pixels (h, w, 3) uint8 sampled bicubically at the centres of `height` x `width` cells, uint8;
    beyond the edges the outermost pixels are repeated."""
    for axis, length in ((1, width), (0, height)):
        places, weights = _taps(pixels.shape[axis], length)
        # NumPy's sums over an axis may be taken in any order.
        found = np.zeros(1)
        for tap in range(4):
            weight = weights[:, tap].reshape((-1, 1) if axis else (-1, 1, 1))
            found = found + weight * np.take(pixels, places[:, tap], axis=axis)
        pixels = found
    return np.rint(np.clip(pixels, 0, 255)).astype(np.uint8)


def _taps(before: int, after: int) -> tuple[np.ndarray, np.ndarray]:
    """Which four pixels of an axis of `before` each of `after` cells is made of, int64, and their
    weights, float64; both (after, 4)."""
    centres = (np.arange(after) + 0.5) * before / after - 0.5
    first = np.floor(centres).astype(np.int64)
    away = np.abs(centres[:, None] - (first[:, None] + np.arange(-1, 3)))
    a = _SHARPNESS
    near = ((a + 2) * away - (a + 3)) * away**2 + 1
    far = ((away - 5) * away + 8) * a * away - 4 * a
    return np.clip(first[:, None] + np.arange(-1, 3), 0, before - 1), np.where(away <= 1, near, far)
