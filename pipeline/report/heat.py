"""How a heat map looks, in one place for pages, figures and films.

matplotlib's inferno: its lightness rises all the way, so it reads the same to who sees no red from
green, in grey and on paper. It lies over the picture, and the more of it the hotter the cell: what
is cold is the picture, a little darkened, and what is hot glows and is still seen. A map of which
the model is not sure is drawn weaker: colder and more transparent, until nothing of it is left.
"""

import numpy as np
from matplotlib import colormaps

_HOTTEST = 0.9  # of inferno's range; above it is the white of a light picture
_COLD, _HOT = 0.4, 0.66  # how much of the colour lies over the picture


def _colours() -> np.ndarray:
    level = np.linspace(0, 1, 256)
    colours = colormaps["inferno"](_HOTTEST * level)
    colours[:, 3] = _COLD + (_HOT - _COLD) * level
    return (255 * colours).round().astype(np.uint8)


# The colour and, last, the opacity of a cell of each of 256 levels, the coldest first: (256, 4)
# uint8 red, green, blue and alpha, not premultiplied.
COLOURS = _colours()
COLOURS.flags.writeable = False


def faded(strength: float) -> np.ndarray:
    """`COLOURS` for a map that is drawn with a `strength` of 0 to 1: of 1 as they are; below, the
    hottest colour is that of the level `strength` and all are more transparent, of 0 wholly."""
    if strength >= 1:
        return COLOURS
    colours = COLOURS[levels(strength * np.linspace(0, 1, 256))].copy()
    colours[:, 3] = (COLOURS[:, 3] * np.sqrt(max(0.0, strength))).round()
    return colours


def scaled(maps: np.ndarray) -> np.ndarray:
    """Maps of any shape scaled together to 0..1 by their smallest and largest value, float32, as
    one map is scored (`pipeline/methods/DECISIONS.md`, 'Scores'); constant ones are 0 everywhere,
    cold."""
    low, high = float(maps.min()), float(maps.max())
    if high <= low:
        return np.zeros(maps.shape, np.float32)
    return ((maps - low) / (high - low)).astype(np.float32)


def levels(maps: np.ndarray) -> np.ndarray:
    """The level, 0 to 255 uint8, of each cell of `scaled` maps: its row of `COLOURS`."""
    return (255 * maps).round().astype(np.uint8)


def glow(picture: np.ndarray, maps: np.ndarray, strength: float = 1.0) -> np.ndarray:
    """`picture` (H, W, 3) uint8 under a `scaled` map (H, W), uint8 of the same shape; the map with
    a `strength` of 0 to 1."""
    colours = faded(strength)[levels(maps)].astype(np.float64)
    opacity = colours[..., 3:] / 255
    return ((1 - opacity) * picture + opacity * colours[..., :3]).round().astype(np.uint8)
