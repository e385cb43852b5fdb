"""Stage decode: any corpus to middle frames as npy shards and a table of its clips."""

import os
from pathlib import Path
from typing import Annotated

import typer

from pipeline.base.files import remove_partials, write_json
from pipeline.base.params import Parameters
from pipeline.base.study import EVERY_CLIP, Corpus
from pipeline.corpora.layouts import find_sources
from pipeline.corpora.lists import read_listed
from pipeline.decode.corpus import decode_corpus
from pipeline.decode.settings import Decode
from pipeline.execution.run import Engine
from pipeline.execution.settings import Execution
from pipeline.execution.summary import show_summary
from stages.paths import WORK, decoded_folder


def settings(parameters: Parameters, name: str) -> tuple[Corpus, Decode]:
    """The parameters of the stage."""
    world = parameters.read("active.settings", str)
    item = parameters.read(f"active.corpora.{name}", Corpus)
    return item, parameters.read(f"{world}.decode", Decode, item.decode)


def decode(name: Annotated[str, typer.Argument(help="A corpus of the active study.")]) -> None:
    """Decode a corpus to shards on all cores or on Ray. Example: [bold]avloc decode toy[/bold]"""
    parameters = Parameters()
    item, values = settings(parameters, name)
    # Not one of the stage's parameters: the bytes are the same, so another engine reruns nothing.
    execution = parameters.read("execution", Execution)
    root = Path(item.root)
    folder = decoded_folder(name)
    remove_partials(folder)
    health = decode_corpus(
        find_sources(item.reader, root),
        root,
        folder,
        work=WORK / "decode" / name,
        side=values.side,
        aspect=values.aspect,
        antialias=values.antialias,
        max_seconds=values.max_seconds,
        shards=values.shards,
        seconds_limit=values.seconds_limit,
        taken=values.taken,
        max_reject_share=values.max_reject_share,
        clip_ids=None if item.list == EVERY_CLIP else read_listed(Path(item.list)),
        engine=Engine(execution.engine, execution.address, workers=len(os.sched_getaffinity(0))),
    )
    write_json(folder / "settings.json", {"side": values.side, "aspect": values.aspect})
    # What did not happen (most causes of a reject, usually) needs no row, nor does every quantile.
    shown = {
        key.replace("_", " "): value
        for key, value in health.items()
        if value and not key.endswith(("_min", "_p05", "_max"))
    }
    show_summary(f"decode {name}", shown, folder)
