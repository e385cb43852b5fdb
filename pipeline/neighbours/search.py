"""Each clip's nearest neighbours by cosine similarity, the clip itself left out (3.3).

Exact search is in `pipeline.neighbours.exact`. FAISS has the approximate indices, which pay from
several hundred thousand clips on (at 100,000 and k = 1,000, probing 64 lists halves the time and
finds 56 to 83 % of the neighbours); what they find is compared and ordered as exact search does it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import faiss
import numpy as np
import pyarrow as pa
import torch

from pipeline.base.code import fingerprint, hash_of_code
from pipeline.base.files import map_npy, write_npy, write_parquet
from pipeline.base.pieces import Blocks
from pipeline.clips.decoded import DecodedCorpus
from pipeline.errors import InputError
from pipeline.execution.pool import Report, Whole
from pipeline.execution.progress import console, track
from pipeline.execution.run import HERE, Engine, run
from pipeline.neighbours.exact import (
    STEP,
    ExactSearch,
    entries_of,
    row_blocks,
    sort_keys,
    unit_rows,
)
from pipeline.neighbours.index_file import flat_index, write_index

Index = Literal["exact", "ivf", "hnsw"]
Query = Callable[[range], np.ndarray]


def search(
    features: np.ndarray,
    k: int,
    *,
    index: Index = "exact",
    effort: int | None = None,
    gpu: bool | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The `k` nearest other rows of every row of `features`, (n, d) float32 of any length.

    Returns ids, (n, k) int32, and cosine similarities, (n, k) float16, the most similar first and
    equally similar ones by id; so a smaller k is a prefix of a larger one. Above inputs and outputs
    the memory is the normalised copy of the inputs and 256 MiB; an index holds another copy.

    `index` "ivf" and "hnsw" are approximate; `effort` is the number of lists probed (by default the
    square root of how many there are) or HNSW's candidates (by default 2k). `gpu` defaults to
    whether there is one.
    Raises `InputError` where k is not 1 to n - 1, or where a row holds NaN or has no length.
    """
    unit = unit_rows(features)
    query = querier(unit, k, index, effort, gpu)
    ids = np.empty((len(unit), k), np.int32)
    similarities = np.empty((len(unit), k), np.float16)
    for rows in row_blocks(len(unit)):
        found = query(rows)
        ids[rows.start : rows.stop] = found["id"]
        similarities[rows.start : rows.stop] = found["similarity"]
    return ids, similarities


def recall(features: np.ndarray, ids: np.ndarray, *, sample: int = 256) -> float:
    """The share of the true neighbours among `ids`, (n, k), measured on at most `sample` rows
    spread evenly over all. A row that is exactly as similar as the last true one counts as true."""
    unit = unit_rows(features)
    n, k = ids.shape
    rows = np.unique(np.linspace(0, n - 1, min(sample, n)).astype(np.int64))
    hits = 0
    for row in rows:
        similarities = unit @ unit[row]
        found = similarities[ids[row]]
        similarities[row] = -2
        hits += int((found >= np.partition(similarities, n - k)[n - k] - STEP).sum())
    return hits / (len(rows) * k)


