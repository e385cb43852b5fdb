"""`avloc plan`: what each stage of a study takes, before it is begun, and what is absent."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.console import Console
from rich.table import Table

from pipeline.base.files import write_json
from pipeline.base.params import Parameters
from pipeline.base.study import Study, all_studies
from pipeline.errors import InputError
from pipeline.execution.cores import usable_cores
from pipeline.execution.outputs import check_outputs
from pipeline.execution.plan import read_stages, stage_commands
from pipeline.execution.progress import console
from pipeline.speed.planning.gpu import CARDS, NOT_MEASURED, Card, read_card
from pipeline.speed.planning.left_out import Absent, absent_of, without, write_switched, written
from pipeline.speed.planning.measure import measure as measure_here
from pipeline.speed.planning.rates import (
    Estimate,
    Machine,
    dvc_seconds,
    estimate,
    keep,
    kept_machine,
    stored_machines,
)
from pipeline.speed.planning.sizes import Sizes
from pipeline.speed.planning.stages import Planner, Stage
from stages.paths import decoded_folder, toy_folder

_NARROWEST = 150  # columns: the table's numbers do not wrap
_USUAL = "two-cores"
_MINUTE = 60.0


@dataclass(frozen=True)
class Row:
    """A stage of the plan: seconds and their origins, bytes; None for what nobody knows yet."""

    stage: str
    work: str
    seconds: float | None
    origin: str
    disk: float | None
    memory: float | None
    gpu_memory: float | None


def plan(
    study: Annotated[
        str | None, typer.Argument(help="A study of params.yaml; by default the active one.")
    ] = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Measure this machine first, about a minute.")
    ] = False,
    machine: Annotated[
        str, typer.Option(help="The stored figures to go by where nothing was measured here.")
    ] = _USUAL,
    gpu: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|NAME",
            help=f"What `avloc bench train --gpu --json FILE` wrote, or {', '.join(CARDS)}.",
        ),
    ] = None,
    leave_out: Annotated[
        bool,
        typer.Option(
            "--leave-out", help="Make the study without absent benchmarks the active one."
        ),
    ] = False,
    json: Annotated[Path | None, typer.Option(help="Write the plan here too.")] = None,
) -> None:
    """Tell what each stage of a study takes: time, disk, memory; what is absent, and what can be
    made without it.

    Times are sizes times rates: measured here by --measure and kept, or stored ones of another
    machine; a rate of other sizes is scaled by the operations, and says inferred.

    Examples: [bold]avloc plan vggsound-144k --measure[/bold],
    [bold]avloc plan vggsound-144k --leave-out[/bold]
    """
    parameters = Parameters()
    name, found = _named(parameters, study)
    if json is not None:
        check_outputs([json], [parameters.path, *([gpu] if gpu else [])])
    card = None if gpu is None else read_card(gpu)
    content = yaml.safe_load(parameters.path.read_text())
    own: dict[str, Any] = content["studies"].get(name) or content["active"]
    cores = usable_cores()
    planner = Planner(parameters, found, Sizes(parameters, found, decoded_folder), cores)
    stages = planner.stages(stage_commands(read_stages(), {**content, "active": own}))
    if measure:
        console.quiet = True  # the stages' own progress
        rates = []
        for rate in measure_here(planner, stages, _MINUTE):
            rates.append(rate)
            keep(rates)
    rows = [_row(stage, planner, _machines(machine, cores), cores, card) for stage in stages]
    count, lock = len(stages), "a first run, the same everywhere"
    rows.append(Row("dvc repro", f"{count} stages", dvc_seconds(count), lock, 0.0, None, None))
    made = [*map(toy_folder, found.toys), *([Path(found.weights)] if found.toys else [])]
    absent = absent_of(found, made)
    _print(name, rows, planner, card)
    if json is not None:
        write_json(json, _content(name, rows, absent))
    _tell_absent(absent)
    _leave_out(parameters.path, name, own, absent, leave_out)


def _leave_out(path: Path, name: str, content: dict[str, Any], absent: Absent, write: bool) -> None:
    """Write the study without its absent benchmarks, or tell how it would be written."""
    if not absent.benchmarks:
        if write:
            typer.echo("no benchmark is absent, nothing to leave out")
        return
    if len(absent.benchmarks) == sum(map(len, content["tests"].values())):
        if write:
            raise InputError(f"study {name}: all of its benchmarks are absent, none would be left")
        return
    rest = without(content, absent.benchmarks)
    if write:
        write_switched(path, name, rest)
        typer.echo(f"{path}: the active study is {name} without them now")
    else:
        typer.echo(f"{name} without them is this, which --leave-out writes to {path}:")
        typer.echo(written(path.read_text(), name, rest), nl=False)


def _named(parameters: Parameters, study: str | None) -> tuple[str, Study]:
    studies = all_studies(parameters)
    name = study or next(iter(studies))
    if name not in studies:
        raise InputError(
            f"{parameters.path}: no study {name!r}, expected one of {', '.join(studies)}"
        )
    return name, studies[name]


def _machines(stored: str, cores: int) -> list[Machine]:
    """What was measured here before what is stored of a machine."""
    known = stored_machines()
    if stored not in known:
        raise InputError(f"--machine: found {stored!r}, expected one of {', '.join(known)}")
    here = kept_machine(cores)
    return [*([here] if here else []), known[stored]]


def _row(
    stage: Stage, planner: Planner, machines: Sequence[Machine], cores: int, card: Card | None
) -> Row:
    if len(machines) == 1:
        cores = machines[0].cores
    found: list[Estimate | None] = [estimate(work, machines, cores) for work in stage.works]
    seconds = None if None in found else sum(each.seconds for each in found if each)
    main = stage.works[-1]
    unknown = "its size is not known yet" if main.units is None else "was never measured"
    origin = found[-1].origin if found[-1] else unknown
    if card is not None and main.kind == "train" and main.units is not None:
        told = card.seconds(stage.command.split()[1], main.units)
        if told is not None:
            seconds, origin = told, f"measured on {card.name}"
    work = "" if main.units is None else f"{main.units:,.0f} {main.unit}"
    return Row(stage.command, work, seconds, origin, stage.disk, stage.memory, stage.gpu_memory)


def _print(name: str, rows: Sequence[Row], planner: Planner, card: Card | None) -> None:
    table = Table(title=f"plan of {name}", title_justify="left", caption_justify="left")
    for head in ("stage", "work", "time", "disk", "memory", "GPU memory", "time is"):
        table.add_column(head, justify="left" if head in ("stage", "time is") else "right")
    for row in rows:
        sizes = (_bytes(row.disk), _bytes(row.memory), _bytes(row.gpu_memory, "none"))
        table.add_row(row.stage, row.work, duration(row.seconds), *sizes, row.origin)
    known = [row for row in rows if row.seconds is not None]
    seconds = sum(row.seconds or 0 for row in known)
    disk = sum(row.disk or 0 for row in rows)
    memory = max(row.memory or 0 for row in rows)
    table.add_section()
    total = "all" if len(known) == len(rows) else f"{len(known)} of {len(rows)} stages"
    table.add_row(total, "", duration(seconds), _bytes(disk), _bytes(memory))
    size = planner.sizes
    notes = [
        f"{corpus}: {_count(size.corpus(corpus).count)} clips, {size.corpus(corpus).origin}"
        for corpus in planner.study.corpora
    ]
    trained = size.trained_on
    notes.append(f"training list: {_count(trained.count)} clips, {trained.origin}")
    notes.append("the hashing of what a stage reads and writes is not in the times")
    notes.append("disk, memory and GPU memory are arithmetic from shapes, not measured")
    notes.append(f"on a GPU: {NOT_MEASURED if card is None else f'as {card.name} trains'}")
    table.caption = "\n".join(notes)
    screen = Console(highlight=False)
    screen.width = max(screen.width, _NARROWEST)
    screen.print(table, markup=False)


def _tell_absent(absent: Absent) -> None:
    if absent.needed:
        typer.echo("absent, and nothing of the study can be trained without it:")
        for message in absent.needed:
            typer.echo(f"  {message}")
        typer.echo(
            "  without it: the study toy; of a benchmark whose data are there, anyone's weights or "
            "maps (avloc evaluate --weights, avloc score)"
        )
    for message in absent.fetched:
        typer.echo(f"absent, fetched by itself: {message}")
    if absent.benchmarks:
        typer.echo("absent benchmarks, and all else can be made without them:")
        for why in dict.fromkeys(absent.benchmarks.values()):
            names = [name for name, each in absent.benchmarks.items() if each == why]
            typer.echo(f"  {', '.join(names)}: {why}")


def _content(name: str, rows: Sequence[Row], absent: Absent) -> dict[str, Any]:
    return {
        "study": name,
        "stages": [asdict(row) for row in rows],
        "seconds": sum(row.seconds or 0 for row in rows),
        "disk": sum(row.disk or 0 for row in rows),
        "absent": asdict(absent),
    }


def duration(seconds: float | None) -> str:
    """'3 s', '12 min', '5.2 h' or '3.1 days'."""
    if seconds is None:
        return "?"
    for most, unit, size in ((120, "s", 1), (7200, "min", 60), (172_800, "h", 3600)):
        if seconds < most:
            return (
                f"{seconds / size:.2g} {unit}"
                if seconds / size < 10
                else f"{seconds / size:.0f} {unit}"
            )
    return f"{seconds / 86_400:.3g} days"


def _bytes(count: float | None, nothing: str = "?") -> str:
    if count is None:
        return nothing
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def _count(count: int | None) -> str:
    return "?" if count is None else f"{count:,}"
