"""The measuring itself: two ways of one thing in turns, and the memory that a call takes.

Ours and the alternative alternate and the ratio is the median of the turns' ratios, so that a busy
minute of the machine hits both. Memory is what a call adds to a fresh process and its children,
sampled up to 100 times a second: anonymous memory only, because pages of mapped files are the
system's to take back, and shared pages counted once. Counting those takes longer the more there
are and keeps the processes from getting new ones (a decode took twice its time), so that time is
measured in another process, unwatched.
"""

import multiprocessing
import re
import resource
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import torch

from pipeline.execution.progress import console

A = TypeVar("A")
B = TypeVar("B")

MEBIBYTE = 2.0**20
_SAMPLING = 0.01  # s


@dataclass(frozen=True)
class Setup:
    """What is asked of every part; each takes what it needs.

    `size` is the share of the paper's sizes, `repeats` the turns of a row, `threads` the CPU's
    threads and processes, `media` a real clip in place of made ones, `method` the name of the
    method that trains, `methods` those that are held beside each other, all where there are none;
    `clips` the sizes of what has no media, in place of its own.
    """

    size: float = 1.0
    repeats: int = 5
    threads: int = 1
    media: Path | None = None
    method: str = "alignment"
    methods: tuple[str, ...] = ()
    clips: tuple[int, ...] = ()


@dataclass(frozen=True)
class Fact:
    """Something told beside a row's times, and what it must not exceed where there is a bar."""

    name: str
    value: float | str
    at_most: float | None = None


@dataclass(frozen=True)
class Row:
    """Seconds a unit of ours, of the alternative `other` and of the `floor`; `ratio` says how many
    times as fast ours is, and `bar` how many times it has to be."""

    name: str
    ours: float
    other: str
    theirs: float
    ratio: float
    bar: float | None = None
    floor: float | None = None
    facts: tuple[Fact, ...] = ()

    @property
    def met(self) -> bool | None:
        """Whether every bar of the row is met; None where it has none."""
        held = [self.ratio >= self.bar] if self.bar is not None else []
        for fact in self.facts:
            if fact.at_most is not None:
                held.append(isinstance(fact.value, float | int) and fact.value <= fact.at_most)
        return all(held) if held else None

    def as_json(self) -> dict[str, Any]:
        """The row as a JSON object, `met` included."""
        return {**asdict(self), "met": self.met}


def compare(
    name: str,
    ours: Callable[[], A],
    other: Callable[[], B],
    alternative: str,
    *,
    repeats: int,
    units: int = 1,
    other_units: int | None = None,
    floor: Callable[[], object] | None = None,
    bar: float | None = None,
    facts: Callable[[A, B], Iterable[Fact]] = lambda ours, other: (),
) -> Row:
    """Time `ours`, `other` and `floor` in turns, `repeats` times each, after a first untimed turn.

    `units` is how many things a call does (`other_units` for the alternative's, the same by
    default); times are per unit. `facts` gets what the first calls returned.
    """
    calls: list[Callable[[], object]] = [ours, other, *([floor] if floor else [])]
    first = ours(), other()
    counts = np.array([units, other_units or units, units][: len(calls)])
    if floor:
        floor()
    seconds = take_turns(calls, repeats) / counts
    return timed_row(name, alternative, seconds, bar=bar, facts=facts(*first))


def take_turns(
    calls: Sequence[Callable[[], object]],
    repeats: int,
    clock: Callable[[], float] | None = None,
) -> np.ndarray:
    """Seconds of each call in each turn, float64 (repeats, calls): the clock's, or by another.

    `time.process_time` counts what the process itself computed, in all its threads, so that other
    work on the machine does not count; waiting for a GPU or a disk does not either."""
    clock = clock or time.perf_counter
    return np.array([[_seconds(call, clock) for call in calls] for _ in range(repeats)])


def timed_row(
    name: str,
    alternative: str,
    seconds: np.ndarray,
    *,
    bar: float | None = None,
    facts: Iterable[Fact] = (),
) -> Row:
    """The row of measured (turns, 2 or 3) seconds: ours, the alternative, the floor."""
    medians = np.median(seconds, axis=0)
    return Row(
        name,
        float(medians[0]),
        alternative,
        float(medians[1]),
        float(np.median(seconds[:, 1] / seconds[:, 0])),
        bar,
        float(medians[2]) if len(medians) > 2 else None,
        tuple(facts),
    )


