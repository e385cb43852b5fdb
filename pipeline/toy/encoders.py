"""The toy's 'off-the-shelf' encoders: small classifiers that stand in for ImageNet and VGGSound.

They are trained with labels on a split that nothing else sees, and come out under the names of the
real files (a timm ResNet's; the VGGSound network's), so the real loaders read them. Narrow networks
keep this to seconds; the price is noisy image features, which is true to life: what a picture shows
beside its sounding object makes neighbours noisy there as well.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import timm
import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.encoders import AudioEncoder, ImageEncoder
from pipeline.errors import InputError
from pipeline.progress import track

BLOCKS = (1, 1, 1, 1)
CHANNELS = (16, 32, 64, 96)


@dataclass(frozen=True)
class TrainedEncoder:
    """Weights under the real file's names; accuracy on the held-out tenth, 0 to 1."""

    state: dict[str, Tensor]
    accuracy: float


def train_image_encoder(
    frames: np.ndarray, labels: np.ndarray, *, seed: int, epochs: int = 12, threads: int = 2
) -> TrainedEncoder:
    """A classifier of `frames`, (n, side, side, 3) uint8 RGB, as a timm ResNet's state dict.

    `labels`, (n,), are class numbers from 0 on. The same arguments give the same bits; `threads` is
    one of them, since the order of sums depends on it. Raises `InputError` for fewer than 10 clips.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = timm.create_model(
            "resnet18", num_classes=_classes(labels), layers=BLOCKS, channels=CHANNELS
        )
    encoder = ImageEncoder(network, frames.shape[1])
    pictures = torch.from_numpy(np.ascontiguousarray(frames))
    accuracy = _train(encoder, encoder, pictures, _views_of_frames, labels, seed, epochs, threads)
    return TrainedEncoder(network.state_dict(), accuracy)


def train_audio_encoder(
    spectrograms: np.ndarray, labels: np.ndarray, *, seed: int, epochs: int = 12, threads: int = 2
) -> TrainedEncoder:
    """A classifier of `spectrograms`, (n, time steps, bands) of log(S + 1e-7), under the VGGSound
    network's names (`audnet.*`), to be saved under `model_state_dict`. Otherwise as
    `train_image_encoder`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = AudioEncoder(BLOCKS, CHANNELS, stem=CHANNELS[0], classes=_classes(labels))
    sounds = torch.from_numpy(np.ascontiguousarray(spectrograms))
    accuracy = _train(
        encoder, encoder.classify, sounds, _views_of_sounds, labels, seed, epochs, threads
    )
    return TrainedEncoder(encoder.state_dict(), accuracy)
