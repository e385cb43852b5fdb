"""Pictures of heat maps over frames, drawn with Pillow so that equal inputs give equal bytes.

A heat map is shown min-max normalised, as it is scored (`pipeline/methods/DECISIONS.md`, 'Scores'):
what is hottest on the frame is brightest whatever its cosine, so a picture says where the sound is
heard and never how sure the model is.
"""

import numpy as np
from PIL import Image

from pipeline.report.heat import glow, scaled

TRUE = (255, 255, 255)  # the outline of what truly sounds, in every picture


def overlay(frame: np.ndarray, heat: np.ndarray, size: int) -> Image.Image:
    """The frame with its raw heat map over it, size x size pixels, in the colours of `heat`.

    `frame` is (side, side, 3) uint8, `heat` (h, w) float, upsampled bilinearly and min-max
    normalised; a constant map shows as cold everywhere.
    """
    picture = Image.fromarray(frame).resize((size, size), Image.Resampling.BICUBIC)
    fine = Image.fromarray(scaled(heat)).resize((size, size), Image.Resampling.BILINEAR)
    return Image.fromarray(glow(np.asarray(picture), np.asarray(fine)))


def outline(
    picture: Image.Image, mask: np.ndarray, colour: tuple[int, int, int], width: int = 2
) -> Image.Image:
    """The picture with the border of a bool `mask` (H, W), scaled to it, drawn `width` pixels
    wide, inside the mask."""
    scaled_mask = Image.fromarray(mask.astype(np.uint8) * 255).resize(picture.size)
    inside = np.pad(np.asarray(scaled_mask) > 127, width)
    eroded = inside.copy()
    for shift in (*range(-width, 0), *range(1, width + 1)):
        eroded &= np.roll(inside, shift, 0) & np.roll(inside, shift, 1)
    border = (inside & ~eroded)[width:-width, width:-width]
    drawn = np.array(picture)
    drawn[border] = colour
    return Image.fromarray(drawn)
