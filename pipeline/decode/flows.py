"""The optical flow of one shard of a corpus: pairs of frames, without any sound."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
import pyarrow as pa

from pipeline.base.arrays import GrowingArray
from pipeline.base.files import atomic_file, remove_partials, write_parquet
from pipeline.base.pieces import finish_piece, is_whole
from pipeline.clips.flow import DTYPES, FlowForm
from pipeline.decode.naming import restored
from pipeline.decode.taken import USUAL, Taken
from pipeline.errors import InputError
from pipeline.execution.pool import HANG_MARGIN, Report
from pipeline.media.errors import MediaError
from pipeline.media.file import read_pair
from pipeline.media.flow import stored_flow
from pipeline.media.resizing import Aspect

FLOWS = pa.schema([("clip_id", pa.string()), ("start", pa.int64()), ("paired", pa.bool_())])


@dataclass(frozen=True)
class Framed:
    """A clip with a picture: the file below the root, as a clip table names it, and the height and
    width of its stored frame."""

    clip_id: str
    path: str
    size: tuple[int, int]


@dataclass(frozen=True)
class FlowTask:
    """All that `make_flows` needs, free of open files, so that any engine can carry it.

    `folder` is where the files of the shard go, `root` the folder of the media. Flow is stored in
    each of the `forms`, at the frames' `side` and `aspect`.
    """

    folder: Path
    root: Path
    clips: tuple[Framed, ...]
    forms: tuple[FlowForm, ...]
    side: int
    aspect: Aspect
    seconds_limit: float
    taken: Taken = USUAL

    @property
    def title(self) -> str:
        """What a message calls it."""
        return f"flow, shard {self.folder}"

    @property
    def items(self) -> list[str]:
        """The ids of its clips."""
        return [clip.clip_id for clip in self.clips]

    @property
    def item_seconds(self) -> float:
        """What a clip may take: the limit twice, for frames and for their flow, and a margin."""
        return 2 * self.seconds_limit + HANG_MARGIN

    def without(self, item: int, hung: bool, how: str) -> NoReturn:
        """Every picture of a decoded corpus has been decoded before: raises `InputError`."""
        raise _changed(self, self.clips[item], how)


def make_flows(task: FlowTask, report: Report) -> None:
    """Make the flow of a shard in `task.folder`: of each form an array `<form>.npy`, (clips, side,
    side, 2), or (numbers of all) where the aspect is kept, and `flow.parquet` that tells where each
    clip's is. A clip without a frame beside its own has zeros.

    Idempotent: the same task gives the same bytes, and a shard that is whole is left as it is.
    `report(n)` is called when clip number n begins and, with the number of clips, at the end.
    Raises `InputError` naming a clip whose picture cannot be decoded (any more), and where OpenCV
    is not installed.
    """
    if is_whole(task.folder):
        return
    remove_partials(task.folder)
    kept = task.aspect == "kept"
    shape = () if kept else (task.side, task.side, 2)
    starts, paired = [], []
    with ExitStack() as stack:
        arrays: dict[FlowForm, GrowingArray] = {}
        for form in task.forms:
            file = stack.enter_context(atomic_file(task.folder / f"{form}.npy"))
            arrays[form] = GrowingArray(file, DTYPES[form], shape)
        for number, clip in enumerate(task.clips):
            report(number)
            found, has_pair = _flow(task, clip)
            for form, flow in found.items():
                start = arrays[form].append(flow.reshape(-1) if kept else flow[None])
            starts.append(start)
            paired.append(has_pair)
        for array in arrays.values():
            array.finish()
    report(len(task.clips))
    columns = [task.items, starts, paired]
    made = [pa.array(c, kind) for c, kind in zip(columns, FLOWS.types, strict=True)]
    write_parquet(task.folder / "flow.parquet", pa.Table.from_arrays(made, schema=FLOWS))
    finish_piece(task.folder)


def _flow(task: FlowTask, clip: Framed) -> tuple[dict[FlowForm, np.ndarray], bool]:
    """A clip's flow in every form, and whether it has a frame beside its own."""
    try:
        pair = read_pair(
            restored(clip.path, task.root),
            seconds_limit=task.seconds_limit,
            middle=task.taken.middle,
            second=task.taken.second,
        )
    except MediaError as error:
        raise _changed(task, clip, str(error)) from error
    if pair is None:
        return {form: np.zeros((*clip.size, 2), DTYPES[form]) for form in task.forms}, False
    found = {
        form: stored_flow(pair, signed=form == "signed", side=task.side, aspect=task.aspect)
        for form in task.forms
    }
    for flow in found.values():
        if flow.shape[:2] != clip.size:
            size = " x ".join(map(str, flow.shape[:2]))
            raise _changed(task, clip, f"{size} px, not {clip.size[0]} x {clip.size[1]}")
    return found, True


def _changed(task: FlowTask, clip: Framed, why: str) -> InputError:
    return InputError(
        f"{task.root / clip.path}: the picture of clip {clip.clip_id} was decoded before and "
        f"cannot be any more ({why}); expected the file that decode read"
    )
