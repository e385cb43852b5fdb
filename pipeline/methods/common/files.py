"""A method's weight file: its tensors, and in the metadata what it is and what it is fed.

A setting that a file does not name takes its default, so files stay readable when a method learns
another option.
"""

import json
import reprlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from pipeline.base.params import bound
from pipeline.clips.spectrogram import SoundForm
from pipeline.errors import InputError
from pipeline.execution.progress import console
from pipeline.methods.contract import Method, load_method, method_name
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


def save_weights(path: Path, method: Method) -> None:
    """Write a method's tensors, its name, its settings and its form as one safetensors file,
    atomically; equal methods give equal bytes."""
    settings = asdict(method.settings)
    metadata = {
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

    Raises `InputError` as `load_weights` and `Method.read_published` do, and where a file of our
    own is of another form."""
    if is_own(path):
        method = load_weights(path)
        if method.form != form:
            raise InputError(f"{path}: is for sounds of the form {method.form}, found {form} here")
        return method
    found, unused = load_method(name).read_published(read_state(path), settings, form, str(path))
    if unused:
        console.print(f"{path}: entries without use: {', '.join(unused)}", markup=False)
    return found


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
