"""Stage spectrograms: the sounds of a decoded corpus to spectrograms of one form."""

import os
from pathlib import Path
from typing import Annotated

import typer

from pipeline.base.files import remove_partials
from pipeline.base.params import Parameters
from pipeline.base.study import Corpus
from pipeline.clips.sound_form import SoundForm
from pipeline.decode.settings import Decode
from pipeline.decode.spectrograms import make_spectrograms
from pipeline.execution.run import Engine
from pipeline.execution.settings import Execution
from pipeline.execution.summary import show_summary
from stages.paths import WORK, decoded_folder, spectrograms_folder


def settings(parameters: Parameters, corpus: str, name: str) -> tuple[Corpus, Decode, SoundForm]:
    """The parameters of the stage."""
    world = parameters.read("active.settings", str)
    item = parameters.read(f"active.corpora.{corpus}", Corpus)
    values = parameters.read(f"{world}.decode", Decode, item.decode)
    return item, values, parameters.read(f"{world}.forms.{name}", SoundForm)


def spectrograms(
    corpus: Annotated[str, typer.Argument(help="A corpus of the active study.")],
    name: Annotated[str, typer.Argument(help="Who hears them: a method or an encoder.")],
) -> None:
    """Make a corpus' spectrograms of one form.

    Example: [bold]avloc spectrograms toy alignment[/bold]
    """
    parameters = Parameters()
    item, values, form = settings(parameters, corpus, name)
    # Not one of the stage's parameters: the bytes are the same, so another engine reruns nothing.
    execution = parameters.read("execution", Execution)
    folder = spectrograms_folder(corpus, name)
    remove_partials(folder)
    counts = make_spectrograms(
        decoded_folder(corpus),
        Path(item.root),
        folder,
        work=WORK / "spectrograms" / corpus / name,
        form=form,
        seconds=values.seconds,
        max_seconds=values.max_seconds,
        shards=values.shards,
        seconds_limit=values.seconds_limit,
        taken=values.taken,
        engine=Engine(execution.engine, execution.address, workers=len(os.sched_getaffinity(0))),
    )
    shown = {key.replace("_", " "): value for key, value in counts.items() if value}
    show_summary(f"spectrograms {corpus} {name}", shown, folder)
