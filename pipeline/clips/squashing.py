"""A stored frame, or its flow, as a square. Apart from `pipeline.clips.frames`, since nothing here
needs torch, whose import takes seconds that whoever only opens a corpus would lose.
"""

import numpy as np
from PIL import Image


def squashed(frame: np.ndarray) -> np.ndarray:
    """A frame (h, w, 3) uint8, or a flow (h, w, 2) uint8 or float16, with both sides as long as its
    shorter one, its longer edge resampled by Pillow's antialiased bicubic filter, which gives the
    same bytes on any machine; a square one as it is. A flow's numbers stay pixels of the video."""
    height, width = frame.shape[:2]
    if height == width:
        return frame
    side = min(height, width)
    if frame.shape[2] != 3:  # which Pillow has no mode for
        exact = frame if frame.dtype == np.uint8 else frame.astype(np.float32)
        channels = [Image.fromarray(part) for part in np.moveaxis(exact, 2, 0).copy()]
        size = (side, side)
        resized = [np.asarray(part.resize(size, Image.Resampling.BICUBIC)) for part in channels]
        return np.stack(resized, axis=2).astype(frame.dtype)
    return np.asarray(Image.fromarray(frame).resize((side, side), Image.Resampling.BICUBIC))
