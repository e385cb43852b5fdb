"""The loop that trains encoders, with or without labels: Adam, one cycle of the rate, and a
checkpoint an epoch, so that a killed command goes on and, on a CPU, ends in the same bytes."""

import io
import pickle
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.base.code import fingerprint, hash_of_code
from pipeline.base.files import atomic_file
from pipeline.execution.progress import console, track


@dataclass(frozen=True)
class Recipe:
    """How an encoder is trained. The same recipe, seed and inputs give the same bits; `threads` is
    part of it, since the order of sums depends on it. `checkpoint` is a file that keeps every
    finished epoch for a run of the same arguments after a kill; it stays there at the end."""

    seed: int
    epochs: int
    threads: int = 2
    checkpoint: Path | None = None
    batch: int = 50
    learning_rate: float = 5e-3
    half: bool = False  # the passes in bfloat16; weights are float32
    title: str = "encoder, epochs"


def run_epochs(
    network: nn.Module,
    loss: Callable[[Tensor, torch.Generator], Tensor],
    rows: Tensor,
    recipe: Recipe,
    generator: torch.Generator,
    inputs: Iterable[np.ndarray | bytes],
    module: str,
) -> float:
    """Train `network` in place, epoch by epoch over `rows` in an order anew; the mean loss of the
    last epoch, 0 where the checkpoint holds all of them.

    `loss(rows, generator)` is a batch's; an odd rest waits for another epoch's order. `inputs` and
    the code of `module` tell a checkpoint of other work. Torch's number of threads is the recipe's
    while it runs."""
    batch = min(recipe.batch, len(rows))
    steps, epochs = len(rows) // batch, recipe.epochs
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.learning_rate, epochs * steps)
    parts: dict[str, Any] = {"network": network, "optimiser": optimiser, "schedule": schedule}
    said = (recipe.seed, epochs, recipe.threads, batch, recipe.learning_rate, recipe.half)
    identity = fingerprint([*inputs, repr(said), torch.__version__, hash_of_code(module)])
    done = _resumed(recipe.checkpoint, identity, parts, generator)
    threads_before = torch.get_num_threads()
    torch.set_num_threads(recipe.threads)
    total = 0.0
    try:
        network.train()
        for epoch in track(range(done, epochs), recipe.title, epochs - done):
            shuffled = rows[torch.randperm(len(rows), generator=generator)]
            total = 0.0
            for chosen in shuffled[: steps * batch].view(steps, batch):
                with torch.autocast(chosen.device.type, torch.bfloat16, enabled=recipe.half):
                    value = loss(chosen, generator)
                optimiser.zero_grad()
                value.backward()
                optimiser.step()
                schedule.step()
                total += float(value.detach())
            if recipe.checkpoint is not None:
                state = {name: part.state_dict() for name, part in parts.items()}
                state |= {"identity": identity, "done": epoch + 1, "dice": generator.get_state()}
                buffer = io.BytesIO()
                torch.save(state, buffer)
                with atomic_file(recipe.checkpoint) as file:
                    file.write(buffer.getvalue())
        network.eval()
    finally:
        torch.set_num_threads(threads_before)
    return total / steps


def _resumed(
    checkpoint: Path | None, identity: str, parts: dict[str, Any], generator: torch.Generator
) -> int:
    """How many epochs are done; `parts` and `generator` are put where the checkpoint left them.

    One of other arguments or other code, or a damaged one, is passed over."""
    if checkpoint is None or not checkpoint.exists():
        return 0
    try:
        saved = torch.load(checkpoint, weights_only=True)
    except (RuntimeError, ValueError, EOFError, pickle.UnpicklingError):
        console.print(f"{checkpoint}: is damaged, starting anew", markup=False)
        return 0
    if saved["identity"] != identity:
        return 0
    for name, part in parts.items():
        part.load_state_dict(saved[name])
    generator.set_state(saved["dice"])
    console.print(f"{checkpoint}: resuming after epoch {saved['done']}", markup=False)
    return int(saved["done"])
