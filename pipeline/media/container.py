"""One frame and one sound out of a media file.

The time stamps of all packets are read before anything is decoded, once for sound and picture. That
costs some milliseconds for a 10 s clip and says what headers do not: how long the streams really
are, whether the file is whole, which frame is the middle one, and which frames nothing depends on;
leaving those undecoded saves more (about a fifth of the time of a 720p clip) than the reading
costs. What cannot be had is a
`MediaError` with a cause, never another frame or another sound in silence.
"""

import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, groupby
from pathlib import Path
from types import TracebackType
from typing import Literal, NamedTuple, TypeVar, get_args

import av
import av.error
import av.logging
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream
from PIL import Image, ImageOps, UnidentifiedImageError

# FFmpeg's own log calls back into Python from any thread, which can deadlock a worker.
av.logging.set_level(None)

S = TypeVar("S", VideoStream, AudioStream)

Cause = Literal[
    "unreadable",  # not media, damaged from the start, or of a codec that is not supported
    "no picture",  # a media file without a video stream
    "no sound",  # a media file without a sound stream, or with an empty one
    "too short",  # less sound than one window of the spectrogram
    "too large",  # a picture of more pixels than 8192 x 8192
    "breaks midway",  # opens well, but ends or cannot be decoded before what is wanted
    "time limit",  # takes longer than a clip may take
    "worker died",  # the process that decoded it was killed, twice
]
CAUSES: tuple[Cause, ...] = get_args(Cause)

PICTURE_FILES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})

# The containers that hold clips. FFmpeg also knows play lists, scripts and image sequences, which
# would open further files that a stranger's file names; those are not media here.
_FORMATS = (
    "mov,matroska,webm,avi,flv,mpegts,mpeg,mpegvideo,asf,ogg,rm,mxf,gxf,nut,dv,ivf,gif,h264,hevc,"
    "m4v,mjpeg,jpeg_pipe,png_pipe,webp_pipe,bmp_pipe,wav,w64,aiff,au,caf,flac,mp3,aac,ac3,eac3,amr"
)
# Pillow goes by content, too, and hands a script in PostScript to an interpreter that runs it.
_PICTURE_FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF")
_MAX_PIXELS = 8192 * 8192
_SHORTFALL = 0.05  # the share of a stream that may be missing before the clip counts as broken
_SLACK = 0.1  # s, that may be missing besides: a frame or two, a codec's delay
_LOOK_BEFORE = 3  # frames before the middle that are decoded even if nothing depends on them
_PRE_ROLL = 1.0  # s, decoded and thrown away before the centre of a long sound
_HEARD_DELAY = 0.04  # s; sounds start up to this late only because of their codecs
_UNKNOWN_LENGTH = 2**31 - 2**16  # bytes; programs that write WAV into a pipe say so or more
_STILL_LEVELS = 6  # of 255: what compression alone changes in a thumbnail of a still picture
_STILL_SAMPLES = 8


class MediaError(Exception):
    """Why a clip's picture or sound cannot be had: `cause` out of `CAUSES`, `detail` for people."""

    def __init__(self, cause: Cause, detail: str) -> None:
        super().__init__(f"{cause}: {detail}")
        self.cause: Cause = cause
        self.detail = detail


@dataclass(frozen=True)
class Picture:
    """The middle frame of a clip and what its file says about the picture.

    `frame`: (side, side, 3) uint8 RGB, squashed. `width`, `height`: pixels of the upright picture.
    `duration`: s, `frame_rate`: frames/s on average, `still`: whether nothing changes over the
    frames looked at; all three None for a picture file.
    """

    frame: np.ndarray
    width: int
    height: int
    duration: float | None
    frame_rate: float | None
    still: bool | None


@dataclass(frozen=True)
class Sound:
    """The sound of a clip.

    `samples`: (n,) float32 mono in [-1, 1] at the rate asked for. `seconds`: length of the whole
    sound, more than the samples last where only the centre was kept. `sample_rate` (Hz) and
    `channels` are the file's.
    """

    samples: np.ndarray
    seconds: float
    sample_rate: int
    channels: int


