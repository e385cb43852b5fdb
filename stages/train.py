"""Stage train: one method's localizer, of one run and seed, on all GPUs that the process sees.

Where there are several, the command starts one rank for each and waits for them;
CUDA_VISIBLE_DEVICES chooses among them. Started by torchrun already (for several machines, say) it
is one of the ranks and starts nothing.
"""

import json
import math
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from pipeline.base.files import map_npy, read_parquet, read_tsv, remove_partials
from pipeline.base.params import Parameters
from pipeline.base.study import Trained, TrainOn, active_study
from pipeline.clips.decoded import DecodedCorpus
from pipeline.errors import InputError
from pipeline.execution.cores import usable_cores
from pipeline.execution.events import event_files
from pipeline.execution.launch import launch
from pipeline.execution.progress import console
from pipeline.execution.seconds import keep_seconds
from pipeline.execution.settings import Execution, Watching
from pipeline.execution.summary import show_summary
from pipeline.methods.common.sections import method_settings
from pipeline.methods.contract import load_method, own_form_entry
from pipeline.networks.device import best_device
from pipeline.report.watched import Validation, open_validation
from pipeline.train.batches import Neighbours
from pipeline.train.begin import begin
from pipeline.train.loop import train as train_method
from pipeline.train.settings import Train
from pipeline.train.small import fitted
from pipeline.train.step import on_device
from pipeline.train.watch import Watch
from stages.paths import (
    WORK,
    decoded_folder,
    neighbours_folder,
    run_folder,
    spectrograms_folder,
    watched_folder,
)


@dataclass(frozen=True)
class Settings:
    """What a training reads of params.yaml."""

    train_on: TrainOn
    weights: Path
    method: Any
    recipe: Train


def settings(parameters: Parameters, method: str, run: str, seed: str) -> Settings:
    """The parameters of the stage: the method's section with the run's changes over it; of both,
    the entry `train` changes the section `train`."""
    world = parameters.read("active.settings", str)
    train_on = parameters.read("active.train_on", TrainOn)
    weights = Path(parameters.read("active.weights", str))
    changes = parameters.read(f"active.runs.{run}", dict[str, Any])
    own, loops = method_settings(parameters, world, method, changes)
    return Settings(train_on, weights, own, parameters.read(f"{world}.train", Train, *loops))


def ranks_to_start(environment: Mapping[str, str], gpus: int, batch: int) -> int:
    """How many ranks torchrun has to start: one for each of `gpus`, 0 where this process trains.

    Raises `InputError` where the GPUs cannot share a batch of `batch` clips evenly.
    """
    if "WORLD_SIZE" in environment or gpus < 2:
        return 0
    if batch % gpus:
        raise InputError(
            f"a batch of {batch} clips cannot be split over {gpus} GPUs; choose some of them by "
            f"CUDA_VISIBLE_DEVICES, or another batch"
        )
    return gpus


def _facts(values: Settings, method: str, seed: int) -> dict[str, Any]:
    """What a report says of the run, beside its scores."""
    kind = load_method(method)
    return {
        "method": method,
        "label": kind.label(values.method),
        "settings": asdict(values.method),
        "recipe": asdict(values.recipe),
        "seed": seed,
        "corpus": values.train_on.corpus,
        "list": values.train_on.list,
        **own_form_entry(kind.test_form),
    }


def watch_of(parameters: Parameters, asked: Watching, trained: Trained) -> Watch | None:
    """How the run is looked at, where it is. Raises `InputError` where what is to be asked about is
    not there yet."""
    if not asked.every:
        return None
    folder, ask = watched_folder(trained.folder), None
    if asked.validation is not None:
        if not (decoded_folder(asked.corpus) / "clips.parquet").exists():
            raise InputError(
                f"{decoded_folder(asked.corpus)}: not there yet, and execution.watch.corpus asks "
                f"about its clips; dvc repro decode@{asked.corpus} and its spectrograms first, or "
                f"execution.watch.validation: null"
            )
        sounds = spectrograms_folder(asked.corpus, trained.method)
        corpus = DecodedCorpus(decoded_folder(asked.corpus), sounds)
        study = active_study(parameters)
        source = study.corpora.get(asked.corpus)
        media = None if source is None else Path(source.root)
        benchmark = open_validation(asked.validation, Path(study.annotations), corpus, media)
        ask = Validation(benchmark, corpus, asked.batch)
    return Watch(asked.every, folder, partial(event_files, folder), ask, asked.best)


