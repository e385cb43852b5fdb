"""From decoded blocks of samples to one channel at one rate."""

from collections.abc import Iterable
from typing import Literal

import av
import numpy as np

Channels = Literal[
    "mean",  # of all channels
    "first",  # the left one of two
]

# Channels cancel where their mean has less than this share of their own power (-40 dB).
_CANCELLED = 1e-4


class Mixer:
    """Resamples blocks by libswresample and makes one channel of theirs.

    A resampler takes one form of samples only and a stream may change its form midway, so each form
    has its own. `flush` gives what the resampler still holds.
    """

    def __init__(self, sample_rate: int, channels: Channels) -> None:
        self.sample_rate = sample_rate
        self.channels = channels
        self._resampler: av.AudioResampler | None = None
        self._form: tuple[str, str, int] | None = None
        self._power_of_mean = 0.0
        self._power = 0.0

    def put(self, frame: av.AudioFrame) -> list[np.ndarray]:
        """Blocks of resampled sound, each (n,) float32, that are ready behind `frame`."""
        form = frame.format.name, frame.layout.name, frame.sample_rate
        last = [] if form == self._form else self.flush()
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
        """Whether the channels were averaged and their mean is next to nothing beside them."""
        return self._power_of_mean < _CANCELLED * self._power

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
            self._power += float(np.dot(flat, flat)) / count
            self._power_of_mean += float(np.dot(mean, mean))
            mixed.append(mean)
        return mixed
