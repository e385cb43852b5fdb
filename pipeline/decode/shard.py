"""The clips of one shard to its files, in a process that a clip may kill.

As in img2dataset, a shard knows nothing of the others: `decode_shard` is a picklable call that
gives the same files whoever makes it and however often.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import torch

from pipeline.base.arrays import GrowingArray
from pipeline.base.files import atomic_file, write_parquet
from pipeline.base.pieces import finish_piece, is_whole
from pipeline.clips.spectrogram import log_spectrogram, repeat_to
from pipeline.decode.clip import CLIPS, REJECTS, ClipError, ClipFiles, Settings, decode_clip
from pipeline.media.errors import Cause, MediaError
from pipeline.media.sound import Sound

HANG_MARGIN = 5.0  # s, for a busy machine

Report = Callable[[int], None]


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
    """Decode the clips of one shard into `task.folder`: two npy files and two tables.

    Idempotent: the same task gives the same bytes, and a shard that is whole is left as it is.
    `report(n)` is called when clip number n begins and, with the number of clips, at the end.
    Frames and spectrograms go straight to the disk, so memory holds one clip at a time.
    """
    if is_whole(task.folder):
        return
    torch.set_num_threads(1)
    settings = task.settings
    for partial in task.folder.glob(".*.partial"):  # of a process that was killed
        partial.unlink()
    condemned = {clip_id: MediaError(cause, detail) for clip_id, cause, detail in task.condemned}
    clips: list[dict[str, Any]] = []
    rejects: list[dict[str, str]] = []
    bands = settings.bands or settings.window // 2 + 1
    with ExitStack() as stack:
        frames, steps = (
            GrowingArray(stack.enter_context(atomic_file(task.folder / name)), dtype, shape)
            for name, dtype, shape in (
                ("frames.npy", np.dtype(np.uint8), (settings.side, settings.side, 3)),
                ("spectrograms.npy", np.dtype(np.float16), (bands,)),
            )
        )
        for number, source in enumerate(task.sources):
            report(number)
            try:
                clip = decode_clip(source, task.root, settings, condemned.get(source.clip_id))
            except ClipError as rejected:
                rejects.append(rejected.row)
                continue
            row = {**clip.row, "frame_row": -1, "sound_start": -1, "sound_frames": 0}
            if clip.picture is not None:
                row["frame_row"] = frames.append(clip.picture.frame[None])
            if clip.sound is not None:
                logs = _spectrogram(clip.sound, settings)
                row["sound_start"] = steps.append(logs)
                row["sound_frames"] = len(logs)
            clips.append(row)
        report(len(task.sources))
        frames.finish()
        steps.finish()
    write_parquet(task.folder / "rejects.parquet", pa.Table.from_pylist(rejects, REJECTS))
    write_parquet(task.folder / "clips.parquet", pa.Table.from_pylist(clips, CLIPS))
    finish_piece(task.folder)


def _spectrogram(sound: Sound, settings: Settings) -> np.ndarray:
    """The log-spectrogram of a sound, (T, bands) float16."""
    wanted = round(settings.seconds * settings.sample_rate)
    logs = log_spectrogram(
        repeat_to(torch.from_numpy(sound.samples), wanted),
        sample_rate=settings.sample_rate,
        window=settings.window,
        hop=settings.hop,
        bands=settings.bands,
    )
    return logs.T.half().numpy()