class MediaFile:
    """A media file whose sound and picture are both wanted: its packets are listed once for both.

    To be closed, or used in a `with`; `read_sound` and `read_picture` do so for one of them.
    """

    def __init__(self, path: Path) -> None:
        """Nothing is opened before something is read."""
        self.path = path
        self._container: InputContainer | None = None
        self._packets: _Packets | None = None

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
            return _read_picture_file(self.path, side)
        deadline = _Deadline(seconds_limit)
        _, _, track = self._track(best_picture, deadline)
        return _picture(self.path, track, side, deadline)

    def sound(
        self,
        *,
        sample_rate: int = 16000,
        max_seconds: float | None = None,
        seconds_limit: float = 60.0,
    ) -> Sound:
        """As `read_sound`."""
        deadline = _Deadline(seconds_limit)
        container, stream, track = self._track(best_sound, deadline)
        clip_start = (container.start_time or 0) / av.time_base
        form = stream.sample_rate, stream.channels
        return _sound(self.path, track, clip_start, form, sample_rate, max_seconds, deadline)

    def _track(
        self, best: Callable[[InputContainer], S], deadline: "_Deadline"
    ) -> "tuple[InputContainer, S, _Track]":
        """The open container, the stream that `best` chooses and what its packets say."""
        if self._container is None:
            self._container = _open(self.path)
        try:
            with _midway():
                stream = best(self._container)
                if self._packets is None:
                    self._packets = _list_packets(self._container, deadline)
                return self._container, stream, _track(self._container, stream, self._packets)
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


# --- containers, streams and time stamps ---------------------------------------------------------


class _Deadline:
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.end = time.monotonic() + seconds

    def check(self) -> None:
        if time.monotonic() > self.end:
            raise MediaError("time limit", f"decoding takes longer than {self.seconds:g} s")


class _Packet(NamedTuple):
    time: int | None  # when its frame is displayed, in the stream's time base
    duration: int
    key: bool


@dataclass(frozen=True)
class _Packets:
    """The packets of all streams, by stream, in decoding order, without those an edit list hides;
    and the latest end of any, in s."""

    of: dict[int, list[_Packet]]
    end: float


@dataclass(frozen=True)
class _Track:
    """What the packets of one stream say, without decoding them."""

    format: str
    time_base: Fraction
    packets: list[_Packet]  # in decoding order, without those an edit list hides
    start: float | None  # s, of the first frame or sample; None without time stamps
    length: int  # in the stream's time base, from the start of the first to the end of the last
    seconds: float  # the same in seconds
    packet_seconds: float  # what the packets hold, less than `seconds` where there are gaps


@contextmanager
def opened(path: Path) -> Iterator[InputContainer]:
    """Open a container; FFmpeg's errors become "unreadable" at its start, else "breaks midway"."""
    with _open(path) as container, _midway():
        yield container


def _open(path: Path) -> InputContainer:
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
        raise MediaError("unreadable", _reason(error)) from error


@contextmanager
def _midway() -> Iterator[None]:
    try:
        yield
    except (av.error.FFmpegError, ValueError) as error:
        raise MediaError("breaks midway", _reason(error)) from error


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
    if head[:4] == b"RIFF" and said < _UNKNOWN_LENGTH and found < (1 - _SHORTFALL) * said:
        raise MediaError("breaks midway", f"the file ends after {found} of {said} bytes")


def _reason(error: Exception) -> str:
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
    if best.width * best.height > _MAX_PIXELS:
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


def _use_one_thread(stream: VideoStream | AudioStream) -> None:
    """Decode on the calling thread: clips are spread over processes, not frames over threads."""
    stream.codec_context.thread_type = "NONE"
    stream.codec_context.thread_count = 1


def _list_packets(container: InputContainer, deadline: _Deadline) -> _Packets:
    """Read the time stamps of all streams."""
    of: dict[int, list[_Packet]] = {stream.index: [] for stream in container.streams}
    ends: dict[int, int] = dict.fromkeys(of, 0)  # in whole numbers: a fraction a packet is slow
    for packet in container.demux():
        deadline.check()
        if not packet.size:
            continue
        index, pts, duration = packet.stream_index, packet.pts, packet.duration or 0
        if pts is not None and pts + duration > ends[index]:
            ends[index] = pts + duration
        if not packet.is_discard:
            of[index].append(_Packet(pts, duration, packet.is_keyframe))
    bases = {stream.index: stream.time_base or 0 for stream in container.streams}
    return _Packets(of, max((float(end * bases[index]) for index, end in ends.items()), default=0))


def _track(container: InputContainer, stream: VideoStream | AudioStream, found: _Packets) -> _Track:
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
    track = _Track(
        container.format.name,
        time_base,
        packets,
        start,
        length,
        seconds,
        float(held * time_base) if held else seconds,
    )
    declared = _declared_seconds(container, stream, time_base, found.end)
    complete = stream.frames > 0 and len(packets) >= (1 - _SHORTFALL) * stream.frames
    expected = 0.0 if declared is None or complete else (1 - _SHORTFALL) * declared - _SLACK
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
        if whole_end - begin < (1 - _SHORTFALL) * whole:
            return whole
    return None


# --- picture -------------------------------------------------------------------------------------


