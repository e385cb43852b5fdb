"""The weights that a project holds, as a person may choose among them."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import InputError
from pipeline.execution.progress import console
from pipeline.methods.common.files import is_own, method_in, methods_of
from pipeline.networks.weights import SUFFIXES, read_state


class Choice(NamedTuple):
    """A weight file, the method that it is read as, and what it is called: a run by its folder, any
    other file by its path."""

    method: str
    name: str
    path: Path


def choices(data: Path, further: Iterable[Path] = ()) -> list[Choice]:
    """The weights below the project's folder `data`: the runs, the best epochs of trainings that
    were looked at, what somebody published (`data`/weights), and `further` files, which come first.

    A published file whose entries fit several methods is one choice for each. A file of `data` that
    cannot be read is told on the console and left out. Raises `InputError` for one of `further`,
    and where there is nothing to choose."""
    found: list[Choice] = []
    for path in further:
        found += _choices_of(path, str(path))
    runs = sorted((data / "runs").glob("*/*/weights.safetensors"))
    best = sorted((data / "watched").glob("*/*/best.safetensors"))
    published = sorted(p for p in (data / "weights").glob("*") if p.name.endswith(SUFFIXES))
    named = [(path, "/".join(path.parts[-3:-1])) for path in runs]
    named += [(path, f"{'/'.join(path.parts[-3:-1])}, best epoch") for path in best]
    named += [(path, str(path)) for path in published]
    for path, name in named:
        try:
            found += _choices_of(path, name)
        except InputError as error:
            console.print(f"left out: {error}", markup=False, soft_wrap=True)
    if not found:
        raise InputError(
            f"{data / 'runs'}: no weights found; dvc repro makes some, or name a file: --weights"
        )
    return found


def _choices_of(path: Path, name: str) -> list[Choice]:
    if is_own(path):
        return [Choice(method_in(path), name, path)]
    methods = methods_of(read_state(path))
    if not methods:
        raise InputError(f"{path}: holds the entries of no method's published file")
    return [Choice(method, name, path) for method in methods]
