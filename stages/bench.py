"""Every stage measured beside the way it is usually done, in one run, and a growth table."""

import os
import platform
import tempfile
from collections.abc import Callable, Iterator
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.base.files import write_json
from pipeline.errors import InputError
from pipeline.execution.cores import usable_cores
from pipeline.execution.outputs import check_outputs
from pipeline.execution.progress import console
from pipeline.methods.contract import load_method
from pipeline.speed.harness import Row, Setup


class Part(StrEnum):
    """What is measured."""

    decode = "decode"
    decoders = "decoders"
    load = "load"
    embed = "embed"
    neighbours = "neighbours"
    loss = "loss"
    train = "train"
    methods = "methods"
    evaluate = "evaluate"
    growth = "growth"
    million = "million"
    all = "all"


_CARDS = {Part.train: "card", Part.neighbours: "card_search"}  # what measures a GPU alone

LEAST, SMALL = 0.0005, 0.25


def size_of(text: str | float) -> float:
    """The share of the paper's sizes that `--size` says: a number, or `small`."""
    if text == "small":
        return SMALL
    try:
        size = float(text)
    except ValueError:
        size = 0.0
    if not LEAST <= size <= 1:
        raise typer.BadParameter(f"found {text!r}, expected small, or a share of {LEAST:g} to 1")
    return size


def bench(
    part: Annotated[Part, typer.Argument(help="A stage, its growth, or all of it.")],
    media: Annotated[
        Path | None,
        typer.Option(help="A real clip for decode, decoders, load, growth; decoders: or a folder."),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(help="The method of loss and train, alignment by default; or of methods."),
    ] = None,
    size: Annotated[
        float,
        typer.Option(
            parser=size_of,
            metavar="SHARE",
            help=f"Share of the paper's sizes, or small: {SMALL:g}.",
        ),
    ] = 1.0,
    repeats: Annotated[int, typer.Option(min=1, help="Turns; the median counts.")] = 5,
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads and processes; all by default.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write the rows here too.")] = None,
    gpu: Annotated[
        bool,
        typer.Option(
            "--gpu", help="With train: every method on this machine's GPU; with neighbours: search."
        ),
    ] = False,
    clips: Annotated[
        list[int] | None,
        typer.Option(min=64, help="With million: a size to measure; several times for several."),
    ] = None,
    tiny: Annotated[
        bool, typer.Option("--tiny", help="With --gpu: the same measurements, small, on the CPU.")
    ] = False,
    seconds: Annotated[
        float, typer.Option(min=1, help="With --gpu: no row is begun after so many.")
    ] = 200.0,
) -> None:
    """Measure avloc beside the alternative, on this machine, in turns.

    Inputs are made, of the paper's sizes times --size; each row names its own. A ratio says how
    many times as fast ours is, the bar how many times it has to be.

    Examples: [bold]avloc bench train --method slavc --size small[/bold],
    [bold]avloc bench methods --size small --threads 1[/bold],
    [bold]avloc bench train --gpu --json gpu.json[/bold]
    """
    if (gpu or tiny) and not (gpu and part in _CARDS):
        raise InputError("--gpu belongs to `avloc bench train` and neighbours, and --tiny to --gpu")
    if media is not None and not media.is_file() and not (part == Part.decoders and media.is_dir()):
        raise InputError(f"{media}: not found, expected a clip with picture and sound")
    if clips and part != Part.million:
        raise InputError("--clips belongs to `avloc bench million`")
    chosen_method = method or "alignment"
    load_method(chosen_method)  # says so where there is none of this name
    if json is not None:
        check_outputs([json], [media] if media else [])
    threads = threads or usable_cores()
    torch.set_num_threads(threads)
    console.quiet = True  # the stages' own progress
    only = (method,) if method else ()
    setup = Setup(size, repeats, threads, media, chosen_method, only, tuple(clips or ()))
    said = {"size": size, "repeats": repeats, "threads": threads, "method": chosen_method}
    rows: dict[str, list[Row]] = {}
    screen = Console(width=None if Console().is_terminal else 200)
    for chosen in [each for each in Part if each != Part.all] if part == Part.all else [part]:
        with tempfile.TemporaryDirectory() as folder, console.status(f"measuring {chosen.value}"):
            found = rows[chosen.value] = []
            if gpu:
                measure_card = import_module(f"pipeline.speed.{_CARDS[chosen]}").measure
                measured_rows = measure_card(
                    Path(folder), tiny=tiny, seconds=seconds, threads=threads
                )
            else:
                measured_rows = _measure(chosen)(Path(folder), setup)
            for row in measured_rows:
                found.append(row)
                if json is not None:  # after every row: a later one that fails costs itself alone
                    measured = {name: [each.as_json() for each in of] for name, of in rows.items()}
                    write_json(json, {"machine": _machine(), **said, "rows": measured})
        screen.print(_table(chosen.value, found))


def _measure(part: Part) -> Callable[[Path, Setup], Iterator[Row]]:
    """What measures a part. It is imported when it is asked for: a GPU's machine may lack PyAV and
    FAISS, which only some need."""
    measure: Callable[[Path, Setup], Iterator[Row]]
    measure = import_module(f"pipeline.speed.{part.value}").measure
    return measure


def _table(part: str, rows: list[Row]) -> Table:
    table = Table(title=part, title_justify="left", show_lines=True)
    for column in ("measured", "ours", "alternative", "takes", "ratio", "floor", "bar", "told"):
        right = column in ("ours", "takes", "ratio", "floor", "bar")
        table.add_column(column, justify="right" if right else "left", no_wrap=right)
    for row in rows:
        facts = [
            f"{fact.name}: {_short(fact.value)}"
            + ("" if fact.at_most is None else f" (at most {_short(fact.at_most)})")
            for fact in row.facts
        ]
        colour = {True: "green", False: "red", None: ""}[row.met]
        table.add_row(
            row.name,
            _seconds(row.ours),
            row.other,
            _seconds(row.theirs),
            Text(f"{row.ratio:.2f}", style=colour),
            "" if row.floor is None else _seconds(row.floor),
            "" if row.bar is None else f"{row.bar:g}",
            "\n".join(facts),
        )
    return table


def _short(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.4g}" if value % 1 else f"{value:.0f}"


def _seconds(value: float) -> str:
    if value >= 1:
        return f"{value:.3g} s"
    return f"{value * 1e3:.3g} ms" if value >= 1e-3 else f"{value * 1e6:.3g} µs"


def _machine() -> dict[str, Any]:
    """What the rows were measured on; no name that tells whose machine it is."""
    models = [
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "processor": models[0] if models else platform.machine(),
        "cores": usable_cores(),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
