"""Weight files from strangers, read so that nothing in them can run or fill the memory.

The formats are torch's own (`.pth`, `.pth.tar`, `.pt`, `.bin`, and `.ckpt` as Lightning writes it)
and safetensors. Before torch sees a file, its zip directory must declare no more bytes than the
file has: torch stores its tensors uncompressed, so nothing honest is refused and a zip bomb never
unfolds. The unpickler is torch's restricted one; beyond tensors it takes what training scripts of
the field leave beside their weights and what runs nothing: NumPy scalars (a best score) and
argparse's namespaces (their options). The cost of reading is one pass over every tensor for NaN and
infinity, about 0.03 s for a ResNet-18.
"""

import argparse
import io
import json
import pickle
import re
import struct
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from pipeline.base.files import atomic_file
from pipeline.errors import InputError

_TORCH_SUFFIXES = (".pth", ".pth.tar", ".pt", ".bin", ".ckpt")
SUFFIXES = (*_TORCH_SUFFIXES, ".safetensors")
_WRAPPERS = ("model_state_dict", "state_dict", "model")

# What stands before names: DataParallel's, and that of a Lightning module with a `model`.
_PARALLEL, _LIGHTNING = "module.", "model."

_SCALAR = np._core.multiarray.scalar  # type: ignore[attr-defined]
_HARMLESS = [
    (_SCALAR, "numpy.core.multiarray.scalar"),
    (_SCALAR, "numpy._core.multiarray.scalar"),
    np.dtype,
    argparse.Namespace,
    *(type(np.dtype(kind)) for kind in (np.float64, np.float32, np.int64, np.int32, np.bool_)),
]

# What a damaged archive or pickle makes torch raise, each seen on truncated or altered files.
_DAMAGE = (
    RuntimeError,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    EOFError,
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    MemoryError,
    struct.error,
)


def read_state(path: Path) -> dict[str, Tensor]:
    """The named tensors of a weight file, on the CPU.

    A dict under `model_state_dict`, `state_dict` or `model` is unwrapped, the `module.` that
    DataParallel puts before names is dropped, and so is `model.`, where it stands before all of
    them as a Lightning module leaves it. Raises `InputError` where the file is missing,
    of another kind, damaged, larger inside than outside, holds objects that could run code, holds
    no named tensors, or holds NaN or infinity.
    """
    if not path.is_file():
        raise InputError(f"{path}: not found, expected a weight file")
    if path.suffix == ".safetensors":
        content = _read_safetensors(path)
    elif path.name.endswith(_TORCH_SUFFIXES):
        content = _read_torch(path)
    else:
        raise InputError(f"{path}: expected a weight file ending in {', '.join(SUFFIXES)}")
    return _checked(path, content)


