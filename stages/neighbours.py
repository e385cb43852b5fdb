"""Stage neighbours: the nearest clips of every training clip, in image and in sound space."""

from typing import Annotated

import faiss
import torch
import typer

from pipeline.base.files import read_json, remove_partials, write_json
from pipeline.base.params import Parameters
from pipeline.base.study import TrainOn, check_listed
from pipeline.clips.decoded import DecodedCorpus
from pipeline.execution.cores import usable_cores
from pipeline.execution.run import Engine
from pipeline.execution.settings import Execution
from pipeline.execution.summary import happened, show_summary
from pipeline.neighbours.search import search_list
from pipeline.neighbours.settings import Neighbours
from stages.paths import WORK, decoded_folder, embeddings_folder, list_file, neighbours_folder


def settings(parameters: Parameters, name: str) -> tuple[TrainOn, Neighbours]:
    """The parameters of the stage."""
    world = parameters.read("active.settings", str)
    train_on = parameters.read("active.train_on", TrainOn)
    return train_on, parameters.read(f"{world}.neighbours", Neighbours)


def neighbours(name: Annotated[str, typer.Argument(help="The active study's search.")]) -> None:
    """Search the top-k neighbours of a training list. Example: [bold]avloc neighbours toy[/bold]"""
    parameters = Parameters()
    check_listed(parameters, "train_on.search", name)
    train_on, values = settings(parameters, name)
    # Not one of the stage's parameters: the bytes are the same, so another engine reruns nothing.
    execution = parameters.read("execution", Execution)
    torch.set_num_threads(values.threads)
    faiss.omp_set_num_threads(values.threads)
    listed = read_json(list_file(name))
    folder = neighbours_folder(name)
    remove_partials(folder)
    summary = search_list(
        DecodedCorpus(decoded_folder(train_on.corpus)),
        embeddings_folder(train_on.corpus),
        listed.pop("clips"),
        values.k,
        folder,
        work=WORK / "neighbours" / name,
        index=values.index,
        effort=values.effort,
        store_index=values.store_index,
        engine=Engine(
            execution.engine,
            execution.address,
            workers=max(1, usable_cores() // values.threads),
            cpus=values.threads,
            gpus=int(torch.cuda.is_available()),
        ),
    )
    summary |= listed
    write_json(folder / "summary.json", summary)
    shown = happened(summary)
    show_summary(f"neighbours {name}", {**shown, "k": values.k, "index": values.index}, folder)
