"""The on-disk form of everything avloc writes: whole or not there at all, read by memory map.

A file is written beside its final name, flushed to the disk and renamed, so a killed stage never
leaves a half-written file under a name that a reader would take for whole. Arrays are plain `.npy`
shards, which any tool opens and which cost a worker one page fault instead of a parse.
"""

import csv
import errno
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import InputError


@contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a binary file that appears at `path` only once it is complete and on the disk.

    The folder is made if need be. On any exception the partial file is removed and `path` is left
    as it was; an OSError of a write that names no file (a full disk's does not) names `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException as error:
        partial.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno and error.filename is None:
            error.filename = str(path)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Wait until the names in `folder` are on the disk: a rename must survive a power cut too."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def move_file(source: Path, target: Path) -> None:
    """Move a file over `target`, at once; to another file system as a copy, whole or not at all.

    Neither file is opened for writing: both may be read-only hard links of somebody's cache.
    """
    try:
        source.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with source.open("rb") as read, atomic_file(target) as write:
            shutil.copyfileobj(read, write)
        source.unlink()


def link_file(source: Path, target: Path) -> None:
    """Make `target`, which is not there, the same file as `source`; a copy where the file system
    cannot."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP):
            raise
        with source.open("rb") as read, atomic_file(target) as write:
            shutil.copyfileobj(read, write)


def remove_partials(*folders: Path) -> None:
    """Remove, anywhere below `folders`, what processes that were killed had begun to write.

    For whoever alone writes there: a file that another process is still writing would go too.
    """
    for folder in folders:
        for partial in folder.rglob(".*.partial"):
            partial.unlink(missing_ok=True)


def write_npy(path: Path, array: np.ndarray) -> None:
    """Write `array` as one `.npy` file, atomically."""
    array = np.ascontiguousarray(array)
    with atomic_file(path) as file:
        header = np.lib.format.header_data_from_array_1_0(array)
        np.lib.format.write_array_header_1_0(file, header)
        # Not NumPy's own writer, whose error for a full disk says neither disk nor file.
        file.write(array.data)


def write_parquet(path: Path, table: pa.Table) -> None:
    """Write `table` as one Parquet file, atomically; equal tables give equal bytes."""
    with atomic_file(path) as file:
        pq.write_table(table, file, compression="zstd")


def write_json(path: Path, content: Mapping[str, Any] | Sequence[Any]) -> None:
    """Write `content` as indented JSON, atomically. NaN and infinity are refused (ValueError)."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    with atomic_file(path) as file:
        file.write(text.encode() + b"\n")


def write_tsv(path: Path, table: pa.Table) -> None:
    """Write `table` as text with tabs and a head, the form of DVC's plots, atomically."""
    lines = ["\t".join(table.column_names)]
    lines += ["\t".join(f"{value:.8g}" for value in row.values()) for row in table.to_pylist()]
    with atomic_file(path) as file:
        file.write(("\n".join(lines) + "\n").encode())


def read_tsv(path: Path) -> dict[str, list[float]]:
    """The columns of a table of numbers with tabs and a head, the form of DVC's plots.

    Raises `InputError` where it is missing or damaged.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            head, *rows = csv.reader(file, delimiter="\t")
        columns = zip(*rows, strict=True) if rows else [[]] * len(head)
        return {
            name: [float(value) for value in values]
            for name, values in zip(head, columns, strict=True)
        }
    except (OSError, ValueError) as error:
        raise _unreadable(path, "a table of numbers", error) from error


def read_json(path: Path) -> Any:
    """Read a JSON file that avloc wrote; `InputError` names one that is missing or damaged."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise _unreadable(path, "JSON", error) from error


def read_parquet(path: Path) -> pa.Table:
    """Read a Parquet file whole; `InputError` names a file that is missing or damaged."""
    try:
        return pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, "a Parquet table", error) from error


def map_npy(path: Path) -> np.ndarray:
    """Memory-map one `.npy` file, read-only; `InputError` names one that is missing or damaged."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, TokenError) as error:  # numpy tokenizes an old header
        raise _unreadable(path, "an npy array", error) from error


def _unreadable(path: Path, expected: str, error: Exception) -> InputError:
    if isinstance(error, FileNotFoundError):
        return InputError(f"{path}: not found, expected {expected}")
    return InputError(f"{path}: expected {expected}, found: {error}")
