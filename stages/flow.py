"""Stage flow: the optical flow of a decoded corpus' frames, for a method that asks for it."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.base.files import remove_partials
from pipeline.base.params import Parameters
from pipeline.base.study import Corpus
from pipeline.clips.flow import FOLDER, FlowForm
from pipeline.decode.flow import make_flow
from pipeline.decode.settings import Decode, read_decode
from pipeline.execution.settings import Execution
from pipeline.execution.summary import happened, show_summary
from stages.paths import WORK, decoded_folder, spectrograms_folder


def settings(
    parameters: Parameters, corpus: str, method: str
) -> tuple[Corpus, Decode, list[FlowForm]]:
    """The parameters of the stage."""
    item, values = read_decode(parameters, corpus)
    return item, values, parameters.read(f"active.flow.{method}", list[FlowForm])


def flow(
    corpus: Annotated[str, typer.Argument(help="A corpus of the active study.")],
    method: Annotated[str, typer.Argument(help="A method that active.flow names.")],
) -> None:
    """Make the optical flow from each clip's frame to the next.

    Example: [bold]avloc flow toy heartheflow[/bold]
    """
    parameters = Parameters()
    item, values, forms = settings(parameters, corpus, method)
    # Not one of the stage's parameters: the bytes are the same, so another engine reruns nothing.
    execution = parameters.read("execution", Execution)
    folder = spectrograms_folder(corpus, method) / FOLDER
    remove_partials(folder)
    counts = make_flow(
        decoded_folder(corpus),
        Path(item.root),
        folder,
        work=WORK / "flow" / corpus / method,
        forms=forms,
        side=values.side,
        aspect=values.aspect,
        shards=values.shards,
        seconds_limit=values.seconds_limit,
        taken=values.taken,
        engine=execution.on_all_cores(),
    )
    show_summary(f"flow {corpus} {method}", happened(counts), folder)
