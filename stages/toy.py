"""Stage toy: make the toy corpus as real videos with annotations in the real sets' formats."""

import os
from typing import Annotated

import typer

from pipeline.base.params import Parameters, Toy, ToyItem
from pipeline.execution.summary import show_summary
from stages.paths import WORK, toy_folder


def settings(parameters: Parameters, name: str) -> Toy:
    """The parameters of the stage."""
    return parameters.read(parameters.read(f"active.toys.{name}", ToyItem).section, Toy)


def toy(name: Annotated[str, typer.Argument(help="A toy of the active study.")]) -> None:
    """Make the toy corpus, videos and annotations. Example: [bold]avloc toy toy[/bold]"""
    from pipeline.toy.corpus import make_toy_corpus

    values = settings(Parameters(), name)
    folder = toy_folder(name)
    made = make_toy_corpus(
        folder,
        work=WORK / "toy" / name,
        seed=values.seed,
        clips={
            "train": values.train,
            "validation": values.validation,
            "test": values.test,
            "labelled": values.labelled,
        },
        width=values.width,
        height=values.height,
        seconds=values.seconds,
        workers=len(os.sched_getaffinity(0)),
    )
    clips = {f"clips of {split}": count for split, count in made.items()}
    show_summary(f"toy {name}", clips, folder)
