"""Stage load: a published localizer as a run, in place of its training."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.base.params import Parameters, PublishedItem, Train
from pipeline.execution.summary import show_summary
from stages.paths import decoded_folder, run_folder

if TYPE_CHECKING:
    from pipeline.methods.localizer import Localizer


def settings(parameters: Parameters, name: str) -> tuple[PublishedItem, Train]:
    """The parameters of the stage."""
    item = parameters.read(f"active.published.{name}", PublishedItem)
    return item, parameters.read(item.train, Train, item.override)


def load(
    name: Annotated[str, typer.Argument(help="A published localizer of the active study.")],
) -> None:
    """Take a published weight file for a run's. Example: [bold]avloc load ours[/bold]"""
    from pipeline.base.files import atomic_file
    from pipeline.corpora.lists import read_clip_list
    from pipeline.methods.localizer import save_localizer

    item, values = settings(Parameters(), name)
    projections = (item.projections[0], item.projections[1]) if item.projections else None
    localizer = open_published(Path(item.weights), item.corpus, values, projections)
    folder = run_folder(name)
    clips = read_clip_list(Path(item.list))
    with atomic_file(folder / "training_clips.txt") as file:
        file.write("".join(f"{clip}\n" for clip in clips).encode())
    save_localizer(folder / "weights.safetensors", localizer)
    learned = sum(weights.numel() for weights in localizer.parameters())
    told = {"from": item.weights, "parameters": learned, "clips trained on": len(clips)}
    show_summary(f"load {name}", told, folder)


def open_published(
    path: Path, corpus: str, fed: Train, projections: tuple[str, str] | None
) -> "Localizer":
    """The localizer in a weight file, fed with a decoded corpus as a training would be; tells on
    the terminal what of the file has no use."""
    from pipeline.base.files import read_json
    from pipeline.execution.progress import console
    from pipeline.predict.published import open_localizer

    localizer, unused = open_localizer(
        path,
        read_json(decoded_folder(corpus) / "settings.json"),
        strides=fed.network.strides,
        side=fed.input_side,
        window_seconds=fed.window_seconds,
        pooling=fed.pooling,
        share=fed.pooling_share,
        temperature=fed.pooling_temperature,
        projections=projections,
    )
    if unused:
        console.print(f"{path}: entries without use: {', '.join(unused)}", markup=False)
    return localizer
