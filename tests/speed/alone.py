"""Calls that are measured in a process of their own, which has to import this and no more."""

import time
from collections.abc import Callable

import numpy as np


def holding(mebibytes: int) -> Callable[[], int]:
    """Holds memory for a moment before the call, and more during it."""
    before = np.ones(mebibytes * 2**20, np.uint8)

    def call() -> int:
        more = np.ones(mebibytes * 2**20, np.uint8)
        time.sleep(0.1)
        return int(more[0]) + int(before[0])

    return call


def failing() -> Callable[[], None]:
    raise SystemExit(3)
