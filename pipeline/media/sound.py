"""One sound out of a media file, on the clock of its clip.

Every block of samples is put where its decoded time says: a hole is filled with silence, so that
seconds of sound and picture agree, and a sound with too many holes is rejected. What cannot be had
is a `MediaError`, never another sound in silence.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Literal, NamedTuple

import av
import av.error
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet

from pipeline.media.container import (
    SHORTFALL,
    SLACK,
    Deadline,
    opened,
    packets_of,
    use_one_thread,
)
from pipeline.media.errors import MediaError
from pipeline.media.mixing import Channels, Mixer
from pipeline.media.packets import RESTART, Middle, Track

Keep = Literal["middle", "first"]

MAX_HOLES = 0.1  # the share of a sound that may be holes in its time stamps
_HOLE = 0.05  # s; what is shorter is a container's rounding or a codec's delay, no hole
_PRE_ROLL = 1.0  # s, decoded and thrown away before a stretch of a long sound
_HEARD_DELAY = 0.04  # s; sounds start up to this late only because of their codecs


@dataclass(frozen=True)
class Sound:
    """The sound of a clip.

    `samples`: (n,) float32 mono in [-1, 1] at the rate asked for. `seconds`: length of the whole
    sound, more than the samples last where only a stretch was kept. `sample_rate` (Hz) and
    `channels` are the file's. `start`: s from the start of the clip to the first sample. `holes`: s
    of silence put where the file has none. `cancelled`: the channels were to be averaged, but
    cancel each other (opposite phases) in all or a part of the sound, so all of the samples are
    those of the first one.
    """

    samples: np.ndarray
    seconds: float
    sample_rate: int
    channels: int
    start: float = 0.0
    holes: float = 0.0
    cancelled: bool = False


@dataclass(frozen=True)
class Wish:
    """What is wanted of a sound; the fields are arguments of `pipeline.media.file.read_sound`."""

    sample_rate: int = 16000
    max_seconds: float | None = None
    keep: Keep = "middle"
    middle: Middle = "own"
    channels: Channels = "mean"
    max_holes: float = MAX_HOLES


class _Stretch(NamedTuple):
    """What is wanted of a sound; times in s on the file's clock."""

    begin: float  # of the first sample given back
    end: float  # of the last
    start: float  # of the sound itself, behind `begin` where silence precedes it
    seconds: float  # length of the whole sound with that silence
    cut: bool  # whether the sound is longer


def sound_of_track(
    path: Path, track: Track, wish: Wish, form: tuple[int, int], deadline: Deadline
) -> Sound:
    """The sound of the file whose sound stream says `track`; `form` is its rate and channels.
    Raises `MediaError`."""
    if not track.packets:
        raise MediaError("no sound", "the sound stream is empty")
    mixer = Mixer(wish.sample_rate, wish.channels)
    sound = _decode(path, track, wish, form, mixer, deadline)
    if not mixer.cancelled():
        return sound
    mixer = Mixer(wish.sample_rate, "first")
    return replace(_decode(path, track, wish, form, mixer, deadline), cancelled=True)


def _decode(
    path: Path,
    track: Track,
    wish: Wish,
    form: tuple[int, int],
    mixer: Mixer,
    deadline: Deadline,
) -> Sound:
    with _begun(path, track) as (stream, packets):
        frames = _frames(packets, stream, deadline)
        first = next(frames, None)
        if first is None:
            raise MediaError("breaks midway", "the sound cannot be decoded")
        rate, channels = form  # unknown for streams that begin behind what opening looks at
        form = rate or first.frame.sample_rate, channels or first.frame.layout.nb_channels
        stretch = _stretch(track, wish, first.time)
        line = _Line(mixer, stretch, wish.max_holes)
        if not stretch.cut:
            samples = line.of(chain([first], frames))
    if stretch.cut:
        # Opened anew, since a decoder keeps a state (of its noise, for one) that would change what
        # comes out behind a seek.
        far = track.order == "time" and stretch.begin - _PRE_ROLL > stretch.start
        with _opened(path, track) as (container, stream):
            begin = stretch.begin if far else None
            samples = line.of(_frames_from(container, stream, track, begin, deadline))
    if not np.isfinite(samples).all():
        raise MediaError("unreadable", "the sound holds values that are not numbers")
    np.clip(samples, -1, 1, out=samples)
    seconds = stretch.seconds if stretch.cut else len(samples) / wish.sample_rate
    start = stretch.begin - float(track.clip[0])
    return Sound(samples, seconds, *form, start=start, holes=line.holes)