def search_list(
    corpus: DecodedCorpus,
    embeddings: Path,
    clip_ids: Sequence[str],
    k: int,
    folder: Path,
    *,
    work: Path,
    index: Index = "exact",
    effort: int | None = None,
    gpu: bool | None = None,
    store_index: bool = True,
    engine: Engine = HERE,
) -> dict[str, float]:
    """Search among the clips of one list, in image space and in sound space.

    Writes into `folder`: `clips.parquet` (`clip_id`; `row`, int64, in the corpus), the clips in the
    corpus' order; `<modality>_ids.npy` (int32, into that table) and `<modality>_similarities.npy`
    (float16), both (clips, k), for image and audio; with `store_index` also `<modality>.faiss`, the
    features' FAISS index, in the table's order. Listed clips that the corpus does not hold, or
    holds without a picture or without a sound, are left out and counted. Of a list of no more than
    k clips all the others are neighbours, which is told, and counted as `neighbours`. Finished
    blocks wait in `work`; `engine` says where they are made: one after the other in this process,
    or on a Ray cluster, where machines of one kind give the same bytes. Returns the counts, the
    mean similarity and, for an approximate index, the recall of each modality. Raises `InputError`
    as `search` does, and where the embeddings are of another corpus.
    """
    listed = list(dict.fromkeys(clip_ids))
    present = np.sort(corpus.rows([clip for clip in listed if clip in corpus]))
    rows = np.array([r for r in present if corpus.has_frame(r) and corpus.has_sound(r)], np.int64)
    summary: dict[str, float] = {
        "listed": len(listed),
        "clips": len(rows),
        "not_in_corpus": len(listed) - len(present),
        "without_picture_or_sound": len(present) - len(rows),
    }
    if len(rows) < 2:
        raise InputError(
            f"{corpus.folder}: {len(rows)} of {len(listed)} listed clips are there with a picture "
            "and a sound, expected at least 2: a clip is no neighbour of its own"
        )
    if k >= len(rows):
        told = f"each has the other {len(rows) - 1} for neighbours, in place of k = {k}"
        console.print(
            f"{corpus.folder}: {len(rows)} clips to search: {told}", markup=False, soft_wrap=True
        )
        k = len(rows) - 1
        summary["neighbours"] = k
    code = hash_of_code("pipeline.neighbours.search")
    gpu = _gpu(gpu)
    found: list[Blocks] = []
    for modality in ("image", "audio"):
        path = embeddings / f"{modality}.npy"
        features = map_npy(path)
        if features.ndim != 2 or len(features) != len(corpus):
            raise InputError(
                f"{path}: found shape {features.shape}, expected a row for each of the "
                f"{len(corpus)} clips of {corpus.folder}"
            )
        try:
            unit = unit_rows(features[rows])
            built = _built(unit, k, index, effort)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        versions = (faiss.__version__, torch.__version__, np.__version__)
        values = (k, index, effort, gpu, torch.get_num_threads(), versions)
        blocks = Blocks(work, fingerprint([unit, repr(values), code]))
        parts = row_blocks(len(unit))
        asked = _Asked(blocks, k, gpu, torch.get_num_threads())
        if engine.name == "ray":
            asked.write(unit, built)
        else:
            _queries.clear()
            _queries[blocks.folder] = _querier(unit, k, built, gpu)
        tasks = [_BlockTask(part, str(path)) for part in parts]
        made = run(tasks, asked.make, engine, processes=False)
        for _ in track(made, f"{modality} neighbours, blocks", len(parts)):
            pass
        _queries.clear()
        starts = [part.start for part in parts]
        for entry, name in (("id", "ids"), ("similarity", "similarities")):
            blocks.join("found", starts, folder / f"{modality}_{name}.npy", entry)
        found.append(blocks)
        similarities = map_npy(folder / f"{modality}_similarities.npy")
        summary[f"{modality}_similarity"] = float(similarities.mean(dtype=np.float64))
        if index != "exact":
            summary[f"{modality}_recall"] = recall(unit, map_npy(folder / f"{modality}_ids.npy"))
        if store_index:
            write_index(folder / f"{modality}.faiss", built or flat_index(unit))
    table = {"clip_id": [corpus.clip_ids[row] for row in rows], "row": rows}
    write_parquet(folder / "clips.parquet", pa.table(table))
    for blocks in found:
        blocks.discard()
    return summary


def querier(unit: np.ndarray, k: int, index: Index, effort: int | None, gpu: bool | None) -> Query:
    """What finds the `k` nearest other rows for a range of rows of `unit`, (n, d) float32 of length
    1: a function of the range, giving (rows, k) entries with the fields `id` (int32) and
    `similarity` (float16). The index, where there is one, is built here.

    `index`, `effort` and `gpu` as in `search`, whose inner step this is. Raises `InputError` where
    k is not 1 to n - 1."""
    return _querier(unit, k, _built(unit, k, index, effort), _gpu(gpu))


def _gpu(gpu: bool | None) -> bool:
    return torch.cuda.is_available() if gpu is None else gpu


def _built(unit: np.ndarray, k: int, index: Index, effort: int | None) -> faiss.Index | None:
    """The index that `querier` asks; None where a matrix product does."""
    n = len(unit)
    if not 1 <= k < n:
        raise InputError(f"k is {k}, expected 1 to {n - 1}: the number of other clips searched")
    return None if index == "exact" else _index(unit, k, index, effort)


