"""A frame of a video whose packets do not say what is shown: decoded frames decide alone.

The whole stream is decoded twice, once for the times of all frames and once for the wanted one:
half as long again as one pass, but memory holds one frame whatever the length.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

from pipeline.media.container import Deadline, opened, packets_of, use_one_thread
from pipeline.media.errors import MediaError
from pipeline.media.orientation import Matrix, latest_matrix
from pipeline.media.packets import RESTART, Track
from pipeline.media.stillness import Stillness

_LOOKS = 64  # frames that are compared to tell whether all is still
_USUAL_RATE = Fraction(25)


@dataclass(frozen=True)
class Shown:
    """A decoded frame and what decoding has told about its stream: the `matrix` that holds for it
    unless it has its own, the `time` at which it is shown, the `first` time and the `length` of all
    (in the stream's time base), the `count` of frames, whether it is the `last` of them, whether
    all looked at is `still`."""

    frame: av.VideoFrame
    matrix: Matrix | None
    time: int | None
    first: int
    length: int
    count: int
    last: bool
    still: bool


@dataclass(frozen=True)
class _Broken:
    """A packet that cannot be decoded: its number and its time."""

    number: int
    time: int | None


@dataclass(frozen=True)
class _Seen:
    """A decoded frame: its time (None: unknown), the number of its packet, whether it is a key."""

    time: int | None
    number: int
    key: bool


def picture_stream(container: InputContainer, track: Track) -> VideoStream:
    """The stream of `track` in a container opened anew, ready to decode on one thread, strictly."""
    stream = next(s for s in container.streams.video if s.index == track.index)
    be_strict(stream)
    return stream


def be_strict(stream: VideoStream) -> None:
    """Decode a stream, of which nothing has been decoded, on one thread and without concealing
    errors, as FFmpeg does by default: a damaged frame that nobody hears of."""
    use_one_thread(stream)
    stream.codec_context.options = {"err_detect": "explode"}


def decode_all(
    path: Path,
    track: Track,
    tick: Callable[[Track, int, int], Fraction],
    later: int,
    deadline: Deadline,
) -> Shown:
    """The frame that is shown at `tick(track, first, length)`, by the times of decoded frames, or
    the one so many frames `later`, as far as there are any.

    Raises `MediaError` "breaks midway" where it cannot be decoded or leans on what cannot.
    """
    seen, broken, still = _first_pass(path, track, deadline)
    if not seen:
        raise MediaError("breaks midway", "no frame of the picture can be decoded")
    times, distance = straightened([frame.time for frame in seen], track)
    length = times[-1] + distance - times[0]
    wanted = tick(track, times[0], length)
    shown = max(0, bisect_right(times, wanted) - 1)
    rank = min(max(shown + later, 0), len(times) - 1)
    # No frame is left out from the one to the other, nor from the frame to the wanted time.
    span = sorted((shown, rank)) if later else (rank, rank)
    end = seen[span[1]].time if later else wanted
    _check_whole(seen, broken, rank, (seen[span[0]].time, end))
    frame, matrix = _second_pass(path, track, rank, deadline)
    last = rank == len(times) - 1
    return Shown(frame, matrix, times[rank], times[0], length, len(times), last, still)


def _decoded(
    path: Path, track: Track, deadline: Deadline, broken: list[_Broken]
) -> Iterator[tuple[int, av.VideoFrame]]:
    """All frames of a stream in the order in which they are shown, each with the number of its
    packet; the packets that cannot be decoded are added to `broken`."""
    numbers: dict[int, int] = {}
    with opened(path, far=track.far) as container:
        stream = picture_stream(container, track)
        for number, packet in enumerate(packets_of(container, stream)):
            deadline.check()
            if packet.pts is not None:
                numbers[packet.pts] = number
            try:
                frames = stream.decode(packet)
            except av.error.FFmpegError:
                broken.append(_Broken(number, packet.pts))
                continue
            for frame in frames:
                known = None if frame.pts is None else numbers.get(frame.pts)
                yield number if known is None else known, frame


def _first_pass(
    path: Path, track: Track, deadline: Deadline
) -> tuple[list[_Seen], list[_Broken], bool]:
    """Decode all frames for their times; also what is broken, and whether all is still."""
    seen: list[_Seen] = []
    broken: list[_Broken] = []
    stillness = Stillness()
    step = max(1, len(track.packets) // _LOOKS)
    for number, frame in _decoded(path, track, deadline, broken):
        if len(seen) % step == 0:
            stillness.look(frame)
        seen.append(_Seen(frame.pts, number, frame.key_frame))
    return seen, broken, stillness.still


def _second_pass(
    path: Path, track: Track, rank: int, deadline: Deadline
) -> tuple[av.VideoFrame, Matrix | None]:
    """The frame number `rank` and the display matrix that holds for it."""
    matrix: Matrix | None = None
    for count, (_, frame) in enumerate(_decoded(path, track, deadline, [])):
        matrix = latest_matrix(frame, matrix)
        if count == rank:
            if frame.is_corrupt:
                break
            return frame, matrix
    raise MediaError("breaks midway", "the wanted frame cannot be decoded whole")


def _check_whole(
    seen: list[_Seen],
    broken: list[_Broken],
    rank: int,
    span: tuple[int | None, int | Fraction | None],
) -> None:
    """Raise "breaks midway" where a frame is broken that is shown within the `span` of times and so
    would be wanted instead of frame number `rank`, or that it leans on: one since the last key
    frame."""
    frame = seen[rank]
    keys = [f.number for f in seen[: rank + 1] if f.key and f.number <= frame.number]
    first = max(keys, default=0)
    for packet in broken:
        begin, end, time = *span, packet.time
        instead = begin is not None and end is not None and time is not None and begin < time <= end
        if instead or first <= packet.number <= frame.number:
            raise MediaError(
                "breaks midway",
                f"packet {packet.number} cannot be decoded, which the wanted frame needs",
            )


def straightened(stamps: list[int | None], track: Track) -> tuple[list[int], int]:
    """Times that grow from frame to frame, in the time base of `track`, and how long the last frame
    is shown: the usual distance between frames. A clock that starts anew goes on where it was."""
    base = track.time_base
    known = [stamp for stamp in stamps if stamp is not None]
    distances = sorted(b - a for a, b in pairwise(known) if b > a)
    usual = distances[len(distances) // 2] if distances else round(1 / _USUAL_RATE / base)
    limit = RESTART / base
    times: list[int] = []
    shift = 0
    for stamp in stamps:
        last = times[-1] if times else None
        if stamp is None:
            times.append(0 if last is None else last + usual)
            continue
        if last is not None and stamp + shift < last - limit:
            shift = last + usual - stamp
        times.append(stamp + shift if last is None else max(stamp + shift, last + 1))
    return times, usual
