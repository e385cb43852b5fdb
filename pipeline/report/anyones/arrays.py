"""Named arrays of somebody's, each checked as it is taken, whatever they lie in.

`maps` (N, h, w) are raw similarities, higher is louder, and `object_maps` (N, h', w') those for
OGL; `ids` (N texts) name the samples of a benchmark; `boxes` and `masks` are a truth of one's own;
`image` and `audio` (N, d) are embeddings to be retrieved by.
"""

import math
from collections.abc import Mapping

import numpy as np

from pipeline.errors import InputError

LARGEST_BYTES = 4 * 2**30
LARGEST_TEXT = 256 * 2**20
LARGEST_SIDE = 4096
REAL = "fiub"  # the kinds of dtypes that hold real numbers
MASK_SIDE = 224  # of the scored frame, as metrics.heatmaps has it, which imports torch


class Arrays:
    """Arrays by name, in memory; `place` is what an error calls them, a file or 'maps'."""

    def __init__(self, place: str, arrays: Mapping[str, np.ndarray]) -> None:
        self.place = place
        self._arrays = arrays

    def names(self) -> list[str]:
        """What there is, sorted."""
        return sorted(self._arrays)

    def __contains__(self, key: str) -> bool:
        return key in self.names()

    def fail(self, key: str, found: str, expected: str) -> InputError:
        """The error for a wrong array, to be raised."""
        place = key if key == self.place else f"{self.place}: {key}"
        return InputError(f"{place}: found {found}, expected {expected}")

    def read(self, key: str, kinds: str, expected: str, dimensions: tuple[int, ...]) -> np.ndarray:
        """The array under `key`: a dtype of one of `kinds`, so many dimensions; else InputError."""
        if key not in self:
            found = ", ".join(self.names())[:200] or "nothing"
            raise InputError(f"{self.place}: no {key!r} in it (found {found}); expected {expected}")
        return self._load(key, kinds, expected, dimensions)

    def check(
        self,
        key: str,
        shape: tuple[int, ...],
        dtype: np.dtype,
        kinds: str,
        expected: str,
        dimensions: tuple[int, ...],
    ) -> None:
        """Raise `InputError` for an array of another type, of other dimensions or too large."""
        if dtype.kind not in kinds or len(shape) not in dimensions or min(shape, default=0) < 0:
            raise self.fail(key, f"{dtype} {shape}", expected)
        limit = LARGEST_BYTES if set(kinds) <= set(REAL) else LARGEST_TEXT
        size = math.prod(shape) * dtype.itemsize
        if size > limit:
            raise self.fail(key, f"{size} bytes", f"at most {limit} bytes")

    def _load(self, key: str, kinds: str, expected: str, dimensions: tuple[int, ...]) -> np.ndarray:
        array = self._arrays[key]
        self.check(key, array.shape, array.dtype, kinds, expected, dimensions)
        return array

    def maps(self, key: str = "maps", count: int | None = None) -> np.ndarray:
        """Maps (N, h, w) of real numbers, `count` of them where that is known."""
        expected = f"real numbers ({'N' if count is None else count}, h, w)"
        maps = self.read(key, REAL, expected, (3,))
        if (count is not None and len(maps) != count) or max(maps.shape[1:]) > LARGEST_SIDE:
            raise self.fail(key, f"shape {maps.shape}", expected)
        return maps

    def ids(self, count: int) -> list[str]:
        """The names of the samples, one a map."""
        values = self.read("ids", "US", f"{count} texts", (1,))
        if len(values) != count:
            raise self.fail("ids", f"{len(values)}", f"{count}, one per map")
        return [self.text("ids", value) for value in values.tolist()]

    def masks(self, count: int) -> np.ndarray:
        """Masks (count, 224, 224) of 0 and 1, the rows of `masks`."""
        expected = f"({count}, {MASK_SIDE}, {MASK_SIDE}) of 0 and 1"
        masks = self.read("masks", "uib", expected, (3,))
        if masks.shape != (count, MASK_SIDE, MASK_SIDE):
            raise self.fail("masks", f"shape {masks.shape}", expected)
        return masks

    def embeddings(self) -> tuple[np.ndarray, np.ndarray]:
        """`image` and `audio`, both (N, d) and finite."""
        image = self.read("image", "f", "real numbers (N, d)", (2,))
        audio = self.read("audio", "f", f"real numbers {image.shape}", (2,))
        if audio.shape != image.shape:
            raise self.fail("audio", f"shape {audio.shape}", f"{image.shape} as of image")
        for key, values in (("image", image), ("audio", audio)):
            if not np.isfinite(values).all():
                raise self.fail(key, "NaN or infinity", "finite values")
        return image, audio

    def text(self, key: str, value: str | bytes) -> str:
        """A text of `key`; raises `InputError` where its bytes are no UTF-8."""
        try:
            return value.decode() if isinstance(value, bytes) else value
        except UnicodeDecodeError as error:
            raise InputError(f"{self.place}: {key}: expected UTF-8 text, found: {error}") from error
