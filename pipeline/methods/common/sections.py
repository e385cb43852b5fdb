"""A method's section of params.yaml: its own settings, and what it changes of the loop's."""

from collections.abc import Mapping
from typing import Any

from pipeline.base.params import Parameters
from pipeline.errors import InputError
from pipeline.methods.contract import load_method

LOOP = "train"  # the entry of a section, or of a run, that changes the section `train`


def method_settings(
    parameters: Parameters, world: str, method: str, changes: Mapping[str, Any]
) -> tuple[Any, list[Mapping[str, Any]]]:
    """The settings of a method in a world, with a run's `changes` over its section; and what
    section and run change of the loop's, in this order. Raises `InputError` as
    `Parameters.read` does, and for an unknown method."""
    key = f"{world}.methods.{method}"
    section = parameters.read(key, dict[str, Any])
    try:
        kind = load_method(method)
    except InputError as error:
        raise InputError(f"{parameters.path}: {key}: {error}") from None
    own, over = (
        {name: value for name, value in entry.items() if name != LOOP}
        for entry in (section, changes)
    )
    loops = [entry[LOOP] for entry in (section, changes) if LOOP in entry]
    return parameters.bound(kind.Settings, key, own, over), loops
