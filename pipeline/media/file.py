"""One frame and one sound out of a media file.

What cannot be had is a `MediaError` with a cause, never another frame or another sound in silence.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream
from PIL import Image

from pipeline.media.container import (
    Deadline,
    best_picture,
    best_sound,
    may_hide_streams,
    open_container,
)
from pipeline.media.errors import MediaError, decoding
from pipeline.media.mixing import Channels
from pipeline.media.moment import Moment
from pipeline.media.packets import Middle, Packets, Track, list_packets, track_of
from pipeline.media.picture import Picture, pair_of_track, picture_of_track
from pipeline.media.picture_file import PICTURE_FILES, open_picture
from pipeline.media.resizing import Aspect, resized
from pipeline.media.sound import MAX_HOLES, Keep, Sound, Wish, sound_of_track

S = TypeVar("S", VideoStream, AudioStream)


class MediaFile:
    """A media file whose sound and picture are both wanted: its packets are listed once for both.

    To be closed, or used in a `with`; `read_sound` and `read_picture` do so for one of them.
    """

    def __init__(self, path: Path) -> None:
        """Nothing is opened before something is read."""
        self.path = path
        self._container: InputContainer | None = None
        self._packets: Packets | None = None
        self._far = False

    def __enter__(self) -> "MediaFile":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; what is read afterwards opens it again."""
        if self._container is not None:
            self._container.close()
        self._container = self._packets = None

    def picture(
        self,
        *,
        side: int,
        seconds_limit: float = 60.0,
        aspect: Aspect = "squashed",
        antialias: bool = True,
        middle: Middle = "own",
        second: float | None = None,
    ) -> Picture:
        """As `read_picture`."""
        if self.path.suffix.lower() in PICTURE_FILES:
            image = open_picture(self.path)
            frame = resized(image, side, aspect, antialias)
            return Picture(frame, image.width, image.height, None, None, None)
        deadline = Deadline(seconds_limit)
        with decoding("breaks midway"):
            _, track = self._track(best_picture, deadline)
            return picture_of_track(
                self.path, track, side, aspect, Moment(middle, second), deadline, antialias
            )

    def pair(
        self,
        *,
        seconds_limit: float = 60.0,
        middle: Middle = "own",
        second: float | None = None,
    ) -> tuple[Image.Image, Image.Image] | None:
        """As `read_pair`."""
        if self.path.suffix.lower() in PICTURE_FILES:
            open_picture(self.path)  # says what is wrong with it
            return None
        deadline = Deadline(seconds_limit)
        with decoding("breaks midway"):
            _, track = self._track(best_picture, deadline)
            return pair_of_track(self.path, track, Moment(middle, second), deadline)

    def sound(
        self,
        *,
        sample_rate: int = 16000,
        max_seconds: float | None = None,
        seconds_limit: float = 60.0,
        keep: Keep = "middle",
        middle: Middle = "own",
        channels: Channels = "mean",
        max_holes: float = MAX_HOLES,
    ) -> Sound:
        """As `read_sound`."""
        deadline = Deadline(seconds_limit)
        wish = Wish(sample_rate, max_seconds, keep, middle, channels, max_holes)
        with decoding("breaks midway"):
            stream, track = self._track(best_sound, deadline)
            form = stream.sample_rate, stream.channels
            return sound_of_track(self.path, track, wish, form, deadline)

    def _track(
        self,
        best: Callable[[InputContainer, Mapping[int, int] | None], S],
        deadline: Deadline,
    ) -> tuple[S, Track]:
        """The stream that `best` chooses and what its packets say."""
        container = self._container or open_container(self.path, far=self._far)
        self._container = container
        try:
            best(container, None)  # before all packets are read, since many files have no sound
            if self._packets is None:
                self._packets = list_packets(container, deadline, far=self._far)
            stream = best(container, self._packets.shown())
            return stream, track_of(container, stream, self._packets)
        except MediaError as error:
            absent = error.cause in ("no sound", "no picture") and may_hide_streams(container)
            if self._packets is None or absent:  # it may stand in the middle of the file
                self.close()
            if not absent or self._far:
                raise
        self._far = True  # the stream may begin behind what opening looks at
        return self._track(best, deadline)


