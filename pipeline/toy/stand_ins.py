"""What the toy's encoder stage trains beside its labelled pair where a study asks for it
(`encoders: {stand_ins: [...]}`), each the stand-in of a network that the real studies fetch:

pictures_alone, sounds_alone: self-supervised encoders for neighbours (`pipeline.toy.alone`).
vision: ImageNet's ResNet of a localizer, `vision: imagenet, vision_model: vision`. The labelled
    image encoder is none: it keeps timm's stem of 64 channels.
vgg, vggish: the frozen networks of SSPL and of Attention10k's 2018 form, `vision_model: vgg` and
    `sound_model: vggish`. VGGish hears the sound encoder's form, and is read by a method whose form
    is the same.

Shapes are those of the toy's methods in params.yaml; a test holds them together.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.clips.views import plain_view
from pipeline.encoders.learning.loop import Recipe
from pipeline.errors import InputError
from pipeline.methods.common.vgg import VGGish, convolutions
from pipeline.networks.resnet import ResNet, initialise
from pipeline.toy.alone import train_alone
from pipeline.toy.encoders import (
    BLOCKS,
    CHANNELS,
    count_classes,
    train_classifier,
    views_of_frames,
    views_of_sounds,
)
from pipeline.toy.settings import Encoders

_STRIDES = (1, 2, 1, 1)
_RESNET_SIDE, _VGG_SIDE = 64, 56
_VGG_CHANNELS, _VGG_COUNTS = (16, 32, 64), (1, 1, 2)
_EXAMPLE_STEPS, _HIDDEN, _WIDTH = 20, 128, 32
_RATE = 1e-3  # of networks without batch normalisation


@dataclass(frozen=True)
class Material:
    """The labelled list: `frames` (n, side, side, 3) uint8, `spectrograms` (n, steps, bins) with
    what networks divide them by, `labels` (n,) from 0 on; whether passes are in bfloat16; and the
    folder of checkpoints."""

    frames: np.ndarray
    spectrograms: np.ndarray
    divisor: float
    labels: np.ndarray
    half: bool
    work: Path


def train_stand_in(
    name: str, material: Material, values: Encoders
) -> tuple[dict[str, Tensor], dict[str, float]]:
    """The weights of a stand-in by the names of the real file, and what its summary says: the
    accuracy on the held-out tenth in per cent, or the last epoch's loss of one without labels.

    Raises `InputError` as `check_stand_ins` does."""
    check_stand_ins([name])
    return _STAND_INS[name](material, values, material.work / f"{name}.pt")


def check_stand_ins(names: list[str]) -> None:
    """Raise `InputError` for a name that is no stand-in's."""
    for name in names:
        if name not in _STAND_INS:
            raise InputError(
                f"encoders.stand_ins: {name!r}: expected one of {', '.join(_STAND_INS)}"
            )


class PictureClassifier(nn.Module):
    """A network of frames under the mean of its last map and a linear layer."""

    def __init__(self, network: nn.Module, width: int, classes: int, side: int) -> None:
        super().__init__()
        self.network, self.head, self.side = network, nn.Linear(width, classes), side

    def forward(self, frames: Tensor) -> Tensor:
        """Stored frames, (b, H, W, 3) in 0 to 255, to scores, (b, classes)."""
        maps = self.network(plain_view(frames, self.side))
        return self.head(maps.relu().mean(dim=(2, 3)))


class SoundClassifier(nn.Module):
    """VGGish under the mean over a sound's examples and a linear layer."""

    def __init__(self, network: VGGish, classes: int, divisor: float) -> None:
        super().__init__()
        self.network, self.head = network, nn.Linear(_WIDTH, classes)
        self.divisor = divisor

    def forward(self, spectrograms: Tensor) -> Tensor:
        """Stored spectrograms, (b, steps, bins), to scores, (b, classes)."""
        examples = spectrograms.shape[1] // _EXAMPLE_STEPS
        heard = spectrograms[:, : examples * _EXAMPLE_STEPS].float() / self.divisor
        each = heard.reshape(-1, 1, _EXAMPLE_STEPS, heard.shape[2])
        return self.head(self.network.embed(each).unflatten(0, (-1, examples)).mean(dim=1))


