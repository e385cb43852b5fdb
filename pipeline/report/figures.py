"""Pictures of heat maps over frames, drawn with Pillow so that equal inputs give equal bytes.

A heat map is shown min-max normalised, as it is scored (`pipeline/methods/DECISIONS.md`, 'Scores'):
what is hottest on the frame is brightest whatever its cosine, so a picture says where the sound is
heard. How sure the model is shows where a `strength` is given: an unsure map is drawn weaker.
"""

import numpy as np
from PIL import Image, ImageDraw

from pipeline.report.heat import glow, scaled

TRUE = (255, 255, 255)  # the outline of what truly sounds, in every picture
SHADOW = (16, 16, 20)  # beside white lines, which keeps them visible on a light picture
SCORED = (127, 212, 255)  # the outline of the region that is scored


def overlay(
    frame: np.ndarray, heat: np.ndarray, size: int | tuple[int, int], strength: float = 1.0
) -> Image.Image:
    """The frame with its raw heat map over it, in the colours of `heat`.

    `frame` is (height, width, 3) uint8, `heat` (h, w) float, upsampled bilinearly and min-max
    normalised; a constant map shows as cold everywhere. `size`: pixels of a side, or the width and
    the height; `strength`: of the map, 0 to 1.
    """
    wanted = (size, size) if isinstance(size, int) else size
    picture = Image.fromarray(frame).resize(wanted, Image.Resampling.BICUBIC)
    fine = Image.fromarray(scaled(heat)).resize(wanted, Image.Resampling.BILINEAR)
    return Image.fromarray(glow(np.asarray(picture), np.asarray(fine), strength))


def ring(picture: Image.Image, place: tuple[float, float], radius: int, width: int) -> None:
    """Draw a white ring with dark edges on the picture around a place, given as fractions from the
    left and the top edge; pixels of its middle line's `radius` and of the white line."""
    draw = ImageDraw.Draw(picture)
    x, y = place[0] * picture.width, place[1] * picture.height
    edge = max(1, width // 2)
    outer = radius + (width + 1) // 2
    for colour, far, wide in ((SHADOW, outer + edge, width + 2 * edge), (TRUE, outer, width)):
        draw.ellipse((x - far, y - far, x + far, y + far), outline=colour, width=wide)


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
