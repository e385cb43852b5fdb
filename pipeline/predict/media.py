"""A method asked about media as they lie on disk, outside any corpus.

The clip is decoded, windowed and resized as the stages do it, in the form that the weights carry.
The frame goes straight to the network's side instead of through a stored one a tenth larger, so
maps agree with the stages' up to one resampling.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from pipeline.clips.flow import DTYPES
from pipeline.clips.windows import middle_spectrogram, middle_start
from pipeline.decode.clip import SILENT_BELOW
from pipeline.errors import InputError
from pipeline.media.errors import MediaError
from pipeline.media.file import read_pair, read_picture, read_sound
from pipeline.media.flow import stored_flow
from pipeline.media.picture import Picture
from pipeline.methods.contract import Method, expand
from pipeline.networks.device import best_device
from pipeline.predict.places import place_in_words
from pipeline.predict.predictor import synthetic_sounds
from pipeline.predict.sights import Sight, sight_features
from pipeline.predict.sureness import Word, strength, sureness

PALEST = 0.1  # the strength of a map of the least sure sound; below is silence alone
_SECONDS = 60.0  # of a longer sound the middle is enough for any window
SILENT_POWER = 10 ** (SILENT_BELOW / 10)  # mean square of samples; a clip table calls less silent


@dataclass(frozen=True)
class Found:
    """The frame (side, side, 3) uint8, its raw map (h, w) float32, the largest values of the same
    picture's maps under digital silence and under white noise, which say how sure the map's own
    largest one is, and in words what of the sound is silent, so that nothing is heard; '' where
    something is."""

    frame: np.ndarray
    map: np.ndarray
    silence: float
    noise: float
    silent: str = ""

    @property
    def margin(self) -> float:
        """By how much the map's largest value is above silence's and noise's."""
        return float(self.map.max()) - max(self.silence, self.noise)

    @property
    def word(self) -> Word | Literal["silent"]:
        """How sure the map is."""
        return "silent" if self.silent else sureness(self.margin)

    @property
    def strength(self) -> float:
        """How strongly the map is to be drawn, `PALEST` to 1; 0 where nothing is heard."""
        return 0.0 if self.silent else max(PALEST, float(strength(self.margin)))


def localize_media(method: Method, picture: Path, sound: Path) -> Found:
    """The map of the middle frame of `picture` under the middle window of `sound`, on the GPU where
    there is one. Where the method asks for flow, it is that of the video; in a picture file nothing
    moves.

    Raises `InputError` naming the file that has no picture or sound, or cannot be decoded.
    """
    seen = sight_of(picture, method)
    samples = _samples(sound, method)
    window = middle_spectrogram(torch.from_numpy(samples), method.form, method.steps)
    synthetic = [torch.from_numpy(sound).float() for sound in synthetic_sounds(method)]
    device = best_device()
    method = method.to(device).eval()
    sounds = torch.stack([window, *synthetic]).to(device)
    with torch.inference_mode():
        v = sight_features(method, [seen], device)
        maps = method.maps(expand(v, len(sounds)), method.sound_features(sounds)).cpu().numpy()
    silent = _silent(samples, method)
    return Found(seen.frame, maps[0], float(maps[1].max()), float(maps[2].max()), silent)


def picture_of(path: Path, side: int) -> Picture:
    """`read_picture`, whose failure is an `InputError` that names the file."""
    try:
        return read_picture(path, side=side)
    except MediaError as error:
        raise InputError(f"{path}: {error}") from None


def sight_of(path: Path, method: Method) -> Sight:
    """The middle frame of a file at the method's side, with the flow to the next one where the
    method asks for it. Raises `InputError` naming the file, and where OpenCV is missing."""
    frame = picture_of(path, method.side).frame
    form = method.flow_form
    if form is None:
        return Sight(frame)
    try:
        pair = read_pair(path)
    except MediaError as error:
        raise InputError(f"{path}: {error}") from None
    if pair is None:
        return Sight(frame, np.zeros((*frame.shape[:2], 2), DTYPES[form]))
    return Sight(frame, stored_flow(pair, signed=form == "signed", side=method.side))


def middle_window(path: Path, method: Method) -> Tensor:
    """The spectrogram of the middle of a file's sound, (steps, bins) float32; a sound shorter than
    the window is repeated. Raises `InputError` naming the file."""
    samples = torch.from_numpy(_samples(path, method))
    return middle_spectrogram(samples, method.form, method.steps)


def _samples(path: Path, method: Method) -> np.ndarray:
    """The middle `_SECONDS` of a file's sound at the rate of the method's form, (n,) float32."""
    rate = method.form.sample_rate
    try:
        return read_sound(path, sample_rate=rate, max_seconds=_SECONDS).samples
    except MediaError as error:
        raise InputError(f"{path}: {error}") from None


def _silent(samples: np.ndarray, method: Method) -> str:
    """Which part of a sound is silent, so that nothing is heard: all of it, or the middle window
    that is listened to; '' for none."""
    if _power(samples) < SILENT_POWER:
        return "the clip is silent"
    window = method.form.samples(method.steps)
    start = middle_start(len(samples), window)
    if _power(samples[start : start + window]) < SILENT_POWER:
        seconds = window / method.form.sample_rate
        return f"the clip's middle {seconds:.1f} s, which are listened to, are silent"
    return ""


def _power(samples: np.ndarray) -> float:
    return float(np.mean(np.square(samples, dtype=np.float64)))


def describe(found: Found) -> str:
    """One line: where the map is largest, and by how much its cosine there is above what the same
    picture gives under silence and under noise, in which there is nothing to be found; or that
    nothing is heard."""
    if found.silent:
        return f"{found.silent}: no place is told"
    across, down, words = place_in_words(found.map)
    return (
        f"sound: {words} ({100 * across:.0f} % from the left, {100 * down:.0f} % from the top); "
        f"{found.word}: {describe_margin(found)}"
    )


def describe_margin(found: Found) -> str:
    """The map's largest value beside those under silence and under noise."""
    return (
        f"cosine {float(found.map.max()):.2f}, under silence {found.silence:.2f}, "
        f"noise {found.noise:.2f}"
    )
