"""A class out of a module's source, without the rest of the module.

A method's settings stand beside its networks, and importing those imports torch: seconds in which a
slip in params.yaml is not told. Settings themselves need none of it, so the statements that a class
is made of are taken out of the source and run alone. The class is for checking values with; what
computes imports the module itself.
"""

import ast
import builtins
import importlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from pipeline.base.code import ROOT

# Rooms whose modules import nothing that takes long: what they give is imported as ever.
_IMPORTED = ("pipeline.base.", "pipeline.errors")


def excerpt(module: str, name: str) -> Any:
    """What the top level of a module of the project calls `name`, made from those of its statements
    alone that it needs; of other people's modules, and of the room base, what an import gives.

    Raises `KeyError` for a name that the top level does not bind."""
    return _made(module, name)


def settings_of_method(name: str) -> Any:
    """The `Settings` of the class `METHOD` of a method's file: its own, or those of the first of
    the classes that it is made from."""
    return _settings_of(f"pipeline.methods.{name}", "METHOD")


def _settings_of(module: str, name: str) -> Any:
    node = _statement(module, name)
    if isinstance(node, ast.ImportFrom):
        return _settings_of(str(node.module), _imported_name(node, name))
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name):
        return _settings_of(module, node.value.id)
    if not isinstance(node, ast.ClassDef):
        raise KeyError(f"{module}.{name} is no class")
    for line in node.body:
        if isinstance(line, ast.Assign) and [ast.unparse(t) for t in line.targets] == ["Settings"]:
            if isinstance(line.value, ast.Name):
                return _made(module, line.value.id)
            raise KeyError(f"{module}.{name}.Settings is no name")
    for base in node.bases:
        if isinstance(base, ast.Name) and _statement(module, base.id) is not None:
            try:
                return _settings_of(module, base.id)
            except KeyError:
                continue
    raise KeyError(f"{module}.{name} has no Settings")


@lru_cache(maxsize=1024)
def _made(module: str, name: str) -> Any:
    """The value of a name, run in a space that holds what its statement needs and nothing else."""
    node = _statement(module, name)
    if node is None:
        raise KeyError(f"{module} binds no {name}")
    if isinstance(node, ast.ImportFrom):
        source, wanted = str(node.module), _imported_name(node, name)
        if _is_excerpted(source):
            return _made(source, wanted)
        return getattr(importlib.import_module(source), wanted)
    space: dict[str, Any] = {"__name__": module}
    if isinstance(node, ast.Import):
        exec(compile(ast.Module([node], []), module, "exec"), space)
        return space[name]
    for needed in _needs(node):
        if needed != name and _statement(module, needed) is not None:
            space[needed] = _made(module, needed)
    exec(compile(ast.Module([node], []), str(_path(module)), "exec"), space)
    return space[name]


def _needs(node: ast.AST) -> Iterator[str]:
    """The names that a statement reads and does not bind in a function of its own, without those of
    builtins."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        if not hasattr(builtins, node.id):
            yield node.id
        return
    read = {name for child in ast.iter_child_nodes(node) for name in _needs(child)}
    if isinstance(node, ast.FunctionDef | ast.Lambda):
        inside = list(ast.walk(node))
        read -= {each.arg for each in inside if isinstance(each, ast.arg)}
        read -= {n.id for n in inside if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    yield from sorted(read)


def _statement(module: str, name: str) -> ast.stmt | None:
    return _statements(module).get(name)


@lru_cache(maxsize=256)
def _statements(module: str) -> dict[str, ast.stmt]:
    """The statement of a module's top level that binds each name last."""
    found: dict[str, ast.stmt] = {}
    for node in ast.parse(_path(module).read_bytes()).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name.split(".")[0]: node for alias in node.names}
        elif isinstance(node, ast.ClassDef | ast.FunctionDef):
            found[node.name] = node
        elif isinstance(node, ast.Assign):
            targets = [t for target in node.targets for t in ast.walk(target)]
            found |= {t.id: node for t in targets if isinstance(t, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found[node.target.id] = node
    return found


def _imported_name(node: ast.ImportFrom, name: str) -> str:
    return next(alias.name for alias in node.names if (alias.asname or alias.name) == name)


def _is_excerpted(module: str) -> bool:
    own = module.startswith("pipeline.") and not module.startswith(_IMPORTED)
    return own and _path(module).is_file()


def _path(module: str) -> Path:
    base = ROOT.joinpath(*module.split("."))
    return base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
