"""Waveform to spectrogram, for any batch at once, in the form that a `SoundForm` says.

The default is the paper's (4.1): `scipy.signal.spectrogram` written as one unfold, one
product and one real FFT, so that it runs in float32 on any device. The decision is to equal SciPy's
numbers (Tukey window, mean removed from every segment, one-sided density) and not torch's own STFT,
which the published networks never saw. Its cost is one float32 copy of all segments: 3.2 x the
samples at hop 159.
"""

import warnings
from functools import lru_cache

import torch
import torchaudio

from pipeline.clips.sound_form import STRETCHED_OVER, SoundForm


def to_spectrogram(samples: torch.Tensor, form: SoundForm) -> torch.Tensor:
    """The spectrogram of a waveform, (..., bins, T) of the dtype of `samples`.

    `samples`: (..., n) float32 or float64 in [-1, 1], mono at the form's rate. A form's defaults
    equal the logarithm of `scipy.signal.spectrogram(x, sample_rate, nperseg=window,
    noverlap=window - hop)` + 1e-7 (4.1). Raises ValueError for a waveform shorter than the window,
    or than what is mirrored where segments are centred.
    """
    shortest = form.mirrored + 1 if form.centred else form.window
    if samples.shape[-1] < shortest:
        raise ValueError(f"{samples.shape[-1]} samples are fewer than one window of {shortest}")
    if form.quantity == "waveform":
        return samples.unfold(-1, form.window, form.hop).transpose(-1, -2)
    taper = (_tukey if form.taper == "tukey" else _hann)(form.window).to(samples)
    if form.stretched:
        heard = _middle(samples, round(STRETCHED_OVER * form.sample_rate))
        low = heard.amin(dim=-1, keepdim=True)
        high = heard.amax(dim=-1, keepdim=True)
        samples = ((samples - low) / (high - low + 1e-3) - 0.5) * 2
    if form.centred:
        samples = _mirrored(samples, form.mirrored)
    segments = samples.unfold(-1, form.window, form.hop)
    if form.mean_removed:
        segments = segments - segments.mean(dim=-1, keepdim=True)
    spectrum = torch.view_as_real(torch.fft.rfft(segments * taper, n=form.fft_points))
    values = spectrum.square().sum(dim=-1)
    if form.quantity == "density":
        values = values / (form.sample_rate * taper.square().sum())
        # One-sided: what lies at negative frequencies is added to its positive twin. 0 Hz has
        # none, and neither has the Nyquist frequency, a bin of its own where the FFT is even.
        values[..., 1 : (form.fft_points + 1) // 2] *= 2
    elif form.quantity == "power":
        values = values / taper.square().sum()
    else:
        values = values.sqrt()
    if form.bands:
        values = values @ _mel_weights(form).to(values)
    if form.scale == "log":
        values = torch.log(values + form.floor)
    else:
        values = 10 * torch.log10(values.clamp_min(form.floor))
    return values.transpose(-1, -2)


@lru_cache(maxsize=8)
def _tukey(length: int, taper: float = 0.25) -> torch.Tensor:
    """SciPy's periodic `get_window(("tukey", taper), length)`, (length,) float64."""
    position = torch.arange(length, dtype=torch.float64)
    distance = torch.minimum(position, length - position)  # to the nearer end of the period
    edge = taper * length / 2
    return torch.where(
        distance < edge, 0.5 * (1 - torch.cos(torch.pi * distance / edge)), torch.ones(1).double()
    )


@lru_cache(maxsize=8)
def _hann(length: int) -> torch.Tensor:
    """The periodic Hann window, (length,) float64."""
    return torch.hann_window(length, dtype=torch.float64)


def _middle(samples: torch.Tensor, count: int) -> torch.Tensor:
    """The middle `count` of (..., n) samples, or all of fewer."""
    first = max(0, (samples.shape[-1] - count) // 2)
    return samples[..., first : first + count]


def _mirrored(samples: torch.Tensor, count: int) -> torch.Tensor:
    """(..., n) with `count` more samples at each end, mirrored about the first and the last."""
    before = samples[..., 1 : count + 1].flip(-1)
    after = samples[..., -count - 1 : -1].flip(-1)
    return torch.cat([before, samples, after], dim=-1)


@lru_cache(maxsize=8)
def _mel_weights(form: SoundForm) -> torch.Tensor:
    """The triangles of a form's mel bands, (linear bins, bands) float32 or float64."""
    bins, top = form.linear_bins, form.sample_rate / 2
    highest = top if form.highest is None else form.highest
    if form.triangles == "hertz":
        with warnings.catch_warnings():
            # SSL-TIE's 257 bands leave some of the lowest empty, in the published form too.
            warnings.filterwarnings("ignore", "At least one mel filterbank has all zero values")
            return torchaudio.functional.melscale_fbanks(
                bins, form.lowest, highest, form.bands, form.sample_rate
            )
    mel = _mel(torch.linspace(0, top, bins, dtype=torch.float64))[:, None]
    low, high = _mel(torch.tensor([form.lowest, highest], dtype=torch.float64)).tolist()
    edges = torch.linspace(low, high, form.bands + 2, dtype=torch.float64)
    rising = (mel - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - mel) / (edges[2:] - edges[1:-1])
    weights = torch.minimum(rising, falling).clamp_min(0)
    weights[0] = 0  # 0 Hz belongs to no band of VGGish's
    return weights


def _mel(hertz: torch.Tensor) -> torch.Tensor:
    return 1127.0 * torch.log1p(hertz / 700.0)


def log_spectrogram(
    samples: torch.Tensor,
    *,
    sample_rate: int = 16000,
    window: int = 512,
    hop: int = 159,
    bands: int = 0,
) -> torch.Tensor:
    """log(S + 1e-7) of the one-sided power density S of a waveform: `to_spectrogram` in the
    form with these values (4.1)."""
    return to_spectrogram(samples, SoundForm(sample_rate, window, hop, bands))


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
