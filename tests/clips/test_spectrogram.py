"""The log-spectrogram equals SciPy's, has the paper's shapes, and its helpers agree with it."""

import numpy as np
import pytest
import scipy.signal
import torch
import torchaudio

from pipeline.clips.spectrogram import (
    SSL_TIE_FORM,
    VGGISH_FORM,
    SoundForm,
    log_spectrogram,
    repeat_to,
    seconds_to_step,
    spectrogram_length,
    step_to_seconds,
    window_steps,
)


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


def test_lengths_and_times() -> None:
    assert [spectrogram_length(n) for n in (0, 511, 512, 670, 671)] == [0, 0, 1, 1, 2]
    assert (window_steps(3), window_steps(10), window_steps(3, hop=238)) == (299, 1004, 200)
    assert all(seconds_to_step(step_to_seconds(step)) == step for step in range(1200))


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
    found = form.spectrogram(torch.from_numpy(samples)).numpy()
    assert found.shape == (form.bins, form.steps(3)) == shape
    np.testing.assert_allclose(found, np.log(density + 1e-7), atol=1e-5, rtol=0)


def test_ssl_ties_form_equals_torchaudio() -> None:
    samples = torch.from_numpy(noise(10 * 16000))
    with pytest.warns(UserWarning, match="all zero values"):
        mel = torchaudio.transforms.MelSpectrogram(
            16000, n_fft=512, hop_length=239, n_mels=257, normalized=True
        )
    expected = 10 * torch.log10(mel(samples).clamp_min(1e-10))
    found = SSL_TIE_FORM.spectrogram(samples)
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
    found = VGGISH_FORM.spectrogram(torch.from_numpy(samples))
    assert found.shape == (64, VGGISH_FORM.steps(1)) == (64, 98)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-9, rtol=0)


FORMS = (
    SoundForm(),
    SoundForm(hop=320, bands=64),
    SoundForm(22050, hop=238),
    SSL_TIE_FORM,
    VGGISH_FORM,
)


@pytest.mark.parametrize("form", FORMS)
def test_steps_samples_and_seconds_of_a_form_agree(form: SoundForm) -> None:
    for steps in (2, 3, 40, 299):
        samples = form.samples(steps)
        assert form.length(samples) == steps == form.length(samples + form.hop - 1)
        assert form.length(samples - 1) == steps - 1
        assert form.seconds(steps) == samples / form.sample_rate
        if steps > 2:  # what is mirrored has to be there
            found = form.spectrogram(torch.from_numpy(noise(samples)))
            assert found.shape == (form.bins, steps)


@pytest.mark.parametrize("form", FORMS)
def test_silence_and_divisor_of_a_form(form: SoundForm) -> None:
    found = form.spectrogram(torch.zeros(16000))
    if form.stretched:
        assert form.silence - 1e-5 <= found.min() <= form.silence + 0.01
    else:
        torch.testing.assert_close(found, torch.full_like(found, form.silence))
    assert form.divisor == (12 if form.quantity == "density" else 1)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"hop": 513}, "hop is 513, expected 1 to window, 512"),
        ({"window": 1}, "window is 1, expected at least 2"),
        ({"bands": 258}, "bands is 258, expected 0 to the 257 linear bins"),
        ({"bands": 64, "highest": 9000.0}, "at most the Nyquist frequency, 8000 Hz"),
        ({"bands": 64, "lowest": 8000.0}, "0 to less than highest, 8000 Hz"),
        ({"lowest": 125.0}, "bands is 0"),
        ({"points": 256}, "points is 256, expected at least window, 512"),
        ({"floor": 0.0}, "floor is 0.0, expected more than 0"),
    ],
)
def test_forms_that_no_spectrogram_can_have(wrong: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SoundForm(**wrong)
