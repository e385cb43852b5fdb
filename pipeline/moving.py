"""A localizer asked about every tenth of a second of a clip.

The sound's window is centred on the moment, as far as the sound goes: nearer to an end than half a
window, the first or the last window is what the localizer hears. Frames go to the network's side by
FFmpeg's scaler instead of Pillow's, six times as fast and different by a few levels.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pipeline.augment import plain_view, spectrograms
from pipeline.dataset import sound_window
from pipeline.decoded import DecodedCorpus
from pipeline.errors import InputError
from pipeline.localizer import Localizer, Usage, localization_map
from pipeline.lookup import picture_of
from pipeline.media import PICTURE_FILES, MediaError, read_sound
from pipeline.playback import play_picture
from pipeline.spectrogram import log_spectrogram, repeat_to

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
    shown, count = [], 0
    if picture.suffix.lower() in PICTURE_FILES:
        seconds = len(heard) / usage.sample_rate
        still = torch.from_numpy(picture_of(picture, usage.side).frame.copy())[None]
        moments = max(1, round(seconds / INTERVAL))
        v = localizer.encode_frames(plain_view(still, usage.side))
        shown = [v.expand(min(_BATCH, moments - i), -1, -1, -1) for i in range(0, moments, _BATCH)]
    else:
        collector = _Moments(usage.side)
        try:
            for batch in collector.batches(picture):
                frames = torch.from_numpy(np.stack(batch))
                shown.append(localizer.encode_frames(plain_view(frames, usage.side)))
        except MediaError as error:
            raise InputError(f"{picture}: {error}") from None
        seconds, count = collector.seconds, collector.frames
    windows = moving_windows(heard, seconds, sum(len(v) for v in shown), usage)
    maps, place = [], 0
    for v in shown:
        a = localizer.encode_sounds(spectrograms(windows[place : place + len(v)]))
        maps.append(localization_map(v, a))
        place += len(v)
    return Moving(torch.cat(maps).numpy(), seconds, count)


@torch.inference_mode()
def localize_stored(
    localizer: Localizer, corpus: DecodedCorpus, frame_clip: str, sound_clip: str
) -> np.ndarray:
    """The maps (T, h, w) float32 of one frame of a corpus under one of its sounds, every
    `INTERVAL`. Raises `InputError` for a clip that the corpus lacks or that has no such part."""
    usage = localizer.usage
    picture, sound = corpus.row(frame_clip), corpus.row(sound_clip)
    for clip, present, part in (
        (frame_clip, corpus.has_frame(picture), "picture"),
        (sound_clip, corpus.has_sound(sound), "sound"),
    ):
        if not present:
            raise InputError(f"{corpus.folder}: clip {clip} has no {part}")
    length = max(corpus.sound_length(sound), usage.steps)
    whole = torch.from_numpy(sound_window(corpus, sound, length, 0).copy())
    seconds = ((length - 1) * usage.hop + usage.window) / usage.sample_rate
    windows = _around_moments(whole, max(1, round(seconds / INTERVAL)), usage)
    frame = torch.from_numpy(corpus.frame(picture).copy())[None]
    v = localizer.eval().encode_frames(plain_view(frame, usage.side))
    a = torch.cat([localizer.encode_sounds(spectrograms(part)) for part in windows.split(_BATCH)])
    return localization_map(v.expand(len(a), -1, -1, -1), a).numpy()


def moving_windows(samples: np.ndarray, seconds: float, moments: int, usage: Usage) -> Tensor:
    """The log-spectrograms around each moment of a sound, (moments, steps, bands) float32.

    `samples` (n,) float32 at the usage's rate; silence follows where they end before `seconds`.
    """
    missing = round(seconds * usage.sample_rate) - len(samples)
    if missing > _DELAY * usage.sample_rate:
        samples = np.pad(samples, (0, missing))
    whole = log_spectrogram(
        repeat_to(torch.from_numpy(samples), usage.window + (usage.steps - 1) * usage.hop),
        sample_rate=usage.sample_rate,
        window=usage.window,
        hop=usage.hop,
        bands=usage.bands,
    ).T
    return _around_moments(whole, moments, usage)


def _around_moments(whole: Tensor, moments: int, usage: Usage) -> Tensor:
    """The windows of a log-spectrogram (n, bands), time first, around each moment."""
    centres = (torch.arange(moments) + 0.5) * INTERVAL * usage.sample_rate / usage.hop
    starts = (centres - usage.steps / 2).round().long().clamp(0, len(whole) - usage.steps)
    return whole.unfold(0, usage.steps, 1)[starts].transpose(1, 2)


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
