"""Learning without labels, by SimCLR's loss (Chen et al., ICML 2020, Eq. 1): two views of a clip
are to be nearer to each other than to any other view of the batch.

Pictures are seen by SimCLR's own views. A sound is heard with another one laid under it, over a
part of its time and shifted and stretched along the bands (as in BYOL-A, Niizumi et al., IJCNN
2021), and with a time and a band masked. The head that the loss reads is thrown away, as there.
"""

import math
from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.clips.views import draw, simclr_view
from pipeline.encoders.learning.loop import Recipe, run_epochs
from pipeline.errors import InputError

_TEMPERATURE = 0.2
_HEAD = 64  # numbers that the loss compares
_CROP = (0.3, 1.0)  # of the frame's area
_SIDE = 2 / 3  # a view's side by the frame's; it costs less than half
_UNDER = 0.4  # a sound laid under another has at most this share of its level
_TIME = (0.6, 1.0)  # the part of a sound that is heard
_BANDS = (0.8, 1.1)  # how far the bands are stretched
_SHIFT = 0.15  # ... and shifted either way, of all bands
_MASKED = 8  # a mask is at most so small a part of an axis

# Two views of the same clips: their rows, and what random numbers come from, to (b, ...).
Look = Callable[[Tensor, torch.Generator], Tensor]


def learn_alone(
    network: nn.Module,
    head: nn.Module,
    look: Look,
    rows: Tensor,
    recipe: Recipe,
    inputs: Iterable[np.ndarray | bytes],
    module: str,
) -> float:
    """Train both in place on the clips `rows`, of which `look` gives a view each time that it is
    called, on the networks' device; the mean loss of the last epoch. `inputs` and the code of
    `module` tell a checkpoint of other work. Raises `InputError` for fewer than 10 clips."""
    if len(rows) < 10:
        raise InputError(f"{len(rows)} clips to learn from without labels, expected at least 10")

    def loss(chosen: Tensor, dice: torch.Generator) -> Tensor:
        both = torch.cat([look(chosen, dice), look(chosen, dice)])
        first, second = head(network(both)).float().chunk(2)
        with torch.autocast(first.device.type, enabled=False):
            return nt_xent(first, second, _TEMPERATURE)

    return run_epochs(
        nn.ModuleDict({"network": network, "head": head}),
        loss,
        rows,
        recipe,
        torch.Generator().manual_seed(recipe.seed),
        inputs,
        module,
    )


def nt_xent(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """SimCLR's loss of two views, (b, D) each: the mean over all 2 b of the cross-entropy of the
    other view of the same clip among all but the view itself, by cosines over `temperature`."""
    z = functional.normalize(torch.cat([first, second]), dim=1)
    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    logits = (z @ z.T / temperature).masked_fill(itself, -torch.inf)
    return functional.cross_entropy(logits, torch.arange(len(z), device=z.device).roll(len(first)))


def picture_view(frames: Tensor, generator: torch.Generator) -> Tensor:
    """SimCLR's view of stored frames, at two thirds of their side, so that what is shown has nearly
    the size that it has in a whole frame: (b, side, side, 3) uint8 to (b, 3, s, s) float32."""
    draws = draw(generator, len(frames))
    order = torch.randperm(4, generator=generator).tolist()
    side = round(_SIDE * frames.shape[1])
    return simclr_view(frames, draws, side, order=order, area=_CROP, strength=0.5)


def sound_view(spectrograms: Tensor, generator: torch.Generator) -> Tensor:
    """A view of stored spectrograms, (b, steps, bands) of logarithms, float32 of the same shape."""
    x = spectrograms.float()
    count, steps, bands = x.shape
    level = x.mean(dim=(1, 2), keepdim=True)
    share = torch.rand(count, 1, 1, generator=generator) * _UNDER
    x = torch.logaddexp(x, (x - level).roll(1, 0) + level + share.clamp_min(1e-4).log())
    u = torch.rand(count, 6, generator=generator)
    part = _TIME[0] + (_TIME[1] - _TIME[0]) * u[:, 0]
    transform = torch.zeros(count, 2, 3)
    transform[:, 0, 0] = _BANDS[0] + (_BANDS[1] - _BANDS[0]) * u[:, 1]
    transform[:, 0, 2] = (2 * u[:, 2] - 1) * 2 * _SHIFT
    transform[:, 1, 1], transform[:, 1, 2] = part, (2 * u[:, 3] - 1) * (1 - part)
    grid = functional.affine_grid(transform, [count, 1, steps, bands], align_corners=False)
    x = functional.grid_sample(x[:, None], grid, padding_mode="border", align_corners=False)[:, 0]
    masked = (
        _band(steps, u[:, 4], generator)[:, :, None] | _band(bands, u[:, 5], generator)[:, None]
    )
    return torch.where(masked, x.mean(dim=(1, 2), keepdim=True), x)


def _band(length: int, share: Tensor, generator: torch.Generator) -> Tensor:
    """A stretch of an axis at a random place, (b, length) bool; its length is `share` of the
    largest."""
    longest = math.ceil(length / _MASKED)
    start = torch.rand(len(share), 1, generator=generator) * (length - longest)
    places = torch.arange(length)
    return (places >= start) & (places < start + share[:, None] * longest)


def head_of(width: int) -> nn.Sequential:
    """What the loss reads in place of features, (b, width)."""
    return nn.Sequential(nn.Linear(width, width), nn.ReLU(inplace=True), nn.Linear(width, _HEAD))
