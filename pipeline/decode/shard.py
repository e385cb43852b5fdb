"""The clips of one shard to its files, in a process that a clip may kill.

As in img2dataset, a shard knows nothing of the others: `decode_shard` is a picklable call that
gives the same files whoever makes it and however often.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa

from pipeline.base.arrays import GrowingArray
from pipeline.base.files import atomic_file, remove_partials, write_parquet
from pipeline.base.pieces import finish_piece, is_whole
from pipeline.decode.clip import CLIPS, REJECTS, ClipError, ClipFiles, Settings, decode_clip
from pipeline.execution.pool import HANG_MARGIN, Report
from pipeline.media.errors import Cause, MediaError


@dataclass(frozen=True)
class ShardTask:
    """All that `decode_shard` needs, free of open files, so that any engine can carry it.

    `folder` is where the shard's files go; `condemned` are the clips that killed their process
    twice, with the cause to reject them for.
    """

    folder: Path
    root: Path
    sources: tuple[ClipFiles, ...]
    settings: Settings
    condemned: tuple[tuple[str, Cause, str], ...] = ()

    @property
    def title(self) -> str:
        """What a message calls it."""
        return f"decode, shard {self.folder}"

    @property
    def items(self) -> list[str]:
        """The ids of its clips."""
        return [source.clip_id for source in self.sources]

    @property
    def item_seconds(self) -> float:
        """What a clip may take: the limit twice, for sound and picture, and a margin."""
        return 2 * self.settings.seconds_limit + HANG_MARGIN

    def without(self, item: int, hung: bool, how: str) -> Self:
        """The same with one more clip condemned."""
        cause: Cause = "time limit" if hung else "worker died"
        condemned = (self.sources[item].clip_id, cause, how)
        return replace(self, condemned=(*self.condemned, condemned))


def decode_shard(task: ShardTask, report: Report) -> None:
    """Decode the clips of one shard into `task.folder`: an npy file and two tables.

    Idempotent: the same task gives the same bytes, and a shard that is whole is left as it is.
    `report(n)` is called when clip number n begins and, with the number of clips, at the end.
    Frames go straight to the disk, so memory holds one clip at a time.
    """
    if is_whole(task.folder):
        return
    settings = task.settings
    remove_partials(task.folder)
    condemned = {clip_id: MediaError(cause, detail) for clip_id, cause, detail in task.condemned}
    clips: list[dict[str, Any]] = []
    rejects: list[dict[str, str]] = []
    with atomic_file(task.folder / "frames.npy") as file:
        # Frames of many shapes lie one behind the other, byte by byte.
        kept = settings.aspect == "kept"
        shape = () if kept else (settings.side, settings.side, 3)
        frames = GrowingArray(file, np.dtype(np.uint8), shape)
        for number, source in enumerate(task.sources):
            report(number)
            try:
                clip = decode_clip(source, task.root, settings, condemned.get(source.clip_id))
            except ClipError as rejected:
                rejects.append(rejected.row)
                continue
            row = {**clip.row, "frame_row": -1}
            if clip.picture is not None:
                frame = clip.picture.frame
                row["frame_row"] = frames.append(frame.reshape(-1) if kept else frame[None])
                row["frame_height"], row["frame_width"] = frame.shape[:2]
            clips.append(row)
        report(len(task.sources))
        frames.finish()
    write_parquet(task.folder / "rejects.parquet", pa.Table.from_pylist(rejects, REJECTS))
    write_parquet(task.folder / "clips.parquet", pa.Table.from_pylist(clips, CLIPS))
    finish_piece(task.folder)