def _querier(unit: np.ndarray, k: int, built: faiss.Index | None, gpu: bool) -> Query:
    exact = ExactSearch(unit, k, torch.device("cuda") if gpu and built is None else None)
    return exact if built is None else partial(_indexed, unit, k, built, exact)


# --- blocks, wherever they are made --------------------------------------------------------------

# What the blocks of this process are asked of, by their folder: the one that is being searched.
_queries: dict[Path, Query] = {}


@dataclass(frozen=True)
class _BlockTask(Whole):
    """The neighbours of `rows` of the features at `path`, as they are told of."""

    rows: range
    path: str

    @property
    def title(self) -> str:
        return f"neighbours in {self.path}"

    @property
    def items(self) -> list[str]:
        return [f"the block of clips {self.rows.start} to {self.rows.stop - 1}"]


@dataclass(frozen=True)
class _Asked:
    """A search whose blocks are made in this process or on other machines. What they search is
    written beside the blocks for those: a copy of the features, and an index."""

    blocks: Blocks
    k: int
    gpu: bool
    threads: int

    def write(self, unit: np.ndarray, built: faiss.Index | None) -> None:
        """Write what a machine needs to make a block."""
        write_npy(self._unit, unit)
        if built is not None:
            write_index(self._index, built)

    def make(self, task: _BlockTask, report: Report) -> None:
        """The block of the task's rows, unless it is there."""
        torch.set_num_threads(self.threads)  # sums in another order end in other bits
        faiss.omp_set_num_threads(self.threads)
        self.blocks.make("found", task.rows.start, lambda: self._query()(task.rows))

    def _query(self) -> Query:
        folder = self.blocks.folder
        if folder not in _queries:
            _queries.clear()
            unit = np.ascontiguousarray(map_npy(self._unit))
            built = faiss.read_index(str(self._index)) if self._index.exists() else None
            _queries[folder] = _querier(unit, self.k, built, self.gpu)
        return _queries[folder]

    @property
    def _unit(self) -> Path:
        return self.blocks.folder / "searched" / "unit.npy"

    @property
    def _index(self) -> Path:
        return self.blocks.folder / "searched" / "index.faiss"


# --- approximate indices -------------------------------------------------------------------------


def _indexed(
    unit: np.ndarray, k: int, index: faiss.Index, exact: ExactSearch, rows: range
) -> np.ndarray:
    """What a FAISS index finds for the given rows; rows it finds too little for, exactly."""
    similarities, ids = index.search(unit[rows.start : rows.stop], k + 1)
    own = ids == np.asarray(rows)[:, None]
    found = (ids >= 0) & ~own
    keys = np.where(found, sort_keys(np.where(found, similarities, 0), ids), np.iinfo(np.int64).min)
    entries = entries_of(np.sort(keys, axis=1)[:, : -k - 1 : -1])
    short = np.flatnonzero(found.sum(axis=1) < k)
    if len(short):
        entries[short] = exact(short + rows.start)
    return entries


def _index(unit: np.ndarray, k: int, index: Index, effort: int | None) -> faiss.Index:
    """A FAISS inner-product index that holds all rows."""
    n, d = unit.shape
    if index == "ivf":
        lists = min(n, int(4 * n**0.5))
        ivf = faiss.IndexIVFFlat(faiss.IndexFlatIP(d), d, lists, faiss.METRIC_INNER_PRODUCT)
        ivf.cp.min_points_per_centroid = 1  # a small corpus is no reason for a warning
        ivf.cp.max_points_per_centroid = (
            64  # a quarter of FAISS's own: training is most of the time
        )
        # A fixed share of the lists would stay quadratic, and a candidate costs FAISS here as much
        # as sixteen cost a matrix product.
        ivf.nprobe = min(effort or max(8, math.isqrt(lists)), lists)
        ivf.train(unit)
        ivf.add(unit)
        return ivf
    hnsw = faiss.IndexHNSWFlat(d, 32, faiss.METRIC_INNER_PRODUCT)
    hnsw.hnsw.efConstruction = 80
    hnsw.hnsw.efSearch = max(effort or 2 * k, k + 1)
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)  # the graph depends on the order in which rows arrive
    try:
        hnsw.add(unit)
    finally:
        faiss.omp_set_num_threads(threads)
    return hnsw
