"""What a graphics card makes of every method of the tables, in one call of a few minutes.

A row is a training step of a batch that lies on the card, beside the time that the card's own large
bfloat16 matrix product would take for as many operations, measured in the same run: their ratio is
the share of the card that the step reaches. The paper's method has rows for the layout of memory,
compiling, cached gradients and the loader, whose corpus is first read from the disk and then from
memory. The loss is judged by the time of its kernels: its many small launches are made while the
card still computes what was asked before, and a step does not wait for them. The methods' settings
are their defaults, at the paper's sizes. Neither PyAV nor FAISS is needed.
"""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

from pipeline.clips.decoded import DecodedCorpus
from pipeline.errors import InputError
from pipeline.methods.contract import Dice, Features, method_name, method_names
from pipeline.networks.device import deterministic
from pipeline.speed.device import peak_memory, product_rate, reset_peak, wait_for
from pipeline.speed.harness import Fact, Row
from pipeline.speed.method import LATE, made_method, parts_of, training_set
from pipeline.speed.train import made_corpus, made_stepper, operations, resident
from pipeline.train.batches import Batch
from pipeline.train.loop import load_batches
from pipeline.train.settings import Train
from pipeline.train.step import PRECISIONS, Stepper

PAPERS = "alignment"
LEAST_OF_PEAK = 0.35  # of the paper's method on an H100
MOST_OF_LOSS, MOST_OF_WAITING = 5.0, 2.0  # % of a step
BATCH, TINY_BATCH = 128, 4
TINY = 0.001  # the size of `tiny`
_WARM, _LEAST_STEPS, _SECONDS = 3, 5, 4.0  # steps before, steps at least, and s of a row
_BATCHES, _TINY_BATCHES = 16, 4  # of the corpus that the loader reads
_READ_AT_ONCE = 2**24  # bytes


@dataclass(frozen=True)
class _Card:
    """What all rows share."""

    folder: Path
    size: float
    batch: int
    recipe: Train
    device: torch.device
    limit: float


def measure(folder: Path, *, tiny: bool, seconds: float, threads: int) -> Iterator[Row]:
    """Rows for the paper's method and its variants, then one for each other method, until so many
    `seconds` are over. `tiny` is the same on the CPU with small inputs: it shows that all runs.

    Raises `InputError` where there is no GPU and `tiny` is not asked for."""
    if not tiny and not torch.cuda.is_available():
        raise InputError("no GPU is here; --tiny walks the same measurements on the CPU")
    device = torch.device("cpu" if tiny else "cuda")
    recipe = Train(
        batch=TINY_BATCH if tiny else BATCH,
        precision="float32" if tiny else "bfloat16",
        threads=threads,
    )
    started = time.monotonic()
    card = _Card(folder, TINY if tiny else 1.0, recipe.batch, recipe, device, product_rate(device))
    variants = {"channels first": replace(recipe, channels_last=False)}
    variants["cached gradients"] = replace(recipe, cache_gradients=True)
    if not tiny:  # a compiler is not everywhere where there is a CPU
        variants["compiled"] = replace(recipe, compile=True)
    rows: list[Callable[[], Iterator[Row]]] = [
        partial(_row, card, PAPERS, recipe, ""),
        partial(_fed, card, 0 if tiny else min(8, threads), _TINY_BATCHES if tiny else _BATCHES),
        *(partial(_row, card, PAPERS, changed, name) for name, changed in variants.items()),
    ]
    others = [name for name in method_names() if name != PAPERS]
    rows += [partial(_row, card, name, recipe, "") for name in others]
    with deterministic(device, threads):  # as a run trains
        for row in rows:
            if time.monotonic() - started > seconds:
                return
            yield from row()


def _row(card: _Card, name: str, recipe: Train, variant: str) -> Iterator[Row]:
    """A method's step, with cached gradients where the card has too little memory otherwise."""
    try:
        yield _step_row(card, name, recipe, variant)
        return
    except torch.OutOfMemoryError:
        if recipe.cache_gradients:
            raise
    torch.cuda.empty_cache()
    recipe = replace(recipe, cache_gradients=True)
    yield _step_row(card, name, recipe, f"{variant} cached gradients")


def _step_row(card: _Card, name: str, recipe: Train, variant: str) -> Row:
    stepper = made_stepper(made_method(name, card.size), recipe, card.device)
    corpus = _corpus(card, stepper, f"{name}-one", recipe.batch)
    batch = resident(corpus, stepper.method, recipe, card.device)
    for _ in range(_WARM):
        stepper.step(batch, LATE)
    reset_peak(card.device)
    step = _seconds(lambda: stepper.step(batch, LATE), card.device)
    memory = peak_memory(card.device) if card.device.type == "cuda" else None
    loss = _loss_seconds(stepper, batch, card.device)
    row = _against_peak(card, stepper, batch, step, variant)
    judged = name == PAPERS and not variant and card.device.type == "cuda"
    of_loss = Fact("% loss", round(100 * loss / step, 1), MOST_OF_LOSS if judged else None)
    held = [] if memory is None else [Fact("memory, MiB", round(memory))]
    bar = LEAST_OF_PEAK if judged else None
    return replace(row, bar=bar, facts=(*row.facts, of_loss, *held))


