"""`avloc corpus`: what of a run's lists and media is there; and the stage that looks first of all.

The table needs no stage to have run. One message at the end names what is absent, after all
that could be counted without it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.base.params import Parameters, Study
from pipeline.errors import InputError
from stages.paths import decoded_folder, encoders_folder, toy_folder

if TYPE_CHECKING:
    from pipeline.corpora.ready import RunCheck

_NARROWEST = 110  # columns of the terminal; the table's numbers do not wrap

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="What of a run's data is in place.\n\n"
    "Example: [bold]avloc corpus check vggsound-144k[/bold]",
)


def settings(parameters: Parameters, name: str) -> Study:
    """The parameters of the stage: the whole study, since everything in it is looked for."""
    return parameters.read(name, Study)


@app.command()
def check(run: Annotated[str, typer.Argument(help="A run of any study in params.yaml.")]) -> None:
    """Tell which clips of a run's lists are there, and which test clips it trains on.

    Example: [bold]avloc corpus check vggsound-144k[/bold]
    """
    from pipeline.corpora.ready import StudyData, check_run

    parameters = Parameters()
    study = _study_of(parameters, run)
    data = StudyData(study, _made(study))
    _print(run, check_run(parameters, data, run, decoded_folder), data.notes)
    _end(f"run {run}", data.absent)


@app.command()
def ready(name: Annotated[str, typer.Argument(help="The key of a study.")] = "active") -> None:
    """Fail unless all that a study reads and no stage makes is in place: the first stage.

    Example: [bold]avloc corpus ready studies.vggsound-144k[/bold]
    """
    from pipeline.corpora.ready import StudyData, absent_data

    parameters = Parameters()
    study = settings(parameters, name)
    _end(name, absent_data(parameters, StudyData(study, _made(study))))


def _made(study: Study) -> list[Path]:
    """The folders that the study's own stages make."""
    return [folder for toy in study.toys for folder in (toy_folder(toy), encoders_folder(toy))]


def _study_of(parameters: Parameters, run: str) -> Study:
    """The first study that has the run, the active one before the others."""
    studies = parameters.studies()
    for study in studies:
        if run in study.runs or run in study.published:
            return study
    known = dict.fromkeys(name for study in studies for name in (*study.runs, *study.published))
    raise InputError(
        f"{parameters.path}: no study has a run {run!r}, expected one of {', '.join(known)}"
    )


def _print(run: str, checked: "RunCheck", notes: Sequence[str]) -> None:
    """The table, on standard output, the training list first; without one no leak is counted."""
    from rich.console import Console
    from rich.table import Table

    title = f"run {run}, trained on {checked.trained_on}"
    table = Table(title=title, title_justify="left", caption_justify="left")
    table.add_column("list")
    for head in ("samples", "clips", "present", "missing", "unreadable", "in training list"):
        table.add_column(head, justify="right", no_wrap=head != "unreadable")
    rows = checked.rows if checked.has_list else checked.rows[1:]
    for row in rows:
        is_training = row is checked.rows[0]
        leaked = "" if is_training else f"{row.leaked:,}" if checked.has_list else "?"
        table.add_row(
            row.name,
            *(f"{count:,}" for count in (row.samples, row.listed, row.present, row.missing)),
            _causes(row.unreadable),
            leaked,
            end_section=is_training,
        )
    if any(row.unreadable is None for row in checked.rows):
        notes = [*notes, "unreadable is ? where the corpus is not decoded yet"]
    table.caption = "\n".join(notes)
    if table.row_count:
        console = Console(highlight=False)
        console.width = max(console.width, _NARROWEST)
        console.print(table, markup=False)


def _causes(unreadable: dict[str, int] | None) -> str:
    if not unreadable:
        return "?" if unreadable is None else "0"
    causes = ", ".join(f"{cause} {count:,}" for cause, count in unreadable.items())
    return f"{sum(unreadable.values()):,} ({causes})"


def _end(what: str, absent: Sequence[str]) -> None:
    """One message for all that is absent, and exit code 1."""
    if absent:
        lines = "".join(f"\n  {message}" for message in absent)
        typer.echo(f"error: {what}: absent data, {len(absent)} in all:{lines}", err=True)
        raise typer.Exit(1)
