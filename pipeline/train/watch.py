"""A training looked at while it runs, by one rank alone; no byte that it leaves is another for it.

The loop tells of each step and epoch. What is asked after an epoch is asked of a twin, a second
method with the same weights, so that nothing of the one that learns is switched, drawn or written;
the price is its weights once more on the device. An epoch is looked at before its checkpoint is
written, so a run that was killed looks again at what it does again, and at nothing else.
"""

import random
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import torch
from PIL import Image
from torch import Tensor

from pipeline.base.files import atomic_file, read_tsv, write_tsv
from pipeline.errors import InputError
from pipeline.execution.progress import console, quietly
from pipeline.methods.common.files import save_weights
from pipeline.methods.contract import Method, Moment

BEST, HISTORY, PICTURES = "best.safetensors", "validation.tsv", "maps"
_TOLD = 4  # scores in an epoch's line; all of them are in the files


class Seen(NamedTuple):
    """What a method says of the clips that it is asked about: scores by name, the ones that matter
    first, and a picture (H, W, 3) uint8 of its maps of the same few clips each time."""

    scores: Mapping[str, float]
    picture: np.ndarray


class Events(Protocol):
    """Files that a program for watching reads (`pipeline.execution.events`)."""

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        """Numbers by name, as they are after so many steps."""

    def picture(self, step: int, name: str, picture: np.ndarray) -> None:
        """A picture (H, W, 3) uint8, as it is after so many steps."""


