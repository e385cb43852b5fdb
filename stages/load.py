"""Stage load: a published localizer as a run, in place of its training."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.params import Parameters, PublishedItem, Train
from stages.paths import decoded_folder, run_folder


def settings(parameters: Parameters, name: str) -> tuple[PublishedItem, Train]:
    """The parameters of the stage."""
    item = parameters.read(f"active.published.{name}", PublishedItem)
    return item, parameters.read(item.train, Train, item.override)


def load(
    name: Annotated[str, typer.Argument(help="A published localizer of the active study.")],
) -> None:
    """Take a published weight file for a run's. Example: [bold]avloc load ours[/bold]"""
    from pipeline.corpora.lists import read_clip_list
    from pipeline.localizer import save_localizer
    from pipeline.progress import console
    from pipeline.published import open_localizer
    from pipeline.shards import atomic_file, read_json

    item, values = settings(Parameters(), name)
    localizer, unused = open_localizer(
        Path(item.weights),
        read_json(decoded_folder(item.corpus) / "settings.json"),
        strides=values.network.strides,
        side=values.input_side,
        window_seconds=values.window_seconds,
        pooling=values.pooling,
        share=values.pooling_share,
        temperature=values.pooling_temperature,
        projections=(item.projections[0], item.projections[1]) if item.projections else None,
    )
    if unused:
        console.print(f"{item.weights}: entries without use: {', '.join(unused)}", markup=False)
    folder = run_folder(name)
    with atomic_file(folder / "training_clips.txt") as file:
        clips = read_clip_list(Path(item.list))
        file.write("".join(f"{clip}\n" for clip in clips).encode())
    save_localizer(folder / "weights.safetensors", localizer)
