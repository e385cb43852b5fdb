"""A decoded corpus to spectrograms of one form: another form never decodes a picture again.

The set lies in a folder of its own, beside those of other forms. `form.json` holds the fields of
its `SoundForm`, `sounds.parquet` (clip_id, start, steps) where each clip's time steps are, -1 and 0
for a clip without sound, row by row as in the corpus' own table; `shards/spectrograms_*.npy` hold
the time steps, float16, time first."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import av
import numpy as np
import torch

from pipeline.base.code import fingerprint, hash_of_code
from pipeline.base.files import read_parquet
from pipeline.base.pieces import Shards
from pipeline.clips.sound_form import SoundForm
from pipeline.decode.naming import file_state, restored
from pipeline.decode.sets import Places, make_set, spread
from pipeline.decode.sounds import SOUNDS, SoundsTask, make_sounds
from pipeline.decode.taken import USUAL, Taken
from pipeline.errors import InputError
from pipeline.execution.pool import Worker
from pipeline.execution.run import Engine


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
    members = spread(ids, paths, shards)
    tasks = []
    for number, rows in enumerate(members):
        sounds = tuple((ids[row], paths[row]) for row in rows)
        task = SoundsTask(work, root, sounds, form, seconds, max_seconds, seconds_limit, taken)
        tasks.append(replace(task, folder=work / _name(task, number)))
    store = Shards(folder, work, [task.folder.name for task in tasks])
    others = [(other, other.name) for other in sorted(folder.parent.glob("*"))]
    places = Places("sounds.parquet", SOUNDS, "spectrograms.npy")
    table, linked = make_set(
        "spectrograms",
        store,
        tasks,
        worker,
        engine,
        ids=ids,
        members=members,
        places=places,
        others=others,
        beside={"form.json": asdict(form)},
    )
    steps = int(table["steps"].to_numpy().sum())
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
