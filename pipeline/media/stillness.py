"""Whether a clip's picture moves at all: photographs under a sound are no moving pictures."""

import av
import numpy as np

_LEVELS = 6  # of 255: what compression alone changes in a thumbnail of a still picture


class Stillness:
    """Whether the frames looked at all have the thumbnail of the first one."""

    def __init__(self) -> None:
        self.still = True
        self._first: np.ndarray | None = None

    def look(self, frame: av.VideoFrame) -> None:
        """Compare a decoded frame with the first one looked at."""
        if not self.still:
            return
        thumbnail = frame.reformat(
            width=32, height=32, format="gray", interpolation="AREA", threads=1
        )
        levels = thumbnail.to_ndarray().astype(np.int16)
        if self._first is None:
            self._first = levels
        self.still = bool(np.abs(levels - self._first).max() <= _LEVELS)
