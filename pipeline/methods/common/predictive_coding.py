"""SSPL's predictive coding module (Song et al., CVPR 2022; sspl_w_pcm/models/pc_net.py of
zjsong/SSPL @ d1af4c7): a frame's map, moved towards what a sound expects of it.

Three representations r of 3 x 3, 7 x 7 and 14 x 14. Downwards each predicts the one below, and the
lowest the sound; upwards what a prediction missed corrects the one above. Each cycle has batch
norms of its own and shares the convolutions.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

SIDES = (3, 7, 14)  # of the representations; the last is the frame's map


class _Convolution(nn.Module):
    """A convolution, by the names of the published file."""

    def __init__(self, width: int, *, transposed: bool) -> None:
        super().__init__()
        kind = nn.ConvTranspose2d if transposed else nn.Conv2d
        name = "convtrans2d" if transposed else "conv2d"
        self.add_module(name, kind(width, width, 3, padding=1, bias=False))

    def forward(self, maps: Tensor) -> Tensor:
        (layer,) = self.children()
        return layer(maps)


class PredictiveCoding(nn.Module):
    """PCM. `PredProcess` are the ways down, `ErrorProcess` those up and the last one out."""

    def __init__(self, width: int, sound: int, cycles: int) -> None:
        """Maps and what comes out have `width` channels, the sound `sound` numbers."""
        super().__init__()
        self.cycles = cycles
        self.PredProcess = nn.ModuleList(
            [nn.Conv2d(width, sound, 1)] + [_Convolution(width, transposed=False) for _ in range(2)]
        )
        self.ErrorProcess = nn.ModuleList(
            [
                nn.ConvTranspose2d(sound, width, 1, bias=False),
                nn.ConvTranspose2d(width, width, 3, stride=2, bias=False),
                _Convolution(width, transposed=True),
                nn.ConvTranspose2d(width, width, 1),
            ]
        )
        self.b0, self.a0 = (
            nn.ParameterList(nn.Parameter(torch.full((1, width, 1, 1), start)) for _ in SIDES)
            for start in (0.5, 1.0)
        )
        self.BNPred, self.BNError, self.BNPred_step, self.BNError_step = (
            nn.ModuleList(nn.BatchNorm2d(width) for _ in range(count))
            for count in (2, 3, 2 * cycles, 3 * cycles)
        )

    def forward(self, v: Tensor, sound: Tensor) -> Tensor:
        """(B, width, 14, 14) and unit-length sounds (B, sound) to (B, width, 14, 14)."""
        middle = functional.gelu(self.BNPred[1](self._below(2, v)))
        low = functional.gelu(self.BNPred[0](self._below(1, middle)))
        predicted = [low, middle, v]
        r = self._corrected(predicted, predicted, sound, self.BNError)
        for cycle in range(self.cycles):
            share = self.b0[2].relu()
            r[2] = functional.gelu((1 - share) * r[2] + share * v)
            for level in (2, 1):
                predicted[level - 1] = self._below(level, r[level])
                share = self.b0[level - 1].relu()
                moved = (1 - share) * r[level - 1] + share * predicted[level - 1]
                r[level - 1] = functional.gelu(self.BNPred_step[2 * cycle + level - 1](moved))
            norms = self.BNError_step[3 * cycle : 3 * cycle + 3]
            r = self._corrected(r, predicted, sound, norms)
        return self.ErrorProcess[3](r[2])

    def _below(self, level: int, r: Tensor) -> Tensor:
        """What a representation predicts of the one below it."""
        return functional.max_pool2d(self.PredProcess[level](r), 2)

    def _corrected(
        self, r: list[Tensor], predicted: list[Tensor], sound: Tensor, norms: nn.ModuleList
    ) -> list[Tensor]:
        """All representations, from the lowest up, by what the prediction of the sound, and then of
        each representation, missed."""
        heard = functional.gelu(self.PredProcess[0](r[0])).mean(dim=(2, 3))
        missed = (sound - heard)[:, :, None, None].expand(-1, -1, SIDES[0], SIDES[0])
        corrected: list[Tensor] = []
        for level in range(3):
            if level:
                missed = corrected[level - 1] - predicted[level - 1]
            if level == 2:
                missed = _doubled(missed)
            step = self.a0[level].relu() * self.ErrorProcess[level](missed)
            corrected.append(functional.gelu(norms[level](r[level] + step)))
        return corrected


def _doubled(maps: Tensor) -> Tensor:
    """(B, C, 7, 7) to (B, C, 14, 14), bilinearly with the corners aligned: as a product, since the
    gradient of torch's own has no deterministic form on a GPU."""
    small, large = maps.shape[-1], 2 * maps.shape[-1]
    places = torch.linspace(0, small - 1, large, device=maps.device, dtype=maps.dtype)
    weights = (1 - (places[:, None] - torch.arange(small, device=maps.device)).abs()).clamp_min(0)
    return weights @ maps @ weights.T
