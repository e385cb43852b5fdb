"""The frames of a batch, of one size or, where their aspect was kept, of several.

Frames whose aspect is kept lie together by their size, each size one array: nothing is padded, so a
strip among them costs its own bytes and no more, and a view is computed on as many arrays as there
are sizes. Videos have few, and the price of one more is its own small operations on the device.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Frames:
    """b frames with their aspect kept.

    `groups`: (g, h, w, 3) uint8 RGB, the frames of one size each. `clips`: (b,) int64 on the CPU,
    which clip of the batch each of them is, group after group."""

    groups: tuple[Tensor, ...]
    clips: Tensor

    def __len__(self) -> int:
        return len(self.clips)

    @property
    def device(self) -> torch.device:
        """Where the frames lie."""
        return self.groups[0].device

    @property
    def nbytes(self) -> int:
        """The bytes of all frames."""
        return sum(group.nbytes for group in self.groups)

    def to(self, device: torch.device, non_blocking: bool = False) -> "Frames":
        """The same on a device."""
        groups = (group.to(device, non_blocking=non_blocking) for group in self.groups)
        return Frames(tuple(groups), self.clips)

    def pin_memory(self) -> "Frames":
        """The same in page-locked memory; a data loader asks for it by this name."""
        return Frames(tuple(group.pin_memory() for group in self.groups), self.clips)

    def each(self, view: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """What `view` makes of each group, (g, ...), in the order of the batch, (b, ...).

        It is given a group and `clips` (g,) int64 on the CPU, the places of its frames in the
        batch."""
        sizes = [len(group) for group in self.groups]
        parts = zip(self.groups, self.clips.split(sizes), strict=True)
        made = torch.cat([view(group, clips) for group, clips in parts])
        return made[self.clips.argsort().to(made.device)]


# What a method's views are made of: frames of one size, (b, h, w, 3) uint8, or kept ones.
Stored: TypeAlias = Tensor | Frames


def kept_frames(frames: Sequence[np.ndarray]) -> Frames:
    """Frames (h, w, 3) uint8, or flows (h, w, 2), of any sizes, which are copied."""
    clips: dict[tuple[int, ...], list[int]] = {}
    for clip, frame in enumerate(frames):
        clips.setdefault(frame.shape, []).append(clip)
    groups = [clips[shape] for shape in sorted(clips)]
    return Frames(
        tuple(torch.from_numpy(np.stack([frames[clip] for clip in group])) for group in groups),
        torch.tensor([clip for group in groups for clip in group]),
    )
