"""Progress of long work: a bar where there is a terminal, a few lasting log lines where not."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

T = TypeVar("T")

console = Console(stderr=True, highlight=False)

_SECONDS_BETWEEN_LINES = 20.0
_quiet: list[None] = []  # one for each `quietly` that is entered


@contextmanager
def quietly() -> Iterator[None]:
    """Short work inside long work that shows itself already: `track` says nothing of it."""
    _quiet.append(None)
    try:
        yield
    finally:
        _quiet.pop()


def track(items: Iterable[T], description: str, total: int) -> Iterator[T]:
    """Yield `items`, showing how many of `total` are done, the rate and the remaining time.

    On a terminal this is a bar. Elsewhere one line is written at most every 20 seconds and one
    at the end, and none for what takes less than a second, so that a log stays readable. While
    `quietly` is entered nothing is shown.
    """
    if _quiet:
        yield from items
        return
    started = last = time.monotonic()
    done = 0
    if console.is_terminal:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]:.1f}/s"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console) as progress:
            task = progress.add_task(description, total=total, rate=0.0)
            for item in items:
                yield item
                done += 1
                rate = done / max(time.monotonic() - started, 1e-9)
                progress.update(task, advance=1, rate=rate)
        return
    for item in items:
        yield item
        done += 1
        now = time.monotonic()
        if now - last >= _SECONDS_BETWEEN_LINES and done < total:
            last = now
            rate = done / (now - started)
            left = (total - done) / rate
            console.print(f"{description}: {done}/{total}, {rate:.1f}/s, {left:.0f} s left")
    seconds = max(time.monotonic() - started, 1e-9)
    if seconds >= 1:
        console.print(f"{description}: {done} in {seconds:.1f} s ({done / seconds:.1f}/s)")
