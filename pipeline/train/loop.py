"""Training a method: the loop, its ranks, its checkpoints.

Everything random is a function of (seed, epoch, step), nothing of how the run got there, so a
checkpoint holds weights and optimiser alone, and a run killed and resumed ends in the bytes of an
undisturbed one. Work is kept by whole epochs.
"""

import io
import json
import math
import os
import pickle
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
import torch.distributed as dist
from torch import Tensor
from torch.utils.data import DataLoader

from pipeline.base.code import hash_of_code
from pipeline.base.files import atomic_file
from pipeline.clips.decoded import DecodedCorpus
from pipeline.errors import InputError
from pipeline.execution.progress import console, track
from pipeline.methods.common.files import save_weights
from pipeline.methods.contract import Method, Moment, method_name
from pipeline.networks import ranks
from pipeline.networks.device import best_device, deterministic
from pipeline.train.batches import Batch, Neighbours, TrainingSet
from pipeline.train.finished import HISTORY, WEIGHTS, is_finished, publish
from pipeline.train.history import history_columns, write_history
from pipeline.train.schedule import learning_rate
from pipeline.train.settings import Train
from pipeline.train.step import Stepper
from pipeline.train.watch import Watch


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
) -> Path:
    """Train a method on the clips at `rows` of `corpus` and return the path of its weights.

    `make` gives the method as it begins. Writes at the end `output`/weights.safetensors, the last
    epoch's weights, picked by no score, `output`/history.tsv (`history_columns`, for DVC's plots),
    and beside them the files `beside`, by name: `pipeline.train.finished` says how they stay
    together. Where they are there already, and of this very training, nothing is trained, unless
    `force`. A checkpoint and the history of the epochs that are done lie in `work` while the run
    lasts; a run of
    the same method and recipe on the same clips with the same code resumes from it. `workers`
    loading processes change nothing in the result, and neither does `device` beyond rounding.
    `epoch_done` is called with the number of epochs done after each checkpoint; `watch` is told of
    every step and epoch, and changes nothing. Under `torchrun` the batch is split over the ranks,
    which must all see `work`.

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
        run = _Run(clips, method, recipe, chosen, output, work, identity, watch)
        return run.finish(workers, epoch_done, beside)


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
    ) -> None:
        self.clips, self.recipe, self.device, self.watch = clips, recipe, device, watch
        self.output, self.work, self.identity = output, work, identity
        self.checkpoint = work / "checkpoint.pt"
        if recipe.sync_batch_norm:
            ranks.synchronize_batch_norm(method)
        layout = torch.channels_last if recipe.channels_last else torch.contiguous_format
        self.method = method.to(device, memory_format=layout).train()  # type: ignore[call-overload]
        self.stepper = Stepper(self.method, recipe, clips.seed, device)
        self.epochs_done = 0
        self.history: list[dict[str, float]] = []
        self._resume()
        found = ranks.all_values((self.identity, self.epochs_done))
        if len(set(found)) > 1:
            epochs = ", ".join(str(epoch) for _, epoch in found)
            raise InputError(
                f"{self.checkpoint}: found by the ranks after the epochs {epochs} (0: not at all), "
                f"expected the same for all of them, which have to see one folder"
            )

    def finish(
        self, workers: int, epoch_done: Callable[[int], None] | None, beside: Mapping[str, bytes]
    ) -> Path:
        """Run the epochs that are left, write the results and take the checkpoint away."""
        steps = self.clips.steps_per_epoch
        first = self.epochs_done * steps
        loader = load_batches(self.clips, first, workers, self.device)
        self._write_history()
        size = " x ".join(str(n) for n in self.method.map_size())
        console.print(f"train: {len(self.clips.rows)} clips, a map of {size}, on {self.device}")
        if self.watch is not None:
            batch = self.recipe.batch
            self.watch.begin(self.method, batch, first, len(self.clips), self.epochs_done)
        batches = track(loader, "train", total=len(self.clips) - first)
        losses: list[Tensor] = []
        for step, batch in enumerate(batches, start=first):
            moment = Moment(step, len(self.clips), step // steps, self.recipe.epochs)
            losses.append(self.stepper.step(batch, moment))
            if self.watch is not None:
                self.watch.step(moment, losses[-1], self._rate(step))
            if len(losses) > 1:  # the step before, so that the device never waits for this line
                self._check_loss(float(losses[-2][0]), step - 1)
            if (step + 1) % steps == 0:
                self._check_loss(float(losses[-1][0]), step)
                self._check_weights(step)
                self._end_epoch(torch.stack(losses).double().mean(dim=0).tolist(), step)
                losses = []
                if epoch_done is not None:
                    epoch_done(self.epochs_done)
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
        saved = f"{self.checkpoint} of epoch {self.epochs_done}" if self.epochs_done else "none"
        return InputError(
            f"{what} at step {step + 1} of {len(self.clips)} "
            f"(epoch {self.epochs_done + 1}, learning rate {self._rate(step):.3g}), expected a "
            f"finite number; last good checkpoint: {saved}"
        )

    def _end_epoch(self, means: Sequence[float], step: int) -> None:
        self.epochs_done += 1
        values = (self.epochs_done, *means, self._rate(step))
        self.history.append(dict(zip(history_columns(self.method.parts), values, strict=True)))
        console.print(f"train: epoch {self.epochs_done}/{self.recipe.epochs}, loss {means[0]:.4f}")
        if self.recipe.sync_batch_norm is False:
            # Each rank has statistics of its own part; what is kept is their mean.
            ranks.average(b for b in self.method.buffers() if b.is_floating_point())
        if self.watch is not None:
            self.watch.epoch(self.method, self.epochs_done, step + 1)
        if ranks.rank() == 0:
            buffer = io.BytesIO()
            torch.save(
                {
                    "identity": self.identity,
                    "epochs_done": self.epochs_done,
                    "history": self.history,
                    "network": self.method.state_dict(),
                    "stepper": self.stepper.state_dict(),
                },
                buffer,
            )
            with atomic_file(self.checkpoint) as file:
                file.write(buffer.getvalue())
            self._write_history()

    def _write_history(self) -> None:
        if ranks.rank() == 0:
            write_history(self.work / HISTORY, self.history, self.method.parts)

    def _resume(self) -> None:
        saved = _read_checkpoint(self.checkpoint, self.identity)
        if saved is None:
            return
        self.method.load_state_dict(saved["network"])
        self.stepper.load_state_dict(saved["stepper"])
        self.epochs_done, self.history = saved["epochs_done"], saved["history"]
        console.print(f"train: resuming after epoch {self.epochs_done}")


def _read_checkpoint(path: Path, identity: str) -> Mapping[str, Any] | None:
    """A checkpoint of the run `identity`; None, and a line that says why, where there is none."""
    if not path.exists():
        return None
    try:
        # Not straight to the device, where Adam's counters would be waited for at every step.
        saved: Mapping[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        found = " ".join(str(error).split())[:120]
        console.print(f"train: {path} is damaged, starting anew: {found}")
        return None
    if saved["identity"] != identity:
        console.print(f"train: {path} is of another run, starting anew")
        return None
    return saved


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
    """A hash of all that decides a run's result: method, recipe, clips, neighbours, ranks, code,
    and the weights that it begins with."""
    digest = blake2b(digest_size=16)
    said = {
        "method": method_name(method),
        "settings": asdict(method.settings),
        "form": asdict(method.form),
        "recipe": asdict(recipe),
        "seed": clips.seed,
        "ranks": ranks.count(),
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
