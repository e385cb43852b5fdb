"""The sounds of one shard of a corpus to spectrograms of one form, without any picture."""

from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
import pyarrow as pa
import torch

from pipeline.base.arrays import GrowingArray
from pipeline.base.files import atomic_file, remove_partials, write_parquet
from pipeline.base.pieces import finish_piece, is_whole
from pipeline.clips.sound_form import SoundForm
from pipeline.clips.spectrogram import repeat_to, to_spectrogram
from pipeline.decode.naming import restored
from pipeline.decode.taken import USUAL, Taken
from pipeline.errors import InputError
from pipeline.execution.pool import HANG_MARGIN, Report
from pipeline.media.errors import MediaError
from pipeline.media.file import read_sound

SOUNDS = pa.schema([("clip_id", pa.string()), ("start", pa.int64()), ("steps", pa.int32())])


@dataclass(frozen=True)
class SoundsTask:
    """All that `make_sounds` needs, free of open files, so that any engine can carry it.

    `folder` is where the files of the shard go. `clips` are ids with the files of their sounds
    below `root`, as a clip table names them. Sounds shorter than `seconds` are repeated up to it,
    of those longer than `max_seconds` what `taken` says is kept.
    """

    folder: Path
    root: Path
    clips: tuple[tuple[str, str], ...]
    form: SoundForm
    seconds: float
    max_seconds: float
    seconds_limit: float
    taken: Taken = USUAL

    @property
    def title(self) -> str:
        """What a message calls it."""
        return f"spectrograms, shard {self.folder}"

    @property
    def items(self) -> list[str]:
        """The ids of its clips."""
        return [clip_id for clip_id, _ in self.clips]

    @property
    def item_seconds(self) -> float:
        """What a sound may take."""
        return self.seconds_limit + HANG_MARGIN

    def without(self, item: int, hung: bool, how: str) -> NoReturn:
        """Every sound of a decoded corpus has been decoded before: raises `InputError`."""
        raise _changed(self, item, how)


def make_sounds(task: SoundsTask, report: Report) -> None:
    """Make the spectrograms of a shard in `task.folder`: `spectrograms.npy`, (steps of all, bins)
    float16, time first, and `sounds.parquet` that tells where each clip's are.

    Idempotent: the same task gives the same bytes, and a shard that is whole is left as it is.
    `report(n)` is called when clip number n begins and, with the number of clips, at the end.
    Raises `InputError` naming a clip whose sound cannot be decoded (any more).
    """
    if is_whole(task.folder):
        return
    torch.set_num_threads(1)
    remove_partials(task.folder)
    starts, lengths = [], []
    with atomic_file(task.folder / "spectrograms.npy") as file:
        steps = GrowingArray(file, np.dtype(np.float16), (task.form.bins,))
        for number in range(len(task.clips)):
            report(number)
            values = _spectrogram(task, number)
            starts.append(steps.append(values))
            lengths.append(len(values))
        steps.finish()
    report(len(task.clips))
    columns = [task.items, starts, lengths]
    arrays = [pa.array(c, kind) for c, kind in zip(columns, SOUNDS.types, strict=True)]
    write_parquet(task.folder / "sounds.parquet", pa.Table.from_arrays(arrays, schema=SOUNDS))
    finish_piece(task.folder)


def _spectrogram(task: SoundsTask, number: int) -> np.ndarray:
    """The spectrogram of one sound, (T, bins) float16."""
    form = task.form
    try:
        sound = read_sound(
            restored(task.clips[number][1], task.root),
            sample_rate=form.sample_rate,
            max_seconds=task.max_seconds,
            seconds_limit=task.seconds_limit,
            keep=task.taken.keep,
            middle=task.taken.middle,
            channels=task.taken.channels,
            max_holes=task.taken.max_holes,
        )
    except MediaError as error:
        raise _changed(task, number, str(error)) from error
    wanted = round(task.seconds * form.sample_rate)
    values = to_spectrogram(repeat_to(torch.from_numpy(sound.samples), wanted), form)
    return values.T.half().numpy()


def _changed(task: SoundsTask, number: int, why: str) -> InputError:
    clip_id, path = task.clips[number]
    return InputError(
        f"{task.root / path}: the sound of clip {clip_id} was decoded before and cannot be any "
        f"more ({why}); expected the file that decode read"
    )
