"""Stage neighbours: the nearest clips of every training clip, in image and in sound space."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.params import Neighbours, Parameters, SearchItem
from stages.paths import WORK, decoded_folder, embeddings_folder, neighbours_folder


def settings(parameters: Parameters, name: str) -> tuple[SearchItem, Neighbours]:
    """The parameters of the stage."""
    item = parameters.read(f"active.searches.{name}", SearchItem)
    return item, parameters.read(item.neighbours, Neighbours)


def neighbours(name: Annotated[str, typer.Argument(help="A search of the active study.")]) -> None:
    """Search the top-k neighbours of a training list. Example: [bold]avloc neighbours toy[/bold]"""
    import faiss
    import torch

    from pipeline.corpora.lists import read_clip_list
    from pipeline.decoded import DecodedCorpus
    from pipeline.neighbours import search_list
    from pipeline.shards import write_json

    item, values = settings(Parameters(), name)
    torch.set_num_threads(values.threads)
    faiss.omp_set_num_threads(values.threads)
    folder = neighbours_folder(name)
    summary = search_list(
        DecodedCorpus(decoded_folder(item.corpus)),
        embeddings_folder(item.corpus),
        read_clip_list(Path(item.list)),
        values.k,
        folder,
        work=WORK / "neighbours" / name,
        index=values.index,
    )
    write_json(folder / "summary.json", summary)
