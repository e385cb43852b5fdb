"""One file a family of benchmarks, found by what it declares; adding one touches no other file.

A family's module holds

- `NAMES`, a literal tuple of the names of its benchmarks;
- `TEST_LISTS`, which says of each pattern of annotation files how the clips in them are read, so
  that they can be kept out of training;
- `open(name, annotations, available, root)`, see `pipeline.benchmarks.open_benchmark`.

Names are read from the source, as text, so that opening a benchmark imports its own family alone. A
module imports what scores (`tasks`, `metrics`) inside of `open`: who only asks for test clips then
needs no arithmetic. The price is that `NAMES` has to be a literal.
"""

import ast
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

from pipeline.errors import InputError

ListReader = Callable[[Path], Iterable[str]]


def names() -> dict[str, str]:
    """The name of every benchmark, and the module of its family as import_module takes it.

    Sorted by module, then as `NAMES` gives them. Raises `InputError` for a family without literal
    `NAMES` and for a name of two families.
    """
    found: dict[str, str] = {}
    for path in _files():
        module = f"{__name__}.{path.stem}"
        for name in _names(path):
            if name in found:
                raise InputError(f"{path}: benchmark {name!r} is in {found[name]} already")
            found[name] = module
    return found


def family(name: str) -> ModuleType:
    """The module of the benchmark `name`; `InputError` for an unknown name."""
    known = names()
    if name not in known:
        raise InputError(f"benchmark {name!r}: expected one of {', '.join(known)}")
    return import_module(known[name])


def test_lists() -> list[tuple[str, ListReader]]:
    """Every family's patterns of annotation files that hold test clips, each with the reader of a
    file's clip ids; a pair that several families share once."""
    found: dict[tuple[str, ListReader], None] = {}
    for module in dict.fromkeys(names().values()):
        for pattern, read in import_module(module).TEST_LISTS.items():
            found.setdefault((pattern, read))
    return list(found)


def _files() -> Iterator[Path]:
    for folder in __path__:
        for path in sorted(Path(folder).glob("*.py")):
            if not path.name.startswith("_"):
                yield path


def _names(path: Path) -> tuple[str, ...]:
    """`NAMES` of a family's file."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and [ast.unparse(t) for t in node.targets] == ["NAMES"]:
            try:
                value = ast.literal_eval(node.value)
            except ValueError:
                break
            if isinstance(value, tuple) and value and all(isinstance(n, str) for n in value):
                return value
            break
    raise InputError(f"{path}: found no NAMES, expected a literal tuple of benchmarks' names")
