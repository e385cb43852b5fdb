"""A method's loss at one, two and four times the batch: its time, its share of a step, and whether
its memory is linear in the batch; and the paper's objective against the same loss through the
B x B x h x w tensor of cosines.

Features are random numbers of the shapes that the method's networks give at its own side, however
small the batch, since at another side another part of the memory leads. The share of a step is
against the networks' time for a few clips, times the batch: their work is linear in it, and a step
of 128 clips takes minutes on a CPU. Batch 1,024 of the objective is timed once, after an untimed
turn: through the tensor it takes about a minute, it has no bar, and what it shows, memory and
equality, needs no repeats.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.methods.common.similarity import contrastive_loss
from pipeline.methods.contract import Dice, Features, Method, View
from pipeline.speed import made
from pipeline.speed.harness import (
    MEBIBYTE,
    Fact,
    Row,
    Setup,
    compare,
    memory_alone,
    scaled,
    take_turns,
    timed_row,
)
from pipeline.speed.method import LATE, made_method, networks_alone, parts_of, training_set
from pipeline.train.settings import Train

BATCH = 128
BATCHES, CHANNELS, MAP, VIEWS, TAU = (128, 1024), 512, 14, 3, 0.07  # of the objective
# Twice the batch takes twice the memory, and a tenth more for what the machine hands out in pieces.
GROWTH = 2.2
_BATCH = -1
_PAGE = 4096 / MEBIBYTE
_STEP_CLIPS = 2  # of which the networks' time is measured

Views: TypeAlias = tuple[list[Tensor], list[Tensor]]
Result: TypeAlias = tuple[float, list[Tensor]]  # the loss and its gradients


def measure(folder: Path, setup: Setup) -> Iterator[Row]:
    """Three rows of the method's loss, forward and backward, from batch 128 (times `size`) on. For
    `alignment` a row more for each of the batches 128 and 1,024: the nine pairs of s_L."""
    yield from _growing(folder, setup)
    if setup.method == "alignment":
        for number, full in enumerate(BATCHES):
            batch = scaled(full, setup.size, least=4)
            yield _objective_row(batch, setup.repeats if number == 0 else 1)


# --- any method's loss ---------------------------------------------------------------------------


def _growing(folder: Path, setup: Setup) -> Iterator[Row]:
    method = made_method(setup.method)
    counts = [scaled(BATCH, setup.size, least=4) * times for times in (1, 2, 4)]
    shapes, networks = _networks(folder, method, setup.repeats)
    calls = [_loss_call(method, shapes, count) for count in counts]
    for call in calls:
        call()
    seconds = take_turns(calls, setup.repeats)
    before = 0.0
    for place, count in enumerate(counts):
        times = count // counts[0]
        memory = loss_memory(setup.method, shapes, count)
        facts = [
            Fact("memory of the features, MiB", round(_mebibytes(shapes, count), 1)),
            Fact("more memory, MiB", round(memory, 1)),
        ]
        row = timed_row(
            f"loss of {setup.method} and its gradient, batch {count}",
            f"{times} x the time of batch {counts[0]}",
            seconds[:, [place, 0]] * [1, times],
        )
        if place == 0:
            facts.append(Fact("% of a step", 100 * row.ours / (row.ours + count * networks), 5.0))
        if place == 2:
            facts.append(memory_growth(before, memory))
        before = memory
        yield Row(row.name, row.ours, row.other, row.theirs, row.ratio, facts=tuple(facts))


# A view's name, and of each of its tensors how many rows a clip has, the rows' shape (`_BATCH` of a
# number that is the batch's clips), and whether it learns.
Shapes: TypeAlias = dict[str, list[tuple[float, tuple[int, ...], bool]]]


def feature_shapes(folder: Path, method: Method) -> tuple[Shapes, dict[str, View]]:
    """What features the method's networks make of a clip, and the views of a few clips that tell
    it, on the CPU."""
    seconds = max(
        method.settings.seconds, *(wanted.seconds or 0.0 for wanted in method.inputs().values())
    )
    corpus = made.corpus(
        folder / "loss",
        2 * _STEP_CLIPS,
        side=round(1.1 * method.side),
        form=method.form,
        seconds=seconds,
    )
    batch = training_set(corpus, method, batch=_STEP_CLIPS)[0]
    method.before_step(LATE)
    views = method.views(batch, Dice(0, LATE.step))
    shapes: Shapes = {}
    for name, view in views.items():
        with torch.no_grad():
            features = parts_of(method.encode(view))
        if view.modality == "kin":  # of each clip with every other
            shapes[name] = [(1.0, (_BATCH,), False)]
            continue
        shapes[name] = [
            (len(part) / _STEP_CLIPS, tuple(part.shape[1:]), not view.momentum) for part in features
        ]
    return shapes, views


def loss_memory(name: str, shapes: Shapes, clips: int) -> float:
    """The most MiB that the method's loss of so many clips and its gradient hold above their
    features, in a process of its own."""
    return memory_alone(_loss_alone, name, shapes, clips) / MEBIBYTE


def memory_growth(before: float, after: float) -> Fact:
    """How many times as much memory twice the batch takes."""
    return Fact("x the memory of half the batch", round(after / max(before, _PAGE), 2), GROWTH)


def _networks(folder: Path, method: Method, repeats: int) -> tuple[Shapes, float]:
    """What features the method's views have, and the networks' seconds a clip, forward and
    backward, on the CPU."""
    shapes, views = feature_shapes(folder, method)
    run = networks_alone(method, views, Train(), torch.device("cpu"))
    run()
    taken = take_turns([run], min(repeats, 3))
    method.zero_grad(set_to_none=True)
    return shapes, float(torch.from_numpy(taken).median()) / _STEP_CLIPS


def _loss_call(method: Method, shapes: Shapes, clips: int) -> Callable[[], None]:
    """A call that computes the loss of `clips` clips' random features, and its gradient."""
    generator = torch.Generator().manual_seed(0)
    features: dict[str, Features] = {}
    for name, parts in shapes.items():
        drawn = tuple(
            torch.randn(*_shape(rows, shape, clips), generator=generator).requires_grad_(learns)
            for rows, shape, learns in parts
        )
        features[name] = drawn if len(drawn) > 1 else drawn[0]
    leaves = [part for view in features.values() for part in parts_of(view) if part.requires_grad]

    def call() -> None:
        for leaf in leaves:
            leaf.grad = None
        method.zero_grad(set_to_none=True)
        found = method.loss(features, Dice(0, LATE.step), LATE)
        torch.stack([found[part] for part in method.parts]).sum().backward()

    return call


