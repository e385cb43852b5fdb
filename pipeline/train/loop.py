"""Training the localizer: the loop, its precision, its ranks, its checkpoints.

Everything random is a function of (seed, epoch, step), nothing of how the run got there, so a
checkpoint holds weights and optimiser alone, and a run killed and resumed ends in the bytes of an
undisturbed one. The price is that work is only kept by whole epochs. The views of a step are
encoded one after the other, in the plain form and in the one that caches gradients, so that batch
normalisation sees one view of the batch at a time in both.
"""

import hashlib
import io
import json
import math
import os
import pickle
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
import torch.distributed as dist
from torch import Tensor
from torch.utils.data import DataLoader

from pipeline.base.files import atomic_file
from pipeline.clips import decoded
from pipeline.clips import views as augment
from pipeline.clips.decoded import DecodedCorpus
from pipeline.errors import InputError
from pipeline.execution.progress import console, track
from pipeline.methods import localizer
from pipeline.methods.common import similarity as objective
from pipeline.methods.common.similarity import contrastive_loss
from pipeline.methods.localizer import Architecture, Localizer, Usage, save_localizer
from pipeline.networks import ranks
from pipeline.train import batches as dataset
from pipeline.train.batches import Batch, Neighbours, TrainingSet

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
SCHEDULES = ("constant", "one-cycle")
HISTORY_COLUMNS = ("epoch", "loss", "localization", "alignment", "learning_rate")

# Its code decides what a run computes, so another version does not resume from its checkpoints.
_MODULES = (augment, dataset, decoded, localizer, objective, ranks)


@dataclass(frozen=True)
class Recipe:
    """What is learned and how; the defaults are the paper's, or `method`'s where it is silent.

    `usage` is what the localizer is fed and how its s_L pools. `temperature` is tau.
    `simclr_strength` scales SimCLR's colour jitter, `simclr_area` is its crop's range of areas.
    `batch` counts the clips of a step over all devices. `threads` are the CPU's, part of the
    recipe because sums in another order end in other bytes. Over several ranks `sync_batch_norm`
    normalises by the statistics of the whole batch, as one device would; without it each rank does
    by those of its own part, and the running statistics are averaged at the end of every epoch.
    """

    architecture: Architecture = field(default_factory=Architecture)
    usage: Usage = field(default_factory=Usage)
    seed: int = 0
    semantic: bool = True
    multi_view: bool = True
    feature_alignment: bool = True
    symmetric: bool = False
    k: int = 1000
    temperature: float = 0.07
    simclr_strength: float = 1.0
    simclr_area: tuple[float, float] = (0.08, 1.0)
    epochs: int = 50
    batch: int = 128
    learning_rate: float = 1e-4
    schedule: str = "constant"
    precision: str = "float32"
    channels_last: bool = True
    compile: bool = False
    cache_gradients: bool = False
    sync_batch_norm: bool = False
    threads: int = 2


def train(
    corpus: DecodedCorpus,
    rows: np.ndarray,
    neighbours: Neighbours | None,
    recipe: Recipe,
    *,
    output: Path,
    work: Path,
    workers: int = 0,
    device: str | None = None,
    epoch_done: Callable[[int], None] | None = None,
) -> Path:
    """Train a localizer on the clips at `rows` of `corpus` and return the path of its weights.

    Writes `output`/history.tsv after every epoch (`HISTORY_COLUMNS`, for DVC's plots) and
    `output`/weights.safetensors at the end: the last epoch's weights, picked by no score. A
    checkpoint lies in `work` while the run lasts; a run of the same recipe on the same clips with
    the same code resumes from it. `workers` loading processes change nothing in the result, and
    neither does `device` ("cuda" where there is one, by default) beyond rounding. `epoch_done` is
    called with the number of epochs done after each checkpoint. Under `torchrun` the batch is
    split over the ranks, which must all see `work`.

    Raises `InputError` for an unusable recipe or corpus, and where the loss is NaN or infinite.
    """
    _check(recipe)
    chosen = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if chosen.type == "cuda":
        chosen = torch.device("cuda", int(os.environ.get("LOCAL_RANK", chosen.index or 0)))
        torch.cuda.set_device(chosen)
    with deterministic(chosen, recipe.threads), _process_group(chosen):
        clips = TrainingSet(
            corpus,
            rows,
            neighbours,
            window_steps=recipe.usage.steps,
            batch=recipe.batch,
            epochs=recipe.epochs,
            seed=recipe.seed,
            k=recipe.k,
            semantic=recipe.semantic,
            multi_view=recipe.multi_view,
            part=ranks.rank(),
            parts=ranks.count(),
        )
        identity = _fingerprint(clips, recipe)
        return _Run(clips, recipe, chosen, output, work, identity).finish(workers, epoch_done)


