"""Stage moving: one run at every moment of a toy's moving clips, beside maps that do not move."""

from collections.abc import Iterator
from typing import Annotated

import numpy as np
import torch
import typer

from pipeline.base.files import remove_partials, write_json, write_parquet
from pipeline.base.params import Parameters
from pipeline.corpora.ground_truth import MovingScene, read_moving
from pipeline.evaluate.moving import POINTING, STILL, SWAP, score_moments
from pipeline.evaluate.settings import Evaluate
from pipeline.execution.progress import track
from pipeline.execution.summary import show_summary
from pipeline.methods.common.files import load_weights
from pipeline.predict.moving import localize_moving
from stages.paths import moving_folder, run_folder, toy_folder


def settings(parameters: Parameters, run: str, toy: str) -> Evaluate:
    """The parameters of the stage: the threads are the evaluation's."""
    world = parameters.read("active.settings", str)
    return parameters.read(f"{world}.evaluate", Evaluate)


def moving(
    run: Annotated[str, typer.Argument(help="A run below data/runs, '<search>/<run>'.")],
    toy: Annotated[str, typer.Argument(help="A toy of the active study.")],
) -> None:
    """Score a run at every moment of a toy's moving clips, beside the map of their middle and a
    blob in the centre. Example: [bold]avloc moving toy/alignment-full-0 toy[/bold]"""
    torch.set_num_threads(settings(Parameters(), run, toy).threads)
    method = load_weights(run_folder(run) / "weights.safetensors")
    scenes = read_moving(toy_folder(toy) / "annotations" / "moving.json")

    def maps() -> Iterator[tuple[MovingScene, np.ndarray]]:
        for scene in track(scenes, f"moving clips of {toy}", len(scenes)):
            clip = toy_folder(toy) / "moving" / f"{scene.clip_id}.mp4"
            yield scene, localize_moving(method, clip, clip).maps

    found = score_moments(maps())
    folder = moving_folder(run, toy)
    remove_partials(folder)
    write_parquet(folder / "moments.parquet", found.rows)
    write_json(folder / "metrics.json", found.metrics)
    told = {
        f"{words}, {name}": f"{found.metrics[metric]:.1f}"
        for metric, name in ((POINTING, "moments right"), (SWAP, "both sounds right"))
        for words, metric in (("moving map", metric), ("still map", f"{metric}.{STILL}"))
        if metric in found.metrics
    }
    show_summary(f"moving clips of {toy} by {run}", told, folder)
