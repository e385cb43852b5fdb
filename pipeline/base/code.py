"""Which of the project's code makes a module's bytes, and a hash of it.

DVC's declarations (held by a test) and every fingerprint of unfinished work ask the same function,
so there is one answer to 'does this change make other bytes?'. Imports are read from the source, as
text, so that asking imports nothing; what is imported by name at run time (a method, a reader) is
passed by its caller as a further module.
"""

import ast
from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]

# Code that makes no byte of any output, with the test that proves it. A change here reruns nothing.
MAKES_NO_BYTES: dict[str, str] = {
    "pipeline.errors": "only messages (tests/trust: a refused input leaves no output)",
    "pipeline.execution": "where work runs and how far it is (tests/execution/test_ray.py and "
    "tests/test_end_to_end.py: Ray, worker counts and order give the same bytes)",
    "pipeline.train.watch": "a training looked at (tests/train/test_watch.py, and "
    "tests/methods/contract_checks.py for every method: watched or not, the same bytes)",
    "pipeline.report.watched": "what is asked of it (the same tests)",
    "stages.paths": "names of folders alone (dvc.yaml names the same ones, and DVC refuses a stage "
    "that leaves another)",
}


def code_of(*modules: str) -> frozenset[Path]:
    """The files of the project that decide what `modules` compute: their own, and those of all
    modules that they import, directly or not, without `MAKES_NO_BYTES`.

    modules: dotted names such as 'pipeline.decode.corpus'. Raises ValueError for a name that is no
    module of the project."""
    waiting, files = list(modules), set[Path]()
    for name in modules:
        if _file(name) is None:
            raise ValueError(f"{name} is no module of the project")
    while waiting:
        name = waiting.pop()
        # A package's __init__ runs before any of its modules.
        for part in [name.rsplit(".", n)[0] for n in range(name.count(".") + 1)]:
            path = None if makes_no_byte(part) else _file(part)
            if path is not None and path not in files and not _is_bare(path):
                files.add(path)
                waiting += _imported(path)
    return frozenset(files)


def hash_of_code(*modules: str) -> str:
    """A hash of the content of `code_of(*modules)`, 32 hexadecimal digits."""
    files = sorted(code_of(*modules))
    named = (part for path in files for part in (path.relative_to(ROOT).as_posix(), _read(path)))
    return fingerprint(named)


def makes_no_byte(module: str) -> bool:
    """Whether a module is on the list `MAKES_NO_BYTES`, itself or with its whole package."""
    return any(module == name or module.startswith(f"{name}.") for name in MAKES_NO_BYTES)


def fingerprint(parts: Iterable[bytes | str | np.ndarray | memoryview]) -> str:
    """A name for the given parts, order included: 32 hexadecimal digits."""
    digest = blake2b(digest_size=16)
    for part in parts:
        if isinstance(part, np.ndarray):
            part = np.ascontiguousarray(part).data
        content = memoryview(part.encode() if isinstance(part, str) else part)
        digest.update(content.nbytes.to_bytes(8, "little"))
        digest.update(content)
    return digest.hexdigest()


@lru_cache(maxsize=2048)
def _file(module: str) -> Path | None:
    """The file of a module or of a package's `__init__`; None for other people's."""
    base = ROOT.joinpath(*module.split("."))
    found = [path for path in (base / "__init__.py", base.with_suffix(".py")) if path.is_file()]
    return found[0] if found and module.split(".")[0] in ("pipeline", "stages") else None


@lru_cache(maxsize=512)
def _read(path: Path) -> bytes:
    return path.read_bytes()


@lru_cache(maxsize=512)
def _is_bare(path: Path) -> bool:
    """Whether a file is a package's `__init__` that holds a docstring alone."""
    if path.name != "__init__.py":
        return False
    return all(isinstance(node, ast.Expr) for node in ast.parse(_read(path)).body)


@lru_cache(maxsize=512)
def _imported(path: Path) -> tuple[str, ...]:
    """Names that a file imports, wherever in the file it does so; a name imported from a package
    may be one of its modules."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(_read(path))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return tuple(sorted(n for n in names if n.split(".")[0] in ("pipeline", "stages")))
