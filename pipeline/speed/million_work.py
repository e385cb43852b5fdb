"""What stages do with the names, rows and features of N clips, without their media.

Each function makes its inputs below `folder`, of which the call that it gives back is measured.
Files that a stage only maps are sparse, so a million clips need no terabytes.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import faiss
import numpy as np
import pyarrow as pa
import torch

from pipeline.base.files import map_npy, read_json, write_json, write_npy, write_parquet
from pipeline.base.pieces import Blocks, finish_piece
from pipeline.benchmarks.metrics.bootstrap import with_intervals
from pipeline.benchmarks.metrics.retrieval import class_ranks, partner_ranks
from pipeline.clips.decoded import DecodedCorpus
from pipeline.clips.sound_form import SoundForm
from pipeline.corpora.lists import read_listed
from pipeline.corpora.vggsound import find
from pipeline.decode.clip import CLIPS, REJECTS
from pipeline.decode.corpus import decode_corpus
from pipeline.decode.naming import relative
from pipeline.decode.shard import ShardTask
from pipeline.execution.pool import Report
from pipeline.execution.run import Engine
from pipeline.methods.contract import Input
from pipeline.neighbours.exact import row_blocks
from pipeline.neighbours.search import Index, querier
from pipeline.neighbours.training_list import choose_clips
from pipeline.speed import made
from pipeline.train.batches import Neighbours, TrainingSet

WIDTH, K, QUERIES, SHARDS = 512, 1000, 1024, 16
FORM, SECONDS = SoundForm(bands=32), 0.66
_FOLDER = 1000  # files
Call = Callable[[], object]  # what it gives back is sent to another process: little


def clip_name(number: int) -> str:
    """A clip of VGGSound's spelling."""
    return f"{number:011d}_{number % 600:06d}"


def media_folder(clips: int, folder: Path) -> Path:
    """A folder of so many empty videos, 1,000 in a folder of its own; made once."""
    root = folder / f"media-{clips}"
    if not root.is_dir():
        for number in range(clips):
            if number % _FOLDER == 0:
                inner = root / f"{number // _FOLDER:05d}"
                inner.mkdir(parents=True)
            (inner / f"{clip_name(number)}.mp4").touch()
    return root


def list_clips(clips: int, folder: Path) -> Call:
    """The walk over a corpus' folder, as `avloc corpus ready` and decode begin with it."""
    root = media_folder(clips, folder)
    return lambda: len(find(root))


def read_list(clips: int, folder: Path) -> Call:
    """An official list, or the training clips of a run, as report and evaluations read them."""
    path = folder / f"list-{clips}.txt"
    path.write_text("".join(f"{clip_name(number)}\n" for number in range(clips)))
    return lambda: len(read_listed(path))


def decode_without_media(clips: int, folder: Path) -> Call:
    """All that decode does around its workers: what is to be made, and the joined table."""
    root = media_folder(clips, folder)
    sources = find(root)

    def call() -> None:
        decode_corpus(
            sources,
            root,
            folder / "decoded",
            work=folder / "work",
            side=2,
            max_seconds=10.0,
            shards=SHARDS,
            seconds_limit=60.0,
            max_reject_share=0.0,
            engine=Engine(workers=1),
            worker=_made_shard,
        )

    return call


def _made_shard(task: ShardTask, report: Report) -> None:
    """A shard as `decode_shard` writes it, without a look at any file."""
    rows = clip_rows([source.clip_id for source in task.sources], task)
    write_npy(task.folder / "frames.npy", np.zeros((len(task.sources), 2, 2, 3), np.uint8))
    write_parquet(task.folder / "rejects.parquet", pa.Table.from_pylist([], REJECTS))
    write_parquet(task.folder / "clips.parquet", rows)
    report(len(task.sources))
    finish_piece(task.folder)


def clip_rows(ids: list[str], task: ShardTask | None = None) -> pa.Table:
    """A clip table of so many rows, as decode writes it."""
    count = len(ids)
    paths = [f"{clip}.mp4" for clip in ids]
    if task is not None:
        paths = [relative(s.picture, task.root) for s in task.sources if s.picture is not None]
    number = np.arange(count)
    values = {
        "clip_id": ids,
        "frame_row": number,
        "picture_path": paths,
        "sound_path": paths,
        "content": [f"{row:032x}" for row in range(count)],
        "mask": [None] * count,
        **dict.fromkeys(("silent", "cancelled", "still"), number < 0),
    }
    columns = [
        pa.array(values.get(name, np.ones(count)), from_pandas=True).cast(kind)
        for name, kind in zip(CLIPS.names, CLIPS.types, strict=True)
    ]
    return pa.Table.from_arrays(columns, schema=CLIPS)