def train(
    method: Annotated[str, typer.Argument(help="A method of the active study.")],
    run: Annotated[str, typer.Argument(help="A run of the active study.")],
    seed: Annotated[int, typer.Argument(min=0, help="The seed of everything random in it.")],
    force: Annotated[
        bool, typer.Option("--force", help="Also where this very training is finished.")
    ] = False,
) -> None:
    """Train a method, or go on after a kill; what is finished stays, unless --force is given.

    Example: [bold]avloc train alignment full 0[/bold]
    """
    parameters = Parameters()
    values = settings(parameters, method, run, str(seed))
    # Not one of the stage's parameters: the bytes are the same.
    execution = parameters.read("execution", Execution)
    trained = Trained(values.train_on.search, method, run, seed)
    output, work = run_folder(trained.folder), WORK / "train" / trained.folder
    if "WORLD_SIZE" not in os.environ:  # else another rank may be writing
        remove_partials(output, work)
    ranks = ranks_to_start(os.environ, torch.cuda.device_count(), values.recipe.batch)
    if ranks:
        words = ["train", method, run, str(seed), *(["--force"] if force else [])]
        launch(["-m", "stages.cli", *words], ranks)
        return
    first = os.environ.get("RANK", "0") == "0"
    if not first:
        console.quiet = True  # one of the ranks tells how far all are
    corpus_name = values.train_on.corpus
    sounds = spectrograms_folder(corpus_name, method)
    corpus = DecodedCorpus(decoded_folder(corpus_name), sounds)
    folder = neighbours_folder(values.train_on.search)
    clips = read_parquet(folder / "clips.parquet")
    near = Neighbours(map_npy(folder / "image_ids.npy"), map_npy(folder / "audio_ids.npy"))
    recipe = on_device(values.recipe, best_device())
    own, recipe, told = fitted(values.method, recipe, len(clips), near.image.shape[1])
    values = replace(values, method=own, recipe=recipe)
    for line in told:
        console.print(f"{trained.name}: {line}", markup=False, soft_wrap=True)
    watch = None
    if first:
        watch = watch_of(parameters, execution.watch, trained)
    facts = json.dumps(_facts(values, method, seed), indent=2, ensure_ascii=False, allow_nan=False)
    listed = "".join(f"{clip}\n" for clip in clips["clip_id"].to_pylist())
    # Of a run that goes on after a kill nobody knows what it took.
    resumes, started = (work / "checkpoint.pt").exists(), time.monotonic()
    epochs: list[int] = []
    train_method(
        corpus,
        clips["row"].to_numpy(),
        near,
        lambda: begin(method, values.method, corpus.form, seed, values.weights),
        values.recipe,
        seed=seed,
        output=output,
        work=work,
        workers=execution.loaders,
        epoch_done=epochs.append,
        beside={"run.json": f"{facts}\n".encode(), "training_clips.txt": listed.encode()},
        force=force,
        watch=watch,
        keep_every=60 * (execution.keep_minutes or math.inf),
        stop_within=execution.stop_seconds,
        side_by_side=execution.side_by_side and usable_cores() >= 2 * values.recipe.threads,
    )
    if first:
        if epochs and not resumes:
            keep_seconds(work, output / "history.tsv", time.monotonic() - started)
        history = read_tsv(output / "history.tsv")
        summary = {
            "clips": len(clips),
            "epochs": values.recipe.epochs,
            "batch": values.recipe.batch,
            "loss of the first epoch": history["loss"][0],
            "loss of the last epoch": history["loss"][-1],
        }
        show_summary(f"train {trained.name}", summary, output)