class _Run:
    """A run's network, optimiser and history, from a checkpoint where there is one."""

    def __init__(
        self,
        clips: TrainingSet,
        recipe: Recipe,
        device: torch.device,
        output: Path,
        work: Path,
        identity: str,
    ) -> None:
        self.clips, self.recipe, self.device = clips, recipe, device
        self.output, self.checkpoint, self.identity = output, work / "checkpoint.pt", identity
        network = Localizer(recipe.architecture, seed=recipe.seed, usage=recipe.usage)
        if recipe.sync_batch_norm:
            ranks.synchronize_batch_norm(network)
        layout = torch.channels_last if recipe.channels_last else torch.contiguous_format
        self.network = network.to(device, memory_format=layout).train()  # type: ignore[call-overload]
        self.stepper = Stepper(self.network, recipe, device)
        self.epochs_done = 0
        self.history: list[dict[str, float]] = []
        self._resume()
        found = ranks.everyones((self.identity, self.epochs_done))
        if len(set(found)) > 1:
            epochs = ", ".join(str(epoch) for _, epoch in found)
            raise InputError(
                f"{self.checkpoint}: found by the ranks after the epochs {epochs} (0: not at all), "
                f"expected the same for all of them, which have to see one folder"
            )

    def finish(self, workers: int, epoch_done: Callable[[int], None] | None) -> Path:
        """Run the epochs that are left, write the results and take the checkpoint away."""
        steps = self.clips.steps_per_epoch
        first = self.epochs_done * steps
        loader = load_batches(self.clips, first, workers, self.device)
        self._write_history()
        side = self.recipe.usage.side
        size = " x ".join(str(n) for n in self.network.map_size(side, side))
        console.print(f"train: {len(self.clips.rows)} clips, a map of {size}, on {self.device}")
        batches = track(loader, "train", total=len(self.clips) - first)
        losses: list[Tensor] = []
        for step, batch in enumerate(batches, start=first):
            losses.append(self.stepper.step(batch, step, len(self.clips)))
            if len(losses) > 1:  # the step before, so that the device never waits for this line
                self._check_loss(float(losses[-2][0]), step - 1)
            if (step + 1) % steps == 0:
                self._check_loss(float(losses[-1][0]), step)
                self._check_weights(step)
                self._end_epoch(torch.stack(losses).double().mean(dim=0).tolist(), step)
                losses = []
                if epoch_done is not None:
                    epoch_done(self.epochs_done)
        weights = self.output / "weights.safetensors"
        if ranks.rank() == 0:
            save_localizer(weights, self.network)
            self.checkpoint.unlink(missing_ok=True)
        return weights

    def _check_loss(self, loss: float, step: int) -> None:
        if not math.isfinite(loss):
            raise self._diverged(f"the loss is {loss}", step)

    def _check_weights(self, step: int) -> None:
        """A finite loss can have gradients that are not; no checkpoint may keep what they left."""
        for name, weights in self.network.state_dict().items():
            if weights.is_floating_point() and not bool(torch.isfinite(weights).all()):
                raise self._diverged(f"{name} holds NaN or infinity", step)

    def _diverged(self, what: str, step: int) -> InputError:
        rate = learning_rate(self.recipe.schedule, self.recipe.learning_rate, step, len(self.clips))
        saved = f"{self.checkpoint} of epoch {self.epochs_done}" if self.epochs_done else "none"
        return InputError(
            f"{what} at step {step + 1} of {len(self.clips)} "
            f"(epoch {self.epochs_done + 1}, learning rate {rate:.3g}), expected a finite number; "
            f"last good checkpoint: {saved}"
        )

    def _end_epoch(self, means: Sequence[float], step: int) -> None:
        self.epochs_done += 1
        rate = learning_rate(self.recipe.schedule, self.recipe.learning_rate, step, len(self.clips))
        values = (self.epochs_done, *means, rate)
        self.history.append(dict(zip(HISTORY_COLUMNS, values, strict=True)))
        console.print(f"train: epoch {self.epochs_done}/{self.recipe.epochs}, loss {means[0]:.4f}")
        if self.recipe.sync_batch_norm is False:
            # Each rank has statistics of its own part; what is kept is their mean.
            ranks.average(b for b in self.network.buffers() if b.is_floating_point())
        if ranks.rank() == 0:
            buffer = io.BytesIO()
            torch.save(
                {
                    "identity": self.identity,
                    "epochs_done": self.epochs_done,
                    "history": self.history,
                    "network": self.network.state_dict(),
                    "stepper": self.stepper.state_dict(),
                },
                buffer,
            )
            with atomic_file(self.checkpoint) as file:
                file.write(buffer.getvalue())
            self._write_history()

    def _write_history(self) -> None:
        if ranks.rank() == 0:
            write_history(self.output / "history.tsv", self.history)

    def _resume(self) -> None:
        if not self.checkpoint.exists():
            return
        try:
            # Not straight to the device, where Adam's counters would be waited for at every step.
            saved = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
        except (RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
            found = " ".join(str(error).split())[:120]
            console.print(f"train: {self.checkpoint} is damaged, starting anew: {found}")
            return
        if saved["identity"] != self.identity:
            console.print(f"train: {self.checkpoint} is of another run, starting anew")
            return
        self.network.load_state_dict(saved["network"])
        self.stepper.load_state_dict(saved["stepper"])
        self.epochs_done, self.history = saved["epochs_done"], saved["history"]
        console.print(f"train: resuming after epoch {self.epochs_done}")


class Stepper:
    """One optimisation step: views, features, loss, gradients, Adam."""

    def __init__(self, network: Localizer, recipe: Recipe, device: torch.device) -> None:
        """`network` is in training mode on `device`, which the batches are brought to."""
        self.network, self.recipe, self.device = network, recipe, device
        self.optimiser = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate)
        half = recipe.precision == "float16"
        self.scaler = torch.amp.GradScaler(device.type, enabled=half)
        self.encode_frames: Callable[[Tensor], Tensor] = network.encode_frames
        self.encode_sounds: Callable[[Tensor], Tensor] = network.encode_sounds
        if recipe.compile:
            ranks.leave_uncompiled(network)
            self.encode_frames = torch.compile(network.encode_frames)
            self.encode_sounds = torch.compile(network.encode_sounds)

    def step(self, batch: Batch, step: int, steps: int) -> Tensor:
        """Train on a batch of `pipeline.train.batches.TrainingSet` as step `step` of `steps`.

        Returns (3,): the loss and its parts (localization, alignment), the mean over all ranks,
        not yet waited for.
        """
        frames, sounds = self.views(batch, step)
        rate = learning_rate(self.recipe.schedule, self.recipe.learning_rate, step, steps)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        losses = self.backward(frames, sounds)
        ranks.average([p.grad for p in self.network.parameters() if p.grad is not None])
        ranks.average([losses])
        self.scaler.step(self.optimiser)
        self.scaler.update()
        return losses

    def views(self, batch: Batch, step: int) -> tuple[list[Tensor], list[Tensor]]:
        """The views v, v_aug, v_conc and a, a_aug, a_conc of 3.3 (those that are on), as the
        networks' inputs. The draws are those of the whole batch, of which a rank takes its part."""
        recipe, own = self.recipe, len(batch["frames"])
        generator = torch.Generator().manual_seed(int(_mixed(recipe.seed, step)))
        whole = [augment.draw(generator, own * ranks.count()) for _ in range(3)]
        order = torch.randperm(4, generator=generator).tolist()
        draws = [d[ranks.rank() * own : (ranks.rank() + 1) * own] for d in whole]
        batch = {key: part.to(self.device, non_blocking=True) for key, part in batch.items()}
        frames = [augment.light_view(batch["frames"], draws[0], recipe.usage.side)]
        if recipe.multi_view:
            frames.append(
                augment.simclr_view(
                    batch["frames"],
                    draws[1],
                    recipe.usage.side,
                    order=order,
                    area=recipe.simclr_area,
                    strength=recipe.simclr_strength,
                )
            )
        if recipe.semantic:
            conceptual = batch["conceptual_frames"]
            frames.append(augment.light_view(conceptual, draws[2], recipe.usage.side))
        keys = ("sounds", "shifted_sounds", "conceptual_sounds")
        sounds = [augment.spectrograms(batch[key]) for key in keys if key in batch]
        if recipe.channels_last:
            frames = [x.contiguous(memory_format=torch.channels_last) for x in frames]
            sounds = [x.contiguous(memory_format=torch.channels_last) for x in sounds]
        return frames, sounds

    def backward(self, frames: Sequence[Tensor], sounds: Sequence[Tensor]) -> Tensor:
        """Add the gradients of the loss of these views to the parameters (times the scaler's
        factor); returns the loss and its parts, (3,), of this rank."""
        encoders = [(self._frames, view) for view in frames]
        encoders += [(self._sounds, view) for view in sounds]
        if not self.recipe.cache_gradients:
            features = [encode(view) for encode, view in encoders]
            return self._loss_backward(features, len(frames))
        # Gradient caching: features without a graph, their gradients by the loss, and then one
        # view's graph at a time, so that the activations of one view are held instead of six.
        with torch.no_grad():
            features = [encode(view) for encode, view in encoders]
        for feature in features:
            feature.requires_grad_()
        losses = self._loss_backward(features, len(frames))
        buffers = [buffer.clone() for buffer in self.network.buffers()]
        for (encode, view), feature in zip(encoders, features, strict=True):
            encode(view).backward(feature.grad)
        for buffer, before in zip(self.network.buffers(), buffers, strict=True):
            buffer.copy_(before)  # the running statistics count every view once
        return losses

    def state_dict(self) -> dict[str, Any]:
        """The optimiser's and the loss scaler's state."""
        return {"optimiser": self.optimiser.state_dict(), "scaler": self.scaler.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state_dict`'s."""
        self.optimiser.load_state_dict(state["optimiser"])
        self.scaler.load_state_dict(state["scaler"])

    def _frames(self, view: Tensor) -> Tensor:
        with self._autocast():
            return self.encode_frames(view)

    def _sounds(self, view: Tensor) -> Tensor:
        with self._autocast():
            return self.encode_sounds(view)

    def _autocast(self) -> torch.autocast:
        dtype = PRECISIONS[self.recipe.precision]
        return torch.autocast(self.device.type, dtype, enabled=dtype is not torch.float32)

    def _loss_backward(self, features: Sequence[Tensor], images: int) -> Tensor:
        recipe, network = self.recipe, self.network
        v, a = features[:images], features[images:]
        aligned = recipe.feature_alignment
        loss, parts = contrastive_loss(
            v,
            a,
            [network.image_embedding(x) for x in v] if aligned else None,
            [network.audio_embedding(x) for x in a] if aligned else None,
            tau=recipe.temperature,
            symmetric=recipe.symmetric,
            pooling=recipe.usage.pooling,
            share=recipe.usage.share,
            temperature=recipe.usage.temperature,
        )
        self.scaler.scale(loss).backward()
        return torch.stack([loss.detach(), parts["localization"], parts["alignment"]])


def learning_rate(schedule: str, peak: float, step: int, steps: int) -> float:
    """The rate of step `step` (from 0) of `steps`.

    ``constant`` is the paper's. ``one-cycle`` rises from peak / 25 over the first 30 % of the
    steps and falls to peak / 250,000, along half cosines (Smith and Topin 2018, as in torch's
    OneCycleLR)."""
    if schedule == "constant":
        return peak
    low, end = peak / 25, peak / 25e4
    turn = 0.3 * steps - 1
    if step <= turn:
        return peak + (low - peak) / 2 * (1 + math.cos(math.pi * step / turn))
    passed = (step - turn) / (steps - 1 - turn)
    return end + (peak - end) / 2 * (1 + math.cos(math.pi * passed))


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


def write_history(path: Path, rows: Sequence[Mapping[str, float]]) -> None:
    """Write a history as a table with tabs, one line an epoch, for DVC's plots; atomically."""
    lines = ["\t".join(HISTORY_COLUMNS)]
    for row in rows:
        numbers = [f"{row[name]:.8g}" for name in HISTORY_COLUMNS[1:]]
        lines.append("\t".join([str(int(row["epoch"])), *numbers]))
    with atomic_file(path) as file:
        file.write(("\n".join(lines) + "\n").encode())


def _leave_ctrl_c_to_the_stage(worker: int) -> None:
    # A terminal sends it to every process, and each worker would answer with a traceback.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _mixed(seed: int, step: int) -> np.uint64:
    """One number from a seed and a step, far from those of their neighbours."""
    return np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)[0] >> np.uint64(1)


def _check(recipe: Recipe) -> None:
    if recipe.schedule not in SCHEDULES:
        raise InputError(
            f"schedule: found {recipe.schedule!r}, expected one of {', '.join(SCHEDULES)}"
        )
    if recipe.precision not in PRECISIONS:
        raise InputError(
            f"precision: found {recipe.precision!r}, expected one of {', '.join(PRECISIONS)}"
        )
    if recipe.feature_alignment and not recipe.architecture.projection_layers:
        raise InputError("feature alignment needs projections, but projection_layers is 0")


def _fingerprint(clips: TrainingSet, recipe: Recipe) -> str:
    """A hash of all that decides a run's result: recipe, clips, neighbours, ranks, code."""
    digest = hashlib.blake2b(digest_size=16)
    settings = {"recipe": asdict(recipe), "ranks": ranks.count(), "torch": torch.__version__}
    digest.update(json.dumps(settings, sort_keys=True).encode())
    table = clips.corpus.clips.take(pa.array(clips.rows)).combine_chunks()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    digest.update(sink.getvalue())
    if clips.neighbours is not None:
        for ids in (clips.neighbours.image, clips.neighbours.audio):
            for start in range(0, len(ids), 4096):
                digest.update(ids[start : start + 4096, : clips.k].tobytes())
    for path in [Path(__file__), *(Path(str(module.__file__)) for module in _MODULES)]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


@contextmanager
def deterministic(device: torch.device, threads: int) -> Iterator[None]:
    """The state of torch that `train` runs in: deterministic algorithms and `threads` CPU threads,
    both as they were afterwards. On a GPU an operation without a deterministic form is told of and
    used, on the CPU it raises RuntimeError."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.are_deterministic_algorithms_enabled()
    filling: Any = torch.utils.deterministic
    fill_before = filling.fill_uninitialized_memory
    threads_before = torch.get_num_threads()
    torch.use_deterministic_algorithms(True, warn_only=device.type != "cpu")
    # Nothing here reads memory that was not written; filling it first costs a tenth of a step.
    filling.fill_uninitialized_memory = False
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
        filling.fill_uninitialized_memory = fill_before
        torch.set_num_threads(threads_before)


@contextmanager
def _process_group(device: torch.device) -> Iterator[None]:
    """The process group that torchrun's environment describes, where there is one to be made."""
    if "WORLD_SIZE" not in os.environ or dist.is_initialized():
        yield
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()
