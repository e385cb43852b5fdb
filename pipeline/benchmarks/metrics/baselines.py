"""Maps that hear nothing: what any localizer has to beat, and the bound that it cannot pass.

All but the true box ignore the sound. The texture energy of a frame is the one to watch: in toy
worlds and on object-centred photographs it comes close to trained models. Chance and bounds stand
beside every score because a score alone says nothing about a set's difficulty; the price is a few
more lines in every metrics file.
"""

import math
import os
import tempfile
from collections.abc import Callable

import numpy as np

# Rec. 601 luma, as Pillow's greyscale.
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_CHUNK = 64  # ground truths held at a time


def random_maps(count: int, height: int, width: int, seed: int) -> np.ndarray:
    """Independent uniform values, float32 (count, height, width)."""
    return np.random.default_rng(seed).random((count, height, width), dtype=np.float32)


def centre_maps(count: int, height: int, width: int, deviation: float = 0.25) -> np.ndarray:
    """A Gaussian at the centre, `deviation` in sides of the frame, float32 (count, height, width).

    The same for every sample (a read-only view); for thresholds that go by rank the deviation does
    not matter.
    """
    y = (np.arange(height) + 0.5) / height - 0.5
    x = (np.arange(width) + 0.5) / width - 0.5
    squares = y[:, None] ** 2 + x[None, :] ** 2
    heat = np.exp(-squares / (2 * deviation**2)).astype(np.float32)
    return np.broadcast_to(heat, (count, height, width))


def texture_maps(frames: np.ndarray, height: int, width: int) -> np.ndarray:
    """The local texture energy of frames (N, side, side, 3) uint8, float32 (N, height, width).

    Energy is the squared difference of a grey pixel from the mean of its neighbourhood (a sixteenth
    of the side), averaged over a window of an eighth of the side and then over each cell.
    """
    # Here, since the other baselines do without, as do the benchmarks that this module serves.
    import torch
    from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d

    def window_mean(picture: torch.Tensor, window: int) -> torch.Tensor:
        return avg_pool2d(picture, window, stride=1, padding=window // 2, count_include_pad=False)

    result = np.empty((len(frames), height, width), dtype=np.float32)
    side = frames.shape[1]
    fine, coarse = (2 * (side // part // 2) + 1 for part in (16, 8))
    for row, frame in enumerate(frames):  # one by one: 5,158 frames as floats are gigabytes
        grey = torch.from_numpy(frame.astype(np.float32) @ _LUMA)[None, None] / 255
        energy = (grey - window_mean(grey, fine)) ** 2
        cells = adaptive_avg_pool2d(window_mean(energy, coarse), (height, width))
        result[row] = cells[0, 0].numpy()
    return result


def true_maps(truth: np.ndarray) -> np.ndarray:
    """The bound by the true box: ground truth (N, h, w) itself as the map, float32.

    Equal pixels are told apart by their distance to the truth's centre of mass, too little to mix
    truth levels: a median threshold then takes half of the frame, as from any real map, where on
    bare 0 and 1 it would find the box itself; and the maximum is inside the box.
    """
    height, width = truth.shape[1:]
    y, x = np.arange(height)[:, None], np.arange(width)[None, :]
    result = truth.astype(np.float32)
    for heat in result:
        mass = float(heat.sum())
        middle_y = float((heat * y).sum()) / mass if mass else height / 2
        middle_x = float((heat * x).sum()) / mass if mass else width / 2
        distance = np.hypot(y - middle_y, x - middle_x)
        heat += (0.25 * (1 - distance / np.hypot(height, width))).astype(np.float32)
    return result


def bound_maps(truth: Callable[[int, int], np.ndarray], count: int) -> np.ndarray:
    """`true_maps` of `count` samples, of which `truth(start, stop)` gives the ground truth.

    They lie in a file without a name, 200 KB a sample, which goes when the array does. Raises
    OSError naming the folder of such files where its disk is full.
    """
    with tempfile.TemporaryFile() as file:
        shape = (count, *truth(0, 1).shape[1:])
        try:  # a disk that is full only when pages are written would kill the process
            os.posix_fallocate(file.fileno(), 0, 4 * math.prod(shape))
        except OSError as error:
            error.filename = tempfile.gettempdir()
            raise
        maps = np.memmap(file, np.float32, "w+", shape=shape)
    for start in range(0, count, _CHUNK):
        stop = min(start + _CHUNK, count)
        maps[start:stop] = true_maps(truth(start, stop))
    return maps
