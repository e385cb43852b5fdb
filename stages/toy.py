"""Stage toy: make the toy corpus as real videos with annotations in the real sets' formats."""

from typing import Annotated

import typer

from pipeline.base.params import Parameters
from pipeline.base.study import check_listed
from pipeline.execution.cores import usable_cores
from pipeline.execution.summary import show_summary
from pipeline.toy.corpus import make_toy_corpus
from pipeline.toy.settings import Toy
from stages.paths import WORK, toy_folder


def settings(parameters: Parameters, name: str) -> Toy:
    """The parameters of the stage."""
    return parameters.read(f"{parameters.read('active.settings', str)}.toy", Toy)


def toy(name: Annotated[str, typer.Argument(help="A toy of the active study.")]) -> None:
    """Make the toy corpus, videos and annotations. Example: [bold]avloc toy toy[/bold]"""
    parameters = Parameters()
    check_listed(parameters, "toys", name)
    values = settings(parameters, name)
    folder = toy_folder(name)
    clips = make_toy_corpus(
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
        workers=usable_cores(),
        conditions=values.conditions,
        moving=values.moving,
    )
    summary = {f"clips of {split}": count for split, count in clips.items()}
    show_summary(f"toy {name}", summary, folder)