def _loss_alone(name: str, shapes: Shapes, clips: int) -> Callable[[], None]:
    call = _loss_call(made_method(name), shapes, clips)
    _loss_call(made_method(name), shapes, 2)()  # what torch makes once and keeps
    return call


def _shape(rows: float, shape: tuple[int, ...], clips: int) -> tuple[int, ...]:
    """The shape of a tensor for so many clips."""
    return round(rows * clips), *(clips if size == _BATCH else size for size in shape)


def _mebibytes(shapes: Shapes, clips: int) -> float:
    numbers = sum(
        torch.Size(_shape(rows, shape, clips)).numel()
        for parts in shapes.values()
        for rows, shape, _ in parts
    )
    return 4 * numbers / MEBIBYTE


# --- the paper's objective -----------------------------------------------------------------------


def _objective_row(batch: int, repeats: int) -> Row:
    features = _features(batch)
    return compare(
        f"objective and its gradient, batch {batch}, 9 pairs",
        lambda: _ours(features),
        lambda: _through_tensor(features),
        "through the B x B x h x w tensor",
        repeats=repeats,
        facts=lambda ours, theirs: [*_equality(ours, theirs), *_memory(batch)],
    )


def _features(batch: int) -> Views:
    generator = torch.Generator().manual_seed(0)
    frames = [
        torch.randn(batch, CHANNELS, MAP, MAP, generator=generator).requires_grad_()
        for _ in range(VIEWS)
    ]
    sounds = [torch.randn(batch, CHANNELS, generator=generator) for _ in range(VIEWS)]
    return frames, [sound.requires_grad_() for sound in sounds]


def _ours(features: Views) -> Result:
    frames, sounds = features
    loss, _ = contrastive_loss(frames, sounds, tau=TAU)
    return float(loss.detach()), list(torch.autograd.grad(loss, [*frames, *sounds]))


def _through_tensor(features: Views) -> Result:
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


def _alone(way: Callable[[Views], Result], batch: int) -> Callable[[], None]:
    features = _features(batch)

    def call() -> None:
        way(features)

    return call
