"""The files that anyone's maps come in: `.npz`, `.npy`, `.pt`, or a folder with a file a clip.

They come from strangers: nothing in them is unpickled, and an array's shape and size are read and
checked before its values are. The price is that what is beyond `LARGEST_BYTES` has to be split.
"""

import io
import pickle
import struct
import zipfile
import zlib
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image

from pipeline.errors import InputError
from pipeline.report.anyones.arrays import (
    LARGEST_BYTES,
    LARGEST_SIDE,
    LARGEST_TEXT,
    REAL,
    Arrays,
)

ENDINGS = (".npz", ".npy", ".pt", ".pth")
# RuntimeError is an encrypted or an unknown compression's member.
_UNREADABLE = (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error)
_PICKLED = (pickle.UnpicklingError, KeyError, AttributeError, TypeError, IndexError, struct.error)
_GREY = ("1", "L", "I", "I;16", "F")


def open_arrays(path: Path, ids: Path | None = None) -> Arrays:
    """The arrays of a file or a folder; `ids` is a text file with a sample a line, for maps that
    bring no names.

    `.npz`: arrays by name. `.npy`: the maps (N, h, w) alone. `.pt`, `.pth`: a dict of tensors with
    `ids` a list of texts, a dict from ids to maps (h, w), or the maps alone, loaded with
    weights_only. A folder: `<id>.npy` (h, w) or `<id>.png` (grey, 8 or 16 bits) a clip, all of one
    size. Raises `InputError` for anything else, and where names come twice.
    """
    if not path.exists():
        raise InputError(f"{path}: not found, expected {', '.join(ENDINGS)} or a folder of maps")
    if path.is_dir():
        arrays: Arrays = _folder(path)
    elif path.suffix == ".npz":
        arrays = Npz(path)
    elif path.suffix == ".npy":
        arrays = _npy(path)
    elif path.suffix in (".pt", ".pth"):
        arrays = _torch_file(path)
    else:
        raise InputError(f"{path}: expected {', '.join(ENDINGS)} or a folder of maps")
    return arrays if ids is None else _Named(arrays, _lines(ids))


def read_maps(path: Path) -> tuple[list[str], np.ndarray]:
    """The `ids` and the raw `maps` (N, h, w) of a file or folder; raises as `open_arrays` does."""
    arrays = open_arrays(path)
    maps = arrays.maps()
    return arrays.ids(len(maps)), maps


