"""Which way up a picture is: the display matrix that cameras write beside their frames.

The matrix is FFmpeg's (libavutil/display.h): nine numbers a b u / c d v / x y w, by which the pixel
(x, y) is shown at (a x + c y, b x + d y). All eight turns and mirrorings by right angles are pure
moves of pixels; any other angle is turned by its rotation, as Pillow does it.
"""

from collections.abc import Mapping
from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import Type
from PIL import Image

Matrix = tuple[float, float, float, float]  # a, b, c, d

_T = Image.Transpose
# What becomes of the picture: by whether its axes change places, and whether x and y run backwards.
_MOVES: dict[tuple[bool, bool, bool], Image.Transpose | None] = {
    (False, False, False): None,
    (False, True, False): _T.FLIP_LEFT_RIGHT,
    (False, False, True): _T.FLIP_TOP_BOTTOM,
    (False, True, True): _T.ROTATE_180,
    (True, False, False): _T.TRANSPOSE,
    (True, True, False): _T.ROTATE_270,
    (True, False, True): _T.ROTATE_90,
    (True, True, True): _T.TRANSVERSE,
}
_NONE = 1e-3  # of the matrix' largest entry: what counts as zero


def latest_matrix(frame: av.VideoFrame, before: Matrix | None) -> Matrix | None:
    """The display matrix that holds from `frame` on: some files write it in key frames only. Others
    are not asked, since PyAV ties a frame that is to its side data, in a circle that keeps its
    memory from the decoder for a while (a sixth of the time of a 720p clip)."""
    return (matrix_of(frame) or before) if frame.key_frame else before


def matrix_of(frame: av.VideoFrame) -> Matrix | None:
    """The display matrix that a decoded frame carries: a, b, c, d; None where it has none."""
    data: Mapping[Any, Any] = frame.side_data  # its stub knows fewer keys than there are
    if Type.DISPLAYMATRIX not in data:
        return None
    numbers = np.frombuffer(data[Type.DISPLAYMATRIX], dtype=np.int32)
    if len(numbers) < 9 or not numbers[[0, 1, 3, 4]].any():
        return None
    a, b, c, d = (float(numbers[place]) / 2**16 for place in (0, 1, 3, 4))
    return a, b, c, d


def upright(image: Image.Image, matrix: Matrix | None) -> Image.Image:
    """A decoded picture as it is to be shown."""
    if matrix is None:
        return image
    a, b, c, d = matrix
    limit = _NONE * max(map(abs, matrix))
    straight, swapped = max(abs(b), abs(c)) <= limit, max(abs(a), abs(d)) <= limit
    if straight or swapped:
        across, down = (a, d) if straight else (c, b)
        move = _MOVES[swapped, across < 0, down < 0]
        return image if move is None else image.transpose(move)
    # An angle in between: the mirroring first, then the turn that remains.
    if a * d - b * c < 0:
        image, a, b = image.transpose(_T.FLIP_LEFT_RIGHT), -a, -b
    return image.rotate(-float(np.degrees(np.arctan2(b, a))), expand=True)
