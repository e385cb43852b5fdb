"""Boxes and mask files as ground-truth maps of 224x224, each by its set's published rounding.

VGG-SS clips and truncates fractions, SoundNet-Flickr rescales from 256 pixels and keeps how many
annotators agree, IS3 gives pixels of 224 already: one function each, because a pixel's difference
moves a clip across IoU 0.5. Maps are painted a batch at a time and never kept: 5,158 of them would
be 260 MB.

Where a frame shows a window of the picture alone (its middle, after a crop), the truth is that of
the window: coordinates are moved into it before they are cut and truncated, so that a box is as
exact as in a whole frame.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.benchmarks.contract import Window
from pipeline.benchmarks.metrics.heatmaps import SIDE
from pipeline.errors import InputError

FLICKR_SCALE = 256
Boxes = Sequence[Sequence[float]] | np.ndarray
WHOLE: Window = (0.0, 0.0, 1.0, 1.0)


def _corners(boxes: Boxes) -> np.ndarray:
    corners = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    if np.isnan(corners).any():
        raise InputError(f"boxes: found {np.asarray(boxes).tolist()}, expected numbers")
    return corners


def _inside(corners: np.ndarray, window: Window, scale: float) -> np.ndarray:
    """(k, 4) corners in a picture `scale` wide and high to corners in a window of it, of the same
    scale. Those of the whole picture stay what they are, to the last bit."""
    left, top, right, bottom = window
    begin, size = np.array([left, top] * 2), np.array([right - left, bottom - top] * 2)
    return (corners - scale * begin) / size


def _union(pixels: np.ndarray) -> np.ndarray:
    canvas = np.zeros((SIDE, SIDE), np.bool_)
    for x0, y0, x1, y1 in pixels:
        canvas[y0:y1, x0:x1] = True
    return canvas


def _pixels(corners: np.ndarray) -> np.ndarray:
    # Truncation towards zero as int() does; beyond the frame there is nothing to paint.
    return np.clip(np.trunc(corners), 0, SIDE).astype(np.int64)


def fraction_boxes(boxes: Boxes, window: Window = WHOLE) -> np.ndarray:
    """VGG-SS: the union of (k, 4) boxes x0, y0, x1, y1 in fractions of the frame, bool (224, 224).

    Every coordinate is clipped to 0..1, multiplied by 224 and truncated; a degenerate box paints
    nothing. Raises `InputError` for NaN.
    """
    return _union(_pixels(_inside(np.clip(_corners(boxes), 0, 1), window, 1) * SIDE))


def consensus_boxes(boxes: Boxes, window: Window = WHOLE) -> np.ndarray:
    """SoundNet-Flickr: the consensus of (k, 4) boxes of all annotators on a 256-pixel scale,
    min(1, number of boxes over the pixel / 2), float32 (224, 224) of 0, 0.5 and 1.

    A coordinate becomes int(224 x value / 256). Raises `InputError` for NaN.
    """
    counts = np.zeros((SIDE, SIDE), np.int32)
    corners = _inside(_corners(boxes), window, FLICKR_SCALE)
    for x0, y0, x1, y1 in _pixels(corners * SIDE / FLICKR_SCALE):
        counts[y0:y1, x0:x1] += 1
    return np.minimum(counts, 2).astype(np.float32) / 2


def pixel_boxes(boxes: Boxes, window: Window = WHOLE) -> np.ndarray:
    """IS3: the union of (k, 4) boxes in 224-pixel coordinates, bool (224, 224); coordinates are
    truncated. Raises `InputError` for NaN."""
    return _union(_pixels(_inside(_corners(boxes), window, SIDE)))


def resize_mask(mask: np.ndarray, window: Window = WHOLE) -> np.ndarray:
    """A mask (H, W) as bool (224, 224): each pixel takes the value under its centre (nearest)."""
    if mask.shape == (SIDE, SIDE) and window == WHOLE:
        return mask.astype(bool)
    left, top, right, bottom = window
    rows, columns = (
        np.floor((SIDE * begin + (np.arange(SIDE) + 0.5) * (end - begin)) * length / SIDE)
        .astype(np.int64)
        .clip(0, length - 1)
        for length, begin, end in zip(mask.shape, (top, left), (bottom, right), strict=True)
    )
    return mask[np.ix_(rows, columns)].astype(bool)


@dataclass
class Truth:
    """Ground truth that is painted when asked for: `paint` turns one of `entries` into a map. With
    `windows`, one an entry, it is given the entry's as well and paints what is inside."""

    entries: Sequence[object]
    paint: Callable[..., np.ndarray]
    windows: Sequence[Window] | None = None

    def __len__(self) -> int:
        return len(self.entries)

    def maps(self, start: int, stop: int) -> np.ndarray:
        """The maps of entries `start` to `stop`, (n, 224, 224), bool or float32."""
        if self.windows is None:
            return np.stack([self.paint(entry) for entry in self.entries[start:stop]])
        shown = zip(self.entries[start:stop], self.windows[start:stop], strict=True)
        return np.stack([self.paint(entry, window) for entry, window in shown])

    def select(self, rows: Sequence[int]) -> "Truth":
        """The same with some of the entries, in the given order."""
        windows = None if self.windows is None else [self.windows[row] for row in rows]
        return Truth([self.entries[row] for row in rows], self.paint, windows)

    def through(self, windows: Sequence[Window]) -> "Truth":
        """The same where the frames show these windows of their pictures, one an entry."""
        return replace(self, windows=windows)
