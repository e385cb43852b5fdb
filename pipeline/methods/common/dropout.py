"""Dropout whose mask is drawn with the view, so that encoding a view twice drops the same entries.

A mask is drawn on the CPU for the whole batch, sixteen bits an entry, straight from NumPy's PCG64,
whose stream no version changes: at 128 clips of 512 x 7 x 7, 3.2 million entries, it takes a
twelfth of the time of torch's uniform numbers (2 ms instead of 25 ms on one core).
"""

import math

import numpy as np
import torch
from torch import Tensor

from pipeline.clips.frames import Stored
from pipeline.methods.contract import Dice

_LEVELS = 2**16


def draw_kept(
    dice: Dice, name: str, inputs: Stored, shape: tuple[int, ...], share: float
) -> Tensor | None:
    """Which entries of the feature maps of a `shape` stay where each is dropped with the
    probability `share` (to 1/65,536): (b, *shape) bool for this rank's b `inputs`, on their device;
    None where nothing is dropped. `name` tells masks of one step apart."""
    if not share:
        return None
    count = len(inputs) * dice.ranks * math.prod(shape)
    stream = np.random.PCG64(dice.generator(name).initial_seed())
    numbers = stream.random_raw(-(-count // 4)).astype("<u8", copy=False).view("<u2")[:count]
    kept = torch.from_numpy(numbers >= round(share * _LEVELS))
    return dice.part(kept.view(-1, *shape)).to(inputs.device)


def drop(features: Tensor, kept: Tensor | None, share: float) -> Tensor:
    """`features` without the entries that are not `kept`, the others divided by 1 - `share`; as
    they are without a mask. It is torch's dropout in training mode for a mask of one's own."""
    if kept is None:
        return features
    return features * kept / (1 - share)
