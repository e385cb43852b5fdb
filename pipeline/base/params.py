"""params.yaml as typed, checked values; a wrong key or value is named with its path.

Settings are dataclasses that stand beside the code that they set; pydantic binds them. A stage asks
for each key that it needs (`Parameters.read`), and what it asked for is kept (`Parameters.keys`),
so that a test can hold what a stage reads against what dvc.yaml declares. That is why the sections
are read one by one and never as a whole file.
"""

import inspect
import re
import reprlib
import types
import typing
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast, dataclass_transform

import yaml
from annotated_types import Ge, Le
from pydantic import BeforeValidator, ConfigDict, Field, Strict, TypeAdapter, ValidationError

from pipeline.errors import InputError

T = TypeVar("T")

# What is found may be anything of any size; aliases make a short file's repr endless.
_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = 80
_REPR.maxlevel = 2
_shown = _REPR.repr


@dataclass_transform(frozen_default=True)
def settings(kind: type[T]) -> type[T]:
    """A frozen dataclass that `Parameters.read` binds: no key beyond its fields, no value of
    another type. Its `__post_init__` may raise ValueError for values that contradict each other."""
    kind.__pydantic_config__ = ConfigDict(  # type: ignore[attr-defined]
        extra="forbid", allow_inf_nan=False
    )
    hints = inspect.get_annotations(kind)
    kind.__annotations__ = {name: _strict(hint) for name, hint in hints.items()}
    return dataclass(frozen=True)(kind)


def _strict(kind: Any) -> Any:
    """A type whose scalars take no value of another type. (pydantic's own strict mode takes no
    mapping for a dataclass either.)"""
    if kind is float:
        return Annotated[float, Strict(), BeforeValidator(_from_text)]
    if kind in (int, bool, str):
        return Annotated[kind, Strict()]
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        return Annotated[(_strict(arguments[0]), *arguments[1:])]  # type: ignore[return-value]
    if origin in (typing.Union, types.UnionType):
        return typing.Union[tuple(map(_strict, arguments))]  # noqa: UP007
    if origin in (list, dict):
        return origin[tuple(map(_strict, arguments))]
    return kind


