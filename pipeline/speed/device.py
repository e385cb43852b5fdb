"""What a device can do at most, and how it is waited for and its memory read."""

import time

import numpy as np
import torch

from pipeline.speed.harness import MEBIBYTE


def product_rate(device: torch.device) -> float:
    """Operations a second of a large matrix product: bfloat16 on a GPU, float32 on the CPU."""
    gpu = device.type == "cuda"
    side = 8192 if gpu else 1024
    matrix = torch.randn(side, side, device=device, dtype=torch.bfloat16 if gpu else torch.float32)
    seconds = []
    for _ in range(100 if gpu else 0):  # a card that has been idle raises its clock first
        matrix @ matrix
    for _ in range(20):
        wait_for(device)
        started = time.perf_counter()
        matrix @ matrix
        wait_for(device)
        seconds.append(time.perf_counter() - started)
    return 2 * side**3 / float(np.median(seconds))


def wait_for(device: torch.device) -> None:
    """Return when all that was asked of the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def reset_peak(device: torch.device) -> None:
    """Begin to count its memory anew."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory(device: torch.device) -> float:
    """MiB that the device held at most since `reset_peak`."""
    return torch.cuda.max_memory_allocated(device) / MEBIBYTE
