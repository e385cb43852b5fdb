"""What each benchmark is scored as, read from its family's source as text.

So a slip in a benchmark's name is told before anything is opened or imported that takes seconds. A
family says it by the module of `tasks/` that it imports; a test holds that to what opening gives.
"""

import ast
from importlib.util import find_spec
from pathlib import Path

from pipeline.benchmarks import sets
from pipeline.errors import InputError

# What maps alone, or embeddings alone, can be scored as.
KINDS = ("localization", "detection", "segmentation", "retrieval")
_TASKS = "pipeline.benchmarks.tasks."


def kinds() -> dict[str, str | None]:
    """Every benchmark by name: one of `KINDS`, or None where maps alone are not enough."""
    of_module = {module: _kind(module) for module in set(sets.names().values())}
    return {name: of_module[module] for name, module in sets.names().items()}


def check_benchmark(kind: str | None, name: str) -> None:
    """Raise `InputError` unless the benchmark `name` can be scored as `kind` (None: as any of
    `KINDS`), with those that can."""
    known = kinds()
    fit = [each for each, found in known.items() if found and kind in (None, found)]
    expected = (
        f"expected one that is scored {f'as {kind}' if kind else 'from maps'}: {', '.join(fit)}"
    )
    if name not in known:
        raise InputError(f"benchmark {name!r}: unknown, {expected}")
    if known[name] is None:
        raise InputError(f"benchmark {name}: takes more than a file of maps, {expected}")
    if name not in fit:
        raise InputError(f"benchmark {name}: is scored as {known[name]}, not {kind}; {expected}")


def check_annotations(name: str, annotations: Path | None) -> Path:
    """`annotations`, the folder of the lists of the benchmark `name`; `InputError` where there is
    none."""
    if annotations is None or not annotations.is_dir():
        found = "none named" if annotations is None else f"{annotations}, which is no folder"
        raise InputError(
            f"benchmark {name}: expected --annotations, the folder of the official lists; found "
            f"{found}"
        )
    return annotations


def _kind(module: str) -> str | None:
    spec = find_spec(module)
    assert spec is not None and spec.origin is not None
    for node in ast.walk(ast.parse(Path(spec.origin).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(_TASKS):
            kind = str(node.module).removeprefix(_TASKS)
            if kind in KINDS:
                return kind
    return None
