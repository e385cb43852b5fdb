"""From a picture of any size to the size that is stored, in one resampling.

Pillow's antialiased bicubic filter works in integers and gives the same bytes on any machine.
"""

from typing import Literal

import numpy as np
from PIL import Image

from pipeline.media.container import MAX_PIXELS
from pipeline.media.errors import MediaError

Aspect = Literal[
    "squashed",  # side x side, the proportions given up (the paper's frames)
    "kept",  # the shorter edge has `side` pixels, the proportions stay
    "cropped",  # as "kept", then the middle side x side of it (the usual test view of networks)
]


def resized(image: Image.Image, side: int, aspect: Aspect = "squashed") -> np.ndarray:
    """(side, side, 3) uint8, or (h, w, 3) with min(h, w) = `side` where `aspect` is "kept"; the
    longer edge is rounded down, as torchvision's Resize does. Raises `MediaError` "too large" for a
    strip so narrow that its longer edge would give more than 8192 x 8192 pixels."""
    if aspect == "squashed":
        return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC))
    shorter = min(image.size)
    width, height = (side * edge // shorter for edge in image.size)
    if width * height > MAX_PIXELS:
        raise MediaError(
            "too large",
            f"a picture of {image.width} x {image.height} pixels becomes {width} x {height}",
        )
    kept = image.resize((width, height), Image.Resampling.BICUBIC)
    if aspect == "cropped":
        # torchvision's CenterCrop rounds halves to the even number, as `round` does.
        left, top = round((width - side) / 2), round((height - side) / 2)
        kept = kept.crop((left, top, left + side, top + side))
    return np.asarray(kept)
