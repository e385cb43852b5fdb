"""Training a method: the loop, its ranks, when a checkpoint is written.

Everything random is a function of (seed, epoch, step), nothing of how the run got there, so a run
killed and resumed ends in the bytes of an undisturbed one. Work is kept after every epoch, after so
many seconds where it is asked for, and on SIGTERM.
"""

import json
import math
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
import torch.distributed as dist
from torch import Tensor
from torch.utils.data import DataLoader

from pipeline.base.code import hash_of_code
from pipeline.clips.decoded import DecodedCorpus
from pipeline.errors import InputError
from pipeline.execution.progress import console, track
from pipeline.execution.stopping import Stopping
from pipeline.methods.common.files import save_weights
from pipeline.methods.contract import Method, Moment, method_name
from pipeline.networks import ranks
from pipeline.networks.device import best_device, deterministic
from pipeline.train.batches import Batch, Neighbours, TrainingSet
from pipeline.train.finished import HISTORY, WEIGHTS, is_finished, publish
from pipeline.train.history import history_columns, write_history
from pipeline.train.kept import (
    Kept,
    gathered_statistics,
    read_kept,
    restore_statistics,
    write_kept,
)
from pipeline.train.schedule import learning_rate
from pipeline.train.settings import Train
from pipeline.train.step import Stepper
from pipeline.train.watch import Watch

_NOTHING, _KEEP, _STOP = range(3)  # what one rank asks of all after a step
STOP_SECONDS = 25.0  # after SIGTERM, of the 30 that SLURM and torchrun wait by default


def train(
    corpus: DecodedCorpus,
    rows: np.ndarray,
    neighbours: Neighbours | None,
    make: Callable[[], Method],
    recipe: Train,
    *,
    seed: int,
    output: Path,
    work: Path,
    workers: int = 0,
    device: torch.device | None = None,
    epoch_done: Callable[[int], None] | None = None,
    watch: Watch | None = None,
    beside: Mapping[str, bytes] | None = None,
    force: bool = False,
    keep_every: float = math.inf,
    stop_within: float = STOP_SECONDS,
    side_by_side: bool = False,
) -> Path:
    """Train a method on the clips at `rows` of `corpus` and return the path of its weights.

    `make` gives the method as it begins. Writes at the end `output`/weights.safetensors, the last
    epoch's weights, picked by no score, `output`/history.tsv (`history_columns`, for DVC's plots),
    and beside them the files `beside`, by name: `pipeline.train.finished` says how they stay
    together. Where they are there already, and of this very training, nothing is trained, unless
    `force`. A checkpoint and the history of the epochs that are done lie in `work` while the run
    lasts, written after each epoch and `keep_every` seconds after the last one; a run of the same
    method and recipe on the same clips with the same code resumes from it, on any number of ranks.
    On SIGTERM the step is finished and kept and the process then stopped, at the latest after
    `stop_within` seconds. `workers` loading processes and `side_by_side` (see `Stepper`) change
    nothing in the result, and neither does `device` beyond rounding. `epoch_done` is called with
    the number of epochs done after each epoch's checkpoint; `watch` is told of every step and
    epoch, and changes nothing. Under `torchrun` the batch is split over the ranks, which must all
    see `work`.

    Raises `InputError` for a corpus that the method cannot be trained on, and where the loss is NaN
    or infinite.
    """
    chosen = device or best_device()
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    with deterministic(chosen, recipe.threads), _process_group(chosen):
        method = make()
        if corpus.form != method.form:
            raise InputError(
                f"{corpus.folder}: its sounds have the form {corpus.form}, the method expects "
                f"{method.form}"
            )
        clips = TrainingSet(
            corpus,
            rows,
            neighbours,
            method.inputs(),
            seconds=method.settings.seconds,
            batch=recipe.batch,
            epochs=recipe.epochs,
            seed=seed,
            part=ranks.rank(),
            parts=ranks.count(),
            aspect=recipe.aspect,
        )
        identity, beside = _fingerprint(clips, method, recipe), beside or {}
        if not force and is_finished(work, output, beside, identity, recipe.epochs):
            console.print(f"train: {output} is finished; --force trains it again", markup=False)
            return output / WEIGHTS
        run = _Run(clips, method, recipe, chosen, output, work, identity, watch, side_by_side)
        with Stopping(stop_within) as stopping:
            return run.finish(workers, epoch_done, beside, keep_every, stopping)


