"""Pictures of heat maps over frames, drawn with Pillow so that equal inputs give equal bytes.

A heat map is shown min-max normalised, as the protocols score it: what is hottest on the frame is
red whatever its cosine, so a picture says where the sound is heard and never how sure the model is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from PIL import Image, ImageDraw, ImageFont

from pipeline.base.files import atomic_file

_CELL = 168  # pixels of one picture of the sheet
_GAP = 6
_LINE = 16  # height of the text above a row
_TRUE = (255, 255, 255)
_SILENT = (0, 0, 0)


@dataclass(frozen=True)
class Scene:
    """One row of the sheet: a frame (side, side, 3) uint8 and, for each sound, a label, the raw
    heat map (h, w) and the bool mask (H, W) of the object that makes this sound."""

    frame: np.ndarray
    sounds: Sequence[tuple[str, np.ndarray, np.ndarray]]


def overlay(frame: np.ndarray, heat: np.ndarray, size: int, opacity: float = 0.55) -> Image.Image:
    """The frame with its raw heat map over it, size x size pixels.

    `frame` is (side, side, 3) uint8, `heat` (h, w) float, upsampled bilinearly and min-max
    normalised; a constant map shows as cold everywhere.
    """
    picture = Image.fromarray(frame).resize((size, size), Image.Resampling.BICUBIC)
    low, high = float(heat.min()), float(heat.max())
    scaled = (heat - low) / (high - low) if high > low else np.zeros_like(heat)
    fine = Image.fromarray(scaled.astype(np.float32)).resize(
        (size, size), Image.Resampling.BILINEAR
    )
    colours = colormaps["turbo"](np.asarray(fine))[..., :3]
    blended = (1 - opacity) * np.asarray(picture, dtype=np.float64) + opacity * 255 * colours
    return Image.fromarray(blended.round().astype(np.uint8))


def outline(picture: Image.Image, mask: np.ndarray, colour: tuple[int, int, int]) -> Image.Image:
    """The picture with the border of a bool `mask` (H, W), scaled to it, drawn two pixels wide."""
    scaled = Image.fromarray(mask.astype(np.uint8) * 255).resize(picture.size)
    inside = np.pad(np.asarray(scaled) > 127, 2)
    eroded = inside.copy()
    for shift in (-2, -1, 1, 2):
        eroded &= np.roll(inside, shift, 0) & np.roll(inside, shift, 1)
    border = (inside & ~eroded)[2:-2, 2:-2]
    drawn = np.array(picture)
    drawn[border] = colour
    return Image.fromarray(drawn)


def draw_scenes(path: Path, scenes: Sequence[Scene], columns: int = 2) -> None:
    """Write a sheet of scenes as PNG: each scene its frame and its map under each of its sounds.

    The object that sounds is outlined in white, the others in black. Raises ValueError for none.
    """
    if not scenes:
        raise ValueError("no scenes to draw")
    pictures = 1 + max(len(scene.sounds) for scene in scenes)
    block = (pictures * (_CELL + _GAP) + 2 * _GAP, _CELL + _LINE + _GAP)
    rows = -(-len(scenes) // columns)
    sheet = Image.new("RGB", (columns * block[0], rows * block[1] + _GAP), (255, 255, 255))
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=11)
    for number, scene in enumerate(scenes):
        left = (number % columns) * block[0] + _GAP
        top = (number // columns) * block[1] + _GAP
        plain = Image.fromarray(scene.frame).resize((_CELL, _CELL), Image.Resampling.BICUBIC)
        sheet.paste(plain, (left, top + _LINE))
        for place, (label, heat, mask) in enumerate(scene.sounds, start=1):
            x = left + place * (_CELL + _GAP)
            picture = overlay(scene.frame, heat, _CELL)
            for _, _, other in scene.sounds:
                if other is not mask:
                    picture = outline(picture, other, _SILENT)
            sheet.paste(outline(picture, mask, _TRUE), (x, top + _LINE))
            draw.text((x, top), label[:26], fill=(40, 40, 40), font=font)
    with atomic_file(path) as file:
        sheet.save(file, format="PNG")
