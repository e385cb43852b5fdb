"""Dense optical flow between two frames, as HearTheFlow (Fedorishin et al., WACV 2023) has it.

Farneback's method by OpenCV with its authors' numbers (denfed/heartheflow @ 60ed54d,
preprocess_flickr_train.py:65-68), on grey values and at the video's own size. Two forms of it are
stored. **bytes** is the published one: the code writes both components as 8-bit pictures, so they
are rounded, motion to the left and up becomes 0, and a movement of one pixel is 1 of 255. JPEG's
losses on top of it are not imitated. **signed** keeps sign and fractions.
"""

from importlib import import_module
from typing import Any

import numpy as np
from PIL import Image

from pipeline.errors import InputError
from pipeline.media.resizing import Aspect, resized

# Scale of the pyramid, levels, window, iterations, neighbourhood and deviation of the polynomial
# expansion, flags.
_FARNEBACK = (0.5, 3, 15, 3, 5, 1.2, 0)


def opencv_version() -> str:
    """The version of OpenCV, on which the numbers depend. Raises `InputError` where it, which is
    optional, is not installed."""
    return str(_opencv().__version__)


def farneback(first: Image.Image, second: Image.Image) -> np.ndarray:
    """By how many pixels what is seen in the `first` frame has moved in the `second`, (height,
    width, 2) float32, to the right and down. Both are RGB and of one size.

    Raises `InputError` where OpenCV is not installed."""
    opencv = _opencv()
    opencv.setNumThreads(1)  # the cores are shared out among clips
    grey = [opencv.cvtColor(np.asarray(frame), opencv.COLOR_RGB2GRAY) for frame in (first, second)]
    flow: np.ndarray = opencv.calcOpticalFlowFarneback(*grey, None, *_FARNEBACK)
    return flow


def as_bytes(flow: np.ndarray) -> np.ndarray:
    """Flow as an 8-bit picture keeps it: rounded, halves to the even number, and cut to 0 to 255.
    Any shape, to uint8."""
    return np.clip(np.rint(flow), 0, 255).astype(np.uint8)


def stored_flow(
    pair: tuple[Image.Image, Image.Image], *, signed: bool, side: int, aspect: Aspect = "squashed"
) -> np.ndarray:
    """The flow of a pair of frames, brought to the size of the stored frame as that one is
    (`resized`): (h, w, 2) uint8, or float16 where `signed`, in pixels of the video.

    As in the published code bytes are made before the resize, which rounds again. Raises
    `InputError` where OpenCV is not installed."""
    flow = farneback(*pair)
    parts = (flow[..., part] if signed else as_bytes(flow[..., part]) for part in range(2))
    small = [resized(Image.fromarray(np.ascontiguousarray(part)), side, aspect) for part in parts]
    return np.stack(small, axis=-1).astype(np.float16 if signed else np.uint8)


def _opencv() -> Any:
    try:
        return import_module("cv2")
    except ModuleNotFoundError as error:
        raise InputError(
            "optical flow: OpenCV is not installed; pip install 'avloc[flow]'"
        ) from error
