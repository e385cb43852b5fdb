"""A localizer asked about every tenth of a second of a clip.

The sound's window is centred on the moment, as far as the sound goes: nearer to an end than half a
window, the first or the last window is what the localizer hears. Frames go to the network's side by
FFmpeg's scaler instead of Pillow's, six times as fast and different by a few levels.
"""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pipeline.clips.decoded import DecodedCorpus
from pipeline.clips.spectrogram import log_spectrogram, repeat_to, spectrogram_length
from pipeline.clips.views import plain_view, spectrograms
from pipeline.clips.windows import sound_window
from pipeline.errors import InputError
from pipeline.media.errors import MediaError
from pipeline.media.file import read_sound
from pipeline.media.picture_file import PICTURE_FILES
from pipeline.media.playback import play_picture
from pipeline.methods.localizer import Localizer, Usage, localization_map
from pipeline.predict.media import picture_of

INTERVAL = 0.1  # s between maps
_BATCH = 32
_DELAY = 0.1  # s; by this much a clip's sound may end earlier only because of its codec


@dataclass(frozen=True)
class Moving:
    """Raw maps (T, h, w) float32, map i that of the moment (i + 0.5) x `INTERVAL`; the length of
    the clip in s and how many frames its picture has, 0 for a picture file."""

    maps: np.ndarray
    seconds: float
    frames: int


@torch.inference_mode()
def localize_moving(localizer: Localizer, picture: Path, sound: Path) -> Moving:
    """The maps of a clip: the frames of `picture` under the sound of `sound` around them.

    It lasts as long as the picture, or as the sound where the picture is a still one; a sound that
    is shorter is followed by silence. Raises `InputError` naming the file that has no picture or
    sound, or cannot be decoded.
    """
    usage = localizer.usage
    try:
        heard = read_sound(sound, sample_rate=usage.sample_rate, seconds_limit=float("inf")).samples
    except MediaError as error:
        raise InputError(f"{sound}: {error}") from None
    localizer.eval()
    if picture.suffix.lower() in PICTURE_FILES:
        seconds, count = len(heard) / usage.sample_rate, 0
        still = torch.from_numpy(picture_of(picture, usage.side).frame.copy())[None]
        moments = max(1, round(seconds / INTERVAL))
        v = localizer.encode_frames(plain_view(still, usage.side))
        maps = []
        for first in range(0, moments, _BATCH):
            part = v.expand(min(_BATCH, moments - first), -1, -1, -1)
            maps.append(_maps(localizer, part, heard, seconds, first))
    else:
        collector = _Moments(usage.side)
        try:
            maps = list(_played(localizer, collector.batches(picture), collector, heard))
        except MediaError as error:
            raise InputError(f"{picture}: {error}") from None
        seconds, count = collector.seconds, collector.frames
    return Moving(torch.cat(maps).numpy(), seconds, count)


def _played(
    localizer: Localizer,
    batches: Iterator[list[np.ndarray]],
    collector: "_Moments",
    heard: np.ndarray,
) -> Iterator[Tensor]:
    """The maps of each batch of pictures as soon as the sound around it is certain, so that no more
    features are kept than a window is long."""
    usage, first = localizer.usage, 0
    waiting: deque[Tensor] = deque()
    for batch in batches:
        frames = torch.from_numpy(np.stack(batch))
        waiting.append(localizer.encode_frames(plain_view(frames, usage.side)))
        # Whether silence follows a sound that has ended is known when the picture goes on.
        certain = collector.seconds - _DELAY - _window_seconds(usage)
        while waiting and (first + len(waiting[0])) * INTERVAL < certain:
            yield _maps(localizer, waiting[0], heard, collector.seconds, first)
            first += len(waiting.popleft())
    for v in waiting:
        yield _maps(localizer, v, heard, collector.seconds, first)
        first += len(v)


def _maps(localizer: Localizer, v: Tensor, heard: np.ndarray, seconds: float, first: int) -> Tensor:
    """The maps of the frames' features `v` at the moments from `first` on."""
    windows = moving_windows(heard, seconds, len(v), localizer.usage, first)
    return localization_map(v, localizer.encode_sounds(spectrograms(windows)))


