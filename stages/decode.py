"""Stage decode: any corpus to middle frames as npy shards and a table of its clips."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.base.files import remove_partials, write_json
from pipeline.base.params import Parameters
from pipeline.base.study import EVERY_CLIP, Corpus
from pipeline.corpora.layouts import find_sources
from pipeline.corpora.lists import read_listed
from pipeline.decode.corpus import decode_corpus
from pipeline.decode.settings import Decode, read_decode
from pipeline.execution.settings import Execution
from pipeline.execution.summary import happened, show_summary
from stages.paths import WORK, decoded_folder


def settings(parameters: Parameters, name: str) -> tuple[Corpus, Decode]:
    """The parameters of the stage."""
    return read_decode(parameters, name)


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
        engine=execution.on_all_cores(),
    )
    write_json(folder / "settings.json", {"side": values.side, "aspect": values.aspect})
    # Of the quantiles the median is shown.
    rest = ("_min", "_p05", "_max")
    shown = {key: value for key, value in health.items() if not key.endswith(rest)}
    show_summary(f"decode {name}", happened(shown), folder)
