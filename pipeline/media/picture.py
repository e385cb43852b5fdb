"""One frame out of a video, and the one beside it: at its middle, at its clip's middle, or at a
given second.

Packets say where to look, decoded frames what is there. The quick way seeks to the key frame before
the wanted one and leaves frames undecoded on which nothing depends; where what it meets is not what
the packets said (no key frame, another time, an error), all frames are decoded from the start and
their own times decide: `pipeline.media.thorough`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import av
import av.error
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream
from PIL import Image

from pipeline.media.container import Deadline, opened, packets_of
from pipeline.media.errors import MediaError, decoding
from pipeline.media.moment import Moment
from pipeline.media.orientation import Matrix, latest_matrix, matrix_of, upright
from pipeline.media.packets import Track
from pipeline.media.resizing import Aspect, resized
from pipeline.media.stillness import Stillness
from pipeline.media.thorough import Shown, be_strict, decode_all, picture_stream, straightened

_LOOK_BEFORE = 3  # frames before the middle that are decoded even if nothing depends on them
_STILL_SAMPLES = 8  # frames looked at before the wanted one, and key frames of the whole clip
_STILL_PACKETS = 600  # behind the last key frame that are looked at, of a clip still so far
# s before the key frame to which to seek, until it is met, at last to the start of all: streams
# without an index search by the time of decoding and land behind it.
_BACKS = (0, 2)


@dataclass(frozen=True)
class Picture:
    """One frame of a clip and what its file says about the picture.

    `frame`: (side, side, 3) uint8 RGB, squashed or cropped, or (h, w, 3) with its aspect kept.
    `width`, `height`: pixels of the upright picture. `duration`: s, `frame_rate`: frames/s on
    average, `still`: whether nothing changes over the frames looked at, `time`: when the frame is
    shown, s from the start of the clip; all four None for a picture file.
    """

    frame: np.ndarray
    width: int
    height: int
    duration: float | None
    frame_rate: float | None
    still: bool | None
    time: float | None = None


def picture_of_track(
    path: Path,
    track: Track,
    side: int,
    aspect: Aspect,
    moment: Moment,
    deadline: Deadline,
    antialias: bool = True,
) -> Picture:
    """The picture of the file whose video stream says `track`. Raises `MediaError`."""
    shown = _shown(path, track, moment, deadline)
    image = _upright(shown)
    seconds = float(shown.length * track.time_base)
    begin = min(track.clip[0], shown.first * track.time_base)
    time = None if shown.time is None else float(shown.time * track.time_base - begin)
    return Picture(
        resized(image, side, aspect, antialias),
        image.width,
        image.height,
        seconds,
        shown.count / seconds if seconds > 0 else None,
        shown.still,
        time,
    )


def pair_of_track(
    path: Path, track: Track, moment: Moment, deadline: Deadline
) -> tuple[Image.Image, Image.Image] | None:
    """The frame that is shown at `moment` and the next one, upright, as large as they are; of the
    last frame the one before it and itself.

    None where there is a single frame, where its neighbour cannot be decoded or is of another
    size. Each is looked for by itself, so that either is the frame that `picture_of_track` would
    find; the price is that the way from the key frame is decoded twice. Raises `MediaError` as
    `picture_of_track` does."""
    shown = _shown(path, track, moment, deadline)
    if shown.count < 2:
        return None
    try:
        with decoding("breaks midway"):
            later = moment.later + (-1 if shown.last else 1)
            other = _shown(path, track, replace(moment, later=later), deadline)
    except MediaError as error:
        if error.cause != "breaks midway":
            raise
        return None
    first, second = (other, shown) if shown.last else (shown, other)
    pair = _upright(first), _upright(second)
    return pair if pair[0].size == pair[1].size else None


def _shown(path: Path, track: Track, moment: Moment, deadline: Deadline) -> Shown:
    """The wanted frame by the quickest way that leads to it."""
    if not track.packets:
        raise MediaError("no picture", "the video stream holds no frame")
    shown = None
    if track.order == "time" and track.times is not None:
        shown = _by_time(path, track, track.times, moment, deadline)
    elif track.order == "rank":
        shown = _by_rank(path, track, moment, deadline)
    if shown is None:
        shown = decode_all(path, track, moment.tick, moment.later, deadline)
    return shown


def _upright(shown: Shown) -> Image.Image:
    return upright(shown.frame.to_image(threads=1), matrix_of(shown.frame) or shown.matrix)


# --- by the stamps of packets --------------------------------------------------------------------


@dataclass(frozen=True)
class _Aim:
    """Where the packets say that the wanted frame is."""

    stamps: list[int]  # of the packets, in decoding order
    keys: list[int]  # numbers of packets that are key frames
    key: int  # number of the packet to decode from
    place: int  # number of the wanted packet
    begin: int  # the time of the first frame of all
    earliest: int  # the time from which on all frames are decoded
    wanted: int  # the time of the wanted frame


def _by_time(
    path: Path, track: Track, times: list[int], moment: Moment, deadline: Deadline
) -> Shown | None:
    """Seek to the key frame before the wanted frame and decode on to it; None where what is decoded
    is not what the packets say."""
    stamps = [packet.time or 0 for packet in track.packets]
    if moment.later:  # frames of one time are one
        times = sorted(set(times))
    rank = moment.place(times, moment.tick(track, times[0], track.length))
    wanted, earliest = times[rank], times[max(0, rank - _LOOK_BEFORE)]
    place = stamps.index(wanted)
    keys = [i for i, packet in enumerate(track.packets) if packet.key]
    key = max((i for i in keys if i <= place and stamps[i] <= wanted), default=0)
    aim = _Aim(stamps, keys, key, place, times[0], earliest, wanted)
    found = _decode_kept(track, aim, deadline) or _decode_opened(path, track, aim, deadline)
    if found is None:
        return None
    count, last = len(set(times)), wanted == times[-1]
    return Shown(
        found.frame, found.matrix, wanted, times[0], track.length, count, last, found.still
    )


class _Found(NamedTuple):
    """The wanted frame, the display matrix that holds for it, whether all looked at is still."""

    frame: av.VideoFrame
    matrix: Matrix | None
    still: bool


def _decode_kept(track: Track, aim: _Aim, deadline: Deadline) -> _Found | None:
    """What the packets that are kept of a stream tell; None where something has to be sought, or
    goes wrong."""
    kept = track.kept.take(VideoStream) if track.kept is not None and aim.key == 0 else None
    if kept is None:
        return None
    stream, packets = kept
    stillness = Stillness()
    be_strict(stream)
    try:
        found = _decode_to(packets, stream, aim, stillness, deadline)
    except av.error.FFmpegError:
        return None
    return None if found is None or stillness.still else _Found(*found, False)


def _decode_opened(path: Path, track: Track, aim: _Aim, deadline: Deadline) -> _Found | None:
    """The same of the file opened anew; None where what is decoded is not what the packets say."""
    stillness = Stillness()
    with opened(path, far=track.far) as container:
        stream = picture_stream(container, track)
        packets: Iterable[Packet] = packets_of(container, stream)
        try:
            if aim.key > 0:
                opening = _look_at_next(container, stream, stillness, deadline)
                if opening is None or opening.pts != aim.begin:
                    return None
                packets = _from_key(container, stream, aim, deadline)
            found = _decode_to(packets, stream, aim, stillness, deadline)
        except av.error.FFmpegError:
            return None  # decoding all of it finds out whether the file or the seek is to blame
        if found is None:
            return None
        if stillness.still:
            _look_over(container, stream, aim, stillness, deadline)
        return _Found(*found, stillness.still)


def _decode_to(
    packets: Iterable[Packet],
    stream: VideoStream,
    aim: _Aim,
    stillness: Stillness,
    deadline: Deadline,
) -> tuple[av.VideoFrame, Matrix | None] | None:
    """The wanted frame and the display matrix that holds for it; None where frames decoded of
    `packets`, which begin at the key frame, contradict them. Raises FFmpeg's errors."""
    first = aim.stamps[aim.key]
    step = max(1, (aim.place - aim.key) // _STILL_SAMPLES)
    seen = 0
    matrix: Matrix | None = None
    found: av.VideoFrame | None = None
    for frames in _decoded(_needed(packets, stream, aim), stream, deadline):
        for frame in frames:
            # A container may call any frame a key; only the decoder knows.
            if not seen and (frame.pts != first if aim.key else frame.pts != aim.begin):
                return None
            if not seen and aim.key and not frame.key_frame:
                return None
            matrix = latest_matrix(frame, matrix)
            if frame.pts is not None and aim.earliest <= frame.pts <= aim.wanted:
                found = frame
            if seen % step == 0 or found is frame:
                stillness.look(frame)
            seen += 1
        if found is not None and (found.pts == aim.wanted or (frame.pts or 0) > aim.wanted):
            break
    if found is None or found.pts != aim.wanted or found.is_corrupt:
        return None
    return found, matrix


def _needed(packets: Iterable[Packet], stream: VideoStream, aim: _Aim) -> Iterator[Packet]:
    """The packets that the wanted frame may lean on; the decoder is told which of the others
    nothing leans on."""
    first = aim.stamps[aim.key]
    for packet in packets:
        if packet.size:
            # Stored behind the key frame but shown before it: leans on what was before.
            if aim.key > 0 and packet.pts is not None and packet.pts < first:
                continue
            near = packet.pts is None or aim.earliest <= packet.pts <= aim.wanted
            near = near or packet.pts == aim.begin  # the first frame is compared with it
            stream.codec_context.skip_frame = "DEFAULT" if near else "NONREF"
        yield packet


def _from_key(
    container: InputContainer, stream: VideoStream, aim: _Aim, deadline: Deadline
) -> Iterator[Packet]:
    """The packets from the key frame of `aim` on; none where it cannot be found."""
    numbers = {time: number for number, time in enumerate(aim.stamps)}
    first = aim.stamps[aim.key]
    second = round(1 / (stream.time_base or 1))
    for back in (*(first - seconds * second for seconds in _BACKS), min(aim.stamps) - second):
        container.seek(back, stream=stream)
        met = False
        for packet in packets_of(container, stream):
            if not met and packet.size:
                deadline.check()
                met = packet.pts == first and packet.is_keyframe
                if packet.pts is not None and numbers.get(packet.pts, -1) > aim.key:
                    break  # it is behind
            if met:
                yield packet
        if met:
            return


def _decoded(
    packets: Iterable[Packet], stream: VideoStream, deadline: Deadline
) -> Iterator[list[av.VideoFrame]]:
    """The frames that each packet lets out. A recording may begin between two key frames: what
    cannot be decoded before the first one is passed over, behind it FFmpeg's errors are raised."""
    begun = False
    for packet in packets:
        deadline.check()
        begun = begun or packet.is_keyframe
        try:
            yield stream.decode(packet)
        except av.error.FFmpegError:
            if begun:
                raise


def _look_at_next(
    container: InputContainer, stream: VideoStream, stillness: Stillness, deadline: Deadline
) -> av.VideoFrame | None:
    """Decode one frame from where `container` stands, and look at it."""
    for frames in _decoded(packets_of(container, stream), stream, deadline):
        for frame in frames:
            stillness.look(frame)
            return frame
    return None


def _look_over(
    container: InputContainer,
    stream: VideoStream,
    aim: _Aim,
    stillness: Stillness,
    deadline: Deadline,
) -> None:
    """Look at the rest of a clip that is still so far: at key frames of all of it, and at what is
    behind the last one."""
    stream.codec_context.skip_frame = "NONREF"
    try:
        for number in aim.keys[:: max(1, len(aim.keys) // _STILL_SAMPLES)]:
            if stillness.still:
                container.seek(aim.stamps[number], stream=stream)
                _look_at_next(container, stream, stillness, deadline)
        container.seek(aim.stamps[aim.keys[-1]] if aim.keys else aim.begin, stream=stream)
        for packet in islice(packets_of(container, stream), _STILL_PACKETS):
            if not stillness.still:
                return
            deadline.check()
            for frame in stream.decode(packet):
                stillness.look(frame)
    except av.error.FFmpegError:
        return  # the wanted frame is whole; damage elsewhere says nothing about standing still


# --- by number -----------------------------------------------------------------------------------


def _by_rank(path: Path, track: Track, moment: Moment, deadline: Deadline) -> Shown:
    """Decode from the start to the wanted frame: its number among the times of `track`, or half of
    the number of frames where there are no times."""
    stillness = Stillness()
    step = max(1, len(track.packets) // 2 // _STILL_SAMPLES)
    rank = min(max(len(track.packets) // 2 + moment.later, 0), len(track.packets) - 1)
    times: list[int] | None = None
    first, length = 0, track.length
    found: av.VideoFrame | None = None
    matrix: Matrix | None = None
    seen = fed = 0
    with opened(path, far=track.far) as container:
        stream = picture_stream(container, track)
        for packet in packets_of(container, stream):
            deadline.check()
            try:
                frames = stream.decode(packet)
            except av.error.FFmpegError:
                if found is None:
                    raise
                break  # the wanted frame is whole; damage behind it does not matter
            if frames and not seen and track.times is not None:
                times, distance = _let_out(track.times, fed, track)
                first, length = times[0], times[-1] + distance - times[0]
                rank = moment.place(times, moment.tick(track, first, length))
            fed += packet.size > 0
            for frame in frames:
                matrix = matrix if found is not None else latest_matrix(frame, matrix)
                if seen % step == 0 or seen == rank:
                    stillness.look(frame)
                if seen == rank and not frame.is_corrupt:
                    found = frame
                seen += 1
            if found is not None and (not stillness.still or seen > rank + _STILL_PACKETS):
                break
    if found is None:
        raise MediaError("breaks midway", f"frame {rank} cannot be decoded, {seen} frames can")
    time, count = None if times is None else times[rank], len(track.packets)
    last = rank == (count if times is None else len(times)) - 1
    return Shown(found, matrix, time, first, length, count, last, stillness.still)


def _let_out(coded: list[int], delay: int, track: Track) -> tuple[list[int], int]:
    """When frames are shown of which only the times of decoding are known, and how long the last
    one is: each takes the place of the packet that lets it out of the decoder, `delay` packets
    behind the one of its own number."""
    _, usual = straightened([*coded], track)
    delay = min(delay, len(coded) - 1)
    ends = [coded[-1] + (number + 1) * usual for number in range(delay)]
    offset = coded[delay] - coded[0]
    return [time - offset for time in (*coded[delay:], *ends)], usual
