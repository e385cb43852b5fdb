"""Exact search on a graphics card, at the paper's size: 144,000 x 512 features, k = 1000. Needs no
FAISS.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from pipeline.errors import InputError
from pipeline.neighbours.exact import ExactSearch, row_blocks, unit_rows
from pipeline.speed import made
from pipeline.speed.device import peak_memory, reset_peak, wait_for
from pipeline.speed.harness import Fact, Row, scaled

A = TypeVar("A")

CLIPS, WIDTH, K = 144_000, 512, 1000
_ON_CPU = 4  # blocks that the CPU searches too
_TINY = 0.002


def measure(folder: Path, *, tiny: bool, seconds: float, threads: int) -> Iterator[Row]:
    """One row: the exact search of every row on the card, above the floor of the bare product,
    beside the CPU's `threads`, whose time is that of a few blocks times how many there are. `tiny`
    is a small search on the CPU; nothing is written to `folder`, and nothing looks at `seconds`.

    Raises `InputError` where there is no GPU and `tiny` is not asked for."""
    if not tiny and not torch.cuda.is_available():
        raise InputError("no GPU is here; --tiny walks the same measurements on the CPU")
    device, size = (torch.device("cpu"), _TINY) if tiny else (torch.device("cuda"), 1.0)
    clips, k = scaled(CLIPS, size, least=64), scaled(K, size, least=8)
    unit = unit_rows(made.features(clips, WIDTH))
    reset_peak(device)
    here, there = ExactSearch(unit, k), ExactSearch(unit, k, device)
    blocks = row_blocks(clips)
    few = blocks[:_ON_CPU]
    there(blocks[0]), here(blocks[0])
    found, ours = _timed(partial(_searched, there, blocks), device)
    expected, theirs = _timed(partial(_searched, here, few), device)
    share = sum(map(len, few)) / clips
    everyone = torch.from_numpy(unit).to(device)

    def product() -> None:
        for block in blocks:
            torch.matmul(everyone[block.start : block.stop], everyone.T)

    _, floor = _timed(product, device)
    pairs = list(zip(found["id"], expected["id"], strict=False))
    facts = [
        Fact("x the bare product", round(ours / floor, 2)),
        Fact("TFLOP/s", round(2 * clips**2 * WIDTH / ours / 1e12, 2)),
        Fact("% of neighbours not in both", _differing(pairs)),
    ]
    if device.type == "cuda":
        facts.append(Fact("memory, MiB", round(peak_memory(device))))
    yield Row(
        f"search of all {clips} x {WIDTH}, k = {k}",
        ours,
        f"the CPU, {threads} threads",
        theirs / share,
        theirs / share / ours,
        floor=floor,
        facts=tuple(facts),
    )


def _searched(search: ExactSearch, blocks: list[range]) -> np.ndarray:
    return np.concatenate([search(block) for block in blocks])


def _timed(call: Callable[[], A], device: torch.device) -> tuple[A, float]:
    wait_for(device)
    started = time.perf_counter()
    found = call()
    wait_for(device)
    return found, time.perf_counter() - started


def _differing(pairs: list[tuple[np.ndarray, np.ndarray]]) -> float:
    """% of the neighbours of one side that the other has not."""
    missing = sum(len(np.setdiff1d(ours, theirs)) for ours, theirs in pairs)
    return round(100 * missing / sum(len(ours) for ours, _ in pairs), 4)
