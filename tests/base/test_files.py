"""The on-disk form: round trips, one view a read, nothing half-written."""

import ctypes
import itertools
import mmap
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.base.arrays import ShardedArray, read_ahead
from pipeline.base.files import (
    atomic_file,
    map_npy,
    read_json,
    read_parquet,
    read_tsv,
    write_npy,
    write_tsv,
)
from pipeline.errors import InputError


def test_sharded_array_reads_what_was_written(tmp_path: Path) -> None:
    whole = np.random.default_rng(0).normal(size=(11, 3)).astype(np.float16)
    bounds = [0, 4, 4, 9, 11]
    paths = [tmp_path / f"{i}.npy" for i in range(4)]
    for path, start, stop in zip(paths, bounds[:-1], bounds[1:], strict=True):
        write_npy(path, whole[start:stop])
    array = ShardedArray(paths)
    assert len(array) == 11
    for start in range(11):
        for stop in range(start + 1, 12):
            within = any(a <= start and stop <= b for a, b in itertools.pairwise(bounds))
            if within:
                np.testing.assert_array_equal(array.read(start, stop), whole[start:stop])
            else:
                with pytest.raises(IndexError):
                    array.read(start, stop)
    for start, stop in ((-1, 1), (3, 3), (10, 12)):
        with pytest.raises(IndexError):
            array.read(start, stop)
    with pytest.raises(ValueError, match="read-only"):
        array.read(0, 1)[0] = 1


def test_shards_of_different_shapes_are_refused(tmp_path: Path) -> None:
    write_npy(tmp_path / "a.npy", np.zeros((2, 3)))
    write_npy(tmp_path / "b.npy", np.zeros((2, 4)))
    with pytest.raises(InputError, match=r"b\.npy: holds float64 \(4,\) an entry"):
        ShardedArray([tmp_path / "a.npy", tmp_path / "b.npy"])


def test_a_failed_write_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file"
    with atomic_file(path) as file:
        file.write(b"whole")
    with pytest.raises(KeyboardInterrupt), atomic_file(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"whole"
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_damaged_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x01")
    with pytest.raises(InputError, match=r"a\.npy: expected an npy array"):
        ShardedArray([tmp_path / "a.npy"])
    np.save(tmp_path / "b.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=r"b\.npy: expected an npy array"):
        ShardedArray([tmp_path / "b.npy"])
    (tmp_path / "c.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"c\.parquet: expected a Parquet table"):
        read_parquet(tmp_path / "c.parquet")


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        (read_json, "JSON"),
        (read_parquet, "a Parquet table"),
        (map_npy, "an npy array"),
        (read_tsv, "a table of numbers"),
    ],
)
def test_missing_files_are_not_found(
    read: Callable[[Path], object], expected: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path / "file")
    assert str(caught.value) == f"{tmp_path / 'file'}: not found, expected {expected}"


def test_a_table_with_tabs_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "curve.tsv"
    write_tsv(path, pa.table({"x": [1.0, 0.125], "y": [2.0, float("inf")]}))
    assert read_tsv(path) == {"x": [1.0, 0.125], "y": [2.0, float("inf")]}
    path.write_text("x\ty\n1\n")
    with pytest.raises(InputError, match="expected a table of numbers"):
        read_tsv(path)


def in_memory(array: np.ndarray) -> list[bool]:
    """Which pages of a mapped array could be read without the disk, without asking for them."""
    first = array.ctypes.data // mmap.PAGESIZE * mmap.PAGESIZE
    length = array.ctypes.data + array.nbytes - first
    told = (ctypes.c_ubyte * -(-length // mmap.PAGESIZE))()
    asked = ctypes.CDLL(None, use_errno=True).mincore
    assert asked(ctypes.c_void_p(first), ctypes.c_size_t(length), told) == 0, ctypes.get_errno()
    return [bool(page & 1) for page in told]


def test_read_ahead_fetches_what_the_views_show_and_not_the_rest(tmp_path: Path) -> None:
    write_npy(tmp_path / "frames.npy", np.zeros((64, 2**20), np.uint8))
    os.sync()
    with (tmp_path / "frames.npy").open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    frames = map_npy(tmp_path / "frames.npy")
    if any(in_memory(frames[2:])):
        pytest.skip("this file system keeps its files in memory")
    read_ahead([frames[40:41][0], np.zeros(3), frames[:0]])
    patience = time.monotonic() + 20
    while not all(in_memory(frames[40])) and time.monotonic() < patience:
        time.sleep(0.01)
    assert all(in_memory(frames[40]))
    assert not any(in_memory(frames[3])) and not any(in_memory(frames[45]))