def _stretch(track: Track, wish: Wish, first: float | None) -> _Stretch:
    """What is wanted of a sound whose first decoded sample is heard at `first`."""
    clip_begin, clip_end = float(track.clip[0]), float(track.clip[1])
    start = first if first is not None else clip_begin if track.start is None else track.start
    begin = clip_begin if start - clip_begin > _HEARD_DELAY else start
    end = start + track.seconds
    if track.start is not None and track.order == "time":
        end = track.start + track.seconds
    seconds = end - begin
    if wish.max_seconds is None or seconds <= wish.max_seconds:
        return _Stretch(begin, end, start, seconds, False)
    if wish.keep == "middle":
        middle = (begin + end) / 2 if wish.middle == "own" else (clip_begin + clip_end) / 2
        latest = end - wish.max_seconds
        begin = min(max(middle - wish.max_seconds / 2, begin), latest)
    return _Stretch(begin, begin + wish.max_seconds, start, seconds, True)


# --- decoding ------------------------------------------------------------------------------------


@contextmanager
def _opened(path: Path, track: Track) -> Iterator[tuple[InputContainer, AudioStream]]:
    """The file, opened anew, and the stream of `track`."""
    with opened(path, far=track.far) as container:
        stream = next(s for s in container.streams.audio if s.index == track.index)
        use_one_thread(stream)
        yield container, stream


@contextmanager
def _begun(path: Path, track: Track) -> Iterator[tuple[AudioStream, Iterable[Packet]]]:
    """The stream of `track`, of which nothing has been decoded, and all its packets."""
    kept = track.kept.take(AudioStream) if track.kept is not None else None
    if kept is not None:
        use_one_thread(kept[0])
        yield kept
        return
    with _opened(path, track) as (container, stream):
        yield stream, packets_of(container, stream)


class _Heard(NamedTuple):
    """A decoded block of samples, when it is heard (s; None: behind the one before) and how many
    packets before it could not be decoded."""

    frame: av.AudioFrame
    time: float | None
    broken: int


def _frames(
    packets: Iterable[Packet],
    stream: AudioStream,
    deadline: Deadline,
    since: float | None = None,
) -> Iterator[_Heard]:
    """The decoded blocks of some packets of a stream; what is heard before `since` (s) is not
    decoded. Of several blocks in one packet only the first has a time."""
    broken = 0
    tick = float(stream.time_base or 1)
    for packet in packets:
        deadline.check()
        time = None if packet.pts is None else packet.pts * tick
        if since is not None and time is not None and time < since:
            continue
        try:
            frames = stream.decode(packet)
        except av.error.FFmpegError:
            broken += 1  # `_Line` compares what comes out with what the packets promised
            continue
        for frame in frames:
            known = frame.time
            yield _Heard(frame, time if known is None else known, broken)
            time, broken = None, 0


def _frames_from(
    container: InputContainer,
    stream: AudioStream,
    track: Track,
    begin: float | None,
    deadline: Deadline,
) -> Iterator[_Heard]:
    """The blocks from some time before `begin` (s) on; all where it is None."""
    if begin is None:
        return _frames(packets_of(container, stream), stream, deadline)
    since = begin - _PRE_ROLL
    container.seek(int(since / track.time_base), stream=stream)
    frames = _frames(packets_of(container, stream), stream, deadline)
    first = next(frames, None)
    if first is not None and first.time is not None and first.time <= begin:
        return chain([first], frames)
    # It has landed behind: read on from the start, without decoding.
    container.seek(int(((track.start or 0.0) - _PRE_ROLL) / track.time_base), stream=stream)
    return _frames(packets_of(container, stream), stream, deadline, since)