def corpus_folder(clips: int, folder: Path) -> Path:
    """A decoded corpus of sparse frames of 2 x 2 pixels and sounds of 0.66 s; made once."""
    root = folder / f"corpus-{clips}"
    if root.is_dir():
        return root
    ids, steps = [clip_name(number) for number in range(clips)], FORM.steps(SECONDS)
    (root / "shards").mkdir(parents=True)
    (root / "spectrograms/shards").mkdir(parents=True)
    _sparse(root / "shards/frames_00000.npy", np.uint8, (clips, 2, 2, 3))
    sounds = root / "spectrograms/shards/spectrograms_00000.npy"
    _sparse(sounds, np.float16, (clips * steps, FORM.bins))
    write_parquet(root / "clips.parquet", clip_rows(ids))
    table = {
        "clip_id": ids,
        "start": pa.array(np.arange(clips) * steps),
        "steps": pa.array(np.full(clips, steps, np.int32)),
    }
    write_parquet(root / "spectrograms/sounds.parquet", pa.table(table))
    write_json(root / "spectrograms/form.json", vars(FORM))
    return root


def _sparse(path: Path, dtype: type, shape: tuple[int, ...]) -> None:
    np.lib.format.open_memmap(path, "w+", dtype, shape).flush()


def open_corpus(clips: int, folder: Path) -> Call:
    """A decoded corpus opened, as each later stage and each process of theirs has it."""
    root = corpus_folder(clips, folder)
    return lambda: len(DecodedCorpus(root, root / "spectrograms"))


def training_list(clips: int, folder: Path) -> Call:
    """The clips that are trained on, chosen by every switch, written and read again."""
    ids = [clip_name(number) for number in range(clips)]
    table, tested = clip_rows(ids), set(ids[:5000:2])

    def call() -> None:
        chosen, left_out = choose_clips(
            ids, table, tested, silent=True, still=True, duplicates=True, shortest_seconds=0.5
        )
        write_json(folder / "list.json", {**left_out, "clips": chosen})
        read_json(folder / "list.json")

    return call


def join_features(clips: int, folder: Path) -> Call:
    """The blocks of an encoder's features joined to one file, as embed ends."""
    starts = range(0, clips, 1024)
    blocks = Blocks(folder / "blocks", f"features-{clips}")
    for start in starts:
        size = min(1024, clips - start)
        blocks.make("features", start, partial(np.ones, (size, WIDTH), np.float32))

    def call() -> None:
        blocks.join("features", starts, folder / "joined.npy")
        blocks.discard()

    return call


def find_neighbours(clips: int, folder: Path, index: Index) -> Call:
    """An index built, and 1,024 queries of it: a search of all takes clips / 1,024 times as long
    but for the building."""
    faiss.omp_set_num_threads(torch.get_num_threads())
    unit = made.features(clips, WIDTH)

    def call() -> None:
        query = querier(unit, K, index, None, False)
        for rows in row_blocks(clips):
            if rows.start < QUERIES:
                query(range(rows.start, min(rows.stop, QUERIES)))

    return call


def training_set(clips: int, folder: Path) -> Call:
    """A training set over k = 1,000 neighbours in each space, its checks, the draws of an epoch and
    a batch."""
    root = corpus_folder(clips, folder)
    path = folder / f"ids-{clips}.npy"
    if not path.is_file():
        near = np.lib.format.open_memmap(path, "w+", np.int32, (clips, K))
        for start in range(0, clips, 4096):
            own = np.arange(start, min(start + 4096, clips), dtype=np.int32)
            near[own] = (own[:, None] + np.arange(1, K + 1, dtype=np.int32)) % clips
        near.flush()
    corpus, ids = DecodedCorpus(root, root / "spectrograms"), map_npy(path)
    inputs = {
        "frame": Input("frame"),
        "sound": Input("sound"),
        "frame_kin": Input("frame", "image_neighbour", k=K),
        "sound_kin": Input("sound", "sound_neighbour", k=K),
    }

    def call() -> None:
        TrainingSet(
            corpus,
            np.arange(clips),
            Neighbours(ids, ids),
            inputs,
            seconds=SECONDS,
            batch=128,
            epochs=1,
            seed=0,
        )[0]

    return call


def intervals_of(samples: int, folder: Path) -> Call:
    """The bootstrap intervals of six metrics over so many scored samples."""
    draws = np.random.default_rng(0)
    hits = {f"metric {number}": draws.random(samples) < 0.5 for number in range(6)}
    return lambda: with_intervals({}, hits)


def retrieval_of(pairs: int, folder: Path) -> Call:
    """Ranks both of partners and of classes among so many pairs, in one direction."""
    classes = [str(number % 220) for number in range(pairs)]

    def call() -> None:
        similarities = np.random.default_rng(0).random((pairs, pairs), np.float32)
        partner_ranks(similarities, "a2i")
        class_ranks(similarities, classes, "a2i")

    return call
