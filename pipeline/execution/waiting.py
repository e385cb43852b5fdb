"""How this process' threads wait for each other: by spinning, or asleep.

Spinning is OpenMP's own choice and the fastest on an idle machine; beside a busy process it takes
the time that the slower thread needs. Sleeping costs a third on an idle machine, and is nearly
twice as fast on two cores of which another process has one (README.md of this folder). OpenMP
reads its policy once, so it is chosen by what the cores do when a command starts.
"""

import os
import time
from pathlib import Path

_STAT = Path("/proc/stat")
_SECONDS = 0.1
# Of the cores that this process may use; with less free, its threads would wait for one another.
_FREE = 0.75


def choose_waiting() -> None:
    """Let OpenMP's threads sleep at their barriers where other processes keep these cores busy;
    what the environment says already counts more. To be called before torch is imported."""
    told = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys()
    if told or not _STAT.exists():
        return
    before = idle_ticks(_STAT.read_text(), os.sched_getaffinity(0))
    time.sleep(_SECONDS)
    after = idle_ticks(_STAT.read_text(), os.sched_getaffinity(0))
    if is_busy(before, after):
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"


def is_busy(before: tuple[int, int], after: tuple[int, int]) -> bool:
    """Whether under three quarters of the cores' time between two counts was free."""
    idle, whole = after[0] - before[0], after[1] - before[1]
    return whole > 0 and idle < _FREE * whole


def idle_ticks(stat: str, cores: set[int]) -> tuple[int, int]:
    """Of a text of `/proc/stat`, the ticks that some cores were idle or waited for a disk, and all
    their ticks."""
    idle = whole = 0
    for line in stat.splitlines():
        name, *ticks = line.split()
        if name.removeprefix("cpu").isdigit() and int(name.removeprefix("cpu")) in cores:
            counts = [int(tick) for tick in ticks[:8]]  # the guests' ticks are in these
            idle += counts[3] + counts[4]
            whole += sum(counts)
    return idle, whole
