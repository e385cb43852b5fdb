"""How a sound becomes a spectrogram, and what is true of any that was made so: bins, time steps,
silence, the divisor. `pipeline.clips.spectrogram` makes them. Nothing here needs torch, whose
import takes seconds that whoever only opens a corpus would lose.
"""

import math
from typing import Literal

from pipeline.base.params import settings

LOG_FLOOR = 1e-7  # added to the power before the logarithm (4.1)
_DIVISOR = 12.0  # 4.1
# s; SSPL's code cuts a sound to its middle 3 s before it stretches it. What is stored is longer,
# and a loud moment outside them must not quieten what is heard.
STRETCHED_OVER = 3.0


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
        stretched: whether the waveform is stretched first, by what lets its middle
            `STRETCHED_OVER` seconds fill -1 to 1, as in zjsong/SSPL @ d1af4c7, utils.py:173-181.
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
            ("points", self.fft_points >= self.window, f"at least window, {self.window}"),
            (
                "bands",
                0 <= self.bands <= self.linear_bins,
                f"0 to the {self.linear_bins} linear bins",
            ),
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
        return self.bands or self.linear_bins

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
        padded = samples + 2 * self.mirrored
        return max(0, (padded - self.window) // self.hop + 1) if samples else 0

    def steps(self, seconds: float) -> int:
        """The number of time steps that a stretch of `seconds` gives: by default 299 for 3 s, 1004
        for 10 s."""
        return self.length(round(seconds * self.sample_rate))

    def samples(self, steps: int) -> int:
        """The fewest samples that give so many time steps (at least 1)."""
        return self.window + (steps - 1) * self.hop - 2 * self.mirrored

    def seconds(self, steps: int) -> float:
        """How long a stretch of so many time steps is: that of the fewest samples that give it."""
        return self.samples(steps) / self.sample_rate

    @property
    def fft_points(self) -> int:
        """The samples of the FFT."""
        return self.window if self.points is None else self.points

    @property
    def linear_bins(self) -> int:
        """The frequencies that the FFT gives, from 0 to the Nyquist frequency."""
        return self.fft_points // 2 + 1

    @property
    def mirrored(self) -> int:
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