class _Line:
    """A sound that is put together from blocks, each where its time says."""

    def __init__(self, mixer: Mixer, stretch: _Stretch, max_holes: float) -> None:
        self.holes = 0.0  # s of silence inside the stretch
        self._mixer = mixer
        self._stretch = stretch
        self._rate = mixer.sample_rate
        self._expected = stretch.end - max(stretch.begin, stretch.start)  # s that the file holds
        self._max_holes = max_holes
        self._chunks: list[np.ndarray] = []
        self._made = 0  # samples in the chunks
        self._origin: float | None = None  # when the first of them is heard, s
        self._next: float | None = None  # when the next block is heard if there is no hole, s
        self._shift = 0.0  # s, added to a clock that starts anew midway
        self._broken = 0

    def of(self, frames: Iterable[_Heard]) -> np.ndarray:
        """The stretch out of `frames`, (n,) float32. Raises `MediaError`."""
        for heard in frames:
            self._put(heard)
            if self._full():
                break
        return self._finish()

    def _full(self) -> bool:
        """Whether all of the stretch is there."""
        if not self._stretch.cut or self._origin is None:
            return False
        return self._made >= round((self._stretch.end - self._origin) * self._rate)

    def _put(self, heard: _Heard) -> None:
        """Add a block, or leave it out if it ends before the stretch. Raises `MediaError`."""
        length = heard.frame.samples / heard.frame.sample_rate
        self._broken += heard.broken
        due = self._stretch.start if self._next is None else self._next
        time = due if heard.time is None else heard.time + self._shift
        if self._next is not None and time < due - RESTART:
            self._shift += due - time
            time = due
        self._next = time + length
        if self._stretch.cut and self._next <= self._stretch.begin:
            return
        if self._origin is None:
            self._origin = time
            self._tell_hole(max(self._stretch.begin, self._stretch.start), time)
        elif time - due > _HOLE:
            self._tell_hole(due, time)
            self._add(self._mixer.flush())
            silent = round((time - self._origin) * self._rate) - self._made
            self._add([np.zeros(max(0, silent), dtype=np.float32)])
        else:
            self._next = due + length
        self._add(self._mixer.put(heard.frame))

    def _finish(self) -> np.ndarray:
        """The stretch, (n,) float32. Raises `MediaError` "breaks midway" where too much is
        missing."""
        self._add(self._mixer.flush())
        samples = np.concatenate(self._chunks) if self._chunks else np.zeros(0, dtype=np.float32)
        begin = self._stretch.begin
        lead = round((begin - (begin if self._origin is None else self._origin)) * self._rate)
        samples = samples[max(lead, 0) :]
        if lead < 0:
            samples = np.pad(samples, (-lead, 0))
        if self._stretch.cut:
            samples = samples[: round((self._stretch.end - begin) * self._rate)]
        # A damaged packet is passed over: it shows as a hole, or as a sound that ends too early.
        decoded = begin + len(samples) / self._rate - max(begin, self._stretch.start)
        if self._broken:
            decoded -= self.holes
        if decoded < (1 - SHORTFALL) * self._expected - SLACK:
            raise MediaError(
                "breaks midway",
                f"{decoded:.2f} of {self._expected:.2f} s of sound can be decoded",
            )
        return samples

    def _tell_hole(self, begin: float, end: float) -> None:
        """Count what of a hole lies in the stretch; "breaks midway" where there is too much."""
        inside = min(end, self._stretch.end) - max(begin, self._stretch.begin)
        if inside <= _HOLE:
            return
        self.holes += inside
        if self.holes > self._max_holes * self._expected + SLACK:
            raise MediaError(
                "breaks midway",
                f"{self.holes:.2f} of {self._expected:.2f} s of sound are missing in holes",
            )

    def _add(self, chunks: Iterable[np.ndarray]) -> None:
        for chunk in chunks:
            self._chunks.append(chunk)
            self._made += len(chunk)
