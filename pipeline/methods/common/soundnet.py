"""SoundNet: Aytar, Vondrick, Torralba, SoundNet: Learning Sound Representations from Unlabeled
Video, NIPS 2016, its eight layers up to the 1000 numbers of objects.

It hears the waveform at 22,050 Hz with values of -256 to 256. Names of layers are those of the
files that were converted from the authors' (`conv1`, `batchnorm1`, ..., `conv8_objs`); their
second head, `conv8_scns`, has no use here.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

SAMPLE_RATE = 22050
_SCALE = 256.0  # of a waveform in -1 to 1


class SoundNet(nn.Module):
    """Convolutions of stride 2 over time, each with batch normalisation and ReLU, some with a
    maximum behind them, and a last one that is the head."""

    def __init__(
        self, channels: Sequence[int], kernels: Sequence[int], pools: Sequence[int], last: int,
        width: int,
    ) -> None:  # fmt: skip
        """`channels`, `kernels` and `pools` (1: none) of each layer; the `last` kernel, and the
        `width` of what it gives."""
        super().__init__()
        inputs = 1
        self.pools = list(pools)
        for number, (out, kernel) in enumerate(zip(channels, kernels, strict=True), start=1):
            convolution = nn.Conv2d(inputs, out, (kernel, 1), (2, 1), (kernel // 2, 0))
            self.add_module(f"conv{number}", convolution)
            self.add_module(f"batchnorm{number}", nn.BatchNorm2d(out))
            inputs = out
        self.conv8_objs = nn.Conv2d(inputs, width, (last, 1), (2, 1))

    def forward(self, waves: Tensor) -> Tensor:
        """(n, samples) in -1 to 1 to the mean over time of the head's numbers, (n, width)."""
        x = waves[:, None, :, None] * _SCALE
        for number, pool in enumerate(self.pools, start=1):
            x = self.get_submodule(f"conv{number}")(x)
            x = self.get_submodule(f"batchnorm{number}")(x).relu()
            x = nn.functional.max_pool2d(x, (pool, 1)) if pool > 1 else x
        return self.conv8_objs(x).mean(dim=(2, 3))

    def length(self, samples: int) -> int:
        """How many times the head answers to a sound of so many samples; 0 where it is too
        short."""
        for number, pool in enumerate(self.pools, start=1):
            layer: Any = self.get_submodule(f"conv{number}")
            kernel = int(layer.kernel_size[0])
            samples = ((samples + 2 * (kernel // 2) - kernel) // 2 + 1) // pool
        return max(0, (samples - self.conv8_objs.kernel_size[0]) // 2 + 1)