def scaled(count: int, size: float, least: int = 1) -> int:
    """`count` times `size`, rounded, at least `least`."""
    return max(least, round(count * size))


def _seconds(call: Callable[[], object], clock: Callable[[], float]) -> float:
    started = clock()
    call()
    return clock() - started


def time_alone(prepare: Callable[..., Callable[[], A]], *arguments: Any) -> tuple[float, A]:
    """Let `prepare(*arguments)` (picklable) make a call in a process of its own, with as many torch
    threads as here; gives that call's seconds and its result."""
    seconds, _, _, result = _measure_alone(prepare, arguments, watch=False)
    return seconds, result


def memory_alone(prepare: Callable[..., Callable[[], object]], *arguments: Any) -> int:
    """As `time_alone`, but gives the most bytes that the call and its children held above those
    before it."""
    return _measure_alone(prepare, arguments, watch=True)[2]


def cost_alone(prepare: Callable[..., Callable[[], object]], *arguments: Any) -> tuple[float, int]:
    """Both in one process and call: the seconds that its CPUs took, which being watched hardly
    changes, and the bytes. The process is forked from one that has imported `prepare`'s module, so
    that many small calls do not spend their time on importing."""
    multiprocessing.set_forkserver_preload([prepare.__module__])
    _, computed, memory, _ = _measure_alone(prepare, arguments, watch=True, start="forkserver")
    return computed, memory


def _measure_alone(
    prepare: Callable[..., Callable[[], Any]],
    arguments: Sequence[Any],
    *,
    watch: bool,
    start: Literal["spawn", "forkserver"] = "spawn",
) -> tuple[float, float, int, Any]:
    """Seconds by the clock and of the CPUs, bytes (0 without `watch`), and the result."""
    context: Any = multiprocessing.get_context(start)
    here, there = context.Pipe()
    process = context.Process(
        target=_alone, args=(there, torch.get_num_threads(), prepare, arguments)
    )
    process.start()
    there.close()
    try:
        here.recv()  # it is ready
        before = peak = last = _anonymous(process.pid) if watch else 0
        here.send(None)
        while watch and not here.poll(_SAMPLING):
            # Twice in a row, since pages shared with a process that ends meanwhile are counted both
            # with it and with those that are left.
            now = _anonymous(process.pid)
            peak, last = max(peak, min(last, now)), now
        seconds, computed, result = here.recv()
    except EOFError as error:
        process.join()
        message = f"{prepare.__qualname__}: its process ended with exit code {process.exitcode}"
        raise RuntimeError(message) from error
    process.join()
    return seconds, computed, peak - before, result


def _alone(
    sender: Connection,
    threads: int,
    prepare: Callable[..., Callable[[], Any]],
    arguments: Sequence[Any],
) -> None:
    console.quiet = True
    torch.set_num_threads(threads)
    call = prepare(*arguments)
    sender.send(None)
    sender.recv()
    started, computed = time.perf_counter(), _computed()
    result = call()
    sender.send((time.perf_counter() - started, _computed() - computed, result))


def _computed() -> float:
    """Seconds that CPUs have spent on this process and on its children that have ended."""
    of_children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + of_children.ru_utime + of_children.ru_stime


def _anonymous(process: int | str | None) -> int:
    """Bytes of anonymous memory of a process and all its descendants."""
    folder = Path(f"/proc/{process}")
    try:
        shares = (folder / "smaps_rollup").read_text()
        found = re.search(r"^Pss_Anon:\s+(\d+) kB", shares, re.MULTILINE)
        children = [
            child
            for thread in (folder / "task").iterdir()
            for child in (thread / "children").read_text().split()
        ]
    except (
        FileNotFoundError,
        ProcessLookupError,
        PermissionError,
    ):  # it, or one of its threads, has just ended
        return 0
    return (int(found[1]) * 1024 if found else 0) + sum(map(_anonymous, children))
