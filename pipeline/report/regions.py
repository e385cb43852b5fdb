"""What sounds in a frame as a few bytes, which a page's script draws again.

A region becomes bands of equal rows, each with its runs: a box is one band of one run, seven bytes
instead of the 50,176 pixels that are scored. Of a mask with more bands than a page can carry every
second pixel is kept.
"""

from itertools import pairwise

import numpy as np

_BANDS = 32  # of a region that keeps all its pixels


def packed(region: np.ndarray) -> bytes:
    """A bool region (s, s), s at most 224, as bytes: its side; then of each band of equal rows the
    first row, the row behind the last, how many runs, and each run's first column and the column
    behind its last. Rows without any run are left out."""
    bands = _bands(region)
    if len(bands) > _BANDS:
        region = region[::2, ::2]
        bands = _bands(region)
    content = bytearray([len(region)])
    for start, stop in bands:
        edges = np.flatnonzero(np.diff(np.pad(region[start], 1).astype(np.int8)))
        if len(edges):
            content += bytes([start, stop, len(edges) // 2, *edges.tolist()])
    return bytes(content)


def _bands(region: np.ndarray) -> list[tuple[int, int]]:
    changes = np.flatnonzero((region[1:] != region[:-1]).any(axis=1)) + 1
    edges = [0, *changes.tolist(), len(region)]
    return list(pairwise(edges))
