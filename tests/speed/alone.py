"""Calls that are measured in a process of their own, which has to import this and no more."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np


def holding(mebibytes: int) -> Callable[[], int]:
    """Holds memory for a moment before the call, and more during it."""
    before = np.ones(mebibytes * 2**20, np.uint8)

    def call() -> int:
        more = np.ones(mebibytes * 2**20, np.uint8)
        time.sleep(0.1)
        return int(more[0]) + int(before[0])

    return call


def paying(seconds: float) -> Callable[[], None]:
    """By its own clock its CPUs take so many seconds for the call, however busy the machine is."""
    time.process_time = iter([1.0, 1.0 + seconds]).__next__
    return lambda: None


def failing() -> Callable[[], None]:
    raise SystemExit(3)


def fails(path: Path) -> None:
    raise ValueError(path)


def dies(path: Path) -> None:
    os._exit(3)


def black(path: Path) -> np.ndarray:
    return np.zeros((8, 8, 3), np.uint8)


def silent(path: Path) -> tuple[np.ndarray, None]:
    return np.zeros(16000, np.float32), None
