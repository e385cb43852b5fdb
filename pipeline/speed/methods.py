"""All methods beside each other: a training step of each beside its own networks alone, and the
memory of its loss at one, two and four times a batch.

The bar is on the whole step, Adam included. Adam's time depends on the weights and not on the
batch, so a batch is large enough here for it to be no large part of a step, as it is none at the
paper's 128 clips; the networks keep their widths, and pictures and windows shrink by the size. On
the CPU the seconds are those that the process itself computes, on a GPU they are the clock's. They
are the least of all turns, since whatever else a machine does only adds to them.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from pipeline.methods.contract import method_names
from pipeline.networks.device import deterministic
from pipeline.speed.harness import Fact, Row, Setup, scaled
from pipeline.speed.loss import BATCH, feature_shapes, loss_memory, memory_growth
from pipeline.speed.method import made_method
from pipeline.speed.train import (
    ABOVE_NETWORKS,
    made_corpus,
    made_stepper,
    resident,
    step_turns,
)
from pipeline.train.settings import Train

GPU_BATCH, CPU_BATCH = 128, 16


def measure(folder: Path, setup: Setup) -> Iterator[Row]:
    """A row a method: its step, its networks' forward and backward pass, how many times the one is
    the other, and the memory of its loss at `BATCH` x size, twice and four times that."""
    for name in setup.methods or method_names():
        yield _row(folder / name, name, setup)


def _row(folder: Path, name: str, setup: Setup) -> Row:
    batch, side, seconds = _turns(folder / "train", name, setup)
    whole, adam, networks = map(float, seconds.min(axis=0))
    facts = [
        Fact("x its networks", round(whole / networks, 3), ABOVE_NETWORKS),
        Fact("x its networks, without Adam", round((whole - adam) / networks, 3)),
    ]
    memory = _memory(folder / "loss", name, setup.size)
    facts += [
        Fact(f"memory of its loss, batch {count}, MiB", round(held, 1))
        for count, held in memory.items()
    ]
    _, half, all_of_it = memory.values()
    facts.append(memory_growth(half, all_of_it))
    return Row(
        f"{name}, batch {batch}, {side} px",
        whole,
        "its networks, forward and backward",
        networks,
        networks / whole,
        facts=tuple(facts),
    )


def _turns(folder: Path, name: str, setup: Setup) -> tuple[int, int, np.ndarray]:
    """The batch, the frame's side, and what `step_turns` gives."""
    gpu = torch.cuda.is_available()
    device = torch.device("cuda" if gpu else "cpu")
    recipe = Train(
        batch=scaled(GPU_BATCH, setup.size, least=CPU_BATCH) if gpu else CPU_BATCH,
        precision="bfloat16" if gpu else "float32",
        threads=setup.threads,
    )
    with deterministic(device, setup.threads):  # as a run trains
        method = made_method(name, setup.size)
        corpus = made_corpus(folder, method, 2 * recipe.batch, setup.size)
        stepper = made_stepper(method, recipe, device)
        batch = resident(corpus, method, recipe, device)
        clock = None if gpu else time.process_time
        seconds = step_turns(stepper, batch, recipe, device, setup.repeats, clock)
    return recipe.batch, method.side, seconds


def _memory(folder: Path, name: str, size: float) -> dict[int, float]:
    """MiB that the loss takes by the batch, of features at the method's own side."""
    shapes, _ = feature_shapes(folder, made_method(name))
    counts = [scaled(BATCH, size, least=4) * times for times in (1, 2, 4)]
    return {count: loss_memory(name, shapes, count) for count in counts}
