"""Stage neighbours: the nearest clips of every training clip, in image and in sound space."""

from pathlib import Path
from typing import Annotated

import faiss
import torch
import typer

from pipeline.base.files import remove_partials, write_json
from pipeline.base.params import Parameters
from pipeline.base.study import TrainOn
from pipeline.clips.decoded import DecodedCorpus
from pipeline.corpora.check import read_test_clips
from pipeline.corpora.lists import read_clip_list
from pipeline.execution.summary import show_summary
from pipeline.neighbours.search import search_list
from pipeline.neighbours.settings import Neighbours
from pipeline.neighbours.training_list import choose_clips
from stages.paths import WORK, decoded_folder, embeddings_folder, neighbours_folder


def settings(parameters: Parameters, name: str) -> tuple[TrainOn, Path, Neighbours]:
    """The parameters of the stage."""
    world = parameters.read("active.settings", str)
    annotations = Path(parameters.read("active.annotations", str))
    train_on = parameters.read("active.train_on", TrainOn)
    return train_on, annotations, parameters.read(f"{world}.neighbours", Neighbours)


def neighbours(name: Annotated[str, typer.Argument(help="The active study's search.")]) -> None:
    """Search the top-k neighbours of a training list. Example: [bold]avloc neighbours toy[/bold]"""
    train_on, annotations, values = settings(Parameters(), name)
    torch.set_num_threads(values.threads)
    faiss.omp_set_num_threads(values.threads)
    corpus = DecodedCorpus(decoded_folder(train_on.corpus))
    listed = read_clip_list(Path(train_on.list))
    chosen, left_out = choose_clips(
        listed,
        corpus.clips,
        read_test_clips(annotations) if values.exclude_test_clips else (),
        silent=values.leave_out_silent,
        still=values.leave_out_still,
        duplicates=values.leave_out_duplicates,
        shortest_seconds=values.shortest_seconds,
    )
    folder = neighbours_folder(name)
    remove_partials(folder)
    summary = search_list(
        corpus,
        embeddings_folder(train_on.corpus),
        chosen,
        values.k,
        folder,
        work=WORK / "neighbours" / name,
        index=values.index,
        effort=values.effort,
    )
    summary |= {"listed": len(listed), **left_out}
    write_json(folder / "summary.json", summary)
    shown = {key.replace("_", " "): value for key, value in summary.items() if value}
    show_summary(f"neighbours {name}", {**shown, "k": values.k, "index": values.index}, folder)
