"""A sheet of scenes: each a frame and its maps, one under each sound, with words that say which.

Outlines and rings are drawn at three times their size and then reduced, so that they are smooth. A
label that is too long for its picture goes on in a further line; none is cut.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from pipeline.base.files import atomic_file
from pipeline.report.figures import SHADOW, TRUE, outline, overlay, ring
from pipeline.report.fonts import font
from pipeline.report.words import wrapped

_CELL = 172  # pixels of one picture of the sheet
_GAP = 6  # between the pictures of a scene
_BETWEEN = 34  # between scenes
_EDGE = 18
_FINE = 3
_TITLE, _SIZE, _SMALL = 19, 13, 12  # pixels of the letters of the title, of labels, of the rest
_LINE, _SMALL_LINE = 18, 16
_BELOW = 5  # a label
_PAPER, _INK, _FAINT = (255, 255, 255), (27, 31, 36), (89, 99, 110)
_RIGHT, _WRONG = (0, 108, 84), (168, 60, 24)  # told apart by who sees no red from green, too
_SILENT = (150, 150, 156)
_HEADS = ("the frame", "its own sound", "a silent object's sound")
_HEADLINE = "Which object is heard?"
_LEGEND = (
    "Each frame under the sound of its clip, and under that of an object which is silent there. "
    "White: the object that the sound belongs to; grey: the others. Ring: where the map is "
    "largest. A map is the paler the less sure it is."
)


class Heard(NamedTuple):
    """A scene under one sound: the sound's label, the raw map (h, w), the bool mask (H, W) of the
    object that makes the sound, and, where that is known, how sure the map is in a word, how
    strongly it is drawn, 0 to 1, and whether it is largest inside the object."""

    label: str
    heat: np.ndarray
    mask: np.ndarray
    word: str = ""
    strength: float = 1.0
    right: bool | None = None


@dataclass(frozen=True)
class Scene:
    """A frame (side, side, 3) uint8 under some sounds, the clip's own first."""

    frame: np.ndarray
    sounds: Sequence[Heard]


def draw_scenes(path: Path, scenes: Sequence[Scene], columns: int = 2) -> None:
    """Write a sheet of scenes as PNG: each scene its frame and its map under each of its sounds.

    The object that sounds is outlined in white, the others in grey; a ring marks the map's maximum.
    Raises ValueError for no scene.
    """
    if not scenes:
        raise ValueError("no scenes to draw")
    columns = min(columns, len(scenes))
    pictures = 1 + max(len(scene.sounds) for scene in scenes)
    labels = [[_lines(f"♪ {heard.label}", _CELL) for heard in scene.sounds] for scene in scenes]
    lines = max(len(text) for scene in labels for text in scene)
    told = any(heard.word or heard.right is not None for s in scenes for heard in s.sounds)
    block = pictures * (_CELL + _GAP) - _GAP
    width = 2 * _EDGE + columns * block + (columns - 1) * _BETWEEN
    legend = wrapped(_LEGEND, width - 2 * _EDGE, font(_SMALL).getlength)
    title = round(1.5 * _TITLE)
    heads = title + len(legend) * _SMALL_LINE + _GAP
    above = lines * _LINE + told * _SMALL_LINE + _BELOW
    row = above + _CELL + _BETWEEN // 2
    rows = -(-len(scenes) // columns)
    height = 2 * _EDGE + heads + _LINE + rows * row - _BETWEEN // 2
    sheet = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_EDGE, _EDGE), _HEADLINE, fill=_INK, font=font(_TITLE, bold=True))
    for number, line in enumerate(legend):
        below = _EDGE + title + number * _SMALL_LINE
        draw.text((_EDGE, below), line, fill=_FAINT, font=font(_SMALL))
    top = _EDGE + heads
    for column in range(columns):
        for place in range(pictures):
            x = _EDGE + column * (block + _BETWEEN) + place * (_CELL + _GAP)
            head = _HEADS[min(place, len(_HEADS) - 1)]
            draw.text((x, top), head, fill=_FAINT, font=font(_SIZE, bold=True))
    for number, (scene, texts) in enumerate(zip(scenes, labels, strict=True)):
        left = _EDGE + (number % columns) * (block + _BETWEEN)
        y = top + _LINE + (number // columns) * row
        sheet.paste(_plain(scene), (left, y + above))
        for place, (heard, text) in enumerate(zip(scene.sounds, texts, strict=True), start=1):
            x = left + place * (_CELL + _GAP)
            _label(draw, (x, y), heard, text)
            sheet.paste(_heard(scene, place - 1), (x, y + above))
    with atomic_file(path) as file:
        sheet.save(file, format="PNG")


def _lines(text: str, width: int) -> list[str]:
    return wrapped(text, width, font(_SIZE).getlength)


def _label(
    draw: ImageDraw.ImageDraw, place: tuple[int, int], heard: Heard, lines: Sequence[str]
) -> None:
    """The sound's name and, below it, how sure the map is and whether it is right."""
    x, y = place
    for number, line in enumerate(lines):
        draw.text((x, y + number * _LINE), line, fill=_INK, font=font(_SIZE))
    below = y + len(lines) * _LINE
    if heard.right is not None:
        text, colour = ("✓ found", _RIGHT) if heard.right else ("✗ missed", _WRONG)
        draw.text((x, below), text, fill=colour, font=font(_SMALL, bold=True))
        x += round(font(_SMALL, bold=True).getlength(text))
        if heard.word:
            draw.text((x, below), f", {heard.word}", fill=_FAINT, font=font(_SMALL))
        return
    draw.text((x, below), heard.word, fill=_FAINT, font=font(_SMALL))


def _plain(scene: Scene) -> Image.Image:
    return Image.fromarray(scene.frame).resize((_CELL, _CELL), Image.Resampling.BICUBIC)


def _heard(scene: Scene, sound: int) -> Image.Image:
    """The scene's map under one of its sounds, with outlines and a ring."""
    heard = scene.sounds[sound]
    picture = overlay(scene.frame, heard.heat, _FINE * _CELL, heard.strength)
    for other in scene.sounds:
        if other.mask is not heard.mask:
            picture = outline(picture, _smooth(other.mask), _SILENT, 2)
    # A dark line inside the white one keeps it visible on a light picture.
    picture = outline(picture, _smooth(heard.mask), SHADOW, 8)
    picture = outline(picture, _smooth(heard.mask), TRUE, 5)
    row, column = np.unravel_index(int(np.argmax(heard.heat)), heard.heat.shape)
    place = (column + 0.5) / heard.heat.shape[1], (row + 0.5) / heard.heat.shape[0]
    ring(picture, place, radius=14, width=6)
    return picture.resize((_CELL, _CELL), Image.Resampling.BOX)


def _smooth(mask: np.ndarray) -> np.ndarray:
    """The mask at the size at which it is drawn, without the steps of its pixels."""
    side = _FINE * _CELL
    large = Image.fromarray(mask.astype(np.uint8) * 255).resize((side, side))
    return np.asarray(large.filter(ImageFilter.GaussianBlur(5))) > 127
