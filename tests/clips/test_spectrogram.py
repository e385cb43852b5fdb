"""The log-spectrogram equals SciPy's, has the paper's shapes, and its helpers agree with it."""

import numpy as np
import pytest
import scipy.signal
import torch
import torchaudio

from pipeline.clips.spectrogram import (
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
