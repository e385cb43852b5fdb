"""From decoded blocks of samples to one channel at one rate."""

from collections.abc import Iterable
from typing import Literal

import av
import numpy as np

Channels = Literal[
    "mean",  # of all channels
    "first",  # the left one of two
]

# Channels cancel where their mean has less than this share of their own power (-20 dB). In tenths
# of a second of eleven real recordings in stereo it never has less than -5.3 dB; an inverted
# channel leaves at most -27 dB behind the worst codec (AAC, of noise).
_CANCELLED = 1e-2
_BLOCK = 0.1  # s, two periods of the lowest tone that is heard: in less of it power means little
_AUDIBLE = 1e-6  # power of the channels (-60 dB of full scale) below which a block is not asked
# More than a twentieth, half a second of ten, is as long as a word or a bark. Less stays as it is:
# it would cost all of the sound its other channels.
_SHARE = 0.05


class Mixer:
    """Resamples blocks by libswresample and makes one channel of theirs.

    A resampler takes one form of samples only and a stream may change its form midway, so each form
    has its own. `flush` gives what the resampler still holds.
    """

    def __init__(self, sample_rate: int, channels: Channels) -> None:
        self.sample_rate = sample_rate
        self.channels = channels
        self._resampler: av.AudioResampler | None = None
        self._form: tuple[str, str, int] | None = None  # None where nothing is resampled
        # A third of the time of a sound that needs none would be resampling.
        self._as_wanted = [("flt", 1, sample_rate), ("fltp", 1, sample_rate)]
        self._cancelling = _Cancelling(round(_BLOCK * sample_rate))

    def put(self, frame: av.AudioFrame) -> list[np.ndarray]:
        """Blocks of resampled sound, each (n,) float32, that are ready behind `frame`."""
        form = frame.format.name, frame.layout.name, frame.sample_rate
        last = [] if form == self._form else self.flush()
        if (form[0], frame.layout.nb_channels, form[2]) in self._as_wanted:
            return last + self._mixed([frame])
        if self._resampler is None:
            # Packed, not planar: PyAV 18 reads past the planes of 8 channels and more.
            self._resampler = av.AudioResampler("flt", frame.layout, self.sample_rate)
            self._form = form
        frame.pts = None  # holes are filled by the caller, who also tells them
        return last + self._mixed(self._resampler.resample(frame))

    def flush(self) -> list[np.ndarray]:
        """The last blocks of what was put in; the next frame begins anew."""
        resampler, self._resampler, self._form = self._resampler, None, None
        return [] if resampler is None else self._mixed(resampler.resample(None))

    def cancelled(self) -> bool:
        """Whether the channels were averaged and cancel each other: over the whole of what was put
        in, or in more than a twentieth of its audible blocks of a tenth of a second."""
        return self._cancelling.found()

    def _mixed(self, frames: Iterable[av.AudioFrame]) -> list[np.ndarray]:
        mixed = []
        for frame in frames:
            count = frame.layout.nb_channels
            # The plane itself: to_ndarray makes a list of its one plane and stacks it.
            flat = np.frombuffer(memoryview(frame.planes[0]), np.float32, frame.samples * count)
            samples = flat.reshape(frame.samples, count)
            if self.channels == "first" or count == 1:
                mixed.append(samples[:, 0].copy())
                continue
            mean = np.add.reduce(samples, axis=1) / count  # np.mean costs twice that
            self._cancelling.put(samples, mean)
            mixed.append(mean)
        return mixed


class _Cancelling:
    """The power of channels and of their mean, in blocks of `block` samples and over all.

    Over all is not enough: where two and a half of three seconds are digital silence in the mean,
    the rest is as loud as ever.
    """

    def __init__(self, block: int) -> None:
        self._block = max(1, block)
        self._filled = 0  # samples in the block that is not full yet
        self._power, self._power_of_mean = 0.0, 0.0  # of it, summed over its samples
        self._whole, self._whole_of_mean = 0.0, 0.0  # of the blocks before it
        self._audible = self._cancelled = 0  # blocks

    def put(self, samples: np.ndarray, mean: np.ndarray) -> None:
        """Add (n, channels) float32 and their mean, (n,) float32."""
        begin = 0
        while begin < len(mean):
            end = min(begin + self._block - self._filled, len(mean))
            flat, middle = samples[begin:end].reshape(-1), mean[begin:end]
            self._power += float(np.dot(flat, flat)) / samples.shape[1]
            self._power_of_mean += float(np.dot(middle, middle))
            self._filled += end - begin
            begin = end
            if self._filled == self._block:
                self._close()

    def found(self) -> bool:
        """Whether channels cancel; a last block that is not full counts in the whole alone."""
        whole = self._whole + self._power
        over_all = self._whole_of_mean + self._power_of_mean < _CANCELLED * whole
        return over_all or self._cancelled > _SHARE * self._audible

    def _close(self) -> None:
        if self._power > _AUDIBLE * self._block:
            self._audible += 1
            self._cancelled += self._power_of_mean < _CANCELLED * self._power
        self._whole += self._power
        self._whole_of_mean += self._power_of_mean
        self._power = self._power_of_mean = 0.0
        self._filled = 0
