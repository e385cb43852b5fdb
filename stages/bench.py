"""Every stage measured beside the way it is usually done, in one run, and a growth table."""

import os
import platform
import tempfile
from collections.abc import Callable, Iterator
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.errors import InputError
from pipeline.execution.outputs import check_outputs


class Part(StrEnum):
    """What is measured."""

    decode = "decode"
    load = "load"
    neighbours = "neighbours"
    loss = "loss"
    train = "train"
    evaluate = "evaluate"
    growth = "growth"
    all = "all"


def bench(
    part: Annotated[Part, typer.Argument(help="A stage, its growth, or all of it.")],
    media: Annotated[
        Path | None, typer.Option(help="A real clip for decode, load and growth.")
    ] = None,
    size: Annotated[
        float, typer.Option(min=0.0005, max=1.0, help="Share of the paper's sizes.")
    ] = 1.0,
    repeats: Annotated[int, typer.Option(min=1, help="Turns; the median counts.")] = 5,
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads and processes; all by default.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write the rows here too.")] = None,
) -> None:
    """Measure avloc beside the alternative, on this machine, in turns.

    Inputs are made, of the paper's sizes times --size; each row names its own. A ratio says how
    many times as fast ours is, the bar how many times it has to be.

    Example: [bold]avloc bench evaluate --size 0.1[/bold]
    """
    import faiss
    import torch
    from rich.console import Console

    from pipeline.base.files import write_json
    from pipeline.execution.progress import console
    from pipeline.speed.harness import Row

    if media is not None and not media.is_file():
        raise InputError(f"{media}: not found, expected a clip with picture and sound")
    if json is not None:
        check_outputs([json], [media] if media else [])
    threads = threads or len(os.sched_getaffinity(0))
    torch.set_num_threads(threads)
    faiss.omp_set_num_threads(threads)
    console.quiet = True  # the stages' own progress
    parts = [p for p in Part if p != Part.all] if part == Part.all else [part]
    rows: dict[str, list[Row]] = {}
    screen = Console(width=None if Console().is_terminal else 200)
    for chosen in parts:
        with tempfile.TemporaryDirectory() as folder, console.status(f"measuring {chosen.value}"):
            measure: Callable[..., Iterator[Row]]
            measure = import_module(f"pipeline.speed.{chosen.value}").measure
            rows[chosen.value] = list(
                measure(Path(folder), size=size, repeats=repeats, threads=threads, media=media)
            )
        screen.print(_table(chosen.value, rows[chosen.value]))
        if json is not None:  # after every part, so that a later one that fails costs itself alone
            measured = {name: [row.as_json() for row in found] for name, found in rows.items()}
            setup = {"size": size, "repeats": repeats, "threads": threads}
            write_json(json, {"machine": _machine(), **setup, "rows": measured})


def _table(part: str, rows: list[Any]) -> Any:
    from rich.table import Table
    from rich.text import Text

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
    import torch

    models = [
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "processor": models[0] if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
