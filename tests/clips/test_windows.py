"""Windows of sounds equal the plain way: the spectrogram of the whole sound, cut."""

from pathlib import Path

import numpy as np
import pytest
import torch
from made_corpus import make_corpus

from pipeline.clips.sound_form import SSL_TIE_FORM, VGGISH_FORM, SoundForm
from pipeline.clips.spectrogram import to_spectrogram
from pipeline.clips.windows import (
    middle_spectrogram,
    moment_starts,
    moving_windows,
    sound_window,
    windows_at,
)

STEPS = 40
FORMS = [SoundForm(hop=301, bands=32), SoundForm(22050, hop=238), SSL_TIE_FORM, VGGISH_FORM]


def noise(seconds: float, rate: int) -> np.ndarray:
    dice = np.random.default_rng(3)
    return np.clip(dice.normal(0, 0.2, round(seconds * rate)), -1, 1).astype(np.float32)


def test_stored_windows_are_in_the_middle_or_where_asked_and_short_sounds_repeat(
    tmp_path: Path,
) -> None:
    sounds = [np.arange(5 * n).reshape(n, 5) for n in (9, 4)]
    corpus = make_corpus(tmp_path, np.zeros((2, 4, 4, 3), np.uint8), sounds)
    assert sound_window(corpus, 0, 4)[:, 0].tolist() == [10, 15, 20, 25]  # 2 left, 3 right
    assert sound_window(corpus, 0, 4, 5)[:, 0].tolist() == [25, 30, 35, 40]
    assert sound_window(corpus, 1, 4)[:, 0].tolist() == [0, 5, 10, 15]
    assert sound_window(corpus, 1, 6)[:, 0].tolist() == [0, 5, 10, 15, 0, 5]
    with pytest.raises(IndexError):
        sound_window(corpus, 0, 4, 6)


@pytest.mark.parametrize("form", FORMS)
def test_the_middle_of_a_waveform(form: SoundForm) -> None:
    samples = noise(2, form.sample_rate)
    wanted = form.samples(STEPS)
    start = (len(samples) - wanted) // 2
    expected = to_spectrogram(torch.from_numpy(samples[start : start + wanted]), form).T
    found = middle_spectrogram(torch.from_numpy(samples), form, STEPS)
    assert found.shape == (STEPS, form.bins)
    torch.testing.assert_close(found, expected)
    short = samples[: wanted // 3]
    repeated = np.resize(short, wanted)
    expected = to_spectrogram(torch.from_numpy(repeated), form).T
    torch.testing.assert_close(middle_spectrogram(torch.from_numpy(short), form, STEPS), expected)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("heard", [2.0, 1.2], ids=["whole", "silence after"])
def test_moving_windows_are_cut_from_the_whole(form: SoundForm, heard: float) -> None:
    samples, seconds = noise(heard, form.sample_rate), 2.0
    total = round(seconds * form.sample_rate)
    whole = to_spectrogram(torch.from_numpy(np.pad(samples, (0, total - len(samples)))), form).T
    found = moving_windows(samples, seconds, 20, form, STEPS)
    assert found.shape == (20, STEPS, form.bins)
    for moment in range(20):
        centre = (moment + 0.5) * 0.1 * form.sample_rate / form.hop
        start = min(max(round(centre - STEPS / 2), 0), len(whole) - STEPS)
        torch.testing.assert_close(found[moment], whole[start : start + STEPS], rtol=0, atol=2e-4)
    later = moving_windows(samples, seconds, 5, form, STEPS, first=11)
    torch.testing.assert_close(later, found[11:16], rtol=0, atol=2e-4)


@pytest.mark.parametrize("form", FORMS)
def test_moving_windows_of_a_sound_shorter_than_one(form: SoundForm) -> None:
    wanted = form.samples(STEPS)
    samples = noise(1, form.sample_rate)[: wanted // 2]
    found = moving_windows(samples, len(samples) / form.sample_rate, 3, form, STEPS)
    repeated = torch.from_numpy(np.resize(samples, wanted))
    expected = to_spectrogram(repeated, form).T
    for window in found:
        torch.testing.assert_close(window, expected, rtol=0, atol=2e-4)


def test_moments_near_an_end_take_the_last_whole_window() -> None:
    form = SoundForm(hop=160)
    starts = moment_starts(0, 20, 100, form, 40, 0.1)
    assert starts.tolist() == [0, 0, *range(5, 60, 10), *[60] * 12]
    whole = torch.arange(100.0)[:, None]
    assert windows_at(whole, starts, 40)[-1, :, 0].tolist() == list(range(60, 100))
