"""A set: what is made of all clips of a decoded corpus in one form, beside its frames:
spectrograms, optical flow. Its shards are resumable pieces, and those that another set already
holds become hard links; a table tells, row by row as the corpus' own, where a clip's entries are.

What a shard holds and what its bytes depend on is each set's own (`spectrograms`, `flow`). The
corpus itself (`corpus`) makes the shards that are missing in the same way.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.base.files import map_npy, read_parquet, write_json, write_parquet
from pipeline.base.pieces import Shards, remove_pieces
from pipeline.decode.naming import shard_of
from pipeline.errors import InputError
from pipeline.execution.pool import T, Worker
from pipeline.execution.progress import console, track
from pipeline.execution.run import Engine, run


def spread(ids: Sequence[str], paths: Sequence[str | None], shards: int) -> list[list[int]]:
    """The rows of each shard, of the clips whose file is there (their path is not None)."""
    members: list[list[int]] = [[] for _ in range(shards)]
    for row, (clip_id, path) in enumerate(zip(ids, paths, strict=True)):
        if path is not None:
            members[shard_of(clip_id, shards)].append(row)
    return members


@dataclass(frozen=True)
class Places:
    """Where the entries of each clip are.

    `file` names the table, in a shard's folder and in the set's. `schema` has `clip_id`, `start`
    (int64, the clip's first entry in its shard, and in the set in all shards; -1 without one) and a
    third column, 0 for a clip without entries. `array` is the npy file that holds a shard's."""

    file: str
    schema: pa.Schema
    array: str


def make_set(
    title: str,
    store: Shards,
    tasks: Sequence[T],
    worker: Worker[T],
    engine: Engine,
    *,
    ids: Sequence[str],
    members: Sequence[Sequence[int]],
    places: Places,
    others: Iterable[tuple[Path, str]],
    beside: Mapping[str, Any] | None = None,
) -> tuple[pa.Table, int]:
    """Make the shards of a set, one task each, and put them together in `store.output`; gives the
    set's table and how many shards were linked.

    `ids` are all clips of the corpus, `members` the rows of each shard. `others` are further sets
    and the names of their work folders beside this one's. `beside` are JSON files of the set.
    Raises `InputError` as the tasks do, and where the disk fails or is full.
    """
    try:
        linked = _take_from_others(title, store, others)
        make_missing(title, store, tasks, worker, engine, linked)
        return _publish(store, ids, members, places, beside or {}), linked
    except OSError as error:
        raise InputError(f"{error.filename or store.work}: {error.strerror}") from error


def make_missing(
    title: str,
    store: Shards,
    tasks: Sequence[T],
    worker: Worker[T],
    engine: Engine,
    linked: int = 0,
) -> None:
    """Run the task of every shard that is not whole, with a line that tells how many are, but for
    the `linked` ones, which were told."""
    unfinished = [task for number, task in enumerate(tasks) if not store.is_whole(number)]
    if done := len(tasks) - linked - len(unfinished):
        console.print(f"{title}: {done} of {len(tasks)} shards are done")
    left = sum(len(task.items) for task in unfinished)
    for _ in track(run(unfinished, worker, engine), title, left):
        pass


def _take_from_others(title: str, store: Shards, others: Iterable[tuple[Path, str]]) -> int:
    """Link the shards that other sets already hold; gives their number."""
    linked = 0
    for other, work in others:
        if other != store.output:
            taken = store.take_from(other, store.work.with_name(work))
            if taken:
                console.print(f"{title}: {taken} shards are those of {other}, linked")
            linked += taken
    return linked


def _publish(
    store: Shards,
    ids: Sequence[str],
    members: Sequence[Sequence[int]],
    places: Places,
    beside: Mapping[str, Any],
) -> pa.Table:
    """Put the shards together in their output; gives the set's table."""
    store.gather()
    folder, schema = store.output, places.schema
    (folder / places.file).unlink(missing_ok=True)  # whole only once this is back
    starts = np.full(len(ids), -1, np.int64)
    values = np.zeros(len(ids), schema.types[2].to_pandas_dtype())
    total = 0
    for number, rows in enumerate(members):
        table = read_parquet(store.place(number) / places.file)
        starts[list(rows)] = table["start"].to_numpy() + total
        values[list(rows)] = table[schema.names[2]].to_numpy()
        total += len(map_npy(store.place(number) / places.array))
    store.publish()
    for name, content in beside.items():
        write_json(folder / name, content)
    columns = [pa.array(ids), pa.array(starts), pa.array(values)]
    table = pa.Table.from_arrays(columns, schema=schema)
    write_parquet(folder / places.file, table)
    remove_pieces(store.work)
    return table
