"""What of a clip's picture and sound is taken, where authors differ (see
pipeline/methods/DECISIONS.md)."""

from dataclasses import dataclass

from pipeline.media.mixing import Channels
from pipeline.media.packets import Middle
from pipeline.media.sound import MAX_HOLES, Keep


@dataclass(frozen=True)
class Taken:
    """`keep`: of a sound longer than wanted the middle, or the first seconds (as the authors of the
    paper do). `channels`: their mean, or the first one (the authors, for two-channel files).
    `middle`: the frame is that of the picture's own middle or of the clip's; with `second` it is
    the one shown at that second, where the clip reaches it (VGG-SS's boxes were drawn at 5.0).
    `max_holes`: the share of a sound that holes in its time stamps may take; they are filled with
    silence, and a sound with more of them is rejected."""

    keep: Keep = "middle"
    channels: Channels = "mean"
    middle: Middle = "own"
    second: float | None = None
    max_holes: float = MAX_HOLES


USUAL = Taken()
