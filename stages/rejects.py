"""Which clips of a corpus cannot be decoded, and why."""

import csv
import json
import re
import sys
from collections import Counter
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from pipeline.base.files import read_parquet
from pipeline.errors import InputError
from stages.known import known_corpus
from stages.paths import decoded_folder

COLUMNS = ("id", "cause", "exception", "detail", "path")
_SHOWN = 4  # of a table; the path is the id with its ending
_NARROWEST = 120  # characters of a table that is no terminal's


def rejects(
    corpus: Annotated[str, typer.Argument(help="A corpus below data/decoded.")],
    json_: Annotated[bool, typer.Option("--json", help="JSON in place of the table.")] = False,
    csv_: Annotated[bool, typer.Option("--csv", help="CSV in place of the table.")] = False,
) -> None:
    """List the clips of a corpus that cannot be decoded: id, cause, exception and its words.

    Examples: [bold]avloc rejects mine[/bold], [bold]avloc rejects mine --csv > rejects.csv[/bold]
    """
    if json_ and csv_:
        raise InputError("rejects: found --json and --csv, expected one of them")
    path = decoded_folder(corpus) / "rejects.parquet"
    if not path.is_file():  # also where all of a corpus was rejected there is no other table
        path = decoded_folder(known_corpus(corpus)) / "rejects.parquet"
    rows = [_row(entry) for entry in read_parquet(path).to_pylist()]
    if json_:
        typer.echo(json.dumps([dict(zip(COLUMNS, row, strict=True)) for row in rows], indent=2))
    elif csv_:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerows([COLUMNS, *rows])
    elif not rows:
        typer.echo(f"{corpus}: every clip was decoded")
    else:
        _print(corpus, rows)


def _row(entry: dict[str, str]) -> list[str]:
    """The row of a reject; `detail` ends in the exception's type where one was raised."""
    said = re.fullmatch(r"(.*) \((\w+)\)|(\w+(?:Error|Exception))", entry["detail"], re.DOTALL)
    detail, kind = entry["detail"], ""
    if said:
        detail, kind = said[1] or "", said[2] or said[3]
    return [entry["clip_id"], entry["cause"], kind, detail, entry["path"]]


def _print(corpus: str, rows: list[list[str]]) -> None:
    causes = Counter(row[1] for row in rows)
    told = ", ".join(f"{cause} {count}" for cause, count in causes.most_common())
    table = Table(title=f"{corpus}: {len(rows)} rejected, {told}", title_justify="left")
    for name in COLUMNS[:_SHOWN]:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*row[:_SHOWN])
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = max(console.width, _NARROWEST)
    console.print(table)
