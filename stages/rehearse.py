"""A rehearsal: a study walked from decode to report on a few clips, before the real run."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from pipeline.base.params import Parameters
from pipeline.errors import InputError
from pipeline.execution.progress import console
from pipeline.rehearsal import Rehearsal, make_project, plan
from stages.paths import decoded_folder
from stages.report import REPORT
from stages.sheet import draw_sheet

_FRAMES = 24  # on the contact sheet


def rehearse(
    folder: Annotated[
        Path, typer.Argument(help="Clips in the layout of the study's training corpus.")
    ],
    study: Annotated[
        str, typer.Option(help="The study of params.yaml that is rehearsed.")
    ] = "vggsound-alone",
    out: Annotated[Path, typer.Option(help="The rehearsal's own project.")] = Path(
        "build/rehearsal"
    ),
    clips: Annotated[
        int, typer.Option(min=2, help="How many of the folder's clips are taken at most.")
    ] = 16,
) -> None:
    """Walk a study's stages on a few clips and made encoders, on any machine, in minutes.

    Sizes, forms and methods are the study's own; epochs, batch and k are those of the section
    rehearsal of params.yaml. Some of the clips have to be in the study's training list, one at
    least in a benchmark. Nothing is read from or written to the real run's data.

    Example: [bold]avloc rehearse data/vggsound[/bold], then open
    build/rehearsal/data/report/index.html
    """
    parameters = Parameters()
    planned = plan(parameters, study, folder, clips)
    make_project(planned, parameters, folder, out)
    for benchmark in planned.left_out:
        console.print(f"rehearse: {benchmark} has no sample among the clips, and is left out")
    repro(out)
    for line in _told(planned, out):
        typer.echo(line)


def _told(rehearsal: Rehearsal, project: Path) -> list[str]:
    """What was made, and where it is."""
    lines = [
        f"{rehearsal.name}: {len(rehearsal.clips)} clips, {rehearsal.trained} of them in the "
        "training list; all stages ran"
    ]
    for corpus, name in rehearsal.drawn.items():
        sheet, decoded = project / f"{corpus}.png", project / decoded_folder(corpus)
        lines.append(draw_sheet(decoded, rehearsal.study, corpus, name, sheet, _FRAMES, project))
    return [
        *lines,
        f"{project / REPORT}: the page; its scores are of random encoders and mean nothing",
    ]


def repro(project: Path) -> None:
    """Run `dvc repro` in a project, with this Python's `avloc` for its stages; what ends this
    process ends DVC and its stage. Raises `InputError` where it fails, below what it says itself.
    """
    binaries = str(Path(sys.executable).parent)
    path = os.pathsep.join((binaries, os.environ.get("PATH", os.defpath)))
    # A group of its own, so that a signal reaches the stage that DVC has started, too.
    process = subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro"],
        cwd=project,
        env={**os.environ, "PATH": path},
        process_group=0,
    )
    try:
        code = process.wait()
    except BaseException:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        raise
    if code:
        raise InputError(
            f"{project}: dvc repro ended with exit code {code}, for the reason above; the same "
            "command goes on from what is done"
        )
