"""What of an unfinished run is kept: a checkpoint after any of its steps.

Everything random is a function of (seed, epoch, step), so that weights, optimiser, history and the
losses of the epoch that is not over yet are all. Where batch normalisation is not that of the whole
batch, each rank has running statistics of its own until the epoch ends, and all of them are kept.
"""

import io
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.base.files import atomic_file
from pipeline.execution.progress import console
from pipeline.networks import ranks


@dataclass(frozen=True)
class Kept:
    """A run after `steps_done` steps. `losses` (steps of the epoch that is not over, 1 + parts) are
    those of its steps, None right after an epoch; `statistics` (ranks, numbers) float32 are what
    `gathered_statistics` gives, None where they are the same for all ranks."""

    identity: str
    steps_done: int
    ranks: int
    history: list[dict[str, float]]
    network: Mapping[str, Tensor]
    stepper: Mapping[str, Any]
    losses: Tensor | None
    statistics: Tensor | None


def write_kept(path: Path, kept: Kept) -> None:
    """Write a checkpoint, whole or not at all."""
    buffer = io.BytesIO()
    # Not `asdict`, which copies: the weights are written as they are.
    torch.save({name: getattr(kept, name) for name in kept.__dataclass_fields__}, buffer)
    with atomic_file(path) as file:
        file.write(buffer.getvalue())


def read_kept(path: Path, identity: str) -> Kept | None:
    """A checkpoint of the run `identity`; None, and a line that says why, where there is none."""
    if not path.exists():
        return None
    try:
        # Not straight to the device, where Adam's counters would be waited for at every step.
        saved: Mapping[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        found = " ".join(str(error).split())[:120]
        console.print(f"train: {path} is damaged, starting anew: {found}")
        return None
    if saved["identity"] != identity:
        console.print(f"train: {path} is of another run, starting anew")
        return None
    return Kept(**saved)


def gathered_statistics(network: nn.Module) -> Tensor | None:
    """The floating-point buffers of all ranks, (ranks, numbers) on the CPU, for the checkpoint that
    the first of them writes; None where there is one rank."""
    if ranks.count() == 1:
        return None
    own = torch.cat([buffer.flatten().float() for buffer in _floating(network)])
    return ranks.gather(own[None]).cpu()


def restore_statistics(network: nn.Module, kept: Tensor) -> None:
    """Give a rank its own buffers back; on another number of ranks the mean of all, as they would
    have it after an epoch."""
    own = kept[ranks.rank()] if len(kept) == ranks.count() else kept.mean(dim=0)
    buffers = _floating(network)
    parts = torch.split(own, [buffer.numel() for buffer in buffers])
    for buffer, part in zip(buffers, parts, strict=True):
        buffer.copy_(part.view_as(buffer))


def _floating(network: nn.Module) -> list[Tensor]:
    return [buffer for buffer in network.buffers() if buffer.is_floating_point()]
