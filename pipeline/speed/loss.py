"""The objective against the same loss through the B x B x h x w tensor of cosines, and its share of
a whole training step.

Batch 1,024 is timed once, after an untimed turn: through the tensor it takes about a minute, it has
no bar, and what it shows, memory and equality, needs no repeats. The share is against the networks'
time for a few clips, times the batch: their work is linear in it, and a step of 128 clips takes
minutes on a CPU.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.methods.common.similarity import contrastive_loss
from pipeline.methods.localizer import Localizer, Usage
from pipeline.speed.harness import MEBIBYTE, Fact, Row, compare, memory_alone, scaled
from pipeline.train.loop import Recipe, Stepper

BATCHES, CHANNELS, MAP, VIEWS, TAU = (128, 1024), 512, 14, 3, 0.07
_STEP_CLIPS = 2  # of which the networks' time is measured

Features = tuple[list[Tensor], list[Tensor]]
Result = tuple[float, list[Tensor]]  # the loss and its gradients


def measure(
    folder: Path, *, size: float, repeats: int, threads: int, media: Path | None
) -> Iterator[Row]:
    """A row for each of the batches 128 and 1,024 (times `size`): the nine pairs of s_L, forward
    and backward, from features as the paper's networks give them."""
    for number, full in enumerate(BATCHES):
        row = _row(scaled(full, size, least=4), repeats if number == 0 else 1)
        if number == 0:
            networks = scaled(full, size, least=4) * _networks_seconds(size, repeats)
            share = Fact("% of a step", 100 * row.ours / (row.ours + networks), at_most=5.0)
            row = replace(row, facts=(*row.facts, share))
        yield row


def _row(batch: int, repeats: int) -> Row:
    features = _features(batch)
    return compare(
        f"objective and its gradient, batch {batch}, 9 pairs",
        lambda: _ours(features),
        lambda: _through_tensor(features),
        "through the B x B x h x w tensor",
        repeats=repeats,
        facts=lambda ours, theirs: [*_equality(ours, theirs), *_memory(batch)],
    )


def _features(batch: int) -> Features:
    generator = torch.Generator().manual_seed(0)
    frames = [
        torch.randn(batch, CHANNELS, MAP, MAP, generator=generator).requires_grad_()
        for _ in range(VIEWS)
    ]
    sounds = [torch.randn(batch, CHANNELS, generator=generator) for _ in range(VIEWS)]
    return frames, [sound.requires_grad_() for sound in sounds]


def _ours(features: Features) -> Result:
    frames, sounds = features
    loss, _ = contrastive_loss(frames, sounds, tau=TAU)
    return float(loss.detach()), list(torch.autograd.grad(loss, [*frames, *sounds]))


def _through_tensor(features: Features) -> Result:
    """Pair by pair, so that only one such tensor is held at a time."""
    leaves = [*features[0], *features[1]]
    unit = [functional.normalize(leaf, dim=1) for leaf in leaves]
    inner = [leaf.detach().requires_grad_() for leaf in unit]
    total = 0.0
    for frame in inner[:VIEWS]:
        for sound in inner[VIEWS:]:
            cosines = torch.einsum("bchw,dc->bdhw", frame, sound)
            targets = torch.arange(len(frame))
            loss = functional.cross_entropy(cosines.mean(dim=(2, 3)) / TAU, targets)
            loss.backward()
            total += float(loss.detach())
    gradients = torch.autograd.grad(unit, leaves, [leaf.grad for leaf in inner])
    return total, list(gradients)


def _equality(ours: Result, theirs: Result) -> Iterator[Fact]:
    apart = max(
        float((a - b).abs().max() / b.abs().max()) for a, b in zip(ours[1], theirs[1], strict=True)
    )
    yield Fact("losses differ by, of 1", abs(ours[0] / theirs[0] - 1), at_most=1e-5)
    yield Fact("gradients differ by, of 1", apart, at_most=1e-5)


def _memory(batch: int) -> Iterator[Fact]:
    """Memory above that of the features, their gradients included."""
    inputs = VIEWS * batch * CHANNELS * (MAP * MAP + 1) * 4
    yield Fact("memory of the features, MiB", round(inputs / MEBIBYTE))
    for name, way in (("ours", _ours), ("theirs", _through_tensor)):
        peak = memory_alone(_alone, way, batch)
        yield Fact(f"more memory, {name}, MiB", round(peak / MEBIBYTE))


def _alone(way: Callable[[Features], Result], batch: int) -> Callable[[], None]:
    features = _features(batch)

    def call() -> None:
        way(features)

    return call


def _networks_seconds(size: float, repeats: int) -> float:
    """Seconds a clip of the two networks, six views forward and backward, on the CPU."""
    side = 32 * scaled(7, size)
    stepper = Stepper(Localizer(), Recipe(usage=Usage(side=side)), torch.device("cpu"))
    frames = [torch.randn(_STEP_CLIPS, 3, side, side) for _ in range(VIEWS)]
    sounds = [torch.randn(_STEP_CLIPS, 1, 257, 299 * side // 224) for _ in range(VIEWS)]
    row = compare(
        "step",
        lambda: stepper.backward(frames, sounds),
        lambda: None,
        "",
        repeats=min(repeats, 3),
        units=_STEP_CLIPS,
    )
    return row.ours
