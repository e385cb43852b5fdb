"""Training steps of a method: what they cost above its networks alone, whether loading keeps up,
how near the device's own limit the arithmetic is, and what cached gradients cost in time and save
in memory.

The limit is a large matrix product on the same device in the same run. The time that the device
waits is what a step takes longer with the loader than with a batch that lies on it already. Loading
is from the page cache, as a machine with memory for the corpus would have it.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from pipeline.clips.decoded import DecodedCorpus
from pipeline.methods.contract import Dice, Method
from pipeline.networks.device import deterministic
from pipeline.speed import made
from pipeline.speed.device import peak_memory, product_rate, reset_peak, wait_for
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
from pipeline.speed.method import LATE, made_method, networks_alone, training_set
from pipeline.train.batches import Batch
from pipeline.train.loop import load_batches
from pipeline.train.settings import Train
from pipeline.train.step import Stepper

SECONDS = 10.0
GPU_BATCHES, CPU_BATCHES = (128, 512), (4,)
LEAST_BATCH = 4
ABOVE_NETWORKS = 1.3  # times the networks' own time that a step may take
_PREFETCHED = 2  # batches a loading process, torch's default
_COUNTED = 2  # clips whose operations are counted


@dataclass(frozen=True)
class _Place:
    """What all rows share."""

    name: str
    size: float
    repeats: int
    threads: int
    corpus: DecodedCorpus
    device: torch.device

    def stepper(self, recipe: Train) -> Stepper:
        """The method on the device, in the layout and with the optimiser of a run."""
        return made_stepper(made_method(self.name, self.size), recipe, self.device)

    def resident(self, method: Method, recipe: Train) -> Batch:
        """A batch that lies on the device."""
        return resident(self.corpus, method, recipe, self.device)


def made_stepper(
    method: Method, recipe: Train, device: torch.device, *, side_by_side: bool = False
) -> Stepper:
    """A method on a device, in the layout and with the optimiser of a run."""
    layout = torch.channels_last if recipe.channels_last else torch.contiguous_format
    placed = method.to(device, memory_format=layout)  # type: ignore[call-overload]
    return Stepper(placed, recipe, 0, device, side_by_side=side_by_side)


def made_corpus(folder: Path, method: Method, clips: int, size: float) -> DecodedCorpus:
    """So many clips as a method of this size wants them."""
    return made.corpus(
        folder,
        clips,
        side=round(1.1 * method.side),
        form=method.form,
        seconds=max(SECONDS * size, _longest(method)),
    )


def resident(corpus: DecodedCorpus, method: Method, recipe: Train, device: torch.device) -> Batch:
    """A batch of the corpus that lies on the device."""
    batch = training_set(corpus, method, batch=recipe.batch)[0]
    return {key: part.to(device) for key, part in batch.items()}


def step_turns(
    stepper: Stepper,
    batch: Batch,
    recipe: Train,
    device: torch.device,
    repeats: int,
    clock: Callable[[], float] | None = None,
) -> np.ndarray:
    """Seconds in each turn of a whole step (views, networks, loss, gradients, Adam), of Adam, and
    of the networks' forward and backward pass of the same views: float64 (repeats, 3), by a clock
    as `take_turns` has it."""
    views = stepper.views(batch, Dice(0, LATE.step))
    alone = networks_alone(stepper.method, views, recipe, device)

    def step() -> None:
        stepper.step(batch, LATE)
        wait_for(device)

    def adam() -> None:  # by the gradients that the step has left
        stepper.optimiser.step()
        wait_for(device)

    def networks() -> None:
        alone()
        wait_for(device)

    calls = [step, adam, networks]
    take_turns(calls, 1)
    return take_turns(calls, repeats, clock)


def measure(folder: Path, setup: Setup) -> Iterator[Row]:
    """Rows for batches of 128 and 512 in bfloat16 on a GPU, or for 4 clips in float32 on the CPU;
    `size` scales a GPU's batches, sides and windows. The method's settings are its defaults."""
    gpu = torch.cuda.is_available()
    device = torch.device("cuda" if gpu else "cpu")
    method = made_method(setup.method, setup.size)
    batches = [
        scaled(batch, setup.size, least=LEAST_BATCH)
        for batch in (GPU_BATCHES if gpu else CPU_BATCHES)
    ]
    corpus = made_corpus(folder / "train", method, 4 * max(batches), setup.size)
    place = _Place(setup.method, setup.size, setup.repeats, setup.threads, corpus, device)
    recipe = Train(precision="bfloat16" if gpu else "float32", threads=setup.threads)
    limit = product_rate(device)
    with deterministic(device, setup.threads):  # as a run trains
        yield _networks_row(place, replace(recipe, batch=batches[0]))
        for batch in batches:
            plain = replace(recipe, batch=batch)
            try:
                row = _step_row(place, plain, limit)
            except torch.OutOfMemoryError:  # a smaller card's; then as one would train on it
                row = _step_row(place, replace(plain, cache_gradients=True), limit)
                row = replace(row, name=f"{row.name}, cached gradients")
            yield row
        recipe = replace(recipe, batch=batches[0])
        yield _variant_row(place, replace(recipe, cache_gradients=True), "cached")
        if gpu:
            yield _variant_row(place, replace(recipe, compile=True), "compiled")


def _longest(method: Method) -> float:
    """The longest window that a method asks for, in seconds."""
    own = float(method.settings.seconds)
    return max(own, *(wanted.seconds or own for wanted in method.inputs().values()))


def _networks_row(place: _Place, recipe: Train) -> Row:
    """A whole step (views, networks, loss, gradients, Adam) beside the networks' forward and
    backward pass of the same views.

    The bar is on the step without Adam, whose time depends on the weights and not on the batch: a
    quarter of a step of 4 clips, where the networks are cheap, is nothing of one of 128."""
    stepper = place.stepper(recipe)
    batch = place.resident(stepper.method, recipe)
    seconds = step_turns(stepper, batch, recipe, place.device, place.repeats)
    whole, optimiser, least = seconds.T
    size = f"batch {recipe.batch}, {stepper.method.side} px"
    return timed_row(
        f"whole step of {place.name}, {size}",
        "its networks, forward and backward",
        seconds[:, [0, 2]],
        facts=[
            Fact("x the networks", round(float(np.median(whole / least)), 3)),
            Fact(
                "x the networks, without Adam",
                round(float(np.median((whole - optimiser) / least)), 3),
                at_most=ABOVE_NETWORKS,
            ),
            Fact("% of the step that Adam takes", round(100 * float(np.median(optimiser / whole)))),
        ],
    )


def _step_row(place: _Place, recipe: Train, limit: float) -> Row:
    """Steps with the loader beside steps with one batch that lies on the device."""
    device = place.device
    stepper = place.stepper(recipe)
    clips = training_set(place.corpus, stepper.method, batch=recipe.batch, epochs=100_000)
    workers = min(8, place.threads) if device.type == "cuda" else 0
    steps = max(2, 2 * _PREFETCHED * workers)
    loader = iter(load_batches(clips, 0, workers, device))
    resident = place.resident(stepper.method, recipe)

    def run(batch: Callable[[], Batch]) -> float:
        started = time.perf_counter()
        for _ in range(steps):
            stepper.step(batch(), LATE)
        wait_for(device)
        return (time.perf_counter() - started) / steps

    def load() -> float:
        started = time.perf_counter()
        for _ in range(steps):
            next(loader)
        return (time.perf_counter() - started) / steps

    run(lambda: resident)
    reset_peak(device)
    turns = []
    loading = []
    for _ in range(place.repeats):
        loading.append(load())  # empties the queue as well, so that no step lives on stored batches
        turns.append((run(lambda: next(loader)), run(lambda: resident)))
    size = f"batch {recipe.batch}, {stepper.method.side} px"
    row = timed_row(
        f"train step, {size}, {recipe.precision} on {device}",
        "a batch that lies on the device",
        np.array(turns),
    )
    rate = recipe.batch * operations(stepper, resident) / row.ours
    facts = [
        Fact("clips/s", round(recipe.batch / row.ours, 2)),
        Fact("% of the time waiting", round(max(0.0, 100 * (1 - row.ratio)), 1)),
        Fact("clips/s of the loader alone", round(recipe.batch / float(np.median(loading)), 1)),
        Fact("TFLOP/s", round(rate / 1e12, 3)),
        Fact(f"% of a {recipe.precision} matrix product", round(100 * rate / limit, 1)),
    ]
    if device.type == "cuda":
        facts.append(Fact("peak memory, MiB", round(peak_memory(device))))
    return replace(row, facts=tuple(facts))


def _variant_row(place: _Place, recipe: Train, name: str) -> Row:
    """A step of `recipe` beside the plain one, on one batch."""
    device = place.device
    plain = replace(recipe, cache_gradients=False, compile=False)
    calls = []
    memory = []
    for variant in (recipe, plain):
        if device.type == "cpu":
            peak = memory_alone(_one_step, place.corpus.folder, place.name, place.size, variant)
            memory.append(peak / MEBIBYTE)
        stepper = place.stepper(variant)
        batch = place.resident(stepper.method, variant)

        def call(stepper: Stepper = stepper, batch: Batch = batch) -> None:
            stepper.step(batch, LATE)
            wait_for(device)

        if device.type == "cuda":
            call()
            reset_peak(device)
            call()
            memory.append(peak_memory(device))
        calls.append(call)
    return compare(
        f"{name} step, batch {recipe.batch}",
        calls[0],
        calls[1],
        "plain step",
        repeats=place.repeats,
        facts=lambda ours, theirs: [
            Fact("memory, ours, MiB", round(memory[0])),
            Fact("memory, plain, MiB", round(memory[1])),
        ],
    )


def _one_step(folder: Path, name: str, size: float, recipe: Train) -> Callable[[], None]:
    corpus = made.open_corpus(folder)
    place = _Place(name, size, 1, torch.get_num_threads(), corpus, torch.device("cpu"))
    stepper = place.stepper(recipe)
    batch = place.resident(stepper.method, recipe)

    def call() -> None:
        stepper.step(batch, LATE)

    return call


def operations(stepper: Stepper, batch: Batch) -> float:
    """Floating-point operations a clip of a plain step: forward once, backward twice that where a
    view is learnt from."""
    few = {key: part[:_COUNTED] for key, part in batch.items()}
    total = 0
    for view in stepper.views(few, Dice(0, LATE.step)).values():
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            stepper.method.encode(view)
        total += (1 if view.momentum else 3) * counter.get_total_flops()
    return total / _COUNTED
