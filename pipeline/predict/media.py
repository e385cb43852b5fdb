"""A method asked about media as they lie on disk, outside any corpus.

The clip is decoded, windowed and resized as the stages do it, in the form that the weights carry.
The frame goes straight to the network's side instead of through a stored one a tenth larger, so
maps agree with the stages' up to one resampling.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pipeline.clips.flow import DTYPES
from pipeline.clips.windows import middle_spectrogram
from pipeline.errors import InputError
from pipeline.media.errors import MediaError
from pipeline.media.file import read_pair, read_picture, read_sound
from pipeline.media.flow import stored_flow
from pipeline.media.picture import Picture
from pipeline.methods.contract import Method, expand
from pipeline.predict.predictor import synthetic_sounds
from pipeline.predict.sights import Sight, sight_features

_SECONDS = 60.0  # of a longer sound the middle is enough for any window
_CLEAR = 0.1  # of a cosine: what a map's maximum must be above silence and noise to be called sure


@dataclass(frozen=True)
class Found:
    """The frame (side, side, 3) uint8, its raw map (h, w) float32, and the largest values of the
    same picture's maps under digital silence and under white noise, which say how sure the map's
    own largest one is."""

    frame: np.ndarray
    map: np.ndarray
    silence: float
    noise: float


def localize_media(method: Method, picture: Path, sound: Path) -> Found:
    """The map of the middle frame of `picture` under the middle window of `sound`. Where the method
    asks for flow, it is that of the video; in a picture file nothing moves.

    Raises `InputError` naming the file that has no picture or sound, or cannot be decoded.
    """
    seen = sight_of(picture, method)
    window = middle_window(sound, method)
    synthetic = [torch.from_numpy(sound).float() for sound in synthetic_sounds(method)]
    sounds = torch.stack([window, *synthetic])
    method.eval()
    with torch.inference_mode():
        v = sight_features(method, [seen])
        maps = method.maps(expand(v, len(sounds)), method.sound_features(sounds)).numpy()
    return Found(seen.frame, maps[0], float(maps[1].max()), float(maps[2].max()))


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
    form = method.form
    try:
        heard = read_sound(path, sample_rate=form.sample_rate, max_seconds=_SECONDS).samples
    except MediaError as error:
        raise InputError(f"{path}: {error}") from None
    return middle_spectrogram(torch.from_numpy(heard), form, method.steps)


def place_in_words(heat: np.ndarray) -> tuple[float, float, str]:
    """Where a map (h, w) is largest: as fractions of the frame from its left and its top edge, and
    in words by thirds of the frame, such as 'left, middle' or 'the centre'."""
    row, column = divmod(int(heat.argmax()), heat.shape[1])
    across, down = (column + 0.5) / heat.shape[1], (row + 0.5) / heat.shape[0]
    side = ("left", "middle", "right")[int(3 * across)]
    height = ("top", "middle", "bottom")[int(3 * down)]
    words = "the centre" if side == height == "middle" else f"{side}, {height}"
    return across, down, words


def describe(found: Found) -> str:
    """One line: where the map is largest, and by how much its cosine there is above what the same
    picture gives under silence and under noise, in which there is nothing to be found."""
    across, down, words = place_in_words(found.map)
    peak, floor = float(found.map.max()), max(found.silence, found.noise)
    margin = peak - floor
    sure = "sure" if margin >= _CLEAR else "hardly sure" if margin > 0 else "not sure"
    return (
        f"sound: {words} ({100 * across:.0f} % from the left, {100 * down:.0f} % from the top); "
        f"{sure}: cosine {peak:.2f}, under silence {found.silence:.2f}, noise {found.noise:.2f}"
    )
