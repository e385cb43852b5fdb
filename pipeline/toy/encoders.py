"""The toy's 'off-the-shelf' encoders: small classifiers that stand in for ImageNet and VGGSound.

They are trained with labels on a split that nothing else sees, and come out under the names of the
real files (a timm ResNet's; the VGGSound network's), so the real loaders read them. Narrow networks
keep this to seconds; the price is noisy image features, which is true to life: what a picture shows
beside its sounding object makes neighbours noisy there as well.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import timm
import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.encoders.imagenet import ImageEncoder
from pipeline.encoders.learning.loop import Recipe, run_epochs
from pipeline.encoders.vggsound import AudioEncoder
from pipeline.errors import InputError

_recipe = partial(Recipe, title="labelled encoder, epochs")

BLOCKS = (1, 1, 1, 1)
CHANNELS = (16, 32, 64, 96)


@dataclass(frozen=True)
class TrainedEncoder:
    """Weights under the real file's names; accuracy on the held-out tenth, 0 to 1."""

    state: dict[str, Tensor]
    accuracy: float


def train_image_encoder(
    frames: np.ndarray,
    labels: np.ndarray,
    *,
    seed: int,
    epochs: int = 24,
    threads: int = 2,
    half: bool = False,
    checkpoint: Path | None = None,
) -> TrainedEncoder:
    """A classifier of `frames`, (n, side, side, 3) uint8 RGB, as a timm ResNet's state dict.

    `labels`, (n,), are class numbers from 0 on. The same arguments give the same bits; `threads` is
    one of them, since the order of sums depends on it. `half` has the passes in
    bfloat16. `checkpoint` is a file that keeps every
    finished epoch for a run of the same arguments after a kill; it stays there at the end. Raises
    `InputError` for fewer than 10 clips.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = timm.create_model(
            "resnet18", num_classes=count_classes(labels), layers=BLOCKS, channels=CHANNELS
        )
    encoder = ImageEncoder(network, frames.shape[1])
    pictures = torch.from_numpy(np.ascontiguousarray(frames))
    recipe = _recipe(seed, epochs, threads, checkpoint, half=half)
    accuracy = train_classifier(encoder, encoder, pictures, views_of_frames, labels, recipe)
    return TrainedEncoder(network.state_dict(), accuracy)


def train_audio_encoder(
    spectrograms: np.ndarray,
    labels: np.ndarray,
    *,
    seed: int,
    epochs: int = 6,
    threads: int = 2,
    half: bool = False,
    checkpoint: Path | None = None,
) -> TrainedEncoder:
    """A classifier of `spectrograms`, (n, time steps, bands) of log(S + 1e-7), under the VGGSound
    network's names (`audnet.*`), to be saved under `model_state_dict`. Otherwise as
    `train_image_encoder`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = AudioEncoder(BLOCKS, CHANNELS, stem=CHANNELS[0], classes=count_classes(labels))
    sounds = torch.from_numpy(np.ascontiguousarray(spectrograms))
    recipe = _recipe(seed, epochs, threads, checkpoint, half=half)
    accuracy = train_classifier(encoder, encoder.classify, sounds, views_of_sounds, labels, recipe)
    return TrainedEncoder(encoder.state_dict(), accuracy)


def count_classes(labels: np.ndarray) -> int:
    """The number of classes of `labels`, (n,). Raises `InputError` for fewer than 10 clips."""
    if len(labels) < 10:
        raise InputError(f"{len(labels)} labelled clips, expected at least 10")
    return int(labels.max()) + 1


def train_classifier(
    encoder: nn.Module,
    classify: Callable[[Tensor], Tensor],
    inputs: Tensor,
    views: Callable[[Tensor, torch.Generator], Tensor],
    labels: np.ndarray,
    recipe: Recipe,
    module: str = "pipeline.toy.encoders",
) -> float:
    """Train in place on nine tenths, with `views` as augmentation; accuracy on the tenth left.

    `classify` gives the scores of inputs and of their views, (b, classes). `module` is where the
    encoder's code is: a checkpoint of other code is passed over."""
    generator = torch.Generator().manual_seed(recipe.seed)
    targets = torch.from_numpy(labels.astype(np.int64))
    order = torch.randperm(len(targets), generator=generator)
    held_out, rest = order[: len(order) // 10], order[len(order) // 10 :]

    def loss(rows: Tensor, dice: torch.Generator) -> Tensor:
        return functional.cross_entropy(classify(views(inputs[rows], dice)), targets[rows])

    run_epochs(encoder, loss, rest, recipe, generator, [inputs.numpy(), targets.numpy()], module)
    threads_before = torch.get_num_threads()
    torch.set_num_threads(recipe.threads)
    try:
        with torch.inference_mode():
            right = [
                classify(inputs[rows]).argmax(dim=1) == targets[rows]
                for rows in held_out.split(min(recipe.batch, len(rest)))
            ]
    finally:
        torch.set_num_threads(threads_before)
    return float(torch.cat(right).float().mean())


def views_of_frames(frames: Tensor, generator: torch.Generator) -> Tensor:
    """Random crops of three quarters of the side and more, flips, and shifts of every channel:
    (B, side, side, 3) uint8 to float32 on the same scale."""
    count = len(frames)
    scale = 0.75 + 0.25 * torch.rand(count, generator=generator)
    flip = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    shift = (2 * torch.rand(count, 2, generator=generator) - 1) * (1 - scale)[:, None]
    transform = torch.zeros(count, 2, 3)
    transform[:, 0, 0], transform[:, 1, 1], transform[:, :, 2] = scale * flip, scale, shift
    pixels = frames.permute(0, 3, 1, 2).to(torch.float32)
    grid = functional.affine_grid(transform, list(pixels.shape), align_corners=False)
    pixels = functional.grid_sample(pixels, grid, align_corners=False, padding_mode="reflection")
    gain = 1 + 0.2 * (2 * torch.rand(count, 3, 1, 1, generator=generator) - 1)
    offset = 20 * (2 * torch.rand(count, 3, 1, 1, generator=generator) - 1)
    return (pixels * gain + offset).clamp(0, 255).permute(0, 2, 3, 1)


def views_of_sounds(spectrograms: Tensor, generator: torch.Generator) -> Tensor:
    """Every sound turned round by a random time: (B, time steps, bands), of the same shape."""
    count, steps = spectrograms.shape[:2]
    start = torch.randint(steps, (count, 1), generator=generator)
    order = (start + torch.arange(steps)) % steps
    return spectrograms[torch.arange(count)[:, None], order]
