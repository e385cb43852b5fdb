"""Tasks of many items in processes that may die or hang.

Each task has a process of its own, forked from a warm server in a tenth of a second. So an item
that kills its process (a decoder that crashes, a system out of memory) costs the work of its own
task only, and memory cannot grow over a stage. The task is tried once more, and then asked to go
on without that item.
"""

import functools
import math
import multiprocessing
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from typing import Any, Generic, NoReturn, Protocol, Self, TypeVar

from pipeline.errors import InputError
from pipeline.execution.progress import console

HANG_MARGIN = 5.0  # s, what a task may add to its items' own limits for a busy machine
_OUT_OF_MEMORY = 12  # exit code

Report = Callable[[int], None]


class Task(Protocol):
    """Work on several items one after the other, that any process can be given (pickled)."""

    @property
    def title(self) -> str:
        """What it is, for messages."""

    @property
    def items(self) -> Sequence[str]:
        """The names of its items, in their order."""

    @property
    def item_seconds(self) -> float:
        """An item that takes longer than this (s) has hung; inf where none can."""

    def without(self, item: int, hung: bool, how: str) -> Self:
        """The task to go on with after item number `item` ended its process twice. Raises where
        no item can be left out."""


class Whole(Task, Protocol):
    """Work of which no item can be left out or has a time limit."""

    @property
    def item_seconds(self) -> float:
        """None can hang."""
        return math.inf

    def without(self, item: int, hung: bool, how: str) -> NoReturn:
        """Raises RuntimeError."""
        raise RuntimeError(f"{self.title}: {self.items[item]}: {how}")


T = TypeVar("T", bound=Task)

# Called with a task and a function that is told the number of each item when it begins and, at the
# end, how many there are. Idempotent: it may be called again after any end.
Worker = Callable[[T, Report], None]


@dataclass
class _Running(Generic[T]):
    number: int
    task: T
    process: BaseProcess
    connection: Connection
    names: Sequence[str]  # of its items, which a task may make anew whenever it is asked
    item: int  # the number of the item in progress, -1 before the first
    since: float  # when that item began

    @property
    def in_progress(self) -> str | None:
        return self.names[self.item] if 0 <= self.item < len(self.names) else None


def warm_up(module: str) -> None:
    """Start the server of processes whose worker stands in `module`. It imports that while the
    caller imports its own; without this it starts with the first task."""
    if "forkserver" in multiprocessing.get_all_start_methods():
        multiprocessing.get_context("forkserver").set_forkserver_preload([module])
        with _without_ctrl_c():
            forkserver.ensure_running()


def run_in_processes(tasks: Sequence[T], workers: int, worker: Worker[T]) -> Iterator[str]:
    """Run `worker` on every task, `workers` at a time; yields the name of each item done.

    A process that dies, or stays with one item for longer than its task allows and is killed, is
    started again; after an item that this happens to twice the task goes on without it.
    Raises the OSError or `InputError` of a worker, RuntimeError for a defect in one, whose
    traceback is on stderr by then.
    """
    context = _context(worker)
    waiting = list(reversed(list(enumerate(tasks))))
    running: list[_Running[T]] = []
    counted: Counter[int] = Counter()  # items yielded, by task
    deaths: Counter[tuple[int, int]] = Counter()
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                running.append(_start(context, worker, *waiting.pop()))
            ready = wait([run.connection for run in running], timeout=1.0)
            for run in list(running):
                hung = False
                if run.connection in ready:
                    message = _received(run.connection)
                    if isinstance(message, Exception):
                        raise message
                    if message is not None:
                        run.item, run.since = message, time.monotonic()
                        while counted[run.number] < run.item:
                            yield run.names[counted[run.number]]
                            counted[run.number] += 1
                        continue
                elif run.in_progress is not None:
                    hung = time.monotonic() - run.since > run.task.item_seconds
                    if not hung:
                        continue
                    run.process.kill()
                else:
                    continue
                run.process.join()
                run.connection.close()
                running.remove(run)
                if run.process.exitcode != 0:
                    deaths[run.number, run.item] += 1
                    again = deaths[run.number, run.item] > 1
                    waiting.append((run.number, _after_death(run, again, hung)))
    finally:
        for run in running:
            run.process.kill()
            run.process.join()
            run.connection.close()


def _context(worker: Callable[..., Any]) -> ForkServerContext | SpawnContext:
    """A way to start processes. Not "fork": a copy of a process that has run threads may find
    their locks held for ever."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    function = worker.func if isinstance(worker, functools.partial) else worker
    context.set_forkserver_preload([function.__module__])
    return context


def _start(
    context: ForkServerContext | SpawnContext, worker: Worker[T], number: int, task: T
) -> _Running[T]:
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(worker, task, sender), daemon=True)
    with _without_ctrl_c():
        process.start()
    sender.close()  # so that the end of the process ends the pipe
    return _Running(number, task, process, receiver, task.items, -1, time.monotonic())


@contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """What is started within inherits a mask of SIGINT: it would answer Ctrl-C with a traceback
    while it imports."""
    resource_tracker.ensure_running()  # its own start ends by unblocking, so that comes first
    unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)


def _received(connection: Connection) -> int | Exception | None:
    """What a worker says; None at its end."""
    try:
        message: int | Exception = connection.recv()
    except EOFError:
        return None
    return message


def _after_death(run: _Running[T], again: bool, hung: bool) -> T:
    """The task to go on with after the end of a process."""
    item = run.in_progress
    where = run.task.title if item is None else f"{run.task.title}: {item}"
    if run.process.exitcode == 1 and not hung:  # a Python exception
        raise RuntimeError(f"{where}: failed, see the traceback above")
    how = "hung and was killed" if hung else f"died with exit code {run.process.exitcode}"
    console.print(f"{where}: the worker {how}", markup=False)
    if not again:
        return run.task
    if item is None:
        raise RuntimeError(f"{where}: the worker {how}, twice")
    return run.task.without(run.item, hung, f"the worker {how}, twice")


def _work(worker: Worker[T], task: T, sender: Connection) -> None:
    """The life of a worker process."""
    try:
        worker(task, sender.send)
    except BrokenPipeError:
        return  # the stage was killed; whoever runs it again starts this task anew
    except (OSError, InputError) as error:
        sender.send(error)
    except MemoryError:
        sys.exit(_OUT_OF_MEMORY)  # the item's fault as much as a kill by the system would be
