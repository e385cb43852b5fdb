"""Vectors on the disk in FAISS's own form: `faiss.read_index` of anyone's opens the file.

An index answers with inner products, which of vectors of length 1 are cosines. A file is mapped,
not read: a search of 200,000 x 512 numbers walks through 410 MB once, and the next one finds them
in the system's memory.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from pipeline.base.files import atomic_file
from pipeline.errors import InputError


def flat_index(vectors: np.ndarray, ids: np.ndarray | None = None) -> faiss.Index:
    """An exact inner-product index of `vectors`, (n, d) float32; a vector is called by its place,
    or by its entry of `ids`, (n,) int64."""
    flat = faiss.IndexFlatIP(vectors.shape[1])
    if ids is None:
        flat.add(vectors)
        return flat
    named = faiss.IndexIDMap(flat)
    named.add_with_ids(vectors, ids)
    return named


def write_index(path: Path, index: faiss.Index) -> None:
    """Write an index as one file, atomically; an exact one's equal vectors give equal bytes."""
    with atomic_file(path) as file:
        # FAISS's own writer would say neither disk nor file where a disk is full.
        writer: Any = faiss
        faiss.write_index(index, writer.PyCallbackIOWriter(file.write))


def open_index(path: Path) -> faiss.Index:
    """An index of `write_index`, mapped. Raises `InputError` where it is missing or none."""
    if not path.is_file():
        raise InputError(f"{path}: not found, expected a FAISS index")
    try:
        return faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
    except RuntimeError as error:
        found = str(error).rpartition("Error: ")[2].rpartition(": ")[2]
        raise InputError(f"{path}: cannot be read, expected a FAISS index: {found}") from error


def nearest(
    index: faiss.Index, vector: np.ndarray, count: int, among: Sequence[int] | None = None
) -> list[tuple[int, float]]:
    """The ids and inner products of the at most `count` vectors that fit `vector`, (d,) float32,
    best, the best first; of those whose ids are `among` the given ones alone.

    Raises `InputError` where the index holds vectors of another length."""
    if index.d != len(vector):
        raise InputError(f"the index holds vectors of {index.d} numbers, expected {len(vector)}")
    chosen = None
    if among is not None:
        parameters: Any = faiss.SearchParameters  # its type knows no field
        chosen = parameters(sel=faiss.IDSelectorBatch(np.asarray(among, np.int64)))
    count = min(count, index.ntotal)
    products, ids = index.search(
        np.ascontiguousarray(vector[None], np.float32), count, params=chosen
    )
    pairs = zip(ids[0].tolist(), products[0].tolist(), strict=True)
    return [(each, product) for each, product in pairs if each >= 0]
