"""Whether a decoded frame and sound are those of the clip: judged by decoding all of it.

The truth is the plainest that there is: every frame and every block of samples decoded from the
start by PyAV, each put where its own time stamp says. It knows nothing of what is quick.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream
from PIL import Image
from scipy.signal import correlate, resample_poly

from pipeline.media.container import best_picture, best_sound, packets_of
from pipeline.media.orientation import latest_matrix, upright
from pipeline.speed.other_decoders import SAMPLE_RATE

SIDE = 64  # pixels of the frames that are compared
_ALIKE = 8.0  # mean levels of 255 between one frame by two ways of converting colours
_TIE = 0.1  # levels; frames that differ by less are one picture
_SLACK = 0.15  # s that a sound may be shorter or longer: a codec's first and last block
_SHIFT = 0.05  # s by which it may be early or late: what a codec begins with
_CORRELATED = 0.9
_CANCELLED = 0.01  # share of the channels' power; their mean of less says nothing of them
_AUDIBLE = 1e-8  # power (-80 dB of full scale) of what is silent
_JITTER = 0.05  # s by which a block's stamp may be off that is heard right behind the one before
_RESTART = 1.0  # s; a clock that goes back by more was started anew, by a second recording
_CODEC_S_DELAY = 0.04  # s that a sound may start behind the clip and still begin with it


@dataclass(frozen=True)
class Truth:
    """`frames`: (n, 64, 64, 3) uint8, all of the picture that a player shows, upright; `middle`:
    the number of the one shown at half of its duration. `sound`: (m,) float32, mono at 16 kHz,
    from `begin` on, the start of the clip (s on the file's clock). Frames or sound are None where
    the file has none."""

    frames: np.ndarray | None
    middle: int
    sound: np.ndarray | None
    begin: float


def small(image: Image.Image) -> np.ndarray:
    """A picture of any size as it is compared, (64, 64, 3) uint8."""
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def truth_of(path: Path) -> Truth:
    """Decode all of a clip. Raises FFmpeg's errors where it has damage."""
    with av.open(str(path)) as container:
        has_picture, has_sound = bool(container.streams.video), bool(container.streams.audio)
    times, frames = _picture(path) if has_picture else ([], None)
    blocks, rate = _blocks(path) if has_sound else ([], SAMPLE_RATE)
    middle = 0
    if times:
        # The last frame is shown as long as the one before it.
        half = (times[0] + times[-1] + times[-1] - times[-2 if len(times) > 1 else -1]) / 2
        middle = max(n for n, time in enumerate(times) if time <= half + 1e-6)
    begin = min([*times, *(time for time, _ in blocks[:1])])
    if blocks and blocks[0][0] - begin <= _CODEC_S_DELAY:
        begin = blocks[0][0]
    sound = _on_the_clock(blocks, rate, begin) if blocks else None
    return Truth(frames, middle, sound, begin)


def frame_is_right(frame: np.ndarray, truth: Truth) -> bool:
    """Whether of all frames of the clip the middle one is nearest to `frame`, (h, w, 3) uint8, and
    near enough to be the same picture."""
    assert truth.frames is not None
    found = small(Image.fromarray(np.ascontiguousarray(frame))).astype(np.float32)
    apart = np.array([np.abs(found - other).mean() for other in truth.frames])
    return bool(apart[truth.middle] <= min(_ALIKE, apart.min() + _TIE))


def sound_is_right(samples: np.ndarray, time: float | None, truth: Truth) -> bool:
    """Whether (n,) samples at 16 kHz, the first of them heard at `time` (s on the file's clock;
    None: as the clip begins), are the clip's sound: as long, and the same at the same time."""
    assert truth.sound is not None
    late = 0 if time is None else max(0, round((time - truth.begin) * SAMPLE_RATE))
    found = np.concatenate([np.zeros(late, np.float32), samples])
    if abs(len(found) - len(truth.sound)) > _SLACK * SAMPLE_RATE:
        return False
    common = min(len(found), len(truth.sound))
    ours, other = found[:common].astype(np.float64), truth.sound[:common].astype(np.float64)
    powers = float(ours @ ours), float(other @ other)
    if min(powers) < _AUDIBLE * common:
        return max(powers) < 2 * _AUDIBLE * common
    both = correlate(ours, other, "full", "fft")
    reach = round(_SHIFT * SAMPLE_RATE)
    near = both[common - 1 - reach : common + reach]
    return bool(near.max() > _CORRELATED * np.sqrt(powers[0] * powers[1]))


def _picture(path: Path) -> tuple[list[float], np.ndarray]:
    """When each frame is shown (s), and all of them."""
    with av.open(str(path)) as container:
        counts = dict.fromkeys((stream.index for stream in container.streams), 0)
        for packet in packets_of(container):
            counts[packet.stream_index] += packet.size > 0
        index = best_picture(container, counts).index
    shown = []
    with av.open(str(path)) as container:
        stream = next(s for s in container.streams.video if s.index == index)
        matrix = None
        for frame in _frames(container, stream):
            matrix = latest_matrix(frame, matrix)
            assert frame.time is not None
            shown.append((frame.time, small(upright(frame.to_image(), matrix))))
    return [time for time, _ in shown], np.stack([picture for _, picture in shown])


def _blocks(path: Path) -> tuple[list[tuple[float, np.ndarray]], int]:
    """Each block of samples, (n, channels) float32, and when it is heard (s); their rate."""
    with av.open(str(path)) as container:
        stream = best_sound(container)
        blocks, rate, due = [], stream.sample_rate, None
        for frame in _frames(container, stream):
            resampler = av.AudioResampler("flt", frame.layout, frame.sample_rate)
            (same,) = resampler.resample(frame)
            samples = same.to_ndarray().reshape(-1, frame.layout.nb_channels)
            time = due if frame.time is None else frame.time
            assert time is not None
            if due is not None and (abs(time - due) < _JITTER or time < due - _RESTART):
                time = due
            blocks.append((time, samples))
            rate, due = frame.sample_rate, time + len(samples) / frame.sample_rate
    return blocks, rate


def _on_the_clock(blocks: list[tuple[float, np.ndarray]], rate: int, begin: float) -> np.ndarray:
    """(n,) float32 at 16 kHz: the mean of the channels, or the first one where they cancel."""
    end = max(time + len(samples) / rate for time, samples in blocks)
    whole = np.zeros((round((end - begin) * rate) + 1, blocks[0][1].shape[1]), np.float32)
    for time, samples in blocks:
        place = max(0, round((time - begin) * rate))
        whole[place : place + len(samples)] = samples[: len(whole) - place]
    mono = whole.mean(axis=1)
    if float(np.square(mono).sum()) < _CANCELLED * float(np.square(whole).mean(axis=1).sum()):
        mono = whole[:, 0]
    return resample_poly(mono, SAMPLE_RATE, rate).astype(np.float32)


def _frames(container: InputContainer, stream: VideoStream | AudioStream) -> Iterator[Any]:
    """All that a stream lets out."""
    for packet in packets_of(container, stream):
        yield from stream.decode(packet)