def read_picture(
    path: Path,
    *,
    side: int,
    seconds_limit: float = 60.0,
    aspect: Aspect = "squashed",
    antialias: bool = True,
    middle: Middle = "own",
    second: float | None = None,
) -> Picture:
    """The frame that is shown at half of the picture's duration (frame 150 of 300).

    `middle` "clip": at half of the clip, which begins with its first picture or sound and ends with
    its last. `second`: the frame shown so many seconds after the start of the clip, where the
    picture lasts so long, else the middle one; VGG-SS was annotated on second 5.0 (Chen et al.,
    CVPR 2021), which shortened copies of a clip do not have in their middle.

    Of several video streams the one that a player shows counts: a film before a still, then the
    default one, then the one with most pixels, then the first; cover art is none. The frame is
    turned and mirrored upright and resampled once, to the same bytes on any machine; `aspect`:
    "squashed" to (side, side, 3) uint8; "kept": (h, w, 3) with min(h, w) = `side`; "cropped": the
    middle (side, side, 3) of that; `antialias`: see `pipeline.media.resizing.resized`.
    Raises `MediaError`; "time limit" after `seconds_limit` seconds.
    """
    with MediaFile(path) as file:
        return file.picture(
            side=side,
            seconds_limit=seconds_limit,
            aspect=aspect,
            antialias=antialias,
            middle=middle,
            second=second,
        )


def read_pair(
    path: Path,
    *,
    seconds_limit: float = 60.0,
    middle: Middle = "own",
    second: float | None = None,
) -> tuple[Image.Image, Image.Image] | None:
    """The frame that `read_picture` gives and the next one, RGB, upright, as large as the video is.

    Of a video's last frame the one before it and itself are given, as the authors of HearTheFlow
    take them (denfed/heartheflow @ 60ed54d, preprocess_flickr_test.py:52-58). None where nothing is
    known of any motion: of a picture file, a video of one frame, and where the frame beside is
    damaged or of another size. Raises `MediaError`; "time limit" after `seconds_limit` seconds.
    """
    with MediaFile(path) as file:
        return file.pair(seconds_limit=seconds_limit, middle=middle, second=second)


def read_sound(
    path: Path,
    *,
    sample_rate: int = 16000,
    max_seconds: float | None = None,
    seconds_limit: float = 60.0,
    keep: Keep = "middle",
    middle: Middle = "own",
    channels: Channels = "mean",
    max_holes: float = MAX_HOLES,
) -> Sound:
    """The sound of a clip, mono, resampled by libswresample, clipped to [-1, 1] (4.1).

    Of several sound streams the default one counts, then the one with the highest sampling rate,
    then with most channels, then the first. `sample_rate`: Hz, any. `channels`: "mean" of all, or
    the "first" (the left one, as the authors of many published numbers take of two); where the
    channels cancel each other in the mean, in all of the sound or in more than a twentieth of its
    audible tenths of a second, the first is taken for all of it and `Sound.cancelled` says so.

    The sound is on the clock of its clip: one that starts later than the clip is preceded by
    silence, holes in its time stamps are filled with silence up to the share `max_holes` of it
    (`Sound.holes` tells how much), so that seconds of sound and picture agree.
    Of a sound longer than `max_seconds` only that much is decoded and returned: with `keep`
    "middle" around its own `middle` or its clip's, with "first" from its beginning.
    Raises `MediaError`; "breaks midway" where too much is missing, "time limit" after
    `seconds_limit` seconds.
    """
    with MediaFile(path) as file:
        return file.sound(
            sample_rate=sample_rate,
            max_seconds=max_seconds,
            seconds_limit=seconds_limit,
            keep=keep,
            middle=middle,
            channels=channels,
            max_holes=max_holes,
        )
