"""A localizer asked about media as they lie on disk, outside any corpus.

The clip is decoded, windowed and resized as the stages do it, by the usage that the weights carry.
The frame goes straight to the network's side instead of through a stored one a tenth larger, so
maps agree with the stages' up to one resampling.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from pipeline.augment import plain_view, spectrograms
from pipeline.errors import InputError
from pipeline.localizer import Localizer, localization_map
from pipeline.media import MediaError, read_picture, read_sound
from pipeline.prediction import made_sounds
from pipeline.spectrogram import log_spectrogram, repeat_to

_SECONDS = 60.0  # of a longer sound the middle is enough for any window


@dataclass(frozen=True)
class Found:
    """The frame (side, side, 3) uint8, its raw map (h, w) float32, and the largest value of the
    same picture's map under digital silence, which says how sure the map's own largest one is."""

    frame: np.ndarray
    map: np.ndarray
    silence: float


def localize_media(localizer: Localizer, picture: Path, sound: Path) -> Found:
    """The map of the middle frame of `picture` under the middle window of `sound`.

    Raises `InputError` naming the file that has no picture or sound, or cannot be decoded.
    """
    usage = localizer.usage
    try:
        frame = read_picture(picture, side=usage.side).frame
    except MediaError as error:
        raise InputError(f"{picture}: {error}") from None
    try:
        heard = read_sound(sound, sample_rate=usage.sample_rate, max_seconds=_SECONDS).samples
    except MediaError as error:
        raise InputError(f"{sound}: {error}") from None
    wanted = usage.window + (usage.steps - 1) * usage.hop
    samples = repeat_to(torch.from_numpy(heard), wanted)
    start = (len(samples) - wanted) // 2
    window = log_spectrogram(
        samples[start : start + wanted],
        sample_rate=usage.sample_rate,
        window=usage.window,
        hop=usage.hop,
        bands=usage.bands,
    )
    silence, _ = made_sounds(usage)
    sounds = torch.stack([window.T, torch.from_numpy(silence).float()])
    with torch.inference_mode():
        v = localizer.eval().encode_frames(
            plain_view(torch.from_numpy(frame[None].copy()), usage.side)
        )
        a = localizer.encode_sounds(spectrograms(sounds))
        maps = localization_map(v.expand(2, -1, -1, -1), a).numpy()
    return Found(frame, maps[0], float(maps[1].max()))