class _Run:
    """A run's method, optimiser and history, from a checkpoint where there is one."""

    def __init__(
        self,
        clips: TrainingSet,
        method: Method,
        recipe: Train,
        device: torch.device,
        output: Path,
        work: Path,
        identity: str,
        watch: Watch | None,
        side_by_side: bool,
    ) -> None:
        self.clips, self.recipe, self.device, self.watch = clips, recipe, device, watch
        self.output, self.work, self.identity = output, work, identity
        self.checkpoint = work / "checkpoint.pt"
        if recipe.sync_batch_norm:
            ranks.synchronize_batch_norm(method)
        layout = torch.channels_last if recipe.channels_last else torch.contiguous_format
        self.method = method.to(device, memory_format=layout).train()  # type: ignore[call-overload]
        self.stepper = Stepper(self.method, recipe, clips.seed, device, side_by_side=side_by_side)
        self.steps_done = 0
        self.history: list[dict[str, float]] = []
        self.losses: list[Tensor] = []  # of the epoch that is not over
        self.kept = ""  # what the checkpoint is of
        self._resume()
        found = ranks.all_values((self.identity, self.steps_done))
        if len(set(found)) > 1:
            steps = ", ".join(str(step) for _, step in found)
            raise InputError(
                f"{self.checkpoint}: found by the ranks after the steps {steps} (0: not at all), "
                f"expected the same for all of them, which have to see one folder"
            )

    @property
    def epochs_done(self) -> int:
        """The whole epochs that are behind it."""
        return len(self.history)

    def finish(
        self,
        workers: int,
        epoch_done: Callable[[int], None] | None,
        beside: Mapping[str, bytes],
        keep_every: float,
        stopping: Stopping,
    ) -> Path:
        """Run the steps that are left, write the results and take the checkpoint away."""
        steps = self.clips.steps_per_epoch
        first = self.steps_done
        loader = load_batches(self.clips, first, workers, self.device)
        self._write_history()
        size = " x ".join(str(n) for n in self.method.map_size())
        console.print(f"train: {len(self.clips.rows)} clips, a map of {size}, on {self.device}")
        if self.watch is not None:
            batch = self.recipe.batch
            self.watch.begin(self.method, batch, first, len(self.clips), self.epochs_done)
        moments = (
            Moment(step, len(self.clips), step // steps, self.recipe.epochs)
            for step in range(first, len(self.clips))
        )
        prepared = self.stepper.prepared(loader, moments)
        kept_at = time.monotonic()
        for ready in track(prepared, "train", total=len(self.clips) - first):
            step, losses = ready.moment.step, self.losses
            losses.append(self.stepper.take(ready))
            if self.watch is not None:
                self.watch.step(ready.moment, losses[-1], self._rate(step))
            if len(losses) > 1:  # the step before, so that the device never waits for this line
                self._check_loss(float(losses[-2][0]), step - 1)
            self.steps_done += 1
            ends = self.steps_done % steps == 0
            late = time.monotonic() - kept_at >= keep_every
            asked = ranks.largest(_STOP if stopping.asked else _KEEP if late else _NOTHING)
            if ends:
                self._check_loss(float(losses[-1][0]), step)
                self._check_weights(step)
                self._end_epoch(torch.stack(losses).double().mean(dim=0).tolist(), step)
                if epoch_done is not None:
                    epoch_done(self.epochs_done)
            elif asked:
                self._check_loss(float(losses[-1][0]), step)
                self._check_weights(step)
                self._keep()
            if ends or asked:
                kept_at = time.monotonic()
            if asked == _STOP and self.steps_done < len(self.clips):
                ranks.all_values(None)  # none ends before the first has written
                console.print(
                    f"train: step {self.steps_done} of {len(self.clips)} is kept, "
                    f"{stopping.seconds:.1f} s after SIGTERM"
                )
                stopping.end()
        if ranks.rank() == 0:
            save_weights(self.work / WEIGHTS, self.method)
            publish(self.work, self.output, beside, self.identity)
            self.checkpoint.unlink(missing_ok=True)
        return self.output / WEIGHTS

    def _check_loss(self, loss: float, step: int) -> None:
        if not math.isfinite(loss):
            raise self._diverged(f"the loss is {loss}", step)

    def _check_weights(self, step: int) -> None:
        """A finite loss can have gradients that are not; no checkpoint may keep what they left."""
        for name, weights in self.method.state_dict().items():
            if weights.is_floating_point() and not bool(torch.isfinite(weights).all()):
                raise self._diverged(f"{name} holds NaN or infinity", step)

    def _rate(self, step: int) -> float:
        recipe = self.recipe
        return learning_rate(recipe.schedule, recipe.learning_rate, step, len(self.clips))

    def _diverged(self, what: str, step: int) -> InputError:
        saved = f"{self.checkpoint} of {self.kept}" if self.kept else "none"
        return InputError(
            f"{what} at step {step + 1} of {len(self.clips)} "
            f"(epoch {self.epochs_done + 1}, learning rate {self._rate(step):.3g}), expected a "
            f"finite number; last good checkpoint: {saved}"
        )

    def _end_epoch(self, means: Sequence[float], step: int) -> None:
        values = (self.epochs_done + 1, *means, self._rate(step))
        self.history.append(dict(zip(history_columns(self.method.parts), values, strict=True)))
        self.losses = []
        console.print(f"train: epoch {self.epochs_done}/{self.recipe.epochs}, loss {means[0]:.4f}")
        if self.recipe.sync_batch_norm is False:
            # Each rank has statistics of its own part; what is kept is their mean.
            ranks.average(b for b in self.method.buffers() if b.is_floating_point())
        if self.watch is not None:
            self.watch.epoch(self.method, self.epochs_done, step + 1)
        self._keep()
        self._write_history()

    def _keep(self) -> None:
        """Write a checkpoint of the steps that are done."""
        apart = self.losses and not self.recipe.sync_batch_norm
        statistics = gathered_statistics(self.method) if apart else None
        if ranks.rank() == 0:
            losses = torch.stack(self.losses).cpu() if self.losses else None
            kept = Kept(
                self.identity,
                self.steps_done,
                ranks.count(),
                self.history,
                self.method.state_dict(),
                self.stepper.state_dict(),
                losses,
                statistics,
            )
            write_kept(self.checkpoint, kept)
        self.kept = self._place()

    def _place(self) -> str:
        return f"step {self.steps_done}" if self.losses else f"epoch {self.epochs_done}"

    def _write_history(self) -> None:
        if ranks.rank() == 0:
            write_history(self.work / HISTORY, self.history, self.method.parts)

    def _resume(self) -> None:
        saved = read_kept(self.checkpoint, self.identity)
        if saved is None:
            return
        self.method.load_state_dict(saved.network)
        if saved.statistics is not None:
            restore_statistics(self.method, saved.statistics)
        self.stepper.load_state_dict(saved.stepper)
        self.steps_done, self.history = saved.steps_done, saved.history
        if saved.losses is not None:
            self.losses = list(saved.losses.to(self.device))
        self.kept = self._place()
        console.print(f"train: resuming after {self.kept}")
        if saved.ranks != ranks.count() and not self.recipe.sync_batch_norm:
            console.print(
                f"train: ranks {ranks.count()} in place of {saved.ranks}; each normalises by "
                f"its own part of a batch, which is another now (train.sync_batch_norm: by all)"
            )


def load_batches(
    clips: TrainingSet, first: int, workers: int, device: torch.device
) -> DataLoader[Batch]:
    """The batches from step `first` on, in order, by so many loading processes (0: this one)."""
    return DataLoader(
        clips,
        batch_size=None,
        sampler=range(first, len(clips)),
        num_workers=workers,
        pin_memory=device.type == "cuda",
        # Forked, since a memory map is pickled with all its bytes.
        multiprocessing_context="fork" if workers else None,
        worker_init_fn=_leave_ctrl_c_to_the_stage,
    )


def _leave_ctrl_c_to_the_stage(worker: int) -> None:
    # A terminal sends it to every process, and each worker would answer with a traceback.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _fingerprint(clips: TrainingSet, method: Method, recipe: Train) -> str:
    """A hash of all that decides a run's result: method, recipe, clips, neighbours, code, and
    the weights that it begins with. Not how many ranks there are, which may change midway."""
    digest = blake2b(digest_size=16)
    said = {
        "method": method_name(method),
        "settings": asdict(method.settings),
        "form": asdict(method.form),
        "recipe": asdict(recipe),
        "seed": clips.seed,
        "torch": torch.__version__,
        "code": hash_of_code("pipeline.train.loop", type(method).__module__),
    }
    digest.update(json.dumps(said, sort_keys=True).encode())
    for tensor in method.state_dict().values():
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    table = clips.corpus.clips.take(pa.array(clips.rows)).combine_chunks()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    digest.update(sink.getvalue())
    for of, ids in clips.neighbours.items():
        k = max(wanted.k for wanted in clips.inputs.values() if wanted.of == of)
        for start in range(0, len(ids), 4096):
            digest.update(ids[start : start + 4096, :k].tobytes())
    return digest.hexdigest()


@contextmanager
def _process_group(device: torch.device) -> Iterator[None]:
    """The process group that torchrun's environment describes, where there is one to be made."""
    if "WORLD_SIZE" not in os.environ or dist.is_initialized():
        yield
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    # What all ranks find wrong ends the first of them while the others still connect to it.
    dist.barrier()
    try:
        yield
    finally:
        dist.destroy_process_group()