class Watch:
    """Lines, files and pictures of one training, whose loop calls `begin`, `step` and `epoch`."""

    def __init__(
        self,
        every: int,
        folder: Path,
        events: Callable[[int], Events | None],
        ask: Callable[[Method], Seen] | None = None,
        best: str | None = None,
    ) -> None:
        """A line every `every` steps. `folder` is the training's own, made where it is not there.
        `events` opens the event files of a run that begins, or goes on, after so many steps; None
        where there are to be none. `ask` is called for the scores and maps of each epoch. Of the
        score `best`, a higher one being the better, the best epoch's weights are kept."""
        self.every, self.folder, self.ask, self.best = every, folder, ask, best
        self._open_events = events

    def begin(self, method: Method, batch: int, first: int, steps: int, epochs_done: int) -> None:
        """Before step `first` of `steps`, of `batch` clips each. The method that a new run begins
        with is looked at, so that a mistake is told before any work.

        Raises `InputError` where `ask` does, and where it gives no score `best`."""
        self._batch, self._first, self._steps = batch, first, steps
        self._parts, self._device = method.parts, next(method.parameters()).device
        self._losses: list[Tensor] = []
        self._events = self._open_events(first)
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        if self.ask is not None:
            with _randomness_kept(self._device):
                kind: Any = type(method)
                self._twin: Method = kind(method.settings, method.form).to(self._device).eval()
            self._rows = self._kept_rows(epochs_done, resumed=first > 0)
            if first == 0:
                self._look(self.ask, method, 0, 0)
        self._started = self._since = time.monotonic()

    def step(self, moment: Moment, losses: Tensor, rate: float) -> None:
        """After a step: its loss and parts (1 + parts,), on any device, and its learning rate."""
        self._losses.append(losses)
        done = moment.step + 1
        if done % self.every:
            return
        now = time.monotonic()
        loss, *parts = torch.stack(self._losses).double().mean(dim=0).tolist()
        speed = self._batch * len(self._losses) / (now - self._since)
        left = (now - self._started) / (done - self._first) * (self._steps - done)
        memory = _gigabytes(self._device)
        named = dict(zip(self._parts, parts, strict=True))
        said = ", ".join(f"{name} {value:.4g}" for name, value in named.items())
        console.print(
            f"train: step {done}/{self._steps}, loss {loss:.4g} ({said}), rate {rate:.3g}, "
            f"{speed:.4g} clips/s, {memory:.2f} GB, {timedelta(seconds=round(left))} left",
            soft_wrap=True,
        )
        if self._events is not None:
            values = {"loss": loss, **{f"loss/{name}": value for name, value in named.items()}}
            found = {f"train/{name}": value for name, value in values.items()}
            found |= {"train/learning_rate": rate, "speed/clips_per_second": speed}
            found |= {"speed/memory_GB": memory, "speed/minutes_left": left / 60}
            self._events.numbers(done, found)
        self._losses, self._since = [], now

    def epoch(self, method: Method, epochs_done: int, steps_done: int) -> None:
        """After an epoch, with the weights that its checkpoint will hold. Raises as `begin`."""
        if self.ask is not None:
            began = time.monotonic()
            self._look(self.ask, method, epochs_done, steps_done)
            self._since += time.monotonic() - began

    def _look(
        self, ask: Callable[[Method], Seen], method: Method, epoch: int, steps_done: int
    ) -> None:
        with _randomness_kept(self._device), torch.no_grad(), quietly():
            self._twin.load_state_dict(method.state_dict())
            scores, picture = ask(self._twin)
        if self.best is not None and self.best not in scores:
            raise InputError(
                f"execution.watch.best: found {self.best!r}, expected one of {', '.join(scores)}"
            )
        row = {"epoch": epoch, **scores}
        self._rows = [kept for kept in self._rows if kept.keys() - {"best"} == row.keys()]
        self._rows.append(row)
        said = ", ".join(f"{name} {scores[name]:.4g}" for name in list(scores)[:_TOLD])
        if self.best is not None and epoch:
            best = _mark_best(self._rows, self.best)
            said += f"; best {self.best} {best[self.best]:.4g} after epoch {best['epoch']:.0f}"
            if best is self._rows[-1]:
                mark = f"best {self.best} of validation: {best[self.best]:.8g} after epoch {epoch}"
                save_weights(self.folder / BEST, self._twin, {"chosen": mark})
        console.print(f"train: epoch {epoch}, validation: {said}", soft_wrap=True)
        write_tsv(self.folder / HISTORY, pa.Table.from_pylist(self._rows))
        with atomic_file(self.folder / PICTURES / f"epoch-{epoch:04d}.png") as file:
            Image.fromarray(picture).save(file, "PNG")
        if self._events is not None:
            numbers = {f"validation/{name}": value for name, value in scores.items()}
            self._events.numbers(steps_done, numbers)
            self._events.picture(steps_done, "maps", picture)

    def _kept_rows(self, epochs_done: int, resumed: bool) -> list[dict[str, float]]:
        """What was seen of the epochs that a run goes on after; the rest is another run's, and its
        files go."""
        path = self.folder / HISTORY
        rows: list[dict[str, float]] = []
        if resumed and path.exists():
            columns = {name: them for name, them in read_tsv(path).items() if name != "best"}
            for values in zip(*columns.values(), strict=True):
                rows.append(dict(zip(columns, values, strict=True)))
            rows = [row for row in rows if row["epoch"] <= epochs_done]
        for picture in sorted((self.folder / PICTURES).glob("epoch-*.png")):
            if not resumed or int(picture.stem.split("-")[1]) > epochs_done:
                picture.unlink()
        if not resumed:
            (self.folder / BEST).unlink(missing_ok=True)
        return rows


def _mark_best(rows: list[dict[str, float]], score: str) -> dict[str, float]:
    """The first row of the largest score after some training, marked as such in its `best`."""
    best = max((row for row in rows if row["epoch"]), key=lambda row: row[score])
    for row in rows:
        row["best"] = float(row is best)
    return best


def _gigabytes(device: torch.device) -> float:
    """The most memory that tensors have taken on a GPU since the run began; of a CPU's the most
    that this process ever had."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e9
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


@contextmanager
def _randomness_kept(device: torch.device) -> Iterator[None]:
    """The random numbers of this process go on afterwards as if nothing had been drawn between."""
    theirs, numpy_s = random.getstate(), np.random.get_state()
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        yield
    random.setstate(theirs)
    np.random.set_state(numpy_s)
