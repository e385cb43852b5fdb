"""The `avloc` command: one sub-command for each DVC stage, and those that need no pipeline.

The commands import what they need when they run, so that `avloc --help` answers at once.
"""

import errno
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

import typer

from pipeline.errors import InputError
from pipeline.execution.launch import is_launched, tell_launcher
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
    spectrograms,
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
app.command(rich_help_panel=STAGES)(spectrograms.spectrograms)
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


# What the machine does to a command, in contrast to a defect of it.
_MACHINE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.EACCES}


class _Stopped(BaseException):
    """SIGTERM or SIGINT; no KeyboardInterrupt, which the libraries below answer by themselves."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


def _stop(signum: int, frame: FrameType | None) -> None:
    # Once is enough: the stage is cleaning up.
    for known in (signal.SIGTERM, signal.SIGINT):
        signal.signal(known, signal.SIG_IGN)
    raise _Stopped(signum)


def main() -> None:
    """Run the command line; a user's mistake, or a full disk, ends in one line and exit code 1,
    SIGTERM and Ctrl-C in one line and exit code 128 + the signal's number."""
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, _stop)
    # cuBLAS reads this once, when it starts; without it deterministic training refuses to run.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    try:
        app()
    except InputError as error:
        _fail(str(error))
    except _Stopped as stop:
        if not is_launched() and os.environ.get("RANK", "0") == "0":  # one speaks for all
            name = signal.Signals(stop.signum).name
            typer.echo(f"stopped by {name}; the same command goes on from what is done", err=True)
        sys.exit(128 + stop.signum)
    except OSError as error:
        if error.errno not in _MACHINE:
            raise
        place = error.filename or "the disk"
        _fail(f"{place}: {os.strerror(error.errno)}; the same command goes on from what is done")


def _fail(message: str) -> NoReturn:
    if is_launched():
        tell_launcher(message)
    else:
        typer.echo(f"error: {message}", err=True)
    sys.exit(1)


if __name__ == "__main__":
    main()
