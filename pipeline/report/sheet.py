"""A sheet of scenes: each a frame and its maps, one below each sound, with words that say which.

Everything is drawn at three times its size and then reduced, so that outlines and rings are smooth.
A label that is too long for its picture goes on in a further line; none is cut.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from pipeline.base.files import atomic_file
from pipeline.report.figures import TRUE, outline, overlay
from pipeline.report.words import wrapped

_CELL = 176  # pixels of one picture of the sheet
_GAP = 6  # between the pictures of a scene
_BETWEEN = 30  # between scenes
_EDGE = 14
_FINE = 3
_SIZE, _LINE = 13, 16  # pixels of the letters, and of a line of text
_BELOW = 4  # a line of text
_PAPER, _INK, _FAINT = (255, 255, 255), (27, 31, 36), (89, 99, 110)
_SHADOW, _SILENT = (16, 16, 20), (150, 150, 156)
_HEADS = ("frame", "its own sound", "a silent object's sound")
_LEGEND = (
    "Which object is heard? The same frame under the sound of its clip, and under the sound of an "
    "object that is silent there. White outline: the object that this sound belongs to. Grey: one "
    "that is silent. Ring: where the map is largest."
)


@dataclass(frozen=True)
class Scene:
    """One row of the sheet: a frame (side, side, 3) uint8 and, for each sound, a label, the raw
    heat map (h, w) and the bool mask (H, W) of the object that makes this sound. The first sound is
    the clip's own."""

    frame: np.ndarray
    sounds: Sequence[tuple[str, np.ndarray, np.ndarray]]


def draw_scenes(path: Path, scenes: Sequence[Scene], columns: int = 2) -> None:
    """Write a sheet of scenes as PNG: each scene its frame and its map under each of its sounds.

    The object that sounds is outlined in white, the others in grey; a ring marks the map's maximum.
    Raises ValueError for no scene.
    """
    if not scenes:
        raise ValueError("no scenes to draw")
    columns = min(columns, len(scenes))
    pictures = 1 + max(len(scene.sounds) for scene in scenes)
    labels = [[_lines(label, _CELL) for label, _, _ in scene.sounds] for scene in scenes]
    lines = max(len(text) for scene in labels for text in scene)
    block = pictures * (_CELL + _GAP) - _GAP
    width = 2 * _EDGE + columns * block + (columns - 1) * _BETWEEN
    legend = _lines(_LEGEND, width - 2 * _EDGE)
    head = len(legend) * _LINE + _GAP
    row = (1 + lines) * _LINE + _BELOW + _CELL + _BETWEEN // 2
    rows = -(-len(scenes) // columns)
    sheet = Image.new("RGB", (width, 2 * _EDGE + head + rows * row - _BETWEEN // 2), _PAPER)
    draw = ImageDraw.Draw(sheet)
    _write(draw, (_EDGE, _EDGE), legend, _INK)
    for number, (scene, texts) in enumerate(zip(scenes, labels, strict=True)):
        left = _EDGE + (number % columns) * (block + _BETWEEN)
        top = _EDGE + head + (number // columns) * row
        cells = [_plain(scene), *(_heard(scene, n) for n in range(len(scene.sounds)))]
        for place, (cell, text) in enumerate(zip(cells, [[], *texts], strict=True)):
            x = left + place * (_CELL + _GAP)
            _write(draw, (x, top), [_HEADS[min(place, len(_HEADS) - 1)]], _FAINT)
            _write(draw, (x, top + _LINE), text, _INK)
            sheet.paste(cell, (x, top + (1 + lines) * _LINE + _BELOW))
    with atomic_file(path) as file:
        sheet.save(file, format="PNG", optimize=True)


def _lines(text: str, width: int) -> list[str]:
    return wrapped(text, width, _font().getlength)


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=_SIZE)


def _write(
    draw: ImageDraw.ImageDraw,
    place: tuple[int, int],
    lines: Sequence[str],
    colour: tuple[int, int, int],
) -> None:
    for number, line in enumerate(lines):
        draw.text((place[0], place[1] + number * _LINE), line, fill=colour, font=_font())


def _plain(scene: Scene) -> Image.Image:
    return Image.fromarray(scene.frame).resize((_CELL, _CELL), Image.Resampling.BICUBIC)


def _heard(scene: Scene, sound: int) -> Image.Image:
    """The scene's map under one of its sounds, with outlines and a ring."""
    _, heat, mask = scene.sounds[sound]
    picture = overlay(scene.frame, heat, _FINE * _CELL)
    for _, _, other in scene.sounds:
        if other is not mask:
            picture = outline(picture, _smooth(other), _SILENT, 2)
    # A dark line inside the white one keeps it visible on a light picture.
    picture = outline(picture, _smooth(mask), _SHADOW, 8)
    picture = outline(picture, _smooth(mask), TRUE, 5)
    peak = np.unravel_index(int(np.argmax(heat)), heat.shape)
    y, x = ((at + 0.5) * picture.height / cells for at, cells in zip(peak, heat.shape, strict=True))
    draw = ImageDraw.Draw(picture)
    for colour, inner, outer in ((_SHADOW, 9, 19), (TRUE, 11, 17)):
        box = (x - outer, y - outer, x + outer, y + outer)
        draw.ellipse(box, outline=colour, width=outer - inner)
    return picture.resize((_CELL, _CELL), Image.Resampling.BOX)


def _smooth(mask: np.ndarray) -> np.ndarray:
    """The mask at the size at which it is drawn, without the steps of its pixels."""
    side = _FINE * _CELL
    large = Image.fromarray(mask.astype(np.uint8) * 255).resize((side, side))
    return np.asarray(large.filter(ImageFilter.GaussianBlur(5))) > 127
