"""What is shown of a clip that somebody asked about: its picture, the map beside it, and below both
in words and by a scale of colours how much the map is worth.

A map is drawn as strongly as it is sure: one that is no larger than what silence or noise would
give stays pale, and under silence there is none.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from pipeline.report.figures import overlay, ring
from pipeline.report.fonts import font
from pipeline.report.heat import faded
from pipeline.report.words import wrapped

PAPER, INK, FAINT = (255, 255, 255), (27, 31, 36), (89, 99, 110)
_GROUND = 128  # grey: what the scale's transparent colours lie on
SIDE = 640  # pixels of the longer side of the still picture


@dataclass(frozen=True)
class Scale:
    """What a map's colours stand for: its smallest and largest value, and the `strength`, 0 to 1,
    with which it is drawn."""

    low: float
    high: float
    strength: float


def letters(side: int) -> int:
    """How high letters are, in pixels, below pictures whose longer side has `side`."""
    return min(20, max(9, side // 38))


def gap(side: int) -> int:
    """Pixels between the two pictures, even."""
    return max(2, side // 160 * 2)


def draw_localized(
    frame: np.ndarray,
    size: tuple[int, int],
    heat: np.ndarray | None,
    strength: float,
    place: tuple[float, float],
    lines: Sequence[str],
) -> Image.Image:
    """A frame (h, w, 3) uint8 of a picture of `size`, width and height in pixels, and beside it the
    same under its raw map with a ring at `place`, fractions from the left and the top; None for no
    map. Below stand `lines` and the scale of the map's colours."""
    factor = SIDE / max(size)
    shown = max(1, round(factor * size[0])), max(1, round(factor * size[1]))
    plain = Image.fromarray(frame).resize(shown, Image.Resampling.BICUBIC)
    mapped, scale = plain, None
    if heat is not None:
        mapped = overlay(frame, heat, shown, strength)
        ring(mapped, place, radius=max(5, SIDE // 60), width=max(2, SIDE // 200))
        scale = Scale(float(heat.min()), float(heat.max()), strength)
    between = gap(SIDE)
    caption = draw_caption(2 * shown[0] + between, letters(SIDE), lines, scale)
    sheet = Image.new("RGB", (caption.width, shown[1] + caption.height), PAPER)
    sheet.paste(plain, (0, 0))
    sheet.paste(mapped, (shown[0] + between, 0))
    sheet.paste(caption, (0, shown[1]))
    return sheet


def draw_caption(
    width: int, size: int, lines: Sequence[str], scale: Scale | None, rows: int = 0
) -> Image.Image:
    """The strip below the two pictures: the first of `lines` bold and the others below it, broken
    where they are too long for the left half, in the right half the scale of the colours, None for
    no map. Letters are `size` pixels high, the strip is `width` wide, of even height, and has room
    for at least `rows` lines."""
    edge, line = size // 2 + 2, round(1.45 * size)
    room = width // 2 - 2 * edge
    head, *rest = lines
    bold = wrapped(head, room, font(size, bold=True).getlength)
    plain = [part for text in rest for part in wrapped(text, room, font(size).getlength)]
    count = max(len(bold) + len(plain), rows, 3)
    strip = Image.new("RGB", (width, (2 * edge + count * line) // 2 * 2), PAPER)
    draw = ImageDraw.Draw(strip)
    for number, text in enumerate([*bold, *plain]):
        own = font(size, bold=number < len(bold))
        draw.text((edge, edge + number * line), text, fill=INK, font=own)
    left, right = width // 2 + edge, width - edge
    if scale is None:
        draw.text((left, edge), "no map: nothing is heard", fill=FAINT, font=font(size))
        return strip
    bar = _bar(right - left, size, scale.strength)
    strip.paste(bar, (left, edge))
    draw.rectangle((left, edge, right - 1, edge + size - 1), outline=FAINT)
    below = edge + size + 3
    draw.text((left, below), f"{scale.low:.2f}", fill=INK, font=font(size))
    draw.text((right, below), f"{scale.high:.2f}", fill=INK, font=font(size), anchor="ra")
    middle = (left + right) // 2
    draw.text((middle, below), "cosine", fill=FAINT, font=font(size), anchor="ma")
    told = f"drawn at {100 * scale.strength:.0f} % strength"
    draw.text((middle, below + line), told, fill=FAINT, font=font(size), anchor="ma")
    return strip


def _bar(width: int, height: int, strength: float) -> Image.Image:
    """The colours of a map from cold to hot, over grey."""
    colours = faded(strength)[np.linspace(0, 255, width).round().astype(int)].astype(np.float64)
    opacity = colours[:, 3:] / 255
    mixed = (1 - opacity) * _GROUND + opacity * colours[:, :3]
    return Image.fromarray(np.tile(mixed.round().astype(np.uint8), (height, 1, 1)))
