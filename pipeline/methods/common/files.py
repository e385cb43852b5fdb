"""A method's weight file: its tensors, and in the metadata what it is and what it is fed.

A setting that a file does not name takes its default, so files stay readable when a method learns
another option.
"""

import json
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline.base.params import bound
from pipeline.clips.sound_form import SoundForm
from pipeline.errors import InputError
from pipeline.execution.progress import console
from pipeline.methods.contract import Method, load_method, method_name, method_names
from pipeline.networks.weights import (
    check_fit,
    load_into,
    read_metadata,
    read_state,
    save_safetensors,
)

# The largest numbers in a stranger's metadata, of either sign: of settings blocks, channels, pixels
# and seconds (a margin is below 0), of a form samples and their rate.
_LARGEST, _LARGEST_OF_FORM = 4096, 1_000_000


def save_weights(path: Path, method: Method, marks: Mapping[str, str] | None = None) -> None:
    """Write a method's tensors, its name, its settings and its form as one safetensors file,
    atomically; equal methods give equal bytes. `marks` are further words of the metadata."""
    settings = asdict(method.settings)
    metadata = {
        **(marks or {}),
        "method": method_name(method),
        "settings": json.dumps(settings, sort_keys=True),
        "form": json.dumps(asdict(method.form), sort_keys=True),
    }
    save_safetensors(path, method.state_dict(), metadata)


def is_own(path: Path) -> bool:
    """Whether a weight file is one of `save_weights`."""
    return path.suffix == ".safetensors" and "method" in read_metadata(path)


def load_weights(path: Path) -> Method:
    """The method in a file of `save_weights`, in evaluation mode on the CPU.

    Raises `InputError` naming the file where it is no such file, where a setting or an entry is
    missing or does not fit, and where its method is unknown here."""
    state = read_state(path)
    metadata = read_metadata(path) if path.suffix == ".safetensors" else {}
    if "method" not in metadata:
        raise InputError(
            f"{path}: found no method in the file's metadata, expected weights of avloc's own; a "
            f"published file is read with the name of its method"
        )
    try:
        kind = load_method(metadata["method"])
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    try:
        said, form_said = (json.loads(metadata[part]) for part in ("settings", "form"))
    except (KeyError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: its metadata cannot be read: {error!r}") from error
    _check_size(said, path, "settings", _LARGEST)
    _check_size(form_said, path, "form", _LARGEST_OF_FORM)
    form = bound(SoundForm, form_said, f"{path}: form")
    settings = bound(kind.Settings, said, f"{path}: settings")
    try:
        with torch.device("meta"):
            claimed = kind(settings, form)
    except (ValueError, RuntimeError, OverflowError) as error:
        raise InputError(f"{path}: its {metadata['method']} cannot be built: {error}") from error
    check_fit(claimed, state, str(path))
    method = kind(settings, form)
    load_into(method, state, str(path))
    return method.eval()


def open_weights(path: Path, name: str, settings: Any, form: SoundForm) -> Method:
    """The method `name` in anyone's weight file, in evaluation mode: in our own, which says itself
    what it is fed, or in its authors', which is fed as `settings` and `form` say. Entries without
    use are told on the console.

    Raises `InputError` as `load_weights` and `Method.read_published` do, where a file of our own is
    of another form, and where a published one is another method's."""
    if is_own(path):
        method = load_weights(path)
        if method.form != form:
            raise InputError(f"{path}: is for sounds of the form {method.form}, found {form} here")
        return method
    kind, state = load_method(name), read_state(path)
    others = [] if kind.is_published(state) else methods_of(state)
    if others:
        raise InputError(
            f"{path}: holds the entries of {_either(others)}, expected those of {name}"
        )
    method, unused = kind.read_published(state, settings, form, str(path))
    if unused:
        console.print(f"{path}: entries without use: {', '.join(unused)}", markup=False)
    return method


def methods_of(state: Mapping[str, Tensor]) -> list[str]:
    """The names of the methods whose authors' files have such entries: one, several where the
    authors' networks are the same, or none."""
    return [name for name in method_names() if load_method(name).is_published(state)]


def method_in(path: Path) -> str:
    """The name of the method in anyone's weight file, as the file itself tells: our own by its
    metadata, a published one by its entries. Raises `InputError` as `read_state` does, and where
    the entries are those of no method or of several."""
    if is_own(path):
        return read_metadata(path)["method"]
    found = methods_of(read_state(path))
    if len(found) == 1:
        return found[0]
    expected = f"expected --method {_either(found or method_names())}"
    if found:
        raise InputError(f"{path}: the entries of {_either(found)} have the same names, {expected}")
    raise InputError(f"{path}: holds the entries of no method's published file, {expected}")


def _either(names: Sequence[str]) -> str:
    """'a, b or c'."""
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last


def _check_size(said: object, path: Path, part: str, largest: int) -> None:
    """Raise `InputError` for a number that would build networks, or windows of sounds, beyond all
    memory."""
    waiting = [said]
    while waiting:
        entry = waiting.pop()
        if isinstance(entry, dict | list):
            waiting += entry.values() if isinstance(entry, dict) else entry
        elif isinstance(entry, int | float) and not -largest <= entry <= largest:
            found = reprlib.repr(entry)
            raise InputError(f"{path}: found {found} in its {part}, expected at most {largest}")
