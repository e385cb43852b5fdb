"""Training steps of the paper's localizer: whether loading keeps up, how near the device's own
limit the arithmetic is, and what cached gradients cost in time and save in memory.

The limit is a large matrix product on the same device in the same run. The time that the device
waits is what a step takes longer with the loader than with a batch that lies on it already. Loading
is from the page cache, as a machine with memory for the corpus would have it.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from pipeline.clips.decoded import DecodedCorpus
from pipeline.clips.spectrogram import window_steps
from pipeline.methods.localizer import Localizer, Usage
from pipeline.speed import made
from pipeline.speed.harness import (
    MEBIBYTE,
    Fact,
    Row,
    compare,
    memory_alone,
    scaled,
    timed_row,
)
from pipeline.speed.load import training_set
from pipeline.train.batches import Batch
from pipeline.train.loop import Recipe, Stepper, deterministic, load_batches

SIDE, SECONDS = 224, 10.0
GPU_BATCHES, CPU_BATCHES = (128, 512), (4,)
_PREFETCHED = 2  # batches a loading process, torch's default


def measure(
    folder: Path, *, size: float, repeats: int, threads: int, media: Path | None
) -> Iterator[Row]:
    """Rows for batches of 128 and 512 in bfloat16 on a GPU, or for a few clips in float32 on the
    CPU; `size` scales batches and sides. Views are 224 px and 3 s, three of each modality."""
    gpu = torch.cuda.is_available()
    device = torch.device("cuda" if gpu else "cpu")
    side = 32 * scaled(SIDE // 32, size)
    steps = scaled(299, size, least=40)
    batches = [scaled(batch, size, least=2) for batch in (GPU_BATCHES if gpu else CPU_BATCHES)]
    corpus = made.corpus(
        folder / "train",
        4 * max(batches),
        side=round(1.1 * side),
        steps=max(steps, round(window_steps(SECONDS) * size)),
        bands=257,
    )
    recipe = Recipe(
        usage=Usage(side=side, steps=steps),
        precision="bfloat16" if gpu else "float32",
        threads=threads,
    )
    limit = _product_rate(device)
    with deterministic(device, threads):  # as a run trains
        for batch in batches:
            plain = replace(recipe, batch=batch)
            try:
                row = _step_row(corpus, plain, device, repeats, threads, limit)
            except torch.OutOfMemoryError:  # a smaller card's; then as one would train on it
                cached = replace(plain, cache_gradients=True)
                row = _step_row(corpus, cached, device, repeats, threads, limit)
                row = replace(row, name=f"{row.name}, cached gradients")
            yield row
        recipe = replace(recipe, batch=batches[0])
        cached = replace(recipe, cache_gradients=True)
        yield _variant_row(corpus, cached, device, repeats, "cached")
        if gpu:
            compiled = replace(recipe, compile=True)
            yield _variant_row(corpus, compiled, device, repeats, "compiled")


def _step_row(
    corpus: DecodedCorpus,
    recipe: Recipe,
    device: torch.device,
    repeats: int,
    threads: int,
    limit: float,
) -> Row:
    """Steps with the loader beside steps with one batch that lies on the device."""
    clips = training_set(corpus, batch=recipe.batch, epochs=100_000, steps=recipe.usage.steps)
    workers = min(8, threads) if device.type == "cuda" else 0
    steps = max(2, 2 * _PREFETCHED * workers)
    loader = iter(load_batches(clips, 0, workers, device))
    stepper = _stepper(recipe, device)
    resident = {key: part.to(device) for key, part in clips[0].items()}

    def run(batch: Callable[[], Batch]) -> float:
        started = time.perf_counter()
        for _ in range(steps):
            stepper.step(batch(), 0, 1)
        _wait(device)
        return (time.perf_counter() - started) / steps

    def load() -> float:
        started = time.perf_counter()
        for _ in range(steps):
            next(loader)
        return (time.perf_counter() - started) / steps

    run(lambda: resident)
    _reset_peak(device)
    turns = []
    loading = []
    for _ in range(repeats):
        loading.append(load())  # empties the queue as well, so that no step lives on stored batches
        turns.append((run(lambda: next(loader)), run(lambda: resident)))
    row = timed_row(
        f"train step, batch {recipe.batch}, {recipe.usage.side} px, {recipe.precision} on {device}",
        "a batch that lies on the device",
        np.array(turns),
    )
    operations = recipe.batch * _operations(recipe)
    rate = operations / row.ours
    facts = [
        Fact("clips/s", round(recipe.batch / row.ours, 2)),
        Fact("% of the time waiting", round(max(0.0, 100 * (1 - row.ratio)), 1)),
        Fact("clips/s of the loader alone", round(recipe.batch / float(np.median(loading)), 1)),
        Fact("TFLOP/s", round(rate / 1e12, 3)),
        Fact(f"% of a {recipe.precision} matrix product", round(100 * rate / limit, 1)),
    ]
    if device.type == "cuda":
        facts.append(Fact("peak memory, MiB", round(_peak(device))))
    return replace(row, facts=tuple(facts))


def _variant_row(
    corpus: DecodedCorpus, recipe: Recipe, device: torch.device, repeats: int, name: str
) -> Row:
    """A step of `recipe` beside the plain one, on one batch."""
    plain = replace(recipe, cache_gradients=False, compile=False)
    batch = training_set(corpus, batch=recipe.batch, steps=recipe.usage.steps)[0]
    calls = []
    memory = []
    for variant in (recipe, plain):
        if device.type == "cpu":
            memory.append(memory_alone(_one_step, corpus.folder, variant) / MEBIBYTE)
        stepper = _stepper(variant, device)

        def call(stepper: Stepper = stepper) -> None:
            stepper.step(batch, 0, 1)
            _wait(device)

        if device.type == "cuda":
            call()
            _reset_peak(device)
            call()
            memory.append(_peak(device))
        calls.append(call)
    return compare(
        f"{name} step, batch {recipe.batch}",
        calls[0],
        calls[1],
        "plain step",
        repeats=repeats,
        facts=lambda ours, theirs: [
            Fact("memory, ours, MiB", round(memory[0])),
            Fact("memory, plain, MiB", round(memory[1])),
        ],
    )


def _stepper(recipe: Recipe, device: torch.device) -> Stepper:
    layout = torch.channels_last if recipe.channels_last else torch.contiguous_format
    network = Localizer(usage=recipe.usage).to(device, memory_format=layout)  # type: ignore[call-overload]
    return Stepper(network.train(), recipe, device)


def _one_step(folder: Path, recipe: Recipe) -> Callable[[], None]:
    corpus = made.open_corpus(folder)
    batch = training_set(corpus, batch=recipe.batch, steps=recipe.usage.steps)[0]
    stepper = _stepper(recipe, torch.device("cpu"))

    def call() -> None:
        stepper.step(batch, 0, 1)

    return call


def _operations(recipe: Recipe) -> float:
    """Floating-point operations a clip of a plain step: forward once, backward twice that."""
    network, usage = Localizer(usage=recipe.usage).eval(), recipe.usage
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network.encode_frames(torch.zeros(1, 3, usage.side, usage.side))
        network.encode_sounds(torch.zeros(1, 1, 257, usage.steps))
    return 3 * 3 * counter.get_total_flops()  # three views of each


def _product_rate(device: torch.device) -> float:
    """Operations a second of a large matrix product: bfloat16 on a GPU, float32 on the CPU."""
    gpu = device.type == "cuda"
    side = 8192 if gpu else 1024
    matrix = torch.randn(side, side, device=device, dtype=torch.bfloat16 if gpu else torch.float32)
    seconds = []
    for _ in range(20):
        _wait(device)
        started = time.perf_counter()
        matrix @ matrix
        _wait(device)
        seconds.append(time.perf_counter() - started)
    return 2 * side**3 / float(np.median(seconds))


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _reset_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def _peak(device: torch.device) -> float:
    """MiB that the device held at most since `_reset_peak`."""
    return torch.cuda.max_memory_allocated(device) / MEBIBYTE
