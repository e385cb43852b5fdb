"""Every frame of a clip, one after the other, at the times at which a player shows them.

`pipeline.media.file` gives a corpus one frame and one sound a clip and is strict about both;
this gives the whole of a clip that somebody looks at, and takes what can be decoded. A clip without
a picture or with nothing that can be decoded is still a `MediaError`.
"""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import av.error

from pipeline.media.container import best_picture, best_sound, opened, packets_of
from pipeline.media.errors import MediaError
from pipeline.media.orientation import Matrix, latest_matrix, matrix_of, upright

_USUAL_RATE = Fraction(25)


def play_picture(path: Path) -> Iterator[tuple[float, av.VideoFrame]]:
    """The time (s, from the start of the clip) and the upright picture of every frame, in the order
    in which they are shown; times grow from frame to frame. The last entry repeats the last frame
    at the time at which it ends. Raises `MediaError`.
    """
    with opened(path) as container:
        stream = best_picture(container)
        stream.thread_type = "AUTO"
        interval = float(1 / (stream.average_rate or stream.guessed_rate or _USUAL_RATE))
        begin = _start(container)
        time, frame = -interval, None
        first = True
        matrix: Matrix | None = None
        for packet in packets_of(container, stream):
            try:
                decoded = stream.decode(packet)
            except av.error.FFmpegError:
                continue  # a damaged packet: the frame before it stays
            for frame in decoded:
                # Without display times, or with false ones as in AVI, frames are counted.
                stamp = None if frame.time is None else float(frame.time) - begin
                time = stamp if stamp is not None and stamp > time else time + interval
                matrix = matrix_of(frame) if first else latest_matrix(frame, matrix)
                first = False
                frame = _upright(frame, matrix)
                yield time, frame
        if frame is None:
            raise MediaError("breaks midway", "no frame of the picture can be decoded")
        yield time + interval, frame


def play_sound(path: Path) -> Iterator[av.AudioFrame]:
    """The decoded frames of a clip's sound, their time stamps from the start of the clip; nothing
    is resampled. Raises `MediaError`."""
    with opened(path) as container:
        stream = best_sound(container)
        begin = _start(container)
        for packet in packets_of(container, stream):
            try:
                decoded = stream.decode(packet)
            except av.error.FFmpegError:
                continue  # a damaged packet: a short silence
            for frame in decoded:
                if frame.pts is not None and frame.time_base is not None:
                    frame.pts -= round(begin / frame.time_base)
                yield frame


def _start(container: av.container.InputContainer) -> float:
    return (container.start_time or 0) / av.time_base


def _upright(frame: av.VideoFrame, matrix: Matrix | None) -> av.VideoFrame:
    if matrix is None:
        return frame
    return av.VideoFrame.from_image(upright(frame.to_image(), matrix))
