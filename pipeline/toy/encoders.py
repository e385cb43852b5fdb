"""The toy's 'off-the-shelf' encoders: small classifiers that stand in for ImageNet and VGGSound.

They are trained with labels on a split that nothing else sees, and come out under the names of the
real files (a timm ResNet's; the VGGSound network's), so the real loaders read them. Narrow networks
keep this to seconds; the price is noisy image features, which is true to life: what a picture shows
beside its sounding object makes neighbours noisy there as well.
"""

import io
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.base.code import fingerprint, hash_of_code
from pipeline.base.files import atomic_file
from pipeline.encoders.imagenet import ImageEncoder
from pipeline.encoders.vggsound import AudioEncoder
from pipeline.errors import InputError
from pipeline.execution.progress import console, track

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
    checkpoint: Path | None = None,
) -> TrainedEncoder:
    """A classifier of `frames`, (n, side, side, 3) uint8 RGB, as a timm ResNet's state dict.

    `labels`, (n,), are class numbers from 0 on. The same arguments give the same bits; `threads` is
    one of them, since the order of sums depends on it. `checkpoint` is a file that keeps every
    finished epoch for a run of the same arguments after a kill; it stays there at the end. Raises
    `InputError` for fewer than 10 clips.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = timm.create_model(
            "resnet18", num_classes=_classes(labels), layers=BLOCKS, channels=CHANNELS
        )
    encoder = ImageEncoder(network, frames.shape[1])
    pictures = torch.from_numpy(np.ascontiguousarray(frames))
    accuracy = _train(
        encoder, encoder, pictures, _views_of_frames, labels, seed, epochs, threads, checkpoint
    )
    return TrainedEncoder(network.state_dict(), accuracy)


def train_audio_encoder(
    spectrograms: np.ndarray,
    labels: np.ndarray,
    *,
    seed: int,
    epochs: int = 6,
    threads: int = 2,
    checkpoint: Path | None = None,
) -> TrainedEncoder:
    """A classifier of `spectrograms`, (n, time steps, bands) of log(S + 1e-7), under the VGGSound
    network's names (`audnet.*`), to be saved under `model_state_dict`. Otherwise as
    `train_image_encoder`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = AudioEncoder(BLOCKS, CHANNELS, stem=CHANNELS[0], classes=_classes(labels))
    sounds = torch.from_numpy(np.ascontiguousarray(spectrograms))
    accuracy = _train(
        encoder,
        encoder.classify,
        sounds,
        _views_of_sounds,
        labels,
        seed,
        epochs,
        threads,
        checkpoint,
    )
    return TrainedEncoder(encoder.state_dict(), accuracy)


def _classes(labels: np.ndarray) -> int:
    if len(labels) < 10:
        raise InputError(f"{len(labels)} labelled clips, expected at least 10")
    return int(labels.max()) + 1


def _train(
    encoder: nn.Module,
    classify: Callable[[Tensor], Tensor],
    inputs: Tensor,
    views: Callable[[Tensor, torch.Generator], Tensor],
    labels: np.ndarray,
    seed: int,
    epochs: int,
    threads: int,
    checkpoint: Path | None,
    batch: int = 50,
    learning_rate: float = 5e-3,
) -> float:
    """Train in place on nine tenths, with `views` as augmentation; accuracy on the tenth left."""
    generator = torch.Generator().manual_seed(seed)
    targets = torch.from_numpy(labels.astype(np.int64))
    order = torch.randperm(len(targets), generator=generator)
    held_out, rest = order[: len(order) // 10], order[len(order) // 10 :]
    batch = min(batch, len(rest))
    steps = len(rest) // batch  # an odd rest waits for another epoch's order
    encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.Adam(encoder.parameters(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, learning_rate, epochs * steps)
    parts: dict[str, Any] = {"network": encoder, "optimiser": optimiser, "schedule": schedule}
    code = hash_of_code("pipeline.toy.encoders")
    arguments = repr((seed, epochs, threads, batch, learning_rate, torch.__version__))
    identity = fingerprint([inputs.numpy(), targets.numpy(), arguments, code])
    done = _resumed(checkpoint, identity, parts, generator)
    threads_before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        encoder.train()
        for epoch in track(range(done, epochs), "labelled encoder, epochs", epochs - done):
            shuffled = rest[torch.randperm(len(rest), generator=generator)]
            for rows in shuffled[: steps * batch].view(steps, batch):
                scores = classify(views(inputs[rows], generator))
                optimiser.zero_grad()
                functional.cross_entropy(scores, targets[rows]).backward()
                optimiser.step()
                schedule.step()
            if checkpoint is not None:
                state = {name: part.state_dict() for name, part in parts.items()}
                state |= {"identity": identity, "done": epoch + 1, "dice": generator.get_state()}
                buffer = io.BytesIO()
                torch.save(state, buffer)
                with atomic_file(checkpoint) as file:
                    file.write(buffer.getvalue())
        encoder.eval()
        with torch.inference_mode():
            right = [
                classify(inputs[rows]).argmax(dim=1) == targets[rows]
                for rows in held_out.split(batch)
            ]
    finally:
        torch.set_num_threads(threads_before)
    return float(torch.cat(right).float().mean())


def _resumed(
    checkpoint: Path | None, identity: str, parts: dict[str, Any], generator: torch.Generator
) -> int:
    """How many epochs are done; `parts` and `generator` are put where the checkpoint left them.

    One of other arguments or other code, or a damaged one, is passed over."""
    if checkpoint is None or not checkpoint.exists():
        return 0
    try:
        saved = torch.load(checkpoint, weights_only=True)
    except (RuntimeError, ValueError, EOFError, pickle.UnpicklingError):
        console.print(f"{checkpoint}: is damaged, starting anew", markup=False)
        return 0
    if saved["identity"] != identity:
        return 0
    for name, part in parts.items():
        part.load_state_dict(saved[name])
    generator.set_state(saved["dice"])
    console.print(f"{checkpoint}: resuming after epoch {saved['done']}", markup=False)
    return int(saved["done"])


def _views_of_frames(frames: Tensor, generator: torch.Generator) -> Tensor:
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


def _views_of_sounds(spectrograms: Tensor, generator: torch.Generator) -> Tensor:
    """Every sound turned round by a random time: (B, time steps, bands), of the same shape."""
    count, steps = spectrograms.shape[:2]
    start = torch.randint(steps, (count, 1), generator=generator)
    order = (start + torch.arange(steps)) % steps
    return spectrograms[torch.arange(count)[:, None], order]
