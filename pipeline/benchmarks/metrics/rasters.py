"""Boxes and mask files as ground-truth maps of 224x224, each by its set's published rounding.

VGG-SS clips and truncates fractions, SoundNet-Flickr rescales from 256 pixels and keeps how many
annotators agree, IS3 gives pixels of 224 already: one function each, because a pixel's difference
moves a clip across IoU 0.5. Maps are painted a batch at a time and never kept: 5,158 of them would
be 260 MB.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.benchmarks.metrics.heatmaps import SIDE
from pipeline.errors import InputError

FLICKR_SCALE = 256
Boxes = Sequence[Sequence[float]] | np.ndarray


def _corners(boxes: Boxes) -> np.ndarray:
    corners = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    if np.isnan(corners).any():
        raise InputError(f"boxes: found {np.asarray(boxes).tolist()}, expected numbers")
    return corners


def _union(pixels: np.ndarray) -> np.ndarray:
    canvas = np.zeros((SIDE, SIDE), np.bool_)
    for x0, y0, x1, y1 in pixels:
        canvas[y0:y1, x0:x1] = True
    return canvas


def _pixels(corners: np.ndarray) -> np.ndarray:
    # Truncation towards zero as int() does; beyond the frame there is nothing to paint.
    return np.clip(np.trunc(corners), 0, SIDE).astype(np.int64)


def fraction_boxes(boxes: Boxes) -> np.ndarray:
    """VGG-SS: the union of (k, 4) boxes x0, y0, x1, y1 in fractions of the frame, bool (224, 224).

    Every coordinate is clipped to 0..1, multiplied by 224 and truncated; a degenerate box paints
    nothing. Raises `InputError` for NaN.
    """
    return _union(_pixels(np.clip(_corners(boxes), 0, 1) * SIDE))


def consensus_boxes(boxes: Boxes) -> np.ndarray:
    """SoundNet-Flickr: the consensus of (k, 4) boxes of all annotators on a 256-pixel scale,
    min(1, number of boxes over the pixel / 2), float32 (224, 224) of 0, 0.5 and 1.

    A coordinate becomes int(224 x value / 256). Raises `InputError` for NaN.
    """
    counts = np.zeros((SIDE, SIDE), np.int32)
    for x0, y0, x1, y1 in _pixels(_corners(boxes) * SIDE / FLICKR_SCALE):
        counts[y0:y1, x0:x1] += 1
    return np.minimum(counts, 2).astype(np.float32) / 2


def pixel_boxes(boxes: Boxes) -> np.ndarray:
    """IS3: the union of (k, 4) boxes in 224-pixel coordinates, bool (224, 224); coordinates are
    truncated. Raises `InputError` for NaN."""
    return _union(_pixels(_corners(boxes)))


def resize_mask(mask: np.ndarray) -> np.ndarray:
    """A mask (H, W) as bool (224, 224): each pixel takes the value under its centre (nearest)."""
    if mask.shape == (SIDE, SIDE):
        return mask.astype(bool)
    rows, columns = (
        np.floor((np.arange(SIDE) + 0.5) * length / SIDE).astype(np.int64) for length in mask.shape
    )
    return mask[np.ix_(rows, columns)].astype(bool)


@dataclass
class Truth:
    """Ground truth that is painted when asked for: `paint` turns one of `entries` into a map."""

    entries: Sequence[object]
    paint: Callable[..., np.ndarray]

    def __len__(self) -> int:
        return len(self.entries)

    def maps(self, start: int, stop: int) -> np.ndarray:
        """The maps of entries `start` to `stop`, (n, 224, 224), bool or float32."""
        return np.stack([self.paint(entry) for entry in self.entries[start:stop]])

    def select(self, rows: Sequence[int]) -> "Truth":
        """The same with some of the entries, in the given order."""
        return Truth([self.entries[row] for row in rows], self.paint)
