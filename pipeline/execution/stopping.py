"""SIGTERM answered at a moment of the work's own choosing, within a deadline.

A scheduler sends it some time before it kills (SLURM's KillWait, by default 30 s). The work asks
between two of its steps whether it is to stop, keeps what it has and ends; where that moment does
not come in time, it is stopped as if nobody had waited.
"""

import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self


class Stopping:
    """While it is entered, SIGTERM is noted in `asked` and answered by `end`; `deadline` seconds
    after it what answered before answers. Further signals change nothing: a launcher and a
    scheduler may both send one. Outside the main thread, where Python takes no handler, nothing is
    noted."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self._since: float | None = None
        self._before: dict[signal.Signals, Any] = {}
        self._process = os.getpid()

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            handlers: dict[signal.Signals, Callable[[int, FrameType | None], None]] = {
                signal.SIGTERM: self._note,
                signal.SIGALRM: self._late,
            }
            self._before = {number: signal.getsignal(number) for number in handlers}
            for number, handler in handlers.items():
                signal.signal(number, handler)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._restore()

    @property
    def asked(self) -> bool:
        """Whether SIGTERM came."""
        return self._since is not None

    @property
    def seconds(self) -> float:
        """How long ago it came, 0 where it did not."""
        return 0.0 if self._since is None else time.monotonic() - self._since

    def end(self) -> None:
        """Stop as SIGTERM would have at once."""
        self._restore()
        signal.raise_signal(signal.SIGTERM)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() == self._process and self._since is None:  # not a loading process
            self._since = time.monotonic()
            signal.setitimer(signal.ITIMER_REAL, self.deadline)

    def _late(self, number: int, frame: FrameType | None) -> None:
        self.end()

    def _restore(self) -> None:
        if self._before:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._before = {}