def _fed(card: _Card, workers: int, batches: int) -> Iterator[Row]:
    """The paper's method fed by its loader: a first pass over a corpus that is out of the memory of
    the system, and a second one. The clock begins when the first batch is there."""
    recipe, device = card.recipe, card.device
    stepper = made_stepper(made_method(PAPERS, card.size), recipe, device)
    corpus = _corpus(card, stepper, "read", batches * recipe.batch)
    one = resident(corpus, stepper.method, recipe, device)
    for _ in range(_WARM):
        stepper.step(one, LATE)
    alone = _seconds(lambda: stepper.step(one, LATE), device)
    _forget(corpus.folder)
    disk = _rate(corpus.folder)
    _forget(corpus.folder)
    clips = training_set(corpus, stepper.method, batch=recipe.batch, epochs=3)
    loader = iter(load_batches(clips, 0, workers, device))
    for title, steps in (("from the disk", batches - 1), ("from memory", batches)):
        stepper.step(next(loader), LATE)
        wait_for(device)
        started = time.perf_counter()
        for _ in range(steps):
            stepper.step(next(loader), LATE)
        wait_for(device)
        fed = (time.perf_counter() - started) / steps
        row = _against_peak(card, stepper, one, fed, title)
        waiting = round(max(0.0, 100 * (1 - alone / fed)), 1)
        judged = MOST_OF_WAITING if device.type == "cuda" else None
        facts = (*row.facts, Fact("% waiting for the loader", waiting, judged))
        if title == "from the disk":
            facts = (*facts, Fact("GB/s of the disk, front to back", round(disk / 1e9, 3)))
        yield replace(row, facts=facts)


def _against_peak(card: _Card, stepper: Stepper, batch: Batch, step: float, variant: str) -> Row:
    """A step's row beside the matrix product, without bars."""
    count = stepper.recipe.batch
    work = count * operations(stepper, batch)
    title = f"{method_name(stepper.method)}, batch {count}, {stepper.method.side} px"
    return Row(
        f"{title}, {variant.strip()}" if variant else title,
        step,
        f"as many operations of the card's own matrix product, {card.limit / 1e12:.3g} TFLOP/s",
        work / card.limit,
        work / card.limit / step,
        facts=(
            Fact("clips/s", round(count / step, 1)),
            Fact("TFLOP/s", round(work / step / 1e12, 3)),
        ),
    )


def _loss_seconds(stepper: Stepper, batch: Batch, device: torch.device) -> float:
    """Seconds of the loss alone and of its gradients by the features of what learns."""
    dice, method = Dice(0, LATE.step), stepper.method
    dtype = PRECISIONS[stepper.recipe.precision]
    half = dtype is not torch.float32
    views = stepper.views(batch, dice)
    with torch.no_grad(), torch.autocast(device.type, dtype, enabled=half):
        found = {name: parts_of(method.encode(view)) for name, view in views.items()}

    def loss() -> None:
        features: dict[str, Features] = {}
        for name, parts in found.items():
            own = tuple(part.detach().requires_grad_(not views[name].momentum) for part in parts)
            features[name] = own if len(own) > 1 else own[0]
        losses = method.loss(features, dice, LATE)
        torch.stack([losses[part] for part in method.parts]).sum().backward()

    loss()
    return _seconds(loss, device) if device.type == "cpu" else _kernel_seconds(loss)


def _kernel_seconds(call: Callable[[], object]) -> float:
    """Seconds that a call's kernels take on the GPU, the mean of a few calls."""
    calls = _LEAST_STEPS
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as seen:
        for _ in range(calls):
            call()
        torch.cuda.synchronize()
    kernels = (each.self_device_time_total for each in seen.key_averages())
    return sum(kernels) / 1e6 / calls


def _seconds(call: Callable[[], object], device: torch.device) -> float:
    """Seconds of a call, the mean of several that are not waited for one by one."""
    wait_for(device)
    started, calls = time.perf_counter(), 0
    least = _SECONDS if device.type == "cuda" else 0.0
    while calls < _LEAST_STEPS or time.perf_counter() - started < least:
        call()
        calls += 1
    wait_for(device)
    return (time.perf_counter() - started) / calls


def _corpus(card: _Card, stepper: Stepper, name: str, clips: int) -> DecodedCorpus:
    return made_corpus(card.folder / name, stepper.method, clips, card.size)


def _rate(folder: Path) -> float:
    """Bytes a second of a corpus' arrays, read file by file from front to back."""
    count, started = 0, time.perf_counter()
    for path in folder.rglob("*.npy"):
        with path.open("rb", buffering=0) as file:
            while part := len(file.read(_READ_AT_ONCE)):
                count += part
    return count / (time.perf_counter() - started)


def _forget(folder: Path) -> None:
    """Ask the system to drop a corpus' files from its memory."""
    for path in folder.rglob("*.npy"):
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
