"""How many cores this process may use."""

import os


def usable_cores() -> int:
    """The cores that this process is allowed to run on, at least 1: fewer than the machine's where
    a scheduler or a container says so. Where a system cannot be asked (macOS), all."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
