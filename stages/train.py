"""Stage train: the localizer of one run, from scratch, on all GPUs that the process sees.

Where there are several, the command starts one rank for each and waits for them;
CUDA_VISIBLE_DEVICES chooses among them. Started by torchrun already (for several machines, say) it
is one of the ranks and starts nothing.
"""

import os
from collections.abc import Mapping
from typing import Annotated

import typer

from pipeline.base.params import Parameters, RunItem, Train
from pipeline.errors import InputError
from pipeline.execution.summary import show_summary
from stages.paths import WORK, decoded_folder, neighbours_folder, run_folder


def settings(parameters: Parameters, name: str) -> tuple[RunItem, Train]:
    """The parameters of the stage."""
    item = parameters.read(f"active.runs.{name}", RunItem)
    return item, parameters.read(item.train, Train, item.override)


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


def train(name: Annotated[str, typer.Argument(help="A run of the active study.")]) -> None:
    """Train a run's localizer, or go on after a kill. Example: [bold]avloc train toy[/bold]"""
    import torch

    from pipeline.base.files import (
        atomic_file,
        map_npy,
        read_json,
        read_parquet,
        read_tsv,
        remove_partials,
    )
    from pipeline.clips.decoded import DecodedCorpus
    from pipeline.clips.spectrogram import window_steps
    from pipeline.execution.launch import launch
    from pipeline.execution.progress import console
    from pipeline.methods.localizer import Architecture, Usage
    from pipeline.train.batches import Neighbours
    from pipeline.train.loop import Recipe
    from pipeline.train.loop import train as train_localizer

    item, values = settings(Parameters(), name)
    if "WORLD_SIZE" not in os.environ:  # else another rank may be writing
        remove_partials(run_folder(name), WORK / "train" / name)
    ranks = ranks_to_start(os.environ, torch.cuda.device_count(), values.batch)
    if ranks:
        launch(["-m", "stages.cli", "train", name], ranks)
        return
    first = os.environ.get("RANK", "0") == "0"
    if not first:
        console.quiet = True  # one of the ranks tells how far all are
    corpus = DecodedCorpus(decoded_folder(item.corpus))
    folder = neighbours_folder(item.search)
    clips = read_parquet(folder / "clips.parquet")
    form = read_json(decoded_folder(item.corpus) / "settings.json")
    sound = {key: form[key] for key in ("sample_rate", "window", "hop")}
    usage = Usage(
        side=values.input_side,
        steps=window_steps(values.window_seconds, **sound),
        bands=form["bands"],
        pooling=values.pooling,
        share=values.pooling_share,
        temperature=values.pooling_temperature,
        **sound,
    )
    output = run_folder(name)
    if first:
        with atomic_file(output / "training_clips.txt") as file:
            file.write("".join(f"{clip}\n" for clip in clips["clip_id"].to_pylist()).encode())
    train_localizer(
        corpus,
        clips["row"].to_numpy(),
        Neighbours(map_npy(folder / "image_ids.npy"), map_npy(folder / "audio_ids.npy")),
        Recipe(
            architecture=Architecture(
                tuple(values.network.blocks),
                tuple(values.network.channels),
                tuple(values.network.strides),
                # Without s_A nothing trains p_v and p_a, and nothing may use them.
                values.network.projection_layers if values.feature_alignment else 0,
            ),
            usage=usage,
            seed=values.seed,
            semantic=values.semantic,
            multi_view=values.multi_view,
            feature_alignment=values.feature_alignment,
            symmetric=values.symmetric,
            k=values.k,
            temperature=values.temperature,
            simclr_strength=values.simclr_strength,
            simclr_area=(values.simclr_smallest_crop, 1.0),
            epochs=values.epochs,
            batch=values.batch,
            learning_rate=values.learning_rate,
            schedule=values.schedule,
            precision=values.precision,
            channels_last=values.channels_last,
            compile=values.compile,
            cache_gradients=values.cache_gradients,
            sync_batch_norm=values.sync_batch_norm,
            threads=values.threads,
        ),
        output=output,
        work=WORK / "train" / name,
        workers=values.workers,
    )
    if first:
        history = read_tsv(output / "history.tsv")
        told = {
            "clips": len(clips),
            "epochs": values.epochs,
            "batch": values.batch,
            "loss of the first epoch": history["loss"][0],
            "loss of the last epoch": history["loss"][-1],
        }
        show_summary(f"train {name}", told, output)
