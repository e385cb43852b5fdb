"""Which frame of a video is wanted, in the times that its packets or its decoded frames tell."""

from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction

from pipeline.media.packets import Middle, Track


@dataclass(frozen=True)
class Moment:
    """Which frame is wanted: the one shown at `second` (s from the start of the clip) where the
    picture lasts so long, else the one shown in the middle, its own or its clip's. `later`: so many
    frames behind that one, or before it where negative, as far as there are any."""

    middle: Middle = "own"
    second: float | None = None
    later: int = 0

    def tick(self, track: Track, first: int, length: int) -> Fraction:
        """The same in the time base of `track`, for a picture of `length` from `first` on."""
        begin, end = min(track.clip[0], first * track.time_base), track.clip[1]
        if self.second is not None:
            tick = (begin + Fraction(self.second)) / track.time_base
            if tick < first + length:
                return max(tick, Fraction(first))
        if self.middle == "clip":
            tick = (begin + end) / 2 / track.time_base
            return min(max(tick, Fraction(first)), Fraction(first + length))
        return first + Fraction(length, 2)

    def place(self, times: list[int], tick: Fraction) -> int:
        """The number of the frame, of those shown at `times`, that is wanted where the one at
        `tick` is looked for."""
        return min(max(bisect_right(times, tick) - 1 + self.later, 0), len(times) - 1)
