"""The weights that a project holds, as a person may choose among them."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import InputError
from pipeline.execution.checkpoints import CHECKPOINTS
from pipeline.execution.progress import console
from pipeline.methods.common.files import is_own, method_in, methods_of
from pipeline.networks.weights import SUFFIXES, read_state


class Choice(NamedTuple):
    """A weight file, the method that it is read as, and what it is called: a run by its folder, a
    published file that was fetched by its name, any other file by its path."""

    method: str
    name: str
    path: Path


def choices(data: Path, further: Iterable[tuple[Path, str | None]] = ()) -> list[Choice]:
    """The weights below the project's folder `data`: the runs, the best epochs of trainings that
    were looked at, what somebody published (`data`/weights), and `further` files, which come first,
    each with its method where that is known.

    A published file whose entries fit several methods is one choice for each. A file of `data` that
    cannot be read is told on the console and left out. Raises `InputError` for one of `further`,
    and where there is nothing to choose."""
    found: list[Choice] = []
    for path, method in further:
        found += _choices_of(path, str(path), method)
    runs = sorted((data / "runs").glob("*/*/weights.safetensors"))
    best = sorted((data / "watched").glob("*/*/best.safetensors"))
    fetched = [p for p in sorted((data / "weights/published").glob("*")) if p.stem in CHECKPOINTS]
    placed = sorted(p for p in (data / "weights").glob("*") if p.name.endswith(SUFFIXES))
    named = [(path, "/".join(path.parts[-3:-1])) for path in runs]
    named += [(path, f"{'/'.join(path.parts[-3:-1])}, best epoch") for path in best]
    named += [(path, path.stem) for path in fetched]
    named += [(path, str(path)) for path in placed]
    for path, name in named:
        checkpoint = CHECKPOINTS.get(name)
        try:
            found += _choices_of(path, name, checkpoint.method if checkpoint else None)
        except InputError as error:
            console.print(f"left out: {error}", markup=False, soft_wrap=True)
    if not found:
        raise InputError(
            f"{data / 'runs'}: no weights found; dvc repro makes some, or give --weights"
        )
    return found


def _choices_of(path: Path, name: str, method: str | None) -> list[Choice]:
    if is_own(path):
        return [Choice(method_in(path), name, path)]
    if method is not None:
        return [Choice(method, name, path)]
    methods = methods_of(read_state(path))
    if not methods:
        raise InputError(f"{path}: holds the entries of no method's published file")
    return [Choice(method, name, path) for method in methods]
