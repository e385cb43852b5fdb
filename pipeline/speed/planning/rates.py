"""How long a unit of work takes, and where that figure comes from."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from pipeline.base.files import read_json, write_json
from pipeline.errors import InputError
from pipeline.speed.planning.stages import Work

KEPT = Path("data/work/plan.json")  # neither git nor DVC looks there
_STORED = Path(__file__).with_name("machines.json")
# DVC's own seconds for a stage, and for each one that dvc.lock holds by then: it reads and writes
# all of that file after every stage. Measured with 29 to 299 stages (pipeline/speed/README.md).
_DVC_STAGE, _DVC_HELD = 0.6, 0.028


@dataclass(frozen=True)
class Rate:
    """Seconds of a unit of a kind of work (see `Work`), on so many threads; of one core where the
    work spreads over them."""

    kind: str
    label: str
    operations: float
    seconds: float
    threads: int = 1


@dataclass(frozen=True)
class Machine:
    """Measured rates of a machine; `name` is what a table calls it."""

    name: str
    cores: int
    rates: tuple[Rate, ...]


@dataclass(frozen=True)
class Estimate:
    """The seconds of a work, and where its rate comes from."""

    seconds: float
    origin: str


def stored_machines() -> dict[str, Machine]:
    """The machines whose figures come with the project, by name."""
    return {
        name: Machine(name, entry["cores"], tuple(Rate(**rate) for rate in entry["rates"]))
        for name, entry in read_json(_STORED).items()
    }


def kept_machine(cores: int, path: Path = KEPT) -> Machine | None:
    """What was measured here, None where nothing was. Raises `InputError` for a damaged file."""
    if not path.is_file():
        return None
    try:
        rates = tuple(Rate(**rate) for rate in read_json(path)["rates"])
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: expected what --measure keeps, found: {error!r}") from None
    return Machine("here", cores, rates)


def keep(rates: Sequence[Rate], path: Path = KEPT) -> None:
    """Keep what was measured here, each in place of an older one of its kind and label."""
    before = kept_machine(1, path)
    both = (*(before.rates if before else ()), *rates)
    held = {(rate.kind, rate.label, rate.threads): rate for rate in both}
    write_json(path, {"rates": [asdict(rate) for rate in held.values()]})


def estimate(work: Work, machines: Sequence[Machine], cores: int) -> Estimate | None:
    """How long a work takes by the first machine that knows its kind: by its very label, else
    scaled from the one nearest in operations, and by the threads. None where none does, or the
    size is not known."""
    if work.units is None:
        return None
    for machine in machines:
        same = [rate for rate in machine.rates if rate.kind == work.kind]
        if not same:
            continue
        rate = min(same, key=partial(_distance, work))
        times = work.operations / rate.operations * rate.threads / work.threads
        seconds = work.units * rate.seconds * times / (cores if work.spreads else 1)
        told = "measured here" if machine.name == "here" else machine.name
        if (rate.label, rate.threads) == (work.label, work.threads):
            return Estimate(seconds, told)
        threads = f" on {rate.threads} threads" if rate.threads != work.threads else ""
        return Estimate(seconds, f"inferred, {told}: {rate.label}{threads}")
    return None


def dvc_seconds(stages: int) -> float:
    """What DVC itself takes for the first run of so many stages, but for hashing what they read
    and write."""
    return stages * (_DVC_STAGE + _DVC_HELD * (stages - 1) / 2)


def _distance(work: Work, rate: Rate) -> tuple[bool, float, bool]:
    """How far a rate is from a work of its kind: another label, other operations, other threads."""
    apart = abs(math.log(rate.operations / work.operations))
    return rate.label != work.label, apart, rate.threads != work.threads
