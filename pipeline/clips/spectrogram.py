"""Waveform to spectrogram, for any batch at once: a `SoundForm` says how.

The default is the paper's (4.1): `scipy.signal.spectrogram` written as one unfold, one
product and one real FFT, so that it runs in float32 on any device. The decision is to equal SciPy's
numbers (Tukey window, mean removed from every segment, one-sided density) and not torch's own STFT,
which the published networks never saw. Its cost is one float32 copy of all segments: 3.2 x the
samples at hop 159.
"""

import math
import warnings
from functools import lru_cache
from typing import Literal

import torch
import torchaudio

from pipeline.base.params import settings

LOG_FLOOR = 1e-7  # added to the power before the logarithm (4.1)
_DIVISOR = 12.0  # 4.1


@settings
class SoundForm:
    """How a sound becomes a spectrogram. The defaults are the paper's (4.1).

    Fields:
        sample_rate: Hz.
        window, hop: samples of a segment, and from one to the next.
        bands: mel bands (HTK's scale); 0 keeps the linear bins.
        scale: "log" is ln(x + `floor`), "db" is 10 log10(max(x, `floor`)).
        lowest, highest: Hz, the range of the mel bands; None is the Nyquist frequency.
        points: samples of the FFT, zeros after the segment; None is `window`.
        taper: the periodic window, Tukey's with a quarter tapered (SciPy's) or Hann's.
        mean_removed: whether each segment's mean is taken off (SciPy's "constant" detrending).
        quantity: x is the one-sided power "density" (SciPy's, 1/Hz), the "power" over the sum of
            the squared window (torchaudio's `normalized=True`), or the "magnitude". With "waveform"
            there is no spectrogram: a step holds the next `window` samples as they are, for
            networks that hear waveforms.
        centred: whether segments are centred on their step, the sound mirrored at both ends.
        triangles: whether mel filters are straight over "hertz" (torchaudio) or "mel" (VGGish).
        floor: see `scale`.
        stretched: whether the waveform fills -1 to 1 first, as in zjsong/SSPL @ d1af4c7,
            utils.py:173-181.
    """

    sample_rate: int = 16000
    window: int = 512
    hop: int = 159
    bands: int = 0
    scale: Literal["log", "db"] = "log"
    lowest: float = 0.0
    highest: float | None = None
    points: int | None = None
    taper: Literal["tukey", "hann"] = "tukey"
    mean_removed: bool = True
    quantity: Literal["density", "power", "magnitude", "waveform"] = "density"
    centred: bool = False
    triangles: Literal["hertz", "mel"] = "hertz"
    floor: float = LOG_FLOOR
    stretched: bool = False

    def __post_init__(self) -> None:
        """Raises ValueError for values that no spectrogram can have."""
        top = self.sample_rate / 2
        highest = top if self.highest is None else self.highest
        rules = (
            ("sample_rate", self.sample_rate >= 1, "at least 1 Hz"),
            ("window", self.window >= 2, "at least 2 samples"),
            ("hop", 1 <= self.hop <= self.window, f"1 to window, {self.window}"),
            ("points", self._points >= self.window, f"at least window, {self.window}"),
            ("bands", 0 <= self.bands <= self._bins, f"0 to the {self._bins} linear bins"),
            ("highest", highest <= top, f"at most the Nyquist frequency, {top:g} Hz"),
            ("lowest", 0 <= self.lowest < highest, f"0 to less than highest, {highest:g} Hz"),
            ("floor", self.floor > 0, "more than 0"),
        )
        for name, right, expected in rules:
            if not right:
                raise ValueError(f"{name} is {getattr(self, name)}, expected {expected}")
        if not self.bands and (self.lowest, self.highest) != (0.0, None):
            raise ValueError("lowest and highest are for mel bands, but bands is 0")
        if self.quantity == "waveform":
            if self.hop != self.window:
                raise ValueError(f"hop is {self.hop}, expected a waveform's window, {self.window}")
            if self.bands or self.centred or self.stretched or self.points is not None:
                raise ValueError("bands, centred, stretched and points are for spectrograms")

    @property
    def bins(self) -> int:
        """The number of frequencies of a spectrogram: mel bands, or linear bins; of a waveform the
        samples of a step."""
        if self.quantity == "waveform":
            return self.window
        return self.bands or self._bins

    @property
    def divisor(self) -> float:
        """What networks divide the values by: 12 for logarithms of a density (4.1; LVS and all
        that follow it), else 1 (dB and VGGish's magnitudes are fed as they are)."""
        return _DIVISOR if self.scale == "log" and self.quantity == "density" else 1.0

    @property
    def silence(self) -> float:
        """The least value there is: every bin's of digital silence, but for a `stretched` one,
        whose silence is a constant of -1 that leaks into the lowest bins. A waveform's is 0."""
        if self.quantity == "waveform":
            return 0.0
        return math.log(self.floor) if self.scale == "log" else 10 * math.log10(self.floor)

    def length(self, samples: int) -> int:
        """The number of time steps of a sound of so many samples, 0 below one window."""
        padded = samples + 2 * self._padding
        return max(0, (padded - self.window) // self.hop + 1) if samples else 0

    def steps(self, seconds: float) -> int:
        """The number of time steps that a stretch of `seconds` gives: by default 299 for 3 s, 1004
        for 10 s."""
        return self.length(round(seconds * self.sample_rate))

    def samples(self, steps: int) -> int:
        """The fewest samples that give so many time steps (at least 1)."""
        return self.window + (steps - 1) * self.hop - 2 * self._padding

    def seconds(self, steps: int) -> float:
        """How long a stretch of so many time steps is: that of the fewest samples that give it."""
        return self.samples(steps) / self.sample_rate

    def spectrogram(self, samples: torch.Tensor) -> torch.Tensor:
        """The spectrogram of a waveform, (..., bins, T) of the dtype of `samples`.

        `samples`: (..., n) float32 or float64 in [-1, 1], mono at `sample_rate`. The defaults equal
        the logarithm of `scipy.signal.spectrogram(x, sample_rate, nperseg=window,
        noverlap=window - hop)` + 1e-7 (4.1). Raises ValueError for a waveform shorter than the
        window, or than what is mirrored where segments are centred.
        """
        shortest = self._padding + 1 if self.centred else self.window
        if samples.shape[-1] < shortest:
            raise ValueError(f"{samples.shape[-1]} samples are fewer than one window of {shortest}")
        if self.quantity == "waveform":
            return samples.unfold(-1, self.window, self.hop).transpose(-1, -2)
        taper = (_tukey if self.taper == "tukey" else _hann)(self.window).to(samples)
        if self.stretched:
            samples = samples - samples.amin(dim=-1, keepdim=True)
            samples = (samples / (samples.amax(dim=-1, keepdim=True) + 1e-3) - 0.5) * 2
        if self.centred:
            samples = _mirrored(samples, self._padding)
        segments = samples.unfold(-1, self.window, self.hop)
        if self.mean_removed:
            segments = segments - segments.mean(dim=-1, keepdim=True)
        spectrum = torch.view_as_real(torch.fft.rfft(segments * taper, n=self._points))
        values = spectrum.square().sum(dim=-1)
        if self.quantity == "density":
            values = values / (self.sample_rate * taper.square().sum())
            # One-sided: what lies at negative frequencies is added to its positive twin. 0 Hz has
            # none, and neither has the Nyquist frequency, a bin of its own where the FFT is even.
            values[..., 1 : (self._points + 1) // 2] *= 2
        elif self.quantity == "power":
            values = values / taper.square().sum()
        else:
            values = values.sqrt()
        if self.bands:
            values = values @ _mel_weights(self).to(values)
        if self.scale == "log":
            values = torch.log(values + self.floor)
        else:
            values = 10 * torch.log10(values.clamp_min(self.floor))
        return values.transpose(-1, -2)

    @property
    def _points(self) -> int:
        return self.window if self.points is None else self.points

    @property
    def _bins(self) -> int:
        return self._points // 2 + 1

    @property
    def _padding(self) -> int:
        """Samples that are mirrored at each end."""
        return self.window // 2 if self.centred else 0


# SSL-TIE (Liu et al., ACM MM 2022): torchaudio's MelSpectrogram(n_fft=512, hop_length=239,
# n_mels=257, normalized=True), then 10 log10(max(x, 1e-10)); 257 x 670 for 10 s at 16 kHz.
SSL_TIE_FORM = SoundForm(
    hop=239, bands=257, scale="db", taper="hann", mean_removed=False, quantity="power",
    centred=True, floor=1e-10,
)  # fmt: skip
# VGGish (Hershey et al., ICASSP 2017; vggish_params.py:22-35) as SSPL feeds it (CVPR 2022): one of
# its examples is 96 steps, 0.96 s.
VGGISH_FORM = SoundForm(
    window=400, hop=160, bands=64, lowest=125.0, highest=7500.0, points=512, taper="hann",
    mean_removed=False, quantity="magnitude", triangles="mel", floor=0.01, stretched=True,
)  # fmt: skip


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


def _mirrored(samples: torch.Tensor, count: int) -> torch.Tensor:
    """(..., n) with `count` more samples at each end, mirrored about the first and the last."""
    before = samples[..., 1 : count + 1].flip(-1)
    after = samples[..., -count - 1 : -1].flip(-1)
    return torch.cat([before, samples, after], dim=-1)


@lru_cache(maxsize=8)
def _mel_weights(form: SoundForm) -> torch.Tensor:
    """The triangles of a form's mel bands, (linear bins, bands) float32 or float64."""
    bins, top = form._bins, form.sample_rate / 2
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
    """log(S + 1e-7) of the one-sided power density S of a waveform: `SoundForm.spectrogram` of the
    form with these values (4.1)."""
    return SoundForm(sample_rate, window, hop, bands).spectrogram(samples)


def spectrogram_length(n_samples: int, window: int = 512, hop: int = 159) -> int:
    """The number of time steps of the spectrogram of `n_samples` samples, 0 below one window."""
    return SoundForm(window=window, hop=hop).length(n_samples)


def window_steps(
    seconds: float, *, sample_rate: int = 16000, window: int = 512, hop: int = 159
) -> int:
    """The number of time steps that a stretch of `seconds` gives: 299 for 3 s, 1004 for 10 s."""
    return SoundForm(sample_rate, window, hop).steps(seconds)


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
