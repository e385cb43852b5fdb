"""The `avloc` command: one sub-command for each DVC stage, and those that need no pipeline.

A command's module is imported when the command is given, so that modules can import what they need
at their top and `avloc --help` still answers at once.
"""

import errno
import inspect
import os
import re
import signal
import sys
import time
from collections.abc import Sequence
from importlib import import_module
from types import FrameType
from typing import Any, NamedTuple, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from pipeline.errors import InputError
from pipeline.execution.launch import is_launched, tell_launcher
from pipeline.execution.waiting import choose_waiting


class _Entry(NamedTuple):
    """Where a command's function, or a group's `app`, is, what the list of commands says, and the
    module of the worker that the command has in processes, whose import begins with its own."""

    place: str
    help: str
    panel: str
    worker: str | None = None


STAGES = "Stages of dvc.yaml"
_DECODE = "pipeline.decode"
OTHERS = "Commands"
COMMANDS = {
    "toy": _Entry("toy", "Make the toy corpus, videos and annotations.", STAGES),
    "decode": _Entry("decode", "Decode a corpus' frames to shards.", STAGES, f"{_DECODE}.shard"),
    "spectrograms": _Entry(
        "spectrograms", "A corpus' sounds in a method's form.", STAGES, f"{_DECODE}.sounds"
    ),
    "flow": _Entry("flow", "A corpus' optical flow, for a method.", STAGES, f"{_DECODE}.flows"),
    "encoders": _Entry("encoders", "Train the toy's labelled encoders.", STAGES),
    "embed": _Entry("embed", "Extract off-the-shelf features.", STAGES),
    "training-list": _Entry("training_list", "Choose the clips to train on.", STAGES),
    "neighbours": _Entry("neighbours", "Search neighbours of a training list.", STAGES),
    "train": _Entry("train", "Train a method, or go on after a kill.", STAGES),
    "load": _Entry("load", "Take a published weight file for a run's.", STAGES),
    "tests": _Entry("tests", "Note what a corpus' benchmarks are made of.", STAGES),
    "evaluate": _Entry("evaluate", "Score a run, or a weight file.", STAGES),
    "moving": _Entry("moving", "Score a run at every moment of moving clips.", STAGES),
    "index": _Entry("index", "Store a run's embeddings and maps of a corpus.", STAGES),
    "evaluate-maps": _Entry("evaluate_maps", "Score anyone's maps as a run.", STAGES),
    "report": _Entry("report", "Write the page of a study.", STAGES),
    "corpus": _Entry("corpus", "What of the data is in place; getting clips.", OTHERS),
    "plan": _Entry("plan", "What a study takes, and what of it is absent.", OTHERS),
    "rejects": _Entry("rejects", "Which clips of a corpus cannot be decoded, and why.", OTHERS),
    "rehearse": _Entry("rehearse", "Walk a study on a few clips, before the real run.", OTHERS),
    "sheet": _Entry("sheet", "Draw decoded frames with their official boxes.", OTHERS),
    "cache": _Entry("cache", "What of DVC's cache is damaged.", OTHERS),
    "learn-sounds": _Entry("learn_sounds", "Train a sound encoder without labels.", OTHERS),
    "localize": _Entry("localize", "Draw where a clip's sound comes from.", OTHERS),
    "weights": _Entry("weights", "The methods' published weight files.", OTHERS),
    "sureness": _Entry("sureness", "How often each word of sureness is right.", OTHERS),
    "demo": _Entry("demo", "Serve a page to try clips on.", OTHERS),
    "retrieve": _Entry("retrieve", "Find the clips that fit a sound or a picture.", OTHERS),
    "gallery": _Entry("gallery", "A page of a run's maps of a corpus, with sureness.", OTHERS),
    "figure": _Entry("figure", "Draw frames and heat maps for a paper.", OTHERS),
    "score": _Entry("score", "Score maps or embeddings of any method.", OTHERS),
    "table": _Entry("table", "Scores of runs over their seeds.", OTHERS),
    "claims": _Entry("claims", "What the paper claims, asked of a study's runs.", OTHERS),
    "doctor": _Entry("doctor", "Is the installation whole, are scores as expected?", OTHERS),
    "bench": _Entry("bench", "Measure avloc beside the alternatives.", OTHERS),
}
_GROUPS = ("corpus", "cache", "weights")
# Commands of a group whose code no stage imports: the group's own module is one.
_MORE = {"corpus": ("fetch", "statistics")}
_FORM: dict[str, Any] = {
    "no_args_is_help": True,
    "add_completion": False,
    "pretty_exceptions_enable": False,
    "rich_markup_mode": "rich",
}


