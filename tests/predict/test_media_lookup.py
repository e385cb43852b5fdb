"""A clip from disk: decoded, windowed and shown to the localizer as the stages do it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from made_media import tones, write_media
from made_method import small_method

from pipeline.clips.sound_form import SoundForm
from pipeline.clips.spectrogram import to_spectrogram
from pipeline.clips.views import plain_view, spectrograms
from pipeline.errors import InputError
from pipeline.media.file import read_picture, read_sound
from pipeline.methods.alignment import Alignment
from pipeline.methods.common.similarity import localization_map
from pipeline.predict.media import Found, describe, localize_media, place_in_words

FORM = SoundForm(window=512, hop=256, bands=16)


@pytest.fixture(scope="module")
def localizer() -> Alignment:
    return small_method(FORM, 20)


def test_the_map_is_that_of_the_middle(localizer: Alignment, tmp_path: Path) -> None:
    clip = write_media(tmp_path / "clip.mp4", seconds=2.0, sound=tones(2.0, 16000))
    found = localize_media(localizer, clip, clip)
    samples = read_sound(clip).samples
    wanted = 512 + 19 * 256
    start = (len(samples) - wanted) // 2
    window = torch.from_numpy(samples[start : start + wanted])
    spectrogram = to_spectrogram(window, FORM)
    frame = read_picture(clip, side=32).frame
    with torch.no_grad():
        v = localizer.position_features(plain_view(torch.from_numpy(frame[None]), 32))
        a = localizer.heard_features(spectrograms(spectrogram.T[None]))
        expected = localization_map(v, a)[0].numpy()
    np.testing.assert_array_equal(found.frame, frame)
    np.testing.assert_allclose(found.map, expected, atol=1e-5)
    assert -1 <= found.silence <= 1 and -1 <= found.noise <= 1 and found.silence != found.noise


def test_picture_and_sound_of_two_files(localizer: Alignment, tmp_path: Path) -> None:
    picture = write_media(tmp_path / "silent.mp4", seconds=1.0)
    sound = write_media(
        tmp_path / "short.wav", size=None, sound=tones(0.2, 16000), audio_codec="pcm_s16le"
    )
    assert localize_media(localizer, picture, sound).map.shape == (4, 4)
    with pytest.raises(InputError, match=r"silent\.mp4: no sound"):
        localize_media(localizer, picture, picture)
    with pytest.raises(InputError, match=r"short\.wav: no picture"):
        localize_media(localizer, sound, sound)


@pytest.mark.parametrize(
    ("row", "column", "words"),
    [(0, 0, "left, top"), (7, 4, "middle, bottom"), (4, 3, "the centre"), (3, 7, "right, middle")],
)
def test_the_place_in_words(row: int, column: int, words: str) -> None:
    heat = np.zeros((8, 8), np.float32)
    heat[row, column] = 1
    assert place_in_words(heat) == ((column + 0.5) / 8, (row + 0.5) / 8, words)


def test_sure_is_what_stands_above_silence_and_noise() -> None:
    frame, heat = np.zeros((4, 4, 3), np.uint8), np.full((2, 2), 0.5, np.float32)
    assert "; sure: cosine 0.50, under silence 0.20, noise 0.30" in describe(
        Found(frame, heat, 0.2, 0.3)
    )
    assert "; hardly sure: " in describe(Found(frame, heat, 0.2, 0.45))
    unsure = Found(frame, heat, 0.6, 0.1)
    assert "; not sure: " in describe(unsure) and unsure.strength < 0.5
    strengths = [
        Found(frame, heat, 0.5 - margin, 0.0).strength for margin in (-0.1, 0.0, 0.05, 0.2)
    ]
    np.testing.assert_allclose(strengths, [0.1, 0.5, 0.75, 1], atol=1e-6)


def test_silence_is_told_as_silence(localizer: Alignment, tmp_path: Path) -> None:
    def found(name: str, loud: np.ndarray) -> Found:
        sound = loud.astype(np.float32)[None]
        clip = write_media(tmp_path / name, seconds=3.0, sound=sound, sample_rate=16000)
        return localize_media(localizer, clip, clip)

    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 48000)
    nothing = found("nothing.mp4", 0 * noise)
    assert (nothing.silent, nothing.word, nothing.strength) == ("the clip is silent", "silent", 0)
    assert describe(nothing) == "the clip is silent: no place is told"
    gap = noise.copy()
    gap[16000:32000] = 0
    middle = found("gap.mp4", gap)
    assert middle.silent == "the clip's middle 0.3 s, which are listened to, are silent"
    assert found("noise.mp4", noise).silent == ""
