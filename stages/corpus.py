"""`avloc corpus`: what of a study's data is there; and the stage that looks first of all.

The table needs no stage to have run. One message at the end names what is absent, after all
that could be counted without it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from pipeline.base.params import Parameters
from pipeline.base.study import Study, active_study, all_studies
from pipeline.corpora.official import fetch as bring_list
from pipeline.corpora.official import official_lists
from pipeline.corpora.ready import StudyCheck, StudyData, absent_data, check_study
from pipeline.errors import InputError
from stages.paths import DATA, decoded_folder, toy_folder

ANNOTATIONS = DATA / "annotations"
_NARROWEST = 110  # columns of the terminal; the table's numbers do not wrap

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="What of a study's data is in place.\n\n"
    "Example: [bold]avloc corpus check vggsound-144k[/bold]",
)


def settings(parameters: Parameters) -> Study:
    """The parameters of the stage: the whole study, since everything in it is looked for."""
    return active_study(parameters)


@app.command()
def check(
    study: Annotated[str, typer.Argument(help="A study of params.yaml, or one's published file.")],
) -> None:
    """Tell which clips of a study's lists are there, and which test clips it trains on; then what
    is absent, and which settings contradict each other.

    Example: [bold]avloc corpus check vggsound-144k[/bold]
    """
    parameters = Parameters()
    found, published = _named(parameters, study)
    data = StudyData(found, _made(found), _key(parameters, study))
    _print(study, check_study(parameters, data, decoded_folder, published), data.notes)
    _end(study, data.wrong, data.absent)


@app.command()
def lists(
    names: Annotated[
        list[str] | None, typer.Argument(help="Lists by their files' names; all by default.")
    ] = None,
) -> None:
    """Bring the field's official lists to data/annotations from where they are published; one that
    is there stays, and is told of where it is another than the published one.

    Example: [bold]avloc corpus lists vggss.json vggss_144k.txt[/bold]
    """
    wanted = official_lists(ANNOTATIONS, names or ())
    if not wanted:
        raise InputError(f"{ANNOTATIONS}: holds no .dvc file, expected one for each official list")
    others = []
    for each in wanted:
        if not each.path.exists():
            bring_list(each)
            typer.echo(f"{each.path}: fetched, {each.size:,} bytes")
        elif each.is_published_one():
            typer.echo(f"{each.path}: is there, as published")
        else:
            others.append(str(each.path))
    if others:
        raise InputError(f"not as published, remove them to have those: {', '.join(others)}")


@app.command()
def ready(
    study: Annotated[
        str | None, typer.Argument(help="A study of params.yaml; by default the active one.")
    ] = None,
) -> None:
    """Fail unless all that a study reads and no stage makes is in place, and its settings fit
    together: the first stage.

    Example: [bold]avloc corpus ready vggsound-144k[/bold]
    """
    parameters = Parameters()
    found = settings(parameters) if study is None else _named(parameters, study)[0]
    data = StudyData(found, _made(found), "active" if study is None else _key(parameters, study))
    absent = absent_data(parameters, data)
    _end(study or "active", data.wrong, absent)


def _made(study: Study) -> list[Path]:
    """The folders that the study's own stages make."""
    return [*map(toy_folder, study.toys), *([Path(study.weights)] if study.toys else [])]


def _key(parameters: Parameters, name: str) -> str:
    """Where the study stands that `_named` finds by a name."""
    studies = all_studies(parameters)
    place = name
    if name not in studies:
        place = next(key for key, item in studies.items() if name in item.published)
    return f"studies.{place}" if place in parameters.read("studies", dict[str, Any]) else "active"


def _named(parameters: Parameters, name: str) -> tuple[Study, str | None]:
    """The study of a name, or the first one with a published file of that name, and that name."""
    studies = all_studies(parameters)
    if name in studies:
        return studies[name], None
    for study in studies.values():
        if name in study.published:
            return study, name
    raise InputError(f"{parameters.path}: no study {name!r}, expected one of {', '.join(studies)}")


def _print(study: str, checked: StudyCheck, notes: Sequence[str]) -> None:
    """The table, on standard output, the training list first; without one no leak is counted."""
    title = f"{study}, trained on {checked.trained_on}"
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


def _end(what: str, wrong: Sequence[str], absent: Sequence[str]) -> None:
    """One message for all settings that contradict each other, one for all that is absent, and exit
    code 1 where there is any."""
    for kind, found in (("settings that do not fit", wrong), ("absent data", absent)):
        if found:
            lines = "".join(f"\n  {message}" for message in found)
            typer.echo(f"error: {what}: {kind}, {len(found)} in all:{lines}", err=True)
    if absent:
        name = "" if what == "active" else f" {what}"
        typer.echo(f"`avloc plan{name}` tells what can be made without them", err=True)
    if wrong or absent:
        raise typer.Exit(1)
