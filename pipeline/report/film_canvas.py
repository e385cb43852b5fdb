"""A frame of a film: the picture, beside it the same under its map, and below both what the map is
worth.

Pictures are blended in the planes that the codec takes (luma, and chroma of half the size), where a
colour map is a table of 256 entries for each plane; that takes a third of the time that it takes in
RGB. Maps are scaled by the smallest and the largest value of the whole clip, not each by its own as
on a still picture, so that what is brightest was heard best of all that the clip holds.
"""

from collections.abc import Sequence

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

from pipeline.report.heat import faded, scaled
from pipeline.report.localized import Scale, draw_caption, gap, letters

_STEPS = 10  # strengths that a caption's scale tells apart


class Canvas:
    """The planes of a film's frames, and the tables by which maps are drawn on them."""

    def __init__(
        self,
        maps: np.ndarray,
        strengths: np.ndarray,
        lines: Sequence[Sequence[str]],
        picture: tuple[int, int],
        matrix: Colorspace,
    ) -> None:
        """`maps` (T, h, w) raw, each with its strength, 0 to 1 (T,), and its lines of the caption;
        `picture`: the width and height of the film's picture, both even; `matrix`: how its colours
        are coded."""
        self.width, self.height = picture
        self.matrix = matrix
        self.maps, self.strengths, self.lines = 255 * scaled(maps), strengths, lines
        self.ends = float(maps.min()), float(maps.max())
        side = max(picture)
        self.between, self.size = gap(side), letters(side)
        self.captions: dict[tuple[tuple[str, ...], int], list[np.ndarray]] = {}
        self.rows = max((len(texts) for texts in lines), default=0)
        strip = self._caption(0)
        self.full = 2 * self.width + self.between, self.height + len(strip[0])
        # White paper, in the one piece that a frame is made from, and its planes.
        self.drawn = np.full((self.full[1] * 3 // 2, self.full[0]), 128, np.uint8)
        self.drawn[: self.full[1]] = 235
        self.planes = _split(self.drawn, self.full)
        cells = maps.shape[1], maps.shape[2]
        self.enlargements = [
            Enlargement(cells, self.height, self.width),
            Enlargement(cells, self.height // 2, self.width // 2),
        ]
        self.tables: dict[int, tuple[np.ndarray, list[np.ndarray]]] = {}
        self.ring = _ring(max(4, side // 60))

    def draw(self, frame: av.VideoFrame, moment: float) -> av.VideoFrame:
        """A frame of the picture, and with the map of a moment between two of the maps."""
        moment = min(max(moment, 0.0), len(self.maps) - 1.0)
        before = int(moment)
        after, share = min(before + 1, len(self.maps) - 1), moment - before
        heat = self.maps[before] + share * (self.maps[after] - self.maps[before])
        steady = self.strengths[before] + share * (self.strengths[after] - self.strengths[before])
        shown = _planes(frame, self.matrix, (self.width, self.height))
        strength = round(255 * float(steady))
        levels = [enlarge(heat).round().astype(np.uint8) for enlarge in self.enlargements]
        under, over = self._table(strength)
        parts = zip(self.planes, shown, self._caption(before), strict=True)
        for number, (canvas, picture, caption) in enumerate(parts):
            part = 2 if number else 1
            height, width = self.height // part, self.width // part
            level = levels[min(number, 1)]
            mixed = picture * under[level]
            mixed += over[number][level]
            canvas[:height, :width] = picture
            canvas[:height, -width:] = mixed >> 8
            canvas[height:] = caption
        if strength:
            row, column = divmod(int(heat.argmax()), heat.shape[1])
            self._mark((row + 0.5) / heat.shape[0], (column + 0.5) / heat.shape[1])
        return av.VideoFrame.from_ndarray(self.drawn, format="yuv420p")

    def _table(self, strength: int) -> tuple[np.ndarray, list[np.ndarray]]:
        """How much of the picture is left under each level of a map of `strength` / 255, and what
        is added to each plane, in 1/256."""
        if strength not in self.tables:
            self.tables[strength] = _tables(faded(strength / 255), self.matrix)
        return self.tables[strength]

    def _caption(self, moment: int) -> list[np.ndarray]:
        """The planes of the strip below the pictures."""
        lines = tuple(self.lines[moment])
        step = round(_STEPS * float(self.strengths[moment]))
        if (lines, step) not in self.captions:
            scale = Scale(*self.ends, step / _STEPS) if step else None
            width = 2 * self.width + self.between
            strip = draw_caption(width, self.size, lines, scale, self.rows + 1)
            frame = av.VideoFrame.from_ndarray(np.asarray(strip), format="rgb24")
            self.captions[lines, step] = _planes(frame, self.matrix, strip.size)
        return self.captions[lines, step]

    def _mark(self, down: float, across: float) -> None:
        """A white ring with dark edges around a place of the right picture."""
        left = self.full[0] - self.width
        x, y = left + round(across * self.width), round(down * self.height)
        radius = len(self.ring) // 2
        top, first = max(0, y - radius), max(left, x - radius)
        bottom, last = min(self.height, y + radius + 1), min(self.full[0], x + radius + 1)
        stamp = self.ring[
            top - y + radius : bottom - y + radius, first - x + radius : last - x + radius
        ]
        luma = self.planes[0][top:bottom, first:last]
        luma[stamp > 0] = stamp[stamp > 0]
        rows, columns = np.nonzero(stamp)
        for plane in self.planes[1:]:
            plane[(rows + top) // 2, (columns + first) // 2] = 128


def _planes(frame: av.VideoFrame, matrix: Colorspace, size: tuple[int, int]) -> list[np.ndarray]:
    """Luma of the `size` (width, height) and two chroma planes of half of it, uint8."""
    width, height = size
    flat = frame.reformat(
        width,
        height,
        format="yuv420p",
        src_colorspace=matrix,
        dst_colorspace=matrix,
        dst_color_range=ColorRange.MPEG,
        interpolation="FAST_BILINEAR",
    ).to_ndarray()
    return _split(flat, size)


def _split(flat: np.ndarray, size: tuple[int, int]) -> list[np.ndarray]:
    """The three planes of a frame of the `size` (width, height) that lies in one piece, as
    views."""
    width, height = size
    area, values, chroma = height * width, flat.reshape(-1), (height // 2, width // 2)
    return [
        values[:area].reshape(height, width),
        values[area : area * 5 // 4].reshape(chroma),
        values[area * 5 // 4 :].reshape(chroma),
    ]


def _tables(colours: np.ndarray, matrix: Colorspace) -> tuple[np.ndarray, list[np.ndarray]]:
    """Of each of 256 levels of a map in `colours` (256, 4): how much of the picture is left, (256,)
    uint16 in 1/256, and what is added to the luma and the two chroma planes, three (256,) uint16 in
    1/256 of a step of the plane."""
    opacity = (256 * (colours[:, 3] / 255)).round()
    red, _, blue = shades = colours[:, :3].T / 255
    if matrix == Colorspace.ITU709:
        luma = np.array([0.2126, 0.7152, 0.0722]) @ shades
        chroma = (blue - luma) / 1.8556, (red - luma) / 1.5748
    else:
        luma = np.array([0.299, 0.587, 0.114]) @ shades
        chroma = (blue - luma) / 1.772, (red - luma) / 1.402
    planes = [16 + 219 * luma, *(128 + 224 * part for part in chroma)]
    added = [(opacity * plane + 128).astype(np.uint16) for plane in planes]
    return (256 - opacity).astype(np.uint16), added


def _ring(radius: int) -> np.ndarray:
    """The luma of a ring, (side, side) uint8: white with dark edges, 0 where nothing is drawn."""
    edge = radius + max(2, radius // 3) + 1
    offset = np.arange(-edge, edge + 1)
    distance = np.abs(np.hypot(offset[:, None], offset) - radius)
    width = max(1.0, radius / 5)
    return np.select([distance <= width, distance <= width + 1.5], [235, 16], 0).astype(np.uint8)


class Enlargement:
    """Bilinear enlargement of maps (h, w) to (height, width), float32.

    Not a product of matrices: for one as small as this BLAS wakes all its threads, which then wait
    for each other on the cores that the codecs need; that took half of a film's time.
    """

    def __init__(self, cells: tuple[int, int], height: int, width: int) -> None:
        self.upper, self.lower, down = _between(cells[0], height)
        self.left, self.right, self.across = _between(cells[1], width)
        self.down = down[:, None]

    def __call__(self, heat: np.ndarray) -> np.ndarray:
        left = heat[:, self.left]
        wide = left + self.across * (heat[:, self.right] - left)
        upper, fine = wide[self.upper], wide[self.lower]
        fine -= upper
        fine *= self.down
        fine += upper
        return fine


def _between(cells: int, pixels: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each of `pixels`, the two cells that it lies between and how far it is from the first."""
    place = np.clip((np.arange(pixels) + 0.5) * cells / pixels - 0.5, 0, cells - 1)
    first = place.astype(np.intp)
    return first, np.minimum(first + 1, cells - 1), (place - first).astype(np.float32)
