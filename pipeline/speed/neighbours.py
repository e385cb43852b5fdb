"""Exact neighbour search against FAISS's as it comes, above the floor of the bare matrix product.

Whole blocks of queries are searched in all features and taken in turns; a search of every row takes
n / queries times as long. That both find the same is checked where they differ: with the true
cosines, in double precision, a differing neighbour has to be as similar as the one in its place.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import faiss
import numpy as np
import torch

from pipeline.neighbours import search as neighbours
from pipeline.neighbours.exact import row_blocks
from pipeline.speed import made
from pipeline.speed.harness import MEBIBYTE, Fact, Row, Setup, compare, memory_alone, scaled

CLIPS, WIDTH, K, QUERIES = 144_000, 512, 1000, 4096
_MEMORY_SHARE = 4  # memory is measured on a whole search of this part of the clips
_TIE = 2.0**-19  # two of the search's own steps


def measure(folder: Path, setup: Setup) -> Iterator[Row]:
    """One row: n and k are the paper's times `size`; exact search on the CPU, `threads` of it."""
    size, repeats, threads = setup.size, setup.repeats, setup.threads
    clips, k = scaled(CLIPS, size, least=64), scaled(K, size, least=8)
    features = made.features(clips, WIDTH)
    faiss.omp_set_num_threads(threads)
    flat = faiss.IndexFlatIP(WIDTH)
    flat.add(features)
    rows = np.arange(min(QUERIES, clips))
    queries = features[rows]
    find = neighbours.querier(features, k, "exact", None, False)

    def ours() -> np.ndarray:
        parts = [part for part in row_blocks(clips) if part.start < len(rows)]
        return np.concatenate([find(range(p.start, min(p.stop, len(rows)))) for p in parts])["id"]

    def others() -> np.ndarray:
        return flat.search(queries, k + 1)[1]

    everyone = torch.from_numpy(features)

    def product() -> None:
        for part in torch.from_numpy(queries).split(512):
            torch.matmul(part, everyone.T)

    part = max(64, clips // _MEMORY_SHARE)
    peak = memory_alone(_search, part, min(k, part - 1))
    inputs, outputs = part * WIDTH * 4, part * min(k, part - 1) * 6
    operations = 2 * len(rows) * clips * WIDTH

    row = compare(
        f"{len(rows)} queries of {clips} x {WIDTH}, k = {k}",
        ours,
        others,
        "IndexFlatIP.search",
        repeats=repeats,
        floor=product,
        bar=2.0,
        facts=lambda found, theirs: [
            *_differences(features, rows, found, theirs),
            Fact(f"memory of {part} clips, MiB", round((inputs + peak) / MEBIBYTE)),
            Fact("x inputs + outputs", round((inputs + peak) / (inputs + outputs), 2)),
        ],
    )
    assert row.floor is not None
    for name, seconds in (("ours", row.ours), ("FAISS", row.theirs), ("product", row.floor)):
        rate = Fact(f"GFLOP/s, {name}", round(operations / seconds / 1e9, 1))
        row = replace(row, facts=(*row.facts, rate))
    yield row


def _differences(
    features: np.ndarray, rows: np.ndarray, found: np.ndarray, theirs: np.ndarray
) -> Iterator[Fact]:
    """How many ids differ, and by how much their cosines do."""
    k = found.shape[1]
    others = np.array([ids[ids != row][:k] for row, ids in zip(rows, theirs, strict=True)])
    differing = [
        (row, sorted(set(a) ^ set(b)), a, b)
        for row, a, b in zip(rows, found, others, strict=True)
        if set(a) != set(b)
    ]
    gap = 0.0
    for row, _, a, b in differing:
        both = [np.sort(features[ids].astype(np.float64) @ features[row]) for ids in (a, b)]
        gap = max(gap, float(np.abs(both[0] - both[1]).max()))
    count = sum(len(ids) // 2 for _, ids, _, _ in differing)
    yield Fact("neighbours that differ", count)
    yield Fact("their cosines differ by", gap, at_most=_TIE)


def _search(clips: int, k: int) -> Callable[[], object]:
    return partial(neighbours.search, made.features(clips, WIDTH), k, gpu=False)
