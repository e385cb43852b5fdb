"""From a network's small raw map to the map that is scored at 224x224; which resize the paper's
and other codes have is said in `pipeline/methods/DECISIONS.md`, 'Scores'.

Bilinear resizing is two small matrix products with the interpolation weights that torch has, summed
from the last cell to the first, which is torch's order: the values come out as torch's do (to the
last bit where the processor fuses multiply and add), so thresholds fall as in the published code,
in a seventh of the time. Bicubic resizing, of the extended sets and of two methods' own code, is
torch itself, which is imported for that alone: two seconds, that most who ask do not need.
"""

from functools import lru_cache

import numpy as np

SIDE = 224
RESIZES = ("half-pixel", "corners", "bicubic", "bicubic-corners")

_MODES = {
    "half-pixel": ("bilinear", False),
    "corners": ("bilinear", True),
    "bicubic": ("bicubic", False),
    "bicubic-corners": ("bicubic", True),
}
# The share of the audio-visual map in object-guided localization (test.py:29 of stoneMo/EZ-VSL @
# 95ff5bf).
AUDIO_VISUAL_SHARE = 0.4
# A pass over this many maps stays within the processor's cache.
CHUNK = 4
# Above this the products cost more than torch's interpolation.
_LARGEST_PRODUCT = 32


def _interpolate(maps: np.ndarray, resize: str, side: int) -> np.ndarray:
    import torch

    mode, align_corners = _MODES[resize]
    return torch.nn.functional.interpolate(
        # A negative stride or a read-only file's memory is no tensor's: torch gets its own copy.
        torch.from_numpy(maps.copy())[:, None],
        size=(side, side),
        mode=mode,
        align_corners=align_corners,
    )[:, 0].numpy()


@lru_cache(maxsize=64)
def _weights(length: int, resize: str, side: int) -> np.ndarray:
    """torch's bilinear weights along one axis, last cell first: (length, side) float32."""
    pixels = np.arange(side)
    if resize == "corners":
        step = np.float32(length - 1) / np.float32(max(side - 1, 1))
        place = step * pixels.astype(np.float32)
    else:
        # In double precision, since torch rounds once, behind multiplying and adding.
        step = np.float32(length) / np.float32(side)
        place = (np.float64(step) * (pixels + 0.5) - 0.5).astype(np.float32).clip(0)
    low = np.minimum(place.astype(np.int64), length - 1)
    share = (place - low.astype(np.float32)).clip(0, 1)
    weights = np.zeros((length, side), np.float32)
    weights[low, pixels] += 1 - share
    weights[np.minimum(low + 1, length - 1), pixels] += share
    return np.ascontiguousarray(weights[::-1])


def resize_maps(maps: np.ndarray, resize: str, side: int = SIDE) -> np.ndarray:
    """Raw maps (N, h, w) float32 resized to (N, side, side) float32.

    `resize` is 'half-pixel' (bilinear, OpenCV's INTER_LINEAR, torch's align_corners=False without
    antialiasing), 'corners' (bilinear, align_corners=True), 'bicubic' (at half pixels, OpenCV's
    INTER_CUBIC) or 'bicubic-corners' (bicubic, align_corners=True). A constant map comes out
    exactly constant, without the rounding noise of interpolation. Raises ValueError for another
    name.
    """
    if resize not in _MODES:
        raise ValueError(f"resize {resize!r}: expected one of {', '.join(RESIZES)}")
    maps = np.ascontiguousarray(maps, dtype=np.float32)
    height, width = maps.shape[1:]
    if (height, width) == (side, side):
        return maps.copy()
    if _MODES[resize][0] == "bilinear" and max(height, width) <= _LARGEST_PRODUCT:
        backwards = np.ascontiguousarray(maps[:, ::-1, ::-1])
        rows = np.matmul(backwards, _weights(width, resize, side))
        result = np.matmul(np.ascontiguousarray(_weights(height, resize, side).T), rows)
    else:
        result = _interpolate(maps, resize, side)
    flat = maps.reshape(len(maps), -1)
    constant = flat.min(axis=1) == flat.max(axis=1)
    if constant.any():
        result[constant] = flat[constant, 0][:, None, None]
    return result


def _scale(maps: np.ndarray) -> np.ndarray:
    """Min-max normalise maps (N, h, w) in place: new memory costs more than the arithmetic."""
    low = maps.min(axis=(1, 2), keepdims=True)
    span = maps.max(axis=(1, 2), keepdims=True) - low
    constant = span == 0
    maps -= np.where(constant, 0, low)
    maps /= np.where(constant, 1, span)
    return maps


def min_max(maps: np.ndarray) -> np.ndarray:
    """Each map of (N, h, w) scaled to 0..1 by its own minimum and maximum, in its own float dtype;
    a constant map is left as it is."""
    return _scale(maps.copy())


def combine_in_place(
    maps: np.ndarray, object_maps: np.ndarray, share: float = AUDIO_VISUAL_SHARE
) -> np.ndarray:
    """`share` x audio-visual + the rest x object of resized maps (N, s, s), each min-max normalised
    before: object-guided localization up to its last min-max, which moves no pixel across a
    threshold.

    Both inputs are overwritten; the result is the first of them.
    """
    _scale(maps)
    maps *= np.float32(share)
    _scale(object_maps)
    object_maps *= np.float32(1 - share)
    maps += object_maps
    return maps


def object_guided(
    maps: np.ndarray, object_maps: np.ndarray, share: float = AUDIO_VISUAL_SHARE
) -> np.ndarray:
    """The OGL map (EZ-VSL), of resized maps (N, s, s): float32 in 0..1, min-max of `share` x
    audio-visual + the rest x object; EZ-VSL's share is 0.4."""
    return _scale(combine_in_place(maps.copy(), object_maps.copy(), share))
