"""Stage spectrograms: the sounds of a decoded corpus to spectrograms of one form."""

import os
from pathlib import Path
from typing import Annotated

import typer

from pipeline.base.params import CorpusItem, Decode, Execution, Parameters
from pipeline.clips.spectrogram import SoundForm
from pipeline.execution.summary import show_summary
from stages.paths import WORK, decoded_folder, spectrograms_folder


def settings(
    parameters: Parameters, corpus: str, name: str
) -> tuple[CorpusItem, Decode, SoundForm]:
    """The parameters of the stage; the form is `forms.<name>` beside the corpus' settings."""
    item = parameters.read(f"active.corpora.{corpus}", CorpusItem)
    above, _, _ = item.decode.rpartition(".")
    form = parameters.read(f"{above}.forms.{name}" if above else f"forms.{name}", SoundForm)
    return item, parameters.read(item.decode, Decode, item.override), form


def spectrograms(
    corpus: Annotated[str, typer.Argument(help="A corpus of the active study.")],
    name: Annotated[str, typer.Argument(help="Who hears them: a method or an encoder.")],
) -> None:
    """Make a corpus' spectrograms of one form. Example: [bold]avloc spectrograms toy lvs[/bold]"""
    from pipeline.base.files import remove_partials
    from pipeline.decode.spectrograms import make_spectrograms
    from pipeline.execution.run import Engine

    parameters = Parameters()
    item, values, form = settings(parameters, corpus, name)
    # Not one of the stage's parameters: the bytes are the same, so another engine reruns nothing.
    execution = parameters.read("execution", Execution)
    folder = spectrograms_folder(corpus, name)
    remove_partials(folder)
    made = make_spectrograms(
        decoded_folder(corpus),
        Path(item.root),
        folder,
        work=WORK / "spectrograms" / corpus / name,
        form=form,
        seconds=values.seconds,
        max_seconds=values.max_seconds,
        shards=values.shards,
        seconds_limit=values.seconds_limit,
        engine=Engine(execution.engine, execution.address, workers=len(os.sched_getaffinity(0))),
    )
    told = {key.replace("_", " "): value for key, value in made.items() if value}
    show_summary(f"spectrograms {corpus} {name}", told, folder)
