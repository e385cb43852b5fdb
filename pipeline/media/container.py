"""A container: opening it, choosing the streams that count, reading its packets."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import av
import av.logging
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.stream import VideoStream

from pipeline.media.errors import MediaError, decoding

# FFmpeg's own log calls back into Python from any thread, which can deadlock a worker.
av.logging.set_level(None)

# The containers that hold clips. FFmpeg also knows play lists, scripts and image sequences, which
# would open further files that a stranger's file names; those are not media here.
_FORMATS = (
    "mov,matroska,webm,avi,flv,mpegts,mpeg,mpegvideo,asf,ogg,rm,mxf,gxf,nut,dv,ivf,gif,h264,hevc,"
    "m4v,mjpeg,jpeg_pipe,png_pipe,webp_pipe,bmp_pipe,wav,w64,aiff,au,caf,flac,mp3,aac,ac3,eac3,amr"
)
# Containers without a table of streams: one that begins late is seen only by reading further.
_WITHOUT_TABLE = ("mpegts", "mpeg", "flv")
_FAR = {"probesize": str(64 * 2**20), "analyzeduration": str(3600 * 10**6)}  # bytes, us
MAX_PIXELS = 8192 * 8192
SHORTFALL = 0.05  # the share of a stream that may be missing before the clip counts as broken
SLACK = 0.1  # s, that may be missing besides: a frame or two, a codec's delay
_UNKNOWN_LENGTH = 2**31 - 2**16  # bytes; programs that write WAV into a pipe say so or more
_FEW = 4  # frames of a video stream that may be a still beside a film: a photograph's top shots
_FILM = 8  # times as many frames has the film


class Deadline:
    """The end of the time that a clip may take; `check` raises "time limit" behind it."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.end = time.monotonic() + seconds

    def check(self) -> None:
        """Raise `MediaError` where the time is over."""
        if time.monotonic() > self.end:
            raise MediaError("time limit", f"decoding takes longer than {self.seconds:g} s")


@contextmanager
def opened(path: Path, *, far: bool = False) -> Iterator[InputContainer]:
    """Open a container; FFmpeg's errors become "unreadable" at its start, else "breaks midway"."""
    with open_container(path, far=far) as container, decoding("breaks midway"):
        yield container


def open_container(path: Path, *, far: bool = False) -> InputContainer:
    """Open a container, to be closed by the caller; `far`: look far into it for further streams.
    Raises `MediaError`: "unreadable", or "breaks midway" for a WAV or AVI file that is cut off."""
    if not path.is_file():
        raise MediaError("unreadable", "there is no such file")
    _check_riff(path)
    with decoding("unreadable"):
        # "file:" keeps a colon in a name from being read as a protocol.
        return av.open(
            f"file:{path}",
            metadata_errors="replace",
            options=_FAR if far else {},
            container_options={"format_whitelist": _FORMATS, "protocol_whitelist": "file"},
        )


def may_hide_streams(container: InputContainer) -> bool:
    """Whether streams may begin later than opening a container looks."""
    return container.format.name in _WITHOUT_TABLE


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


def packets_of(
    container: InputContainer, stream: VideoStream | AudioStream | None = None
) -> Iterator[Packet]:
    """The packets of a stream, or of all, from where `container` stands, and the empty ones at the
    end that flush a decoder."""
    try:
        yield from container.demux() if stream is None else container.demux(stream)
    except IndexError:
        # Where a further stream appears midway (captions in FLV, a second sound in TV recordings),
        # PyAV fails on its flush packet: behind the last packet, those of known streams included.
        return


def best_picture(container: InputContainer, shown: Mapping[int, int] | None = None) -> VideoStream:
    """The video stream that a player shows and `read_picture` takes its frame from.

    A film comes before a still (a photograph's shots beside its motion), then the one flagged
    default, then the one with most pixels, then the first; cover art is none. `shown`: how many
    frames each stream has, by its index; what the container says where it is not given.
    Raises `MediaError`: "no picture", "unreadable" (unknown codec) or "too large".
    """
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
    counts = {s.index: s.frames if shown is None else shown.get(s.index, 0) for s in known}
    most = max(counts.values())

    def rank(stream: VideoStream) -> tuple[bool, bool, int]:
        count = counts[stream.index]
        film = count == most or count > _FEW or count * _FILM > most
        default = bool(stream.disposition & Disposition.default)
        return film, default, stream.width * stream.height

    best = max(known, key=rank)
    if best.width * best.height > MAX_PIXELS:
        raise MediaError("too large", f"the picture has {best.width} x {best.height} pixels")
    return best


def best_sound(container: InputContainer, heard: Mapping[int, int] | None = None) -> AudioStream:
    """The sound stream that a player plays and `read_sound` decodes.

    The one flagged default comes first, then the highest sampling rate, then most channels, then
    the first. `heard`: how many packets each stream has, by its index; empty streams come last.
    Raises `MediaError`: "no sound" or "unreadable" (unknown codec).
    """
    streams = container.streams.audio
    if not streams:
        raise MediaError("no sound", "the file has no sound stream")
    known = [stream for stream in streams if stream.codec_context is not None]
    if not known:
        raise MediaError("unreadable", "the codec of the sound stream is not supported")

    def rank(stream: AudioStream) -> tuple[bool, bool, int, int]:
        filled = heard is None or heard.get(stream.index, 0) > 0
        default = bool(stream.disposition & Disposition.default)
        return filled, default, stream.sample_rate, stream.channels

    return max(known, key=rank)


def use_one_thread(stream: VideoStream | AudioStream) -> None:
    """Decode on the calling thread: clips are spread over processes, not frames over threads."""
    stream.codec_context.thread_type = "NONE"
    stream.codec_context.thread_count = 1
