"""A decoded corpus to spectrograms of one form: another form never decodes a picture again.

The set lies in a folder of its own, beside those of other forms. `form.json` holds the fields of
its `SoundForm`, `sounds.parquet` (clip_id, start, steps) where each clip's time steps are, -1 and 0
for a clip without sound, row by row as in the corpus' own table; `shards/spectrograms_*.npy` hold
the time steps, float16, time first."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import torch

from pipeline.base.code import fingerprint, hash_of_code
from pipeline.base.files import map_npy, read_parquet, write_json, write_parquet
from pipeline.base.pieces import Shards, remove_pieces
from pipeline.clips.sound_form import SoundForm
from pipeline.decode.naming import file_state, restored, shard_of
from pipeline.decode.sounds import SOUNDS, SoundsTask, make_sounds
from pipeline.decode.taken import USUAL, Taken
from pipeline.errors import InputError
from pipeline.execution.pool import Worker
from pipeline.execution.progress import console, track
from pipeline.execution.run import Engine, run


def make_spectrograms(
    corpus: Path,
    root: Path,
    folder: Path,
    *,
    work: Path,
    form: SoundForm,
    seconds: float,
    max_seconds: float,
    shards: int,
    seconds_limit: float,
    engine: Engine,
    taken: Taken = USUAL,
    worker: Worker[SoundsTask] = make_sounds,
) -> dict[str, int | float]:
    """Make the spectrograms of all sounds of the decoded `corpus`, whose media lie below `root`.

    Sounds shorter than `seconds` are repeated up to it, of sounds longer than `max_seconds` the
    part is kept that `taken` says; a sound may take `seconds_limit` s. Shards that a folder
    beside `folder` already holds become hard links. `work` keeps finished shards until all are; it
    is empty in the end. No output depends on `engine`. `worker` is for a caller who wants something
    around `make_sounds`. Gives the numbers of clips and sounds, their time steps and how many
    shards were linked.
    Raises `InputError` where the corpus holds no sound, `seconds` are too few for the form, a sound
    cannot be decoded any more, and where the disk fails or is full.
    """
    clips = read_parquet(corpus / "clips.parquet").select(["clip_id", "sound_path"])
    ids, paths = (column.to_pylist() for column in clips.columns)
    if not any(paths):
        raise InputError(
            f"{corpus}: holds no clip with a sound, expected one to make a spectrogram"
        )
    if form.steps(seconds) < 1 or round(seconds * form.sample_rate) <= form.window // 2:
        raise InputError(
            f"seconds: found {seconds:g}, expected at least one window of the form, "
            f"{form.window / form.sample_rate:g} s"
        )
    members: list[list[int]] = [[] for _ in range(shards)]
    for row, (clip_id, path) in enumerate(zip(ids, paths, strict=True)):
        if path is not None:
            members[shard_of(clip_id, shards)].append(row)
    tasks = []
    for number, rows in enumerate(members):
        sounds = tuple((ids[row], paths[row]) for row in rows)
        task = SoundsTask(work, root, sounds, form, seconds, max_seconds, seconds_limit, taken)
        tasks.append(replace(task, folder=work / _name(task, number)))
    store = Shards(folder, work, [task.folder.name for task in tasks])
    try:
        linked = _take_from_others(store)
        unfinished = [task for number, task in enumerate(tasks) if not store.is_whole(number)]
        if len(unfinished) < shards - linked:
            done = shards - linked - len(unfinished)
            console.print(f"spectrograms: {done} of {shards} shards are done")
        left = sum(len(task.clips) for task in unfinished)
        for _ in track(run(unfinished, worker, engine), "spectrograms", left):
            pass
        steps = _publish(store, form, ids, members)
    except OSError as error:
        raise InputError(f"{error.filename or work}: {error.strerror}") from error
    found = {"clips": len(ids), "sounds": sum(map(len, members)), "steps": steps}
    return {**found, "linked_shards": linked}


def _name(task: SoundsTask, number: int) -> str:
    """The fingerprint of a shard: all that makes its bytes."""
    everything = {
        "form": asdict(task.form),
        "lengths": [task.seconds, task.max_seconds],
        "taken": asdict(task.taken),
        "code": hash_of_code("pipeline.decode.sounds"),
        "versions": [av.__version__, torch.__version__, np.__version__],
        "number": number,  # two empty shards are two
        "clips": [
            [clip_id, file_state(restored(path, task.root), task.root)]
            for clip_id, path in task.clips
        ],
    }
    return fingerprint([json.dumps(everything)])


def _take_from_others(store: Shards) -> int:
    """Link the shards that sets beside this one already hold; gives their number."""
    linked = 0
    beside = store.output.parent
    for other in sorted(beside.iterdir()) if beside.is_dir() else []:
        if other != store.output:
            taken = store.take_from(other, store.work.with_name(other.name))
            if taken:
                console.print(f"spectrograms: {taken} shards are those of {other}, linked")
            linked += taken
    return linked


def _publish(
    store: Shards, form: SoundForm, ids: Sequence[str], members: Sequence[Sequence[int]]
) -> int:
    """Put the shards together in their output; gives the number of time steps."""
    store.gather()
    folder = store.output
    (folder / "sounds.parquet").unlink(missing_ok=True)  # whole only once this is back
    starts, lengths = np.full(len(ids), -1, np.int64), np.zeros(len(ids), np.int32)
    total = 0
    for number, rows in enumerate(members):
        table = read_parquet(store.place(number) / "sounds.parquet")
        starts[list(rows)] = table["start"].to_numpy() + total
        lengths[list(rows)] = table["steps"].to_numpy()
        total += len(map_npy(store.place(number) / "spectrograms.npy"))
    store.publish()
    write_json(folder / "form.json", asdict(form))
    table = pa.Table.from_arrays(
        [pa.array(ids), pa.array(starts), pa.array(lengths)], schema=SOUNDS
    )
    write_parquet(folder / "sounds.parquet", table)
    remove_pieces(store.work)
    return total
