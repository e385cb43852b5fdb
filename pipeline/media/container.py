"""A container, its streams and what their packets say, before anything is decoded.

The time stamps of all packets are read before anything is decoded, once for sound and picture. That
costs some milliseconds for a 10 s clip and says what headers do not: how long the streams really
are, whether the file is whole, which frame is the middle one, and which frames nothing depends on;
leaving those undecoded saves more (about a fifth of the time of a 720p clip) than the reading
costs.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import av.error
import av.logging
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from pipeline.media.errors import MediaError

# FFmpeg's own log calls back into Python from any thread, which can deadlock a worker.
av.logging.set_level(None)

# The containers that hold clips. FFmpeg also knows play lists, scripts and image sequences, which
# would open further files that a stranger's file names; those are not media here.
_FORMATS = (
    "mov,matroska,webm,avi,flv,mpegts,mpeg,mpegvideo,asf,ogg,rm,mxf,gxf,nut,dv,ivf,gif,h264,hevc,"
    "m4v,mjpeg,jpeg_pipe,png_pipe,webp_pipe,bmp_pipe,wav,w64,aiff,au,caf,flac,mp3,aac,ac3,eac3,amr"
)
MAX_PIXELS = 8192 * 8192
SHORTFALL = 0.05  # the share of a stream that may be missing before the clip counts as broken
SLACK = 0.1  # s, that may be missing besides: a frame or two, a codec's delay
_UNKNOWN_LENGTH = 2**31 - 2**16  # bytes; programs that write WAV into a pipe say so or more


class Deadline:
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.end = time.monotonic() + seconds

    def check(self) -> None:
        if time.monotonic() > self.end:
            raise MediaError("time limit", f"decoding takes longer than {self.seconds:g} s")


class Packet(NamedTuple):
    time: int | None  # when its frame is displayed, in the stream's time base
    duration: int
    key: bool


@dataclass(frozen=True)
class Packets:
    """The packets of all streams, by stream, in decoding order, without those an edit list hides;
    and the latest end of any, in s."""

    of: dict[int, list[Packet]]
    end: float


@dataclass(frozen=True)
class Track:
    """What the packets of one stream say, without decoding them."""

    format: str
    time_base: Fraction
    packets: list[Packet]  # in decoding order, without those an edit list hides
    start: float | None  # s, of the first frame or sample; None without time stamps
    length: int  # in the stream's time base, from the start of the first to the end of the last
    seconds: float  # the same in seconds
    packet_seconds: float  # what the packets hold, less than `seconds` where there are gaps


@contextmanager
def opened(path: Path) -> Iterator[InputContainer]:
    """Open a container; FFmpeg's errors become "unreadable" at its start, else "breaks midway"."""
    with open_container(path) as container, midway():
        yield container


def open_container(path: Path) -> InputContainer:
    if not path.is_file():
        raise MediaError("unreadable", "there is no such file")
    _check_riff(path)
    try:
        # "file:" keeps a colon in a name from being read as a protocol.
        return av.open(
            f"file:{path}",
            metadata_errors="replace",
            container_options={"format_whitelist": _FORMATS, "protocol_whitelist": "file"},
        )
    except (av.error.FFmpegError, ValueError) as error:
        raise MediaError("unreadable", reason(error)) from error


@contextmanager
def midway() -> Iterator[None]:
    try:
        yield
    except (av.error.FFmpegError, ValueError) as error:
        raise MediaError("breaks midway", reason(error)) from error


def _check_riff(path: Path) -> None:
    """Raise "breaks midway" for a WAV or AVI file that is shorter than its own head says, which
    FFmpeg passes over: it takes what is there for the whole."""
    try:
        with path.open("rb") as file:
            head = file.read(8)
        found = path.stat().st_size
    except OSError:
        return  # opening it tells what is wrong
    said = int.from_bytes(head[4:], "little") + 8
    if head[:4] == b"RIFF" and said < _UNKNOWN_LENGTH and found < (1 - SHORTFALL) * said:
        raise MediaError("breaks midway", f"the file ends after {found} of {said} bytes")


def reason(error: Exception) -> str:
    """What went wrong, without the file's path, which differs between machines."""
    return str(getattr(error, "strerror", None) or error)


