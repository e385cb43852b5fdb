"""One sound out of a media file."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, groupby
from pathlib import Path

import av
import av.error
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer

from pipeline.media.container import (
    SHORTFALL,
    SLACK,
    Deadline,
    Track,
    best_sound,
    opened,
    use_one_thread,
)
from pipeline.media.errors import MediaError

_PRE_ROLL = 1.0  # s, decoded and thrown away before the centre of a long sound
_HEARD_DELAY = 0.04  # s; sounds start up to this late only because of their codecs


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


def sound_of_track(
    path: Path,
    track: Track,
    clip_start: float,
    form: tuple[int, int],
    sample_rate: int,
    max_seconds: float | None,
    deadline: Deadline,
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
        use_one_thread(stream)
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
    if len(samples) < ((1 - SHORTFALL) * expected - SLACK) * sample_rate:
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
    container: InputContainer, stream: AudioStream, begin: float | None, deadline: Deadline
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