# Rich takes any [word] for a style and drops what it does not know: a format of boxes, say.
_BRACKET = re.compile(r"\[(?!/?bold\])")
# Typer keeps a source's line ends from the second paragraph on, and wraps at the terminal's width
# as well: every other line would be a few words.
_LINE_END = re.compile(r"(?<!\n)\n(?!\n)")


def _fit_help(command: Any) -> Any:
    """The command, whose help shows every bracket but those of [bold], and whose paragraphs are
    wrapped at the terminal's width alone."""
    if command.help:
        command.help = _BRACKET.sub(r"\[", _LINE_END.sub(" ", inspect.cleandoc(command.help)))
    for parameter in command.params:
        if getattr(parameter, "help", None):
            parameter.help = _BRACKET.sub(r"\[", parameter.help)
    for each in getattr(command, "commands", {}).values():
        _fit_help(each)
    return command


def command(name: str) -> Any:
    """The real command of a name, its module imported."""
    module = import_module(f"stages.{COMMANDS[name].place}")
    if name in _GROUPS:
        group = typer.main.get_group(module.app)
        group.name = name
        for more in _MORE.get(name, ()):
            other: Any = typer.main.get_command(import_module(f"stages.{more}").app)
            group.commands.update(getattr(other, "commands", None) or {other.name: other})
        return _fit_help(group)
    single = typer.Typer(**{**_FORM, "no_args_is_help": False})
    single.command(name)(getattr(module, COMMANDS[name].place))
    return _fit_help(typer.main.get_command(single))


class _LazyGroup(TyperGroup):
    """Lists commands by what `COMMANDS` says of them and imports the one that is given."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        return TyperCommand(cmd_name, help=entry.help, rich_help_panel=entry.panel)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, found, rest = super().resolve_command(ctx, args)
        return name, None if found is None else command(str(name)), rest


app = typer.Typer(
    cls=_LazyGroup,
    help="Audio-visual sound source localization, from raw videos to every table of the paper. "
    "The stages run by [bold]dvc repro[/bold]; each is a command of its own.",
    **_FORM,
)


@app.callback()
def _avloc() -> None:
    """The options that all commands share: none."""


_DVC_STAGE = "DVC_STAGE"  # set by DVC, for the commands that it runs

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
    # Read once, when torch is imported, which a command's module does: without it deterministic
    # training refuses to run.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    words = sys.argv[1:]
    try:
        if words[:1] and words[0] in COMMANDS and "--help" not in words:  # which compute
            if _is_stage(words) and not is_launched():
                _begin_stage(words)
            elif words[0] == "figure":
                _begin_figure(words)
            choose_waiting()  # as OpenMP reads it, when torch is imported
            if worker := COMMANDS[words[0]].worker:
                from pipeline.execution.pool import warm_up

                warm_up(worker)
        _run(words)
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


def _is_stage(words: Sequence[str]) -> bool:
    return COMMANDS[words[0]].panel == STAGES or list(words[:2]) == ["corpus", "ready"]


def _begin_stage(words: Sequence[str]) -> None:
    """Look at the parameters, before the command's module is imported, which takes seconds; where
    DVC runs the stage, say which one it is and what is left."""
    from pipeline.base.params import Parameters
    from pipeline.execution.parameters import check_names, check_parameters

    stage = os.environ.get(_DVC_STAGE)
    try:
        parameters = Parameters()
        check_parameters(parameters)
        check_names(parameters, words)
    except InputError as error:
        # DVC itself removes a stage's outputs before it starts the command.
        back = f"; once it is mended, `dvc repro {stage}` or `dvc checkout {stage}` brings back "
        lost = stage is not None and words[0] != "corpus"
        raise InputError(f"{error}{back}what DVC has removed" if lost else str(error)) from None
    if stage is not None:
        from pipeline.execution.plan import announce

        if line := announce(" ".join(words)):
            typer.echo(line, err=True)


def _begin_figure(words: Sequence[str]) -> None:
    """Look at the rows' names, before what draws them is imported."""
    from pipeline.base.params import Parameters
    from pipeline.execution.parameters import check_rows

    check_rows(Parameters(), words)


def _run(words: Sequence[str]) -> NoReturn:
    """The command itself; of a stage that DVC runs, the seconds are kept for the next time."""
    started = time.monotonic()
    try:
        app()
    except SystemExit as end:
        if not end.code and words and _DVC_STAGE in os.environ and not is_launched():
            from pipeline.execution.plan import keep

            keep(" ".join(words), time.monotonic() - started)
        raise
    sys.exit(0)


def _fail(message: str) -> NoReturn:
    if is_launched():
        tell_launcher(message)
    else:
        typer.echo(f"error: {message}", err=True)
    sys.exit(1)


if __name__ == "__main__":
    main()