def _from_text(value: Any) -> Any:
    """YAML 1.1 takes 1e-4 for text, and `dvc exp run -S` writes it so."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


Count = Annotated[int, Field(ge=1)]
Natural = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(ge=1e-12)]
NotNegative = Annotated[float, Field(ge=0)]


def _load(text: str) -> Any:
    """YAML's content. The safe loader takes the last of two equal keys and says nothing, so they
    are looked for in what is written, before anchors and merges are worked in."""
    # The C parser, where YAML was built with it, reads params.yaml several times as fast.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _check_keys(node)
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _check_keys(root: yaml.Node) -> None:
    waiting, seen = [root], set[int]()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            keys: set[str] = set()
            for key, value in node.value:
                if isinstance(key, yaml.ScalarNode) and key.value in keys:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"{key.value!r} is given twice", key.start_mark
                    )
                keys.add(str(key.value))
                waiting += [key, value]
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value


class Parameters:
    """The parameter file, read key by key."""

    def __init__(self, path: Path = Path("params.yaml")) -> None:
        """Load `path`. Raises `InputError` where it is missing or not YAML."""
        self.path = path
        self.keys: list[str] = []
        try:
            self._content = _load(path.read_text(encoding="utf-8-sig"))
        except FileNotFoundError:
            raise InputError(f"{path}: not found; run avloc in the project's folder") from None
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}") from error
        # ValueError: a date or a number that YAML's form allows and Python's does not.
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            found = " ".join(str(error).split())
            raise InputError(f"{path}: expected YAML, found: {found}") from error

    def read(self, key: str, kind: type[T], *overrides: Mapping[str, Any]) -> T:
        """The value at the dotted `key` as a `kind`, with `overrides` put over its entries, one
        after the other.

        Raises `InputError` with the full path of the first missing, unknown or wrong entry.
        """
        value = self._content
        for done, part in enumerate(key.split(".")):
            if not isinstance(value, Mapping) or part not in value:
                above = ".".join(key.split(".")[:done]) or "the file"
                known = ", ".join(map(str, value)) if isinstance(value, Mapping) else _shown(value)
                raise InputError(f"{self.path}: {key}: not found; {above} holds: {known}")
            value = value[part]
        self.keys.append(key)
        return self.bound(kind, key, value, *overrides)

    def bound(self, kind: type[T], key: str, value: Any, *overrides: Mapping[str, Any]) -> T:
        """A value that stands at `key`, or part of it, as a `kind`, with `overrides` put over it;
        raises as `read` does."""
        for override in overrides:
            value = _merged(value, override)
        return bound(kind, value, f"{self.path}: {key}")


def _merged(value: Any, override: Mapping[str, Any]) -> Any:
    """`value` with the entries of `override` in place of its own, mappings entry by entry."""
    if not isinstance(value, Mapping):
        return override
    merged = dict(value)
    for key, replacement in override.items():
        deeper = isinstance(replacement, Mapping)
        merged[key] = _merged(merged.get(key), replacement) if deeper else replacement
    return merged


def bound(kind: type[T], value: Any, path: str) -> T:
    """`value` checked against the type `kind` and converted to it; `path` names it in errors.

    Raises `InputError` for the first missing, unknown or wrong entry, in one line."""
    try:
        found: T = _adapter(cast(Hashable, kind)).validate_python(value)
        return found
    except ValidationError as error:
        # Validators' own exceptions stand in `ctx`; the input itself is never printed whole.
        raise InputError(_first(error.errors(include_url=False)[0], kind, path)) from None


@lru_cache(maxsize=256)
def _adapter(kind: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(_strict(kind))


# pydantic's names of what a value is not, in the words of this project.
_WORDS = {
    "int": "a whole number",
    "float": "a finite number",
    "finite": "a finite number",
    "bool": "true or false",
    "string": "text",
    "list": "a list",
    "tuple": "a list",
    "dict": "a mapping",
    "dataclass": "a mapping",
}


def _first(error: Mapping[str, Any], kind: Any, path: str) -> str:
    """One line for one of pydantic's errors about a value of type `kind` at `path`."""
    place, inner = path, kind
    above = kind
    for part in error["loc"]:
        if part == "[key]":
            break
        place += f"[{part}]" if isinstance(part, int) else f".{part}"
        above, inner = inner, _inside(inner, part)
    name = error["type"]
    if name == "missing":
        return f"{place}: missing"
    if name in ("unexpected_keyword_argument", "extra_forbidden"):
        known = ", ".join(entry.name for entry in fields(_plain(above)))
        return f"{place}: unknown key, expected one of {known}"
    if name == "value_error":
        return f"{place}: {error['ctx']['error']}"
    if name == "literal_error":
        known = ", ".join(re.findall(r"'([^']*)'", error["ctx"]["expected"]))
        expected = f"one of {known}"
    elif name in ("greater_than_equal", "less_than_equal"):
        expected = _range(inner)
    else:
        expected = _WORDS.get(name.split("_")[0], error["msg"])
    return f"{place}: found {_shown(error['input'])}, expected {expected}"


def _plain(kind: Any) -> Any:
    """A type without its annotations and its `None`."""
    while typing.get_origin(kind) is Annotated:
        kind = typing.get_args(kind)[0]
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return _plain(next(k for k in typing.get_args(kind) if k is not type(None)))
    return kind


def _inside(kind: Any, part: str | int) -> Any:
    """The type of an entry of a mapping, a list or a dataclass."""
    kind = _plain(kind)
    if is_dataclass(kind):
        return typing.get_type_hints(kind, include_extras=True).get(str(part), Any)
    arguments = typing.get_args(kind)
    return arguments[-1] if arguments else Any


def _range(kind: Any) -> str:
    """The closed range that a number of an annotated type lies in."""
    low, high = None, None
    waiting = [kind]
    while waiting:
        entry = waiting.pop()
        if typing.get_origin(entry) in (Annotated, typing.Union, types.UnionType):
            waiting += [*typing.get_args(entry), *getattr(entry, "__metadata__", ())]
        for rule in [entry, *getattr(entry, "metadata", ())]:
            if isinstance(rule, Ge):
                low = rule.ge
            elif isinstance(rule, Le):
                high = rule.le
    if low is None:
        return f"<= {high:g}"
    return f">= {low:g}" if high is None else f"{low:g} to {high:g}"
