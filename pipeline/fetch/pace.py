"""How often a site is asked: at most so often a minute, and after a failure later and later."""

import threading
import time
from collections.abc import Callable, Iterator

_LONGEST_WAIT = 300.0  # s


class Pace:
    """At most `per_minute` questions a minute, of all threads together."""

    def __init__(
        self,
        per_minute: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._between = 60 / per_minute
        self._clock, self._sleep = clock, sleep
        self._next = clock()
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Return when the next question may be asked."""
        with self._lock:
            now = self._clock()
            turn = max(self._next, now)
            self._next = turn + self._between
        if turn > now:
            self._sleep(turn - now)

    def pause(self, seconds: float) -> None:
        """Let this thread alone rest so long."""
        self._sleep(seconds)

    def rest(self, seconds: float) -> None:
        """Ask nothing, in any thread, for so long."""
        with self._lock:
            self._next = max(self._next, self._clock() + seconds)


def waits(tries: int, first: float) -> Iterator[float]:
    """The pauses (s) between `tries` tries: `first`, and each twice the one before, up to five
    minutes."""
    for number in range(tries - 1):
        yield min(first * 2**number, _LONGEST_WAIT)