def file_of_name(folder: Path, name: str) -> Path | None:
    """The weight file `name` in a folder, with any of `SUFFIXES`; None where there is none.

    Raises `InputError` where the folder holds several of the name."""
    found = [path for suffix in SUFFIXES if (path := folder / f"{name}{suffix}").is_file()]
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise InputError(f"{folder}: holds {names}, expected one file of the name {name}")
    return found[0] if found else None


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata of a safetensors file, empty where it has none; `InputError` as `read_state`."""
    try:
        with safetensors.safe_open(path, "pt") as file:
            return dict(file.metadata() or {})
    except (OSError, safetensors.SafetensorError) as error:
        raise InputError(f"{path}: expected a safetensors file, found: {error}") from error


def check_fit(module: nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    """Raise `InputError`, with `source` (the file's name) first, where a layer of the module is
    missing from the state or a shape differs.

    The module may lie on torch's meta device, where layers of any size take no memory: so a file
    that claims a network beyond the memory is refused before one is built. A missing
    `num_batches_tracked` (files older than that counter) is no error: it plays no part in
    evaluation.
    """
    own = module.state_dict()
    missing = [key for key in own if key not in state and not key.endswith(".num_batches_tracked")]
    if missing:
        raise InputError(f"{source}: misses {_some(missing)} of {len(own)} expected entries")
    for key, tensor in own.items():
        if key in state and state[key].shape != tensor.shape:
            found, expected = tuple(state[key].shape), tuple(tensor.shape)
            raise InputError(f"{source}: {key}: found shape {found}, expected {expected}")


def load_into(
    module: nn.Module, state: Mapping[str, Tensor], source: str, *, unused_ok: bool = True
) -> list[str]:
    """Copy the entries of `state` into `module`; returns the sorted names it has no place for.

    Raises `InputError` as `check_fit` does and, unless `unused_ok`, where an entry is left over.
    """
    check_fit(module, state, source)
    own = module.state_dict()
    unused = sorted(set(state) - set(own))
    if unused and not unused_ok:
        raise InputError(f"{source}: holds {_some(unused)}, which the network has no place for")
    module.load_state_dict({key: state.get(key, tensor) for key, tensor in own.items()})
    return unused


def save_safetensors(
    path: Path, state: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Write `state` as one safetensors file, atomically; equal input gives equal bytes."""
    tensors = {key: tensor.detach().cpu().contiguous().clone() for key, tensor in state.items()}
    content = safetensors.torch.save(tensors)
    if metadata:
        # The library keeps several metadata entries in no fixed order, so they are put in here.
        length = 8 + int.from_bytes(content[:8], "little")
        header = {"__metadata__": dict(sorted(metadata.items())), **json.loads(content[8:length])}
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        content = len(text).to_bytes(8, "little") + text + content[length:]
    with atomic_file(path) as file:
        file.write(content)


def save_torch(path: Path, content: Mapping[str, Any]) -> None:
    """Write `content` as torch saves it, atomically; equal input gives equal bytes.

    torch names the archive inside after the file it writes to, so it writes to memory here.
    """
    buffer = io.BytesIO()
    torch.save(dict(content), buffer)
    with atomic_file(path) as file:
        file.write(buffer.getvalue())


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load_file(path)
    except (OSError, ValueError, safetensors.SafetensorError) as error:
        raise InputError(f"{path}: expected a safetensors file, found: {error}") from error


def _read_torch(path: Path) -> Any:
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                declared = sum(entry.file_size for entry in archive.infolist())
            if declared > path.stat().st_size:
                raise InputError(
                    f"{path}: declares {declared} bytes inside a file of {path.stat().st_size}, "
                    f"expected tensors stored uncompressed"
                )
        with (
            warnings.catch_warnings(),
            torch.serialization.safe_globals(_HARMLESS),  # type: ignore[arg-type]
        ):
            warnings.simplefilter("ignore")  # remarks on damage that the error tells anyway
            return torch.load(path, map_location="cpu", weights_only=True)
    except _DAMAGE as error:
        text = str(error)
        if named := re.search(r"GLOBAL (\S+)", text):
            raise InputError(
                f"{path}: holds {named[1]}, which could run code, and was not loaded; expected "
                f"only named tensors"
            ) from error
        # torch's own message ends in pages of advice; its first sentence says what was found.
        cause = " ".join(text.split())[:120] or type(error).__name__
        raise InputError(f"{path}: expected torch's weights, found a damaged file: {cause}") from (
            error
        )


def _checked(path: Path, content: Any) -> dict[str, Tensor]:
    """The state dict in a file's `content`, unwrapped, every entry a plain finite tensor."""
    if isinstance(content, Mapping):
        inner = [content[key] for key in _WRAPPERS if isinstance(content.get(key), Mapping)]
        content = inner[0] if inner else content
    if not isinstance(content, Mapping) or not content:
        found = "nothing" if isinstance(content, Mapping) else type(content).__name__
        raise InputError(f"{path}: holds {found}, expected a dict of named tensors")
    lightning = all(isinstance(key, str) and key.startswith(_LIGHTNING) for key in content)
    state: dict[str, Tensor] = {}
    for key, tensor in content.items():
        if not isinstance(key, str) or not isinstance(tensor, Tensor):
            raise InputError(
                f"{path}: entry {key!r} is a {type(tensor).__name__}, expected a named tensor"
            )
        name = key.removeprefix(_LIGHTNING if lightning else _PARALLEL)
        if name in state:
            raise InputError(f"{path}: holds both {name} and module.{name}, expected one of them")
        plain = tensor.layout == torch.strided and tensor.device.type == "cpu"
        if not plain or tensor.is_quantized:
            raise InputError(f"{path}: {key}: expected a plain dense tensor")
        # A view can claim any shape over a few bytes; touching it would fill the memory.
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise InputError(
                f"{path}: {key}: claims the shape {tuple(tensor.shape)} over "
                f"{tensor.untyped_storage().nbytes()} bytes"
            )
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise InputError(f"{path}: {key}: holds NaN or infinity, expected finite weights")
        state[name] = tensor
    return state


def _some(names: list[str]) -> str:
    """The first names of a list, and how many more there are."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
