"""Each clip's nearest neighbours by cosine similarity, the clip itself left out (3.3).

Exact search on a CPU is a blocked matrix product followed by one partition per row, and no FAISS:
`IndexFlatIP.search` spends three quarters of its time on selecting 1,000 of 144,000 through a
reservoir; this finds the same 2.8 times as fast. FAISS does what is not a plain product: exact
search on a GPU, and the approximate indices, which pay from several hundred thousand clips on (at
100,000 and k = 1,000, probing 64 lists halves the time and finds 56 to 83 % of the neighbours).

Similarities are compared in steps of 2^-20, a few times the noise of a float32 product of unit
vectors, and equal ones are ordered by id: copies come out in one order, not in the arithmetic's.
"""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Literal

import faiss
import numpy as np
import pyarrow as pa
import torch

from pipeline.base.code import fingerprint
from pipeline.base.files import map_npy, write_parquet
from pipeline.base.pieces import Blocks
from pipeline.clips.decoded import DecodedCorpus
from pipeline.errors import InputError
from pipeline.execution.progress import console, track
from pipeline.neighbours.index_file import flat_index, write_index

Index = Literal["exact", "ivf", "hnsw"]

_ENTRY = np.dtype([("id", np.int32), ("similarity", np.float16)])
_STEP = 2.0**-20
_LARGEST_ID = 2**32 - 1
_BLOCK_BYTES = 2**28  # of similarities held at a time
_GPU_LARGEST_K = 2048  # FAISS's own limit


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
    unit = _unit(features)
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
    unit = _unit(features)
    n, k = ids.shape
    rows = np.unique(np.linspace(0, n - 1, min(sample, n)).astype(np.int64))
    hits = 0
    for row in rows:
        similarities = unit @ unit[row]
        found = similarities[ids[row]]
        similarities[row] = -2
        hits += int((found >= np.partition(similarities, n - k)[n - k] - _STEP).sum())
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
) -> dict[str, float]:
    """Search among the clips of one list, in image space and in sound space.

    Writes into `folder`: `clips.parquet` (`clip_id`; `row`, int64, in the corpus), the clips in the
    corpus' order; `<modality>_ids.npy` (int32, into that table) and `<modality>_similarities.npy`
    (float16), both (clips, k), for image and audio; with `store_index` also `<modality>.faiss`, the
    features' FAISS index, in the table's order. Listed clips that the corpus does not hold, or
    holds without a picture or without a sound, are left out and counted. Of a list of no more than
    k clips all the others are neighbours, which is told, and counted as `neighbours`. Finished
    blocks wait in `work`. Returns the counts, the mean similarity and, for an approximate index,
    the recall of each modality. Raises `InputError` as `search` does, and where the embeddings are
    of another corpus.
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
    code = Path(__file__).read_bytes()
    gpu = faiss.get_num_gpus() > 0 if gpu is None else gpu
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
            unit = _unit(features[rows])
            built = _built(unit, k, index, effort, gpu)
            query = _querier(unit, k, built)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        versions = (faiss.__version__, torch.__version__, np.__version__)
        values = (k, index, effort, gpu, torch.get_num_threads(), versions)
        blocks = Blocks(work, fingerprint([unit, repr(values), code]))
        parts = row_blocks(len(unit))
        for part in track(parts, f"{modality} neighbours, blocks", len(parts)):
            blocks.make("found", part.start, partial(query, part))
        starts = [part.start for part in parts]
        for entry, name in (("id", "ids"), ("similarity", "similarities")):
            blocks.join("found", starts, folder / f"{modality}_{name}.npy", entry)
        found.append(blocks)
        similarities = map_npy(folder / f"{modality}_similarities.npy")
        summary[f"{modality}_similarity"] = float(similarities.mean(dtype=np.float64))
        if index != "exact":
            summary[f"{modality}_recall"] = recall(unit, map_npy(folder / f"{modality}_ids.npy"))
        if store_index:
            # What a GPU searched exactly is written as what a CPU searches.
            if built is None or index == "exact":
                built = flat_index(unit)
            write_index(folder / f"{modality}.faiss", built)
    table = {"clip_id": [corpus.clip_ids[row] for row in rows], "row": rows}
    write_parquet(folder / "clips.parquet", pa.table(table))
    for blocks in found:
        blocks.discard()
    return summary


def _unit(features: np.ndarray) -> np.ndarray:
    """The rows with length 1, float32."""
    features = np.ascontiguousarray(features, np.float32)
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    bad = int((~(np.isfinite(lengths) & (lengths > 0))).sum())
    if bad:
        raise InputError(
            f"{bad} of {len(features)} rows of features hold NaN, infinity or only zeros, "
            f"expected a feature vector for every clip"
        )
    return features / lengths


def row_blocks(n: int) -> list[range]:
    """The rows 0 to `n` in the blocks that are searched together: as many as have similarities to
    all rows of 256 MiB."""
    size = max(1, _BLOCK_BYTES // (4 * max(n, 1)))
    return [range(start, min(start + size, n)) for start in range(0, n, size)]


def querier(
    unit: np.ndarray, k: int, index: Index, effort: int | None, gpu: bool | None
) -> Callable[[range], np.ndarray]:
    """What finds the `k` nearest other rows for a range of rows of `unit`, (n, d) float32 of length
    1: a function of the range, giving (rows, k) entries with the fields `id` (int32) and
    `similarity` (float16). The index, where there is one, is built here.

    `index`, `effort` and `gpu` as in `search`, whose inner step this is. Raises `InputError` where
    k is not 1 to n - 1."""
    return _querier(unit, k, _built(unit, k, index, effort, gpu))


def _built(
    unit: np.ndarray, k: int, index: Index, effort: int | None, gpu: bool | None
) -> faiss.Index | None:
    """The index that `querier` asks; None where a matrix product does."""
    n = len(unit)
    if not 1 <= k < n:
        raise InputError(f"k is {k}, expected 1 to {n - 1}: the number of other clips searched")
    if gpu is None:
        gpu = faiss.get_num_gpus() > 0
    if index == "exact" and not (gpu and k < _GPU_LARGEST_K):
        return None
    return _index(unit, k, index, effort)


def _querier(unit: np.ndarray, k: int, built: faiss.Index | None) -> Callable[[range], np.ndarray]:
    exact = partial(_exact, unit, k)
    return exact if built is None else partial(_indexed, unit, k, built, exact)


def _exact(unit: np.ndarray, k: int, rows: Sequence[int]) -> np.ndarray:
    """The true neighbours of the given rows, from all similarities at once."""
    everyone = torch.from_numpy(unit)
    similarities = torch.matmul(everyone[np.asarray(rows)], everyone.T).numpy()
    similarities[np.arange(len(rows)), np.asarray(rows)] = -2  # below every cosine: never chosen
    best = np.empty((len(rows), k), np.int64)

    def select(part: np.ndarray) -> None:
        scratch = np.empty(len(unit), np.float32)
        for place in part:
            row = similarities[place]
            scratch[:] = row
            scratch.partition(len(unit) - k)
            # All that may tie with the last one; in a corpus of copies that is every row.
            ids = np.flatnonzero(row >= scratch[len(unit) - k] - _STEP)
            best[place] = np.sort(_keys(row[ids], ids))[: -k - 1 : -1]

    threads = torch.get_num_threads()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(select, np.array_split(np.arange(len(rows)), threads)))
    return _entries(best)


def _indexed(
    unit: np.ndarray, k: int, index: faiss.Index, exact: Callable[..., np.ndarray], rows: range
) -> np.ndarray:
    """What a FAISS index finds for the given rows; rows it finds too little for, exactly."""
    similarities, ids = index.search(unit[rows.start : rows.stop], k + 1)
    own = ids == np.asarray(rows)[:, None]
    found = (ids >= 0) & ~own
    keys = np.where(found, _keys(np.where(found, similarities, 0), ids), np.iinfo(np.int64).min)
    entries = _entries(np.sort(keys, axis=1)[:, : -k - 1 : -1])
    short = np.flatnonzero(found.sum(axis=1) < k)
    if len(short):
        entries[short] = exact(short + rows.start)
    return entries


def _index(unit: np.ndarray, k: int, index: Index, effort: int | None) -> faiss.Index:
    """A FAISS inner-product index that holds all rows."""
    n, d = unit.shape
    if index == "exact":
        flat = faiss.index_cpu_to_all_gpus(faiss.IndexFlatIP(d))
        flat.add(unit)
        return flat
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


def _keys(similarities: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """One int64 for each pair that sorts by similarity, in steps, and then by falling id."""
    steps = np.rint(similarities / np.float32(_STEP)).astype(np.int64)
    return (steps << 32) | (_LARGEST_ID - ids)


def _entries(keys: np.ndarray) -> np.ndarray:
    """Keys back to ids and similarities, in their order."""
    entries = np.empty(keys.shape, _ENTRY)
    entries["id"] = _LARGEST_ID - (keys & _LARGEST_ID)
    entries["similarity"] = (keys >> 32) * _STEP
    return entries
