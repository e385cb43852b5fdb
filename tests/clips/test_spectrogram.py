"""The log-spectrogram equals SciPy's, has the paper's shapes, and its helpers agree with it."""

import numpy as np
import pytest
import scipy.signal
import torch
import torchaudio
from sound_forms import FORMS

from pipeline.clips.sound_form import (
    SSL_TIE_FORM,
    VGGISH_FORM,
    SoundForm,
    spectrogram_length,
)
from pipeline.clips.spectrogram import log_spectrogram, repeat_to, to_spectrogram


def scipy_density(samples: np.ndarray, window: int, hop: int) -> np.ndarray:
    return scipy.signal.spectrogram(samples, 16000, nperseg=window, noverlap=window - hop)[2]


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return np.clip(generator.normal(0.05, 0.2, shape), -1, 1).astype(np.float32)


@pytest.mark.parametrize(
    ("seconds", "hop", "shape"),
    [(3, 159, (257, 299)), (10, 159, (257, 1004)), (3, 238, (257, 200))],
)
def test_equals_scipy_in_float32_with_the_papers_shapes(
    seconds: int, hop: int, shape: tuple[int, int]
) -> None:
    samples = noise(seconds * 16000)
    expected = np.log(scipy_density(samples, 512, hop) + 1e-7)
    found = log_spectrogram(torch.from_numpy(samples), hop=hop)
    assert found.shape == expected.shape == shape
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("window", "hop"), [(512, 159), (400, 160), (511, 100), (64, 64)])
def test_equals_scipy_in_float64_for_any_window(window: int, hop: int) -> None:
    samples = noise(5000, seed=1).astype(np.float64)
    expected = np.log(scipy_density(samples, window, hop) + 1e-7)
    found = log_spectrogram(torch.from_numpy(samples), window=window, hop=hop)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-9, rtol=0)


def test_batches_are_their_rows() -> None:
    samples = torch.from_numpy(noise(2, 3, 4000))
    batch = log_spectrogram(samples)
    assert batch.shape == (2, 3, 257, spectrogram_length(4000))
    torch.testing.assert_close(batch[1, 2], log_spectrogram(samples[1, 2]), atol=1e-5, rtol=0)


def test_silence_is_the_logarithm_of_the_floor() -> None:
    silence = log_spectrogram(torch.zeros(16000))
    torch.testing.assert_close(silence, torch.full_like(silence, float(np.log(1e-7))))


def test_mel_bands_sum_the_density_before_the_logarithm() -> None:
    samples = noise(8000)
    weights = torchaudio.functional.melscale_fbanks(257, 0.0, 8000.0, 32, 16000).numpy()
    expected = np.log(weights.T @ scipy_density(samples, 512, 320) + 1e-7)
    found = log_spectrogram(torch.from_numpy(samples), hop=320, bands=32)
    assert found.shape == (32, spectrogram_length(8000, hop=320))
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5, rtol=0)


def test_a_sound_shorter_than_the_window_is_an_error() -> None:
    with pytest.raises(ValueError, match="100 samples"):
        log_spectrogram(torch.zeros(100))


def test_short_sounds_are_repeated_to_the_length() -> None:
    sound = torch.arange(3.0)
    assert repeat_to(sound, 7).tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert repeat_to(sound, 2).tolist() == [0, 1, 2]
    assert repeat_to(sound.expand(2, 3), 4).tolist() == [[0, 1, 2, 0]] * 2
    with pytest.raises(ValueError, match="without samples"):
        repeat_to(torch.zeros(0), 5)


@pytest.mark.parametrize(
    ("rate", "hop", "shape"),
    [(16000, 159, (257, 299)), (16000, 238, (257, 200)), (22050, 159, (257, 413)),
     (22050, 238, (257, 276))],
)  # fmt: skip
def test_a_form_equals_scipy_at_both_rates(rate: int, hop: int, shape: tuple[int, int]) -> None:
    form, samples = SoundForm(rate, hop=hop), noise(3 * rate)
    density = scipy.signal.spectrogram(samples, rate, nperseg=512, noverlap=512 - hop)[2]
    found = to_spectrogram(torch.from_numpy(samples), form).numpy()
    assert found.shape == (form.bins, form.steps(3)) == shape
    np.testing.assert_allclose(found, np.log(density + 1e-7), atol=1e-5, rtol=0)


def test_ssl_ties_form_equals_torchaudio() -> None:
    samples = torch.from_numpy(noise(10 * 16000))
    with pytest.warns(UserWarning, match="all zero values"):
        mel = torchaudio.transforms.MelSpectrogram(
            16000, n_fft=512, hop_length=239, n_mels=257, normalized=True
        )
    expected = 10 * torch.log10(mel(samples).clamp_min(1e-10))
    found = to_spectrogram(samples, SSL_TIE_FORM)
    assert found.shape == (257, SSL_TIE_FORM.steps(10)) == (257, 670)
    assert (found == -100).any()  # its empty bands
    np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=1e-3, rtol=0)


def test_vggishs_form_equals_its_definition() -> None:
    """Written out in NumPy, as in vggish_params.py and SSPL's stretched waveform."""
    samples = noise(16000).astype(np.float64)
    stretched = samples - samples.min()
    stretched = (stretched / (stretched.max() + 1e-3) - 0.5) * 2
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    segments = [stretched[160 * i : 160 * i + 400] * hann for i in range(98)]
    magnitude = np.abs(np.fft.rfft(segments, 512))
    mel = 1127 * np.log(1 + np.linspace(0, 8000, 257) / 700)
    low, high = 1127 * np.log(1 + np.array([125, 7500]) / 700)
    edges = np.linspace(low, high, 66)
    weights = np.zeros((257, 64))
    for band in range(64):
        left, centre, right = edges[band : band + 3]
        slopes = np.minimum((mel - left) / (centre - left), (right - mel) / (right - centre))
        weights[1:, band] = np.maximum(0, slopes[1:])
    expected = np.log(magnitude @ weights + 0.01).T
    found = to_spectrogram(torch.from_numpy(samples), VGGISH_FORM)
    assert found.shape == (64, VGGISH_FORM.steps(1)) == (64, 98)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-9, rtol=0)


def test_a_sound_is_stretched_by_its_middle_three_seconds() -> None:
    # As the code does, which cuts them out first: a loud first second changes nothing of them.
    samples = np.concatenate([noise(16000) * 0.9, noise(6 * 16000) * 0.15])
    whole = to_spectrogram(torch.from_numpy(samples), VGGISH_FORM)
    alone = to_spectrogram(torch.from_numpy(samples[2 * 16000 : 5 * 16000]), VGGISH_FORM)
    torch.testing.assert_close(whole[:, 200 : 200 + alone.shape[1]], alone)


@pytest.mark.parametrize("form", FORMS)
def test_a_form_s_steps_and_bins_are_those_of_its_spectrograms(form: SoundForm) -> None:
    for steps in (3, 40, 299):  # fewer are less than what is mirrored
        found = to_spectrogram(torch.from_numpy(noise(form.samples(steps))), form)
        assert found.shape == (form.bins, steps)


@pytest.mark.parametrize("form", FORMS)
def test_silence_and_divisor_of_a_form(form: SoundForm) -> None:
    found = to_spectrogram(torch.zeros(16000), form)
    if form.stretched:
        assert form.silence - 1e-5 <= found.min() <= form.silence + 0.01
    else:
        torch.testing.assert_close(found, torch.full_like(found, form.silence))
    assert form.divisor == (12 if form.quantity == "density" else 1)
