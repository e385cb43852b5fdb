"""Where a map says that the sound is, in fractions of the picture and in words."""

from dataclasses import dataclass

import numpy as np

_HALF = 0.5  # of a map's range: what of it is told as a place


@dataclass(frozen=True)
class Place:
    """A connected part of a map above half of its range.

    `x`, `y`: its largest cell's centre, as fractions from the left and the top edge; `value`: the
    map there; `box`: (left, top, right, bottom) of its cells as fractions; `cells`: (row, column)
    of each cell."""

    x: float
    y: float
    value: float
    box: tuple[float, float, float, float]
    cells: list[tuple[int, int]]


def peak(heat: np.ndarray) -> tuple[float, float]:
    """Where a map (h, w) is largest: the cell's centre, as fractions from the left and the top."""
    row, column = divmod(int(heat.argmax()), heat.shape[1])
    return (column + 0.5) / heat.shape[1], (row + 0.5) / heat.shape[0]


def place_in_words(heat: np.ndarray) -> tuple[float, float, str]:
    """Where a map (h, w) is largest: as fractions of the frame from its left and its top edge, and
    in words by thirds of the frame, such as 'left, middle' or 'the centre'."""
    across, down = peak(heat)
    side = ("left", "middle", "right")[int(3 * across)]
    height = ("top", "middle", "bottom")[int(3 * down)]
    words = "the centre" if side == height == "middle" else f"{side}, {height}"
    return across, down, words


def places(heat: np.ndarray) -> list[Place]:
    """The places of a map (h, w), the strongest first: what is connected, corners included, above
    half of the map's range. One place of all cells for a constant map."""
    # Here, since it takes a quarter of a second, and most who import this ask for no places.
    from scipy import ndimage

    low, high = float(heat.min()), float(heat.max())
    marked, count = ndimage.label(heat >= low + _HALF * (high - low), np.ones((3, 3)))
    found = [_place(heat, marked == number) for number in range(1, count + 1)]
    return sorted(found, key=lambda place: -place.value)


def _place(heat: np.ndarray, inside: np.ndarray) -> Place:
    height, width = heat.shape
    rows, columns = np.nonzero(inside)
    best = int(heat[inside].argmax())
    return Place(
        (int(columns[best]) + 0.5) / width,
        (int(rows[best]) + 0.5) / height,
        float(heat[inside].max()),
        (
            int(columns.min()) / width,
            int(rows.min()) / height,
            (int(columns.max()) + 1) / width,
            (int(rows.max()) + 1) / height,
        ),
        [(int(row), int(column)) for row, column in zip(rows, columns, strict=True)],
    )
