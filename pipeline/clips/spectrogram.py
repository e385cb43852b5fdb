"""Waveform to log-spectrogram, for any batch at once (method 4.1).

This is `scipy.signal.spectrogram` written as one unfold, one product and one real FFT, so that it
runs in float32 on any device; the decision is to equal SciPy's numbers (Tukey window, mean removed
from every segment, one-sided density) and not torch's own STFT, which the published networks never
saw. Its cost is one float32 copy of all segments: 3.2 x the samples at hop 159.
"""

from functools import lru_cache

import torch
import torchaudio

LOG_FLOOR = 1e-7  # added to the power before the logarithm (4.1)


@lru_cache(maxsize=8)
def _tukey_window(length: int, taper: float = 0.25) -> torch.Tensor:
    """SciPy's periodic `get_window(("tukey", taper), length)`, (length,) float64."""
    position = torch.arange(length, dtype=torch.float64)
    distance = torch.minimum(position, length - position)  # to the nearer end of the period
    edge = taper * length / 2
    return torch.where(
        distance < edge, 0.5 * (1 - torch.cos(torch.pi * distance / edge)), torch.ones(1).double()
    )


@lru_cache(maxsize=8)
def _mel_weights(bins: int, bands: int, sample_rate: int) -> torch.Tensor:
    """Triangles of the HTK mel scale from 0 Hz to the Nyquist frequency, (bins, bands) float32."""
    return torchaudio.functional.melscale_fbanks(bins, 0.0, sample_rate / 2, bands, sample_rate)


def log_spectrogram(
    samples: torch.Tensor,
    *,
    sample_rate: int = 16000,
    window: int = 512,
    hop: int = 159,
    bands: int = 0,
) -> torch.Tensor:
    """log(S + 1e-7) of the one-sided power density S of a waveform.

    `samples`: (..., n) float32 or float64 in [-1, 1] with n >= `window`; `window` and `hop` in
    samples. Gives (..., window // 2 + 1, T) of the same dtype, or (..., `bands`, T) where `bands`
    is positive: then the density is summed into that many mel bands before the logarithm.
    Equals `scipy.signal.spectrogram(x, sample_rate, nperseg=window, noverlap=window - hop)`
    (method 4.1). Raises ValueError for a waveform shorter than the window.
    """
    if samples.shape[-1] < window:
        raise ValueError(f"{samples.shape[-1]} samples are fewer than one window of {window}")
    tukey = _tukey_window(window).to(samples)
    segments = samples.unfold(-1, window, hop)
    segments = (segments - segments.mean(dim=-1, keepdim=True)) * tukey
    spectrum = torch.view_as_real(torch.fft.rfft(segments))
    power = spectrum.square().sum(dim=-1) / (sample_rate * tukey.square().sum())
    # One-sided: what lies at negative frequencies is added to its positive twin. 0 Hz has none,
    # and neither has the Nyquist frequency, which is a bin of its own where the window is even.
    power[..., 1 : (window + 1) // 2] *= 2
    if bands:
        power = power @ _mel_weights(power.shape[-1], bands, sample_rate).to(power)
    return torch.log(power + LOG_FLOOR).transpose(-1, -2)


def spectrogram_length(n_samples: int, window: int = 512, hop: int = 159) -> int:
    """The number of time steps of the spectrogram of `n_samples` samples, 0 below one window."""
    return max(0, (n_samples - window) // hop + 1)


def window_steps(
    seconds: float, *, sample_rate: int = 16000, window: int = 512, hop: int = 159
) -> int:
    """The number of time steps that a stretch of `seconds` gives: 299 for 3 s, 1004 for 10 s."""
    return spectrogram_length(round(seconds * sample_rate), window, hop)


def seconds_to_step(seconds: float, *, sample_rate: int = 16000, hop: int = 159) -> int:
    """The time step whose segment begins nearest to `seconds` after the start of the sound."""
    return round(seconds * sample_rate / hop)


def step_to_seconds(step: int, *, sample_rate: int = 16000, hop: int = 159) -> float:
    """Where the segment of time step `step` begins, in seconds after the start of the sound."""
    return step * hop / sample_rate


def repeat_to(samples: torch.Tensor, n: int) -> torch.Tensor:
    """A sound shorter than `n` samples, repeated until it has exactly `n`; a longer one unchanged.

    `samples`: (..., length) of any dtype. Raises ValueError for a sound without samples.
    """
    length = samples.shape[-1]
    if length == 0:
        raise ValueError("a sound without samples cannot be repeated")
    if length >= n:
        return samples
    repeats = [1] * (samples.ndim - 1) + [-(-n // length)]
    return samples.repeat(repeats)[..., :n]


from dataclasses import dataclass  # noqa: E402


@dataclass(frozen=True)
class SoundForm:
    sample_rate: int = 16000
    window: int = 512
    hop: int = 159
    bands: int = 0

    divisor = 12.0

    @property
    def bins(self) -> int:
        return self.bands or self.window // 2 + 1

    def steps(self, seconds: float) -> int:
        return spectrogram_length(round(seconds * self.sample_rate), self.window, self.hop)

    def samples(self, steps: int) -> int:
        return self.window + (steps - 1) * self.hop

    def seconds(self, steps: int) -> float:
        return self.samples(steps) / self.sample_rate

    def spectrogram(self, samples: torch.Tensor) -> torch.Tensor:
        return log_spectrogram(
            samples,
            sample_rate=self.sample_rate,
            window=self.window,
            hop=self.hop,
            bands=self.bands,
        )