def best_picture(container: InputContainer) -> VideoStream:
    """The video stream that `read_picture` takes its frame from; raises `MediaError`."""
    streams = [
        stream
        for stream in container.streams.video
        if not stream.disposition & Disposition.attached_pic
    ]
    if not streams:
        raise MediaError("no picture", "the file has no video stream")
    known = [stream for stream in streams if stream.codec_context is not None]
    if not known:
        raise MediaError("unreadable", "the codec of the video stream is not supported")
    best = max(known, key=lambda stream: stream.width * stream.height)
    if best.width * best.height > MAX_PIXELS:
        raise MediaError("too large", f"the picture has {best.width} x {best.height} pixels")
    return best


def best_sound(container: InputContainer) -> AudioStream:
    """The sound stream that `read_sound` decodes; raises `MediaError`."""
    streams = container.streams.audio
    if not streams:
        raise MediaError("no sound", "the file has no sound stream")
    known = [stream for stream in streams if stream.codec_context is not None]
    if not known:
        raise MediaError("unreadable", "the codec of the sound stream is not supported")
    return max(known, key=lambda stream: (stream.sample_rate, stream.channels))


def use_one_thread(stream: VideoStream | AudioStream) -> None:
    """Decode on the calling thread: clips are spread over processes, not frames over threads."""
    stream.codec_context.thread_type = "NONE"
    stream.codec_context.thread_count = 1


def list_packets(container: InputContainer, deadline: Deadline) -> Packets:
    """Read the time stamps of all streams."""
    of: dict[int, list[Packet]] = {stream.index: [] for stream in container.streams}
    ends: dict[int, int] = dict.fromkeys(of, 0)  # in whole numbers: a fraction a packet is slow
    for packet in container.demux():
        deadline.check()
        if not packet.size:
            continue
        index, pts, duration = packet.stream_index, packet.pts, packet.duration or 0
        if pts is not None and pts + duration > ends[index]:
            ends[index] = pts + duration
        if not packet.is_discard:
            of[index].append(Packet(pts, duration, packet.is_keyframe))
    bases = {stream.index: stream.time_base or 0 for stream in container.streams}
    return Packets(of, max((float(end * bases[index]) for index, end in ends.items()), default=0))


def track_of(container: InputContainer, stream: VideoStream | AudioStream, found: Packets) -> Track:
    """What the packets say about `stream`; "breaks midway" where the file ends too early."""
    packets = found.of[stream.index]
    time_base = stream.time_base or Fraction(1)
    held = sum(packet.duration for packet in packets)
    times = [packet.time for packet in packets if packet.time is not None]
    start: float | None = None
    length = held
    if packets and len(times) == len(packets):
        start = float(min(times) * time_base)
        last = max((packet.time or 0) + packet.duration for packet in packets)
        if packets[-1].duration == 0 and len(times) > 1:  # FLV does not say how long a frame is
            last += (max(times) - min(times)) // (len(times) - 1)
        length = last - min(times)
    seconds = float(length * time_base)
    track = Track(
        container.format.name,
        time_base,
        packets,
        start,
        length,
        seconds,
        float(held * time_base) if held else seconds,
    )
    declared = _declared_seconds(container, stream, time_base, found.end)
    complete = stream.frames > 0 and len(packets) >= (1 - SHORTFALL) * stream.frames
    expected = 0.0 if declared is None or complete else (1 - SHORTFALL) * declared - SLACK
    if seconds < expected:
        kind = "sound" if isinstance(stream, AudioStream) else "picture"
        raise MediaError(
            "breaks midway", f"the file ends after {seconds:.2f} of {declared:.2f} s of {kind}"
        )
    return track


def _declared_seconds(
    container: InputContainer,
    stream: VideoStream | AudioStream,
    time_base: Fraction,
    whole_end: float,
) -> float | None:
    """How long the file says that the stream is; None where it does not say so credibly."""
    if stream.duration and stream.duration > 0:
        return float(stream.duration * time_base)
    parts = stream.metadata.get("DURATION", "").split(":")  # Matroska
    try:
        if len(parts) == 3:
            stated = int(parts[0]) * 3600 + int(parts[1]) * 60 + float(parts[2])
            # The tag tells where the stream ends on the file's clock.
            return stated - max(0.0, float((stream.start_time or 0) * time_base))
    except ValueError:
        return None
    # The container's length is that of its longest stream; a stream may rightly be shorter,
    # unless every stream is.
    if container.duration and container.duration > 0:
        whole = container.duration / av.time_base
        begin = (container.start_time or 0) / av.time_base
        if whole_end - begin < (1 - SHORTFALL) * whole:
            return whole
    return None
