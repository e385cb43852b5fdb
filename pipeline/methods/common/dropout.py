"""Dropout whose mask is drawn with the view, so that encoding a view twice drops the same entries.

The mask is a bit an entry, drawn on the CPU for the whole batch: at 128 clips of 512 x 7 x 7 it is
3.2 million numbers a view, about 20 ms.
"""

from torch import Tensor

from pipeline.methods.contract import Dice


def draw_kept(
    dice: Dice, name: str, inputs: Tensor, shape: tuple[int, ...], share: float
) -> Tensor | None:
    """Which entries of the feature maps of a `shape` stay where each is dropped with the
    probability `share`: (b, *shape) bool for this rank's b `inputs`, on their device; None where
    nothing is dropped. `name` tells masks of one step apart."""
    if not share:
        return None
    return (dice.uniform(name, len(inputs), *shape) >= share).to(inputs.device)


def drop(features: Tensor, kept: Tensor | None, share: float) -> Tensor:
    """`features` without the entries that are not `kept`, the others divided by 1 - `share`; as
    they are without a mask. It is torch's dropout in training mode for a mask of one's own."""
    if kept is None:
        return features
    return features * kept / (1 - share)
