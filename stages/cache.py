"""`avloc cache`: whether what DVC keeps is still what it was."""

import os
from pathlib import Path
from typing import Annotated

import typer

from pipeline.errors import InputError

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="What of DVC's cache is damaged.\n\nExample: [bold]avloc cache check[/bold]",
)


@app.callback()
def cache() -> None:
    """What of DVC's cache is damaged."""


@app.command()
def check(
    stages: Annotated[
        list[str] | None, typer.Argument(help="Stages as dvc.lock names them; all by default.")
    ] = None,
    remove: Annotated[
        bool,
        typer.Option(help="Remove what is damaged, for dvc pull or dvc repro to bring back."),
    ] = False,
) -> None:
    """Hash every object in DVC's cache that dvc.lock names; fail if one is not what it was.

    DVC itself trusts its read-only objects without reading them. Run it before a push and after a
    pull. Example: [bold]avloc cache check[/bold]
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    from pipeline.execution.dvc_cache import check_cache, remove_damaged

    root = Path()
    try:
        with Repo(str(root.resolve())) as repo:
            folder = Path(repo.cache.local.path)
    except DvcException as error:
        raise InputError(f"{root.resolve()}: expected a project of DVC's: {error}") from error
    if folder.is_relative_to(root.resolve()):
        folder = folder.relative_to(root.resolve())
    report = check_cache(root, folder, os.cpu_count() or 1, stages or ())
    for damage in report.damaged:
        holds = "cannot be read" if damage.found is None else f"holds md5 {damage.found}"
        for place in damage.places:
            typer.echo(f"{place.stage}: {place.path}: damaged: {damage.object} {holds}")
    named = report.good + report.absent + len(report.damaged)
    typer.echo(f"{named} objects: {report.good} good, {report.absent} not in the cache")
    if not report.damaged:
        return
    if remove:
        for path in remove_damaged(root, report):
            typer.echo(f"removed {path}")
    advice = (
        "dvc pull dvc.yaml brings them back, or dvc repro makes them anew"
        if remove
        else "avloc cache check --remove drops them"
    )
    raise InputError(
        f"{folder}: {len(report.damaged)} of {named} objects are damaged, expected the bytes that "
        f"dvc.lock names; {advice}"
    )
