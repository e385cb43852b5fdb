"""The toy's encoders without labels: stand-ins for self-supervised networks of pictures and of
sounds, by whose features the journal's variant of the paper's method finds its neighbours. How they
learn: `pipeline.encoders.learning.alone`.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import timm
import torch
from torch import Tensor

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


def train_pictures_alone(
    frames: np.ndarray,
    *,
    seed: int,
    epochs: int,
    threads: int = 2,
    checkpoint: Path | None = None,
) -> Alone:
    """A network of `frames`, (n, side, side, 3) uint8 RGB, as a timm ResNet's state dict; otherwise
    as `pipeline.toy.encoders.train_image_encoder`, without labels."""
    recipe = Recipe(seed, epochs, threads, checkpoint, _BATCH, _RATE, "pictures alone, epochs")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = timm.create_model("resnet18", num_classes=0, layers=BLOCKS, channels=CHANNELS)
        head = head_of(CHANNELS[-1])
    pictures = torch.from_numpy(np.ascontiguousarray(frames))
    loss = learn_alone(
        network,
        head,
        lambda rows, dice: picture_view(pictures[rows], dice),
        torch.arange(len(pictures)),
        recipe,
        [pictures.numpy()],
        __name__,
    )
    return Alone(network.state_dict(), loss)


def train_sounds_alone(
    spectrograms: np.ndarray,
    *,
    seed: int,
    epochs: int,
    threads: int = 2,
    checkpoint: Path | None = None,
) -> Alone:
    """A network of `spectrograms`, (n, time steps, bands) of log(S + 1e-7), as `sounds_alone` of
    pipeline/encoders reads it; otherwise as `train_pictures_alone`."""
    recipe = Recipe(seed, epochs, threads, checkpoint, _BATCH, _RATE, "sounds alone, epochs")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = SoundEncoder(BLOCKS, CHANNELS)
        head = head_of(CHANNELS[-1])
    sounds = torch.from_numpy(np.ascontiguousarray(spectrograms))
    loss = learn_alone(
        encoder,
        head,
        lambda rows, dice: sound_view(sounds[rows], dice),
        torch.arange(len(sounds)),
        recipe,
        [sounds.numpy()],
        __name__,
    )
    return Alone(encoder.network.state_dict(), loss)