def _picture(path: Path, track: _Track, side: int, deadline: _Deadline) -> Picture:
    """The picture of the file whose video stream says `track`."""
    if not track.packets:
        raise MediaError("no picture", "the video stream holds no frame")
    # AVI stores no display times, so where packets change order they carry false ones.
    by_time = track.start is not None and track.format != "avi"
    frame, still = (_middle_by_time if by_time else _middle_by_count)(path, track, deadline)
    image = frame.to_image()
    if frame.rotation:
        image = image.rotate(frame.rotation, expand=True)
    return Picture(
        _squash(image, side),
        image.width,
        image.height,
        track.seconds,
        len(track.packets) / track.seconds if track.seconds > 0 else None,
        still,
    )


class _Stillness:
    """Whether the frames looked at all have the thumbnail of the first one."""

    def __init__(self) -> None:
        self.still = True
        self._first: np.ndarray | None = None

    def look(self, frame: av.VideoFrame) -> None:
        if not self.still:
            return
        thumbnail = frame.reformat(width=32, height=32, format="gray", interpolation="AREA")
        levels = thumbnail.to_ndarray().astype(np.int16)
        if self._first is None:
            self._first = levels
        self.still = bool(np.abs(levels - self._first).max() <= _STILL_LEVELS)

    def look_at_next(
        self, container: InputContainer, stream: VideoStream, deadline: _Deadline
    ) -> None:
        """Decode one frame from where `container` stands, and look at it."""
        for packet in container.demux(stream):
            deadline.check()
            for frame in stream.decode(packet):
                self.look(frame)
                return


def _middle_by_time(path: Path, track: _Track, deadline: _Deadline) -> tuple[av.VideoFrame, bool]:
    """Seek to the key frame before the middle and decode on to the frame displayed there."""
    stamps = [packet.time or 0 for packet in track.packets]
    times = sorted(stamps)
    rank = bisect_right(times, times[0] + Fraction(track.length, 2)) - 1
    wanted, earliest = times[rank], times[max(0, rank - _LOOK_BEFORE)]
    place = stamps.index(wanted)
    keys = [i for i, packet in enumerate(track.packets) if packet.key]
    key = max((i for i in keys if i <= place and stamps[i] <= wanted), default=0)
    step = max(1, (place - key) // _STILL_SAMPLES)
    stillness = _Stillness()
    with opened(path) as container:
        stream = best_picture(container)
        _prepare(stream)
        if key > 0:
            stillness.look_at_next(container, stream, deadline)
            container.seek(stamps[key], stream=stream)
        met = key == 0
        seen = 0
        found: av.VideoFrame | None = None
        for packet in container.demux(stream):
            deadline.check()
            if packet.size:
                met = met or (packet.is_keyframe and packet.pts == stamps[key])
                # Stored behind the key frame but displayed before it: leans on what was before.
                if not met or (key > 0 and packet.pts is not None and packet.pts < stamps[key]):
                    continue
                near = packet.pts is None or earliest <= packet.pts <= wanted
                stream.codec_context.skip_frame = "DEFAULT" if near else "NONREF"
            for frame in stream.decode(packet):
                if frame.pts is not None and earliest <= frame.pts <= wanted:
                    found = frame
                if seen % step == 0 or found is frame:
                    stillness.look(frame)
                seen += 1
            if found is not None and (found.pts == wanted or (frame.pts or 0) > wanted):
                break
        if met and found is not None and not found.is_corrupt:
            if stillness.still and keys[-1] > place:
                container.seek(stamps[keys[-1]], stream=stream)
                stillness.look_at_next(container, stream, deadline)
            return found, stillness.still
    if not met:  # the container cannot seek to where its own packets are
        return _middle_by_count(path, track, deadline, rank)
    raise MediaError("breaks midway", "the middle frame cannot be decoded")


def _middle_by_count(
    path: Path, track: _Track, deadline: _Deadline, rank: int | None = None
) -> tuple[av.VideoFrame, bool]:
    """Decode from the start to frame number `rank`, by default half of the number of frames."""
    rank = len(track.packets) // 2 if rank is None else rank
    step = max(1, rank // _STILL_SAMPLES)
    stillness = _Stillness()
    with opened(path) as container:
        stream = best_picture(container)
        _prepare(stream)
        seen = 0
        for packet in container.demux(stream):
            deadline.check()
            for frame in stream.decode(packet):
                if seen % step == 0 or seen == rank:
                    stillness.look(frame)
                if seen == rank and not frame.is_corrupt:
                    return frame, stillness.still
                seen += 1
    raise MediaError("breaks midway", "the middle frame cannot be decoded")


def _prepare(stream: VideoStream) -> None:
    _use_one_thread(stream)
    # FFmpeg conceals errors by default: a damaged frame that nobody hears of.
    stream.codec_context.options = {"err_detect": "explode"}


def _read_picture_file(path: Path, side: int) -> Picture:
    try:
        with Image.open(path, formats=_PICTURE_FORMATS) as image:
            if image.width * image.height > _MAX_PIXELS:
                raise MediaError(
                    "too large", f"the picture has {image.width} x {image.height} pixels"
                )
            upright = ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        # Pillow's messages for unknown files hold the path.
        unknown = isinstance(error, UnidentifiedImageError)
        detail = "not a picture" if unknown else _reason(error)
        raise MediaError("unreadable", detail) from error
    return Picture(_squash(upright, side), upright.width, upright.height, None, None, None)


def _squash(image: Image.Image, side: int) -> np.ndarray:
    """(side, side, 3) uint8: the whole picture, its proportions given up."""
    return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC))


