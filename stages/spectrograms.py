"""Stage spectrograms: the sounds of a decoded corpus to spectrograms of one form."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.base.files import remove_partials
from pipeline.base.params import Parameters
from pipeline.base.study import Corpus
from pipeline.clips.sound_form import SoundForm
from pipeline.decode.settings import Decode, read_decode
from pipeline.decode.spectrograms import make_spectrograms
from pipeline.execution.settings import Execution
from pipeline.execution.summary import happened, show_summary
from stages.paths import WORK, decoded_folder, spectrograms_folder


def settings(parameters: Parameters, corpus: str, name: str) -> tuple[Corpus, Decode, SoundForm]:
    """The parameters of the stage."""
    item, values = read_decode(parameters, corpus)
    world = parameters.read("active.settings", str)
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
        engine=execution.on_all_cores(),
    )
    show_summary(f"spectrograms {corpus} {name}", happened(counts), folder)
