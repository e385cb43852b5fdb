"""The toy's encoders without labels: stand-ins for self-supervised networks of pictures and of
sounds, by whose features the journal's variant of the paper's method finds its neighbours. How they
learn: `pipeline.encoders.learning.alone`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import timm
import torch
from torch import Tensor, nn

from pipeline.encoders.learning.alone import head_of, learn_alone, picture_view, sound_view
from pipeline.encoders.learning.loop import Recipe
from pipeline.encoders.sounds_alone import SoundEncoder
from pipeline.toy.encoders import BLOCKS, CHANNELS

_BATCH, _RATE = 100, 2e-3


@dataclass(frozen=True)
class Alone:
    """Weights under the real file's names, and the mean loss of the last epoch."""

    state: dict[str, Tensor]
    loss: float


def train_alone(
    what: Literal["pictures", "sounds"],
    clips: np.ndarray,
    *,
    seed: int,
    epochs: int,
    threads: int = 2,
    half: bool = False,
    checkpoint: Path | None = None,
) -> Alone:
    """A network of `clips`: of pictures, (n, side, side, 3) uint8 RGB, as a timm ResNet's state
    dict; of sounds, (n, time steps, bands) of log(S + 1e-7), as `sounds_alone` of pipeline/encoders
    reads it. Otherwise as `pipeline.toy.encoders.train_image_encoder`, without labels."""
    make, view = _KINDS[what]
    title = f"{what} alone, epochs"
    recipe = Recipe(seed, epochs, threads, checkpoint, _BATCH, _RATE, half, title)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder, network = make()
        head = head_of(CHANNELS[-1])
    stored = torch.from_numpy(np.ascontiguousarray(clips))
    loss = learn_alone(
        encoder,
        head,
        lambda rows, dice: view(stored[rows], dice),
        torch.arange(len(stored)),
        recipe,
        [stored.numpy()],
        __name__,
    )
    return Alone(network.state_dict(), loss)


def _of_pictures() -> tuple[nn.Module, nn.Module]:
    """What is trained, and the network in it whose weights a file holds."""
    network = timm.create_model("resnet18", num_classes=0, layers=BLOCKS, channels=CHANNELS)
    return network, network


def _of_sounds() -> tuple[nn.Module, nn.Module]:
    """See `_of_pictures`."""
    encoder = SoundEncoder(BLOCKS, CHANNELS)
    return encoder, encoder.network


_View = Callable[[Tensor, torch.Generator], Tensor]
_KINDS: dict[str, tuple[Callable[[], tuple[nn.Module, nn.Module]], _View]] = {
    "pictures": (_of_pictures, picture_view),
    "sounds": (_of_sounds, sound_view),
}