# --- sound ---------------------------------------------------------------------------------------


def _sound(
    path: Path,
    track: _Track,
    clip_start: float,
    form: tuple[int, int],
    sample_rate: int,
    max_seconds: float | None,
    deadline: _Deadline,
) -> Sound:
    """The sound of the file whose sound stream says `track`; `form` is its rate and channels."""
    if not track.packets:
        raise MediaError("no sound", "the sound stream is empty")
    # All times are on the clock of the file. A delay longer than the sound is a broken clock.
    start = clip_start if track.start is None else track.start
    delay = start - clip_start
    begin = clip_start if _HEARD_DELAY < delay < track.seconds else start
    seconds = start + track.seconds - begin
    wanted: int | None = None
    if max_seconds is not None and seconds > max_seconds and track.start is not None:
        begin += (seconds - max_seconds) / 2
        wanted = round(max_seconds * sample_rate)

    with opened(path) as container:
        stream = best_sound(container)
        _use_one_thread(stream)
        if wanted is not None:
            container.seek(int((begin - _PRE_ROLL) / track.time_base), stream=stream)
        frames = _sound_frames(container, stream, begin if wanted is not None else None, deadline)
        first = next(frames, None)
        if first is None:
            raise MediaError("breaks midway", "the sound cannot be decoded")
        first_time = start if first.time is None else first.time
        lead = round((begin - first_time) * sample_rate)  # samples decoded too many, or too few
        chunks: list[np.ndarray] = []
        decoded = 0
        for chunk in _mono(chain([first], frames), sample_rate):
            chunks.append(chunk)
            decoded += len(chunk)
            if wanted is not None and decoded >= lead + wanted:
                break
    samples = np.concatenate(chunks) if chunks else np.zeros(0, dtype=np.float32)
    expected = track.packet_seconds if wanted is None else wanted / sample_rate
    if wanted is not None:
        samples = samples[max(lead, 0) :][:wanted]
    # A damaged packet is passed over, so the damage shows as a sound that comes out too short.
    if len(samples) < ((1 - _SHORTFALL) * expected - _SLACK) * sample_rate:
        raise MediaError(
            "breaks midway",
            f"{len(samples) / sample_rate:.2f} of {expected:.2f} s of sound can be decoded",
        )
    if not np.isfinite(samples).all():
        raise MediaError("unreadable", "the sound holds values that are not numbers")
    if begin < start:
        samples = np.pad(samples, (max(-lead, 0), 0))[:wanted]
    np.clip(samples, -1, 1, out=samples)
    if wanted is None:
        seconds = len(samples) / sample_rate
    return Sound(samples, seconds, *form)


def _sound_frames(
    container: InputContainer, stream: AudioStream, begin: float | None, deadline: _Deadline
) -> Iterator[av.AudioFrame]:
    """The decoded frames of a stream, from the first on that ends after `begin` (s)."""
    for packet in container.demux(stream):
        deadline.check()
        try:
            frames = stream.decode(packet)
        except av.error.FFmpegError:
            continue  # the caller compares what came out with what the packets promised
        for frame in frames:
            if begin is not None and frame.time is not None:
                if frame.time + frame.samples / frame.sample_rate <= begin:
                    continue
                begin = None
            yield frame


def _mono(frames: Iterable[av.AudioFrame], sample_rate: int) -> Iterator[np.ndarray]:
    """Resample frames and average their channels; yields (n,) float32 arrays."""

    def form(frame: av.AudioFrame) -> tuple[str, str, int]:
        return frame.format.name, frame.layout.name, frame.sample_rate

    def average(parts: Iterable[av.AudioFrame]) -> Iterator[np.ndarray]:
        for part in parts:
            channels = part.to_ndarray().reshape(part.samples, -1)
            yield np.add.reduce(channels, axis=1) / channels.shape[1]  # np.mean costs twice that

    # A stream may change its form midway; a resampler takes one form only.
    for _, alike in groupby(frames, key=form):
        resampler: av.AudioResampler | None = None
        for frame in alike:
            if resampler is None:
                # Packed, not planar: PyAV 18 reads past the planes of 8 channels and more.
                resampler = av.AudioResampler("flt", frame.layout, sample_rate)
            frame.pts = None  # gaps in the time stamps are not the resampler's to fill
            yield from average(resampler.resample(frame))
        if resampler is not None:
            yield from average(resampler.resample(None))
