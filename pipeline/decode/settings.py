"""Settings of decode: `<settings>.decode` of params.yaml."""

from typing import Literal

from pipeline.base.params import Count, NotNegative, Parameters, Positive, Share, settings
from pipeline.base.study import Corpus
from pipeline.decode.taken import Taken
from pipeline.media.sound import MAX_HOLES


@settings
class Decode:
    """Frames and sounds of a corpus (4.1).

    `side` in pixels: of a `squashed` frame both sides, of one whose aspect is `kept` the shorter,
    of a `cropped` one both sides of the middle of that; `antialias`: see
    `pipeline.media.resizing.resized`. Tested frames are squashed, by some methods' authors cropped;
    trained ones are squashed or kept, and kept ones serve both (`train.aspect`). A sound shorter
    than `seconds` is repeated up to it, one longer than `max_seconds` is cut; a clip may take
    `seconds_limit` to decode; more rejects than `max_reject_share` fail the stage. `keep`,
    `channels`, `middle`, `second` and `max_holes` (a share, 0 to 1) are those of
    `pipeline.decode.taken.Taken`."""

    side: Count
    seconds: Positive
    max_seconds: Positive
    shards: Count
    seconds_limit: Positive
    max_reject_share: Share
    aspect: Literal["squashed", "kept", "cropped"] = "squashed"
    antialias: bool = True
    keep: Literal["middle", "first"] = "middle"
    channels: Literal["mean", "first"] = "mean"
    middle: Literal["own", "clip"] = "own"
    second: NotNegative | None = None
    max_holes: Share = MAX_HOLES

    @property
    def taken(self) -> Taken:
        """What of a picture and a sound is taken."""
        return Taken(self.keep, self.channels, self.middle, self.second, self.max_holes)

    def __post_init__(self) -> None:
        if self.max_seconds < self.seconds:
            raise ValueError(
                f"max_seconds is {self.max_seconds:g}, expected at least seconds, {self.seconds:g}"
            )


def read_decode(parameters: Parameters, corpus: str) -> tuple[Corpus, Decode]:
    """A corpus of the active study, and its world's settings with what the corpus says of its own.

    Raises `InputError` as `Parameters.read` does."""
    world = parameters.read("active.settings", str)
    item = parameters.read(f"active.corpora.{corpus}", Corpus)
    return item, parameters.read(f"{world}.decode", Decode, item.decode)
