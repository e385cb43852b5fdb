"""A decoded corpus to the optical flow of its frames: of each clip the stored frame and the next
are decoded, and nothing else.

Only a method that asks for flow needs it, so it is made apart from the frames and lies with what
that method hears; `pipeline.clips.flow` tells how."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import av
import numpy as np
import PIL

from pipeline.base.code import fingerprint, hash_of_code
from pipeline.base.files import read_parquet
from pipeline.base.pieces import Shards
from pipeline.clips.flow import FlowForm
from pipeline.decode.flows import FLOWS, FlowTask, Framed, make_flows
from pipeline.decode.naming import file_state, restored
from pipeline.decode.sets import Places, make_set, spread
from pipeline.decode.taken import USUAL, Taken
from pipeline.errors import InputError
from pipeline.execution.pool import Worker
from pipeline.execution.run import Engine
from pipeline.media.flow import opencv_version
from pipeline.media.resizing import Aspect


def make_flow(
    corpus: Path,
    root: Path,
    folder: Path,
    *,
    work: Path,
    forms: Sequence[FlowForm],
    side: int,
    shards: int,
    seconds_limit: float,
    engine: Engine,
    aspect: Aspect = "squashed",
    taken: Taken = USUAL,
    worker: Worker[FlowTask] = make_flows,
) -> dict[str, int]:
    """Make the flow of all frames of the decoded `corpus`, whose media lie below `root`, in each of
    the `forms`.

    `side`, `aspect` and `taken` are those with which the corpus was decoded; a clip's frames, and
    their flow, may take `seconds_limit` s each. A clip whose frame has none beside it (a picture
    file, a video of one frame, a damaged neighbour) gets zeros: nothing moves. Shards that another
    method's folder already holds become hard links. `work` keeps finished shards until all are; it
    is empty in the end. No output depends on `engine`. `worker` is for a caller who wants something
    around `make_flows`. Gives the numbers of clips, of frames and of those without a frame beside
    them, and how many shards were linked.
    Raises `InputError` where OpenCV is not installed, no form is asked for, the corpus holds no
    picture, a picture cannot be decoded any more, and where the disk fails or is full.
    """
    version = opencv_version()
    if not forms:
        raise InputError(f"{folder}: no form of flow is asked for, expected bytes, signed or both")
    wanted = ["clip_id", "picture_path", "frame_height", "frame_width"]
    clips = read_parquet(corpus / "clips.parquet").select(wanted)
    ids, paths, heights, widths = (column.to_pylist() for column in clips.columns)
    if not any(paths):
        raise InputError(f"{corpus}: holds no clip with a picture, expected one that may move")
    members = spread(ids, paths, shards)
    tasks = []
    for number, rows in enumerate(members):
        framed = tuple(Framed(ids[r], paths[r], (heights[r], widths[r])) for r in rows)
        task = FlowTask(work, root, framed, tuple(forms), side, aspect, seconds_limit, taken)
        tasks.append(replace(task, folder=work / _name(task, number, version)))
    store = Shards(folder, work, [task.folder.name for task in tasks])
    beside = sorted(folder.parent.parent.glob(f"*/{folder.name}"))
    table, linked = make_set(
        "flow",
        store,
        tasks,
        worker,
        engine,
        ids=ids,
        members=members,
        places=Places("flow.parquet", FLOWS, f"{forms[0]}.npy"),
        others=[(other, other.parent.name) for other in beside],
    )
    frames = sum(map(len, members))
    unpaired = frames - int(table["paired"].to_numpy().sum())
    found = {"clips": len(ids), "frames": frames, "without_next_frame": unpaired}
    return {**found, "linked_shards": linked}


def _name(task: FlowTask, number: int, version: str) -> str:
    """The fingerprint of a shard: all that makes its bytes."""
    everything = {
        "forms": task.forms,
        "frames": [task.side, task.aspect],
        "taken": asdict(task.taken),
        "code": hash_of_code("pipeline.decode.flows"),
        "versions": [av.__version__, np.__version__, PIL.__version__, version],
        "number": number,  # two empty shards are two
        "clips": [
            [clip.clip_id, file_state(restored(clip.path, task.root), task.root)]
            for clip in task.clips
        ],
    }
    return fingerprint([json.dumps(everything)])
