"""Reading the authors' file of a method of two ResNets."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, TypeVar

import torch
from torch import Tensor

from pipeline.errors import InputError
from pipeline.methods.common.two_resnets import TwoResNets, unused_entries
from pipeline.networks.resnet import shape_in
from pipeline.networks.weights import check_fit, load_into

T = TypeVar("T", bound=TwoResNets)


def read_two_resnets(
    make: Callable[[Any], T],
    state: Mapping[str, Tensor],
    settings: Any,
    name: str,
    renamed: Mapping[str, str],
) -> tuple[T, list[str]]:
    """The method that `make` gives for settings, filled from a file, in evaluation mode, and the
    names of the entries that have no use.

    Blocks, channels and the stem are read from the entries; strides and inputs stand in no file, so
    they come from `settings`. `renamed` gives the method's name of an entry that the file calls
    otherwise, `name` is the file's. Raises `InputError` where a layer is missing or does not fit.
    """
    entries = {**state, **{own: state[theirs] for own, theirs in renamed.items()}}
    blocks, channels = shape_in(entries, "imgnet.", len(settings.strides), name)
    given = {field.name: getattr(settings, field.name) for field in fields(settings)}
    first = entries.get("imgnet.conv1.weight")
    stem = len(first) if first is not None and first.ndim else channels[0]
    shape = {"blocks": blocks, "channels": channels, "stem": stem if stem != channels[0] else None}
    changed = type(settings)(**{**given, **shape})
    # What a file claims is held against its entries before any of it takes memory.
    with torch.device("meta"):
        claimed = make(changed)
    check_fit(claimed, entries, name)
    method = make(changed)
    load_into(method, entries, name)
    return method.eval(), unused_entries(state, method.state_dict(), renamed)


LVS_STEM = "audnet.conv1_a.weight"  # of the sound network in LVS's code and what descends from it


def stem_of_lvs(state: Mapping[str, Tensor], name: str) -> dict[str, str]:
    """The one renamed entry of LVS's ResNets and of those derived from them: the sound network
    begins with `conv1_a`, its `conv1` is unused. Raises `InputError`, with the file's `name`, where
    there is no such stem: the file is of another method."""
    if LVS_STEM not in state:
        raise InputError(f"{name}: holds no {LVS_STEM}, expected the stem of LVS's sound network")
    return {"audnet.conv1.weight": LVS_STEM}


def first_words(state: Mapping[str, Tensor]) -> set[str]:
    """What stands before the first dot of the entries' names: the parts of a network."""
    return {key.split(".", 1)[0] for key in state}
