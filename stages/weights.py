"""`avloc weights`: the weight files that the methods' authors published."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from pipeline.errors import InputError
from pipeline.execution.checkpoints import CHECKPOINTS, checked_file, how_to_get, known, place_of
from pipeline.execution.download import download, recorded_hash
from pipeline.execution.progress import console
from stages.paths import published_weights

_WITH_ADDRESSES = 180  # columns of a terminal

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="The methods' published weight files.\n\nA name stands for its file wherever a command "
    "takes --weights.\n\nExample: [bold]avloc weights list[/bold]",
)


@app.callback()
def weights() -> None:
    """The methods' published weight files."""


@app.command("list")
def list_() -> None:
    """List the published files: what each was trained on, where it comes from, whether it is here.

    Example: [bold]avloc weights list[/bold]
    """
    folder = published_weights()
    shown = Console()
    if not shown.is_terminal:
        shown = Console(width=250)
    # In a narrower terminal the addresses leave no room for the names, which have to be typed.
    wide = shown.width >= _WITH_ADDRESSES
    table = Table("name", "method", "trained on", "licence", "here", *(["address"] if wide else []))
    for name, entry in CHECKPOINTS.items():
        here = "yes" if place_of(folder, name).is_file() else ""
        row = [name, entry.method, entry.trained_on, entry.licence, here, entry.address]
        table.add_row(*(row if wide else row[:-1]))
    for column in table.columns:
        column.no_wrap, column.overflow = column.header in ("name", "method"), "fold"
    shown.print(table)
    if not wide:
        typer.echo(f"addresses: in a terminal of {_WITH_ADDRESSES} columns, or in a file")
    typer.echo(
        "fetch: `avloc weights fetch NAME`; use: --weights NAME. Licences are those of the "
        "authors' repositories, where each file's scores stand too."
    )


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="One of avloc weights list.")],
    again: Annotated[
        bool, typer.Option(help="Fetch it anew; it has to have the hash of the first copy.")
    ] = False,
) -> None:
    """Bring a published file to data/weights/published, whole or not at all, and check it.

    One that was cut off goes on where it ended. The SHA-256 of the first copy is recorded beside
    it, and every later one has to have the same.

    Example: [bold]avloc weights fetch lvs-vggsound[/bold]
    """
    folder, entry = published_weights(), known(name)
    path = place_of(folder, name)
    if path.is_file() and not again:
        checked_file(folder, name)
        typer.echo(f"{path}: is here, SHA-256 {recorded_hash(path)}")
        return
    if not entry.direct:
        raise InputError(f"{name}: {how_to_get(folder, name, entry)}")
    console.print(f"{entry.address} (licence: {entry.licence})", markup=False, soft_wrap=True)
    before = recorded_hash(path)
    try:
        found = download(entry.address, path, before)
    except InputError as error:
        raise InputError(f"{error}; or put the file, which {entry.page} names, at {path}") from None
    _check(name, entry.method, first=before is None)
    typer.echo(f"{path}: {path.stat().st_size:,} bytes, SHA-256 {found}")


def _check(name: str, method: str, *, first: bool) -> None:
    """Refuse a file that is none of the method's, and leave nothing of it where it is the `first`
    one."""
    from pipeline.methods.contract import load_method
    from pipeline.networks.weights import read_state

    path = place_of(published_weights(), name)
    try:
        if not load_method(method).is_published(read_state(path)):
            raise InputError(f"{path}: holds no entries of {method}'s; nothing was kept")
    except InputError:
        if first:
            path.unlink()
            path.with_name(f"{path.name}.sha256").unlink()
        raise