@torch.inference_mode()
def localize_stored(
    localizer: Localizer,
    corpus: DecodedCorpus,
    frame_clip: str,
    sound_clip: str,
    longest: float = math.inf,
) -> np.ndarray:
    """The maps (T, h, w) float32 of one frame of a corpus under one of its sounds, every
    `INTERVAL`; of a sound longer than `longest` s under its middle, as `read_sound` cuts it.
    Raises `InputError` for a clip that the corpus lacks or that has no such part."""
    usage = localizer.usage
    picture, sound = corpus.row(frame_clip), corpus.row(sound_clip)
    for clip, present, part in (
        (frame_clip, corpus.has_frame(picture), "picture"),
        (sound_clip, corpus.has_sound(sound), "sound"),
    ):
        if not present:
            raise InputError(f"{corpus.folder}: clip {clip} has no {part}")
    length = corpus.sound_length(sound)
    if stored_seconds(corpus, sound_clip, usage) > longest:
        samples = round(longest * usage.sample_rate)
        length = spectrogram_length(samples, usage.window, usage.hop)
    length = max(length, usage.steps)
    whole = torch.from_numpy(sound_window(corpus, sound, length).copy())
    seconds = ((length - 1) * usage.hop + usage.window) / usage.sample_rate
    starts = _starts(0, max(1, round(seconds / INTERVAL)), length, usage)
    frame = torch.from_numpy(corpus.frame(picture).copy())[None]
    v = localizer.eval().encode_frames(plain_view(frame, usage.side))
    maps = []
    for part in starts.split(_BATCH):
        a = localizer.encode_sounds(spectrograms(_windows(whole, part, usage)))
        maps.append(localization_map(v.expand(len(a), -1, -1, -1), a))
    return torch.cat(maps).numpy()


def stored_seconds(corpus: DecodedCorpus, clip_id: str, usage: Usage) -> float:
    """How much of a clip's sound the corpus holds, up to one step more."""
    steps = corpus.sound_length(corpus.row(clip_id))
    return (steps * usage.hop + usage.window) / usage.sample_rate


def moving_windows(
    samples: np.ndarray, seconds: float, moments: int, usage: Usage, first: int = 0
) -> Tensor:
    """The log-spectrograms around `moments` moments of a sound from `first` on, (moments, steps,
    bands) float32.

    `samples` (n,) float32 at the usage's rate; silence follows where they end before `seconds`.
    """
    wanted = usage.window + (usage.steps - 1) * usage.hop
    total = round(seconds * usage.sample_rate)
    if total - len(samples) <= _DELAY * usage.sample_rate:
        total = len(samples)
    if total < wanted:
        padded = np.pad(samples, (0, total - len(samples)))
        samples, total = repeat_to(torch.from_numpy(padded), wanted).numpy(), wanted
    length = spectrogram_length(total, usage.window, usage.hop)
    starts = _starts(first, moments, length, usage)
    begin, steps = int(starts[0]), int(starts[-1] - starts[0]) + usage.steps
    needed = usage.window + (steps - 1) * usage.hop
    stretch = samples[begin * usage.hop : begin * usage.hop + needed]
    part = log_spectrogram(
        torch.from_numpy(np.pad(stretch, (0, needed - len(stretch)))),
        sample_rate=usage.sample_rate,
        window=usage.window,
        hop=usage.hop,
        bands=usage.bands,
    ).T
    return _windows(part, starts - begin, usage)


def _starts(first: int, moments: int, length: int, usage: Usage) -> Tensor:
    """Where the windows around `moments` moments from `first` on begin in a log-spectrogram of
    `length` steps."""
    centres = (torch.arange(first, first + moments) + 0.5) * INTERVAL * usage.sample_rate
    return (centres / usage.hop - usage.steps / 2).round().long().clamp(0, length - usage.steps)


def _windows(whole: Tensor, starts: Tensor, usage: Usage) -> Tensor:
    """The windows of a log-spectrogram (n, bands), time first, that begin at `starts`."""
    return whole.unfold(0, usage.steps, 1)[starts].transpose(1, 2)


def _window_seconds(usage: Usage) -> float:
    return ((usage.steps - 1) * usage.hop + usage.window) / usage.sample_rate


class _Moments:
    """The pictures (side, side, 3) uint8 that a clip shows at its moments."""

    def __init__(self, side: int) -> None:
        self.side = side
        self.frames, self.seconds = 0, 0.0

    def batches(self, path: Path) -> Iterator[list[np.ndarray]]:
        """The pictures in order; when all are given, `frames` and `seconds` are the clip's."""
        batch: list[np.ndarray] = []
        previous, picture, moments = None, None, 0
        for self.seconds, frame in play_picture(path):
            self.frames += 1
            # A clip shorter than one interval still has its first moment.
            while previous is not None and (moments + 0.5) * INTERVAL < self.seconds:
                if picture is None:
                    picture = previous.reformat(
                        self.side, self.side, format="rgb24", interpolation="BICUBIC"
                    ).to_ndarray()
                batch.append(picture)
                moments += 1
                if len(batch) == _BATCH:
                    yield batch
                    batch = []
            previous, picture = frame, None
        self.frames -= 1  # the last entry repeats the last frame
        if not moments and previous is not None:
            batch.append(previous.reformat(self.side, self.side, format="rgb24").to_ndarray())
        if batch:
            yield batch