class Npz(Arrays):
    """The arrays of an `.npz` file, each checked by its header before it is read."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), {})
        self.path = path
        try:
            with zipfile.ZipFile(path) as archive:
                self.sizes = {info.filename: info.file_size for info in archive.infolist()}
        except _UNREADABLE as error:
            raise InputError(f"{path}: expected an npz file, found: {_reason(error)}") from error

    def names(self) -> list[str]:
        """See `Arrays.names`."""
        return sorted(name.removesuffix(".npy") for name in self.sizes)

    def _load(self, key: str, kinds: str, expected: str, dimensions: tuple[int, ...]) -> np.ndarray:
        name = f"{key}.npy"
        if name not in self.sizes:
            raise self.fail(key, "a file that is no array", expected)
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(name) as file:
                shape, dtype = _header(file)
            self.check(key, shape, dtype, kinds, expected, dimensions)
            size = int(np.prod(shape, dtype=object)) * dtype.itemsize
            if size > self.sizes[name]:
                raise self.fail(key, f"{self.sizes[name]} bytes", f"{size} bytes of {shape}")
            with zipfile.ZipFile(self.path) as archive, archive.open(name) as file:
                return np.lib.format.read_array(file, allow_pickle=False)
        except _UNREADABLE as error:
            raise InputError(f"{self.path}: {key}: cannot be read: {error}") from error


class _Named(Arrays):
    """Arrays that bring no ids, with those of a text file."""

    def __init__(self, arrays: Arrays, ids: list[str]) -> None:
        if "ids" in arrays:
            raise InputError(f"{arrays.place}: found ids in it and --ids, expected one of them")
        super().__init__(arrays.place, {"ids": np.array(ids)})
        self._others = arrays

    def names(self) -> list[str]:
        """See `Arrays.names`."""
        return sorted({"ids", *self._others.names()})

    def _load(self, key: str, kinds: str, expected: str, dimensions: tuple[int, ...]) -> np.ndarray:
        if key == "ids":
            return super()._load(key, kinds, expected, dimensions)
        return self._others.read(key, kinds, expected, dimensions)


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    else:
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    return shape, dtype


def _npy(path: Path) -> Arrays:
    """The maps of an `.npy` file, memory-mapped: its size is checked before its values are read."""
    try:
        maps = np.load(path, mmap_mode="r", allow_pickle=False)
    except _UNREADABLE as error:
        raise InputError(f"{path}: expected an npy array, found: {_reason(error)}") from error
    if not isinstance(maps, np.ndarray):
        raise InputError(f"{path}: expected an npy array, found an archive; call it .npz")
    return Arrays(str(path), {"maps": maps})


def _folder(path: Path) -> Arrays:
    found = [p for p in path.iterdir() if p.suffix in (".npy", ".png") and p.is_file()]
    files = sorted(found, key=lambda file: file.stem)
    if not files:
        raise InputError(f"{path}: expected <id>.npy or <id>.png files, a map a clip; found none")
    maps: list[np.ndarray] = []
    for file in files:
        if file.suffix == ".png":
            heat = _grey(file)
        else:
            heat = _npy(file).read("maps", REAL, "real numbers (h, w)", (2,))
        if maps and heat.shape != maps[0].shape:
            raise InputError(
                f"{file}: found a map of {heat.shape}, expected {maps[0].shape} as of "
                f"{files[0].name}"
            )
        if max(heat.shape) > LARGEST_SIDE or heat.size * len(files) * 4 > LARGEST_BYTES:
            raise InputError(f"{file}: {len(files)} maps of {heat.shape}, expected fewer bytes")
        maps.append(heat.astype(np.float32))
    stems = [file.stem for file in files]
    for before, stem in pairwise(stems):  # sorted, so that equal ones are neighbours
        if before == stem:
            raise InputError(f"{path}: found two maps of {stem}, expected one a clip")
    return Arrays(str(path), {"maps": np.stack(maps), "ids": np.array(stems)})


def _grey(path: Path) -> np.ndarray:
    try:
        with Image.open(path) as picture:
            if picture.mode not in _GREY:
                raise InputError(
                    f"{path}: found a picture in colours ({picture.mode}), expected a map in grey: "
                    f"the values, not their colours"
                )
            if max(picture.size) > LARGEST_SIDE:
                raise InputError(f"{path}: found {picture.size}, expected {LARGEST_SIDE} at most")
            return np.asarray(picture)
    except (*_UNREADABLE, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: expected a PNG file, found: {_reason(error)}") from error


def _torch_file(path: Path) -> Arrays:
    import torch  # seconds, and this form alone needs it

    if path.stat().st_size > LARGEST_BYTES:
        raise InputError(f"{path}: expected at most {LARGEST_BYTES} bytes")
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (*_UNREADABLE, *_PICKLED) as error:
        first = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise InputError(
            f"{path}: expected tensors as torch.save writes them, found: {first}"
        ) from error
    if isinstance(content, torch.Tensor):
        content = {"maps": content}
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        found = type(content).__name__
        raise InputError(f"{path}: found {found}, expected a dict of ids and maps, or the maps")
    flat = all(isinstance(value, torch.Tensor) and value.ndim == 2 for value in content.values())
    if content and flat and "image" not in content:
        try:
            content = {"ids": list(content), "maps": torch.stack(list(content.values()))}
        except RuntimeError:
            raise InputError(f"{path}: found maps of several sizes, expected one") from None
    return Arrays(str(path), {key: _array(path, key, value) for key, value in content.items()})


def _array(path: Path, key: str, value: Any) -> np.ndarray:
    import torch

    if isinstance(value, torch.Tensor):
        value = value.detach()
        return (value.float() if value.dtype == torch.bfloat16 else value).numpy()
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return np.array(value, dtype=np.str_)
    if isinstance(value, str):
        return np.array(value)
    raise InputError(f"{path}: {key}: found {type(value).__name__}, expected a tensor or texts")


def _lines(path: Path) -> list[str]:
    """The lines of a list of ids; blank ones are none."""
    try:
        with path.open("rb") as file:
            text = file.read(LARGEST_TEXT).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: expected a text file of ids, found: {_reason(error)}") from error
    return [line.strip() for line in io.StringIO(text) if line.strip()]


def _reason(error: Exception) -> str:
    """What an error says, without the number and the path that the message has already."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