def small_resnet() -> ResNet:
    """The toy localizers' image network."""
    return ResNet(3, BLOCKS, CHANNELS, _STRIDES)


def small_vgg() -> nn.Sequential:
    """A VGG up to its last convolution, whose ReLU is left out."""
    return convolutions(3, _VGG_CHANNELS, _VGG_COUNTS, last_pool=False)


def small_vggish(bins: int) -> VGGish:
    """A VGGish whose examples are 20 time steps of `bins` bins."""
    return VGGish(
        _VGG_CHANNELS, _VGG_COUNTS, steps=_EXAMPLE_STEPS, bins=bins, hidden=_HIDDEN, width=_WIDTH
    )


Trained = tuple[dict[str, Tensor], dict[str, float]]


def _pictures_alone(material: Material, values: Encoders, checkpoint: Path) -> Trained:
    return _alone("pictures", material.frames, material.half, values, checkpoint)


def _sounds_alone(material: Material, values: Encoders, checkpoint: Path) -> Trained:
    return _alone("sounds", material.spectrograms, material.half, values, checkpoint)


def _alone(
    what: Literal["pictures", "sounds"],
    clips: np.ndarray,
    half: bool,
    values: Encoders,
    checkpoint: Path,
) -> Trained:
    found = train_alone(
        what,
        clips,
        seed=values.seed,
        epochs=values.alone_epochs,
        threads=values.threads,
        half=half,
        checkpoint=checkpoint,
    )
    return found.state, {f"{what}_alone_loss": found.loss}


def _vision(material: Material, values: Encoders, checkpoint: Path) -> Trained:
    def make() -> tuple[nn.Module, nn.Module]:
        return _of_pictures(small_resnet(), CHANNELS[-1], _RESNET_SIDE, material)

    return _labelled(
        "vision", make, material.frames, views_of_frames, 5e-3, material, values, checkpoint
    )


def _vgg(material: Material, values: Encoders, checkpoint: Path) -> Trained:
    def make() -> tuple[nn.Module, nn.Module]:
        return _of_pictures(small_vgg(), _VGG_CHANNELS[-1], _VGG_SIDE, material)

    state, told = _labelled(
        "vgg", make, material.frames, views_of_frames, _RATE, material, values, checkpoint
    )
    return {f"features.{key}": tensor for key, tensor in state.items()}, told


def _vggish(material: Material, values: Encoders, checkpoint: Path) -> Trained:
    def make() -> tuple[nn.Module, nn.Module]:
        network = small_vggish(material.spectrograms.shape[2])
        classes = count_classes(material.labels)
        return network, SoundClassifier(network, classes, material.divisor)

    return _labelled(
        "vggish", make, material.spectrograms, views_of_sounds, _RATE, material, values, checkpoint
    )


def _of_pictures(
    network: nn.Module, width: int, side: int, material: Material
) -> tuple[nn.Module, nn.Module]:
    return network, PictureClassifier(network, width, count_classes(material.labels), side)


def _labelled(
    name: str,
    make: Callable[[], tuple[nn.Module, nn.Module]],
    inputs: np.ndarray,
    views: Callable[[Tensor, torch.Generator], Tensor],
    rate: float,
    material: Material,
    values: Encoders,
    checkpoint: Path,
) -> Trained:
    """Train what `make` gives: a network, whose weights are kept, and the classifier round it."""
    with torch.random.fork_rng(devices=[]):
        network, classifier = make()
    initialise(classifier, torch.Generator().manual_seed(values.seed))
    recipe = Recipe(
        values.seed,
        values.image_epochs,
        values.threads,
        checkpoint,
        learning_rate=rate,
        half=material.half,
        title=f"{name}, epochs",
    )
    accuracy = train_classifier(
        classifier,
        classifier,
        torch.from_numpy(inputs),
        views,
        material.labels,
        recipe,
        __name__,
    )
    return network.state_dict(), {f"{name}_accuracy": 100 * accuracy}


_STAND_INS: dict[str, Callable[[Material, Encoders, Path], Trained]] = {
    "pictures_alone": _pictures_alone,
    "sounds_alone": _sounds_alone,
    "vision": _vision,
    "vgg": _vgg,
    "vggish": _vggish,
}
