"""The `avloc` command: one sub-command for each DVC stage, and those that need no pipeline.

The commands import what they need when they run, so that `avloc --help` answers at once.
"""

import os
import signal
import sys
from types import FrameType

import typer

from pipeline.errors import InputError
from stages import (
    bench,
    cache,
    corpus,
    decode,
    embed,
    encoders,
    evaluate,
    figure,
    load,
    localize,
    neighbours,
    report,
    retrieve,
    score,
    table,
    toy,
    train,
)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Audio-visual sound source localization, from raw videos to every table of the paper. "
    "The stages run by [bold]dvc repro[/bold]; each is a command of its own.",
)
STAGES = "Stages of dvc.yaml"
app.command(rich_help_panel=STAGES)(toy.toy)
app.command(rich_help_panel=STAGES)(decode.decode)
app.command(rich_help_panel=STAGES)(encoders.encoders)
app.command(rich_help_panel=STAGES)(embed.embed)
app.command(rich_help_panel=STAGES)(neighbours.neighbours)
app.command(rich_help_panel=STAGES)(train.train)
app.command(rich_help_panel=STAGES)(load.load)
app.command(rich_help_panel=STAGES)(evaluate.evaluate)
app.command(rich_help_panel=STAGES)(report.report)
app.add_typer(corpus.app, name="corpus")
app.add_typer(cache.app, name="cache")
app.command()(localize.localize)
app.command()(retrieve.retrieve)
app.command()(figure.figure)
app.command()(score.score)
app.command()(table.table)
app.command()(bench.bench)


def _stop(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """Run the command line; a user's mistake ends in one line and exit code 1."""
    signal.signal(signal.SIGTERM, _stop)
    # cuBLAS reads this once, when it starts; without it deterministic training refuses to run.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    try:
        app()
    except InputError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
