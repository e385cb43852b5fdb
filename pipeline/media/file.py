"""One frame and one sound out of a media file.

What cannot be had is a `MediaError` with a cause, never another frame or another sound in silence.
"""

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream

from pipeline.media.container import (
    Deadline,
    Packets,
    Track,
    best_picture,
    best_sound,
    list_packets,
    midway,
    open_container,
    track_of,
)
from pipeline.media.errors import MediaError
from pipeline.media.picture import PICTURE_FILES, Picture, picture_of_file, picture_of_track
from pipeline.media.sound import Sound, sound_of_track

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

    def picture(self, *, side: int, seconds_limit: float = 60.0) -> Picture:
        """As `read_picture`."""
        if self.path.suffix.lower() in PICTURE_FILES:
            return picture_of_file(self.path, side)
        deadline = Deadline(seconds_limit)
        _, _, track = self._track(best_picture, deadline)
        return picture_of_track(self.path, track, side, deadline)

    def sound(
        self,
        *,
        sample_rate: int = 16000,
        max_seconds: float | None = None,
        seconds_limit: float = 60.0,
    ) -> Sound:
        """As `read_sound`."""
        deadline = Deadline(seconds_limit)
        container, stream, track = self._track(best_sound, deadline)
        clip_start = (container.start_time or 0) / av.time_base
        form = stream.sample_rate, stream.channels
        return sound_of_track(
            self.path, track, clip_start, form, sample_rate, max_seconds, deadline
        )

    def _track(
        self, best: Callable[[InputContainer], S], deadline: Deadline
    ) -> tuple[InputContainer, S, Track]:
        """The open container, the stream that `best` chooses and what its packets say."""
        if self._container is None:
            self._container = open_container(self.path)
        try:
            with midway():
                stream = best(self._container)
                if self._packets is None:
                    self._packets = list_packets(self._container, deadline)
                return self._container, stream, track_of(self._container, stream, self._packets)
        except MediaError:
            if self._packets is None:  # the container may stand in the middle of the file
                self.close()
            raise


def read_picture(path: Path, *, side: int, seconds_limit: float = 60.0) -> Picture:
    """The frame that is displayed at half of the picture's duration (frame 150 of 300).

    Of several video streams the one with most pixels counts, the first of equal ones; cover art is
    none. The frame is turned upright and squashed to `side` x `side` by Pillow's antialiased
    bicubic filter, whose integer arithmetic gives the same bytes on any machine.
    Raises `MediaError`; "time limit" after `seconds_limit` seconds.
    """
    with MediaFile(path) as file:
        return file.picture(side=side, seconds_limit=seconds_limit)


def read_sound(
    path: Path,
    *,
    sample_rate: int = 16000,
    max_seconds: float | None = None,
    seconds_limit: float = 60.0,
) -> Sound:
    """The sound of a clip, mono, resampled by libswresample, clipped to [-1, 1] (method 4.1).

    Of several sound streams the one with the highest sampling rate counts, then with most
    channels, then the first. Channels are averaged. A sound that starts later than the clip is
    preceded by silence, so that seconds of sound and picture agree. Of a sound longer than
    `max_seconds` only that much around its middle is decoded and returned.
    Raises `MediaError`; "time limit" after `seconds_limit` seconds.
    """
    with MediaFile(path) as file:
        return file.sound(
            sample_rate=sample_rate, max_seconds=max_seconds, seconds_limit=seconds_limit
        )
