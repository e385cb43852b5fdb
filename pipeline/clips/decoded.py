"""A decoded corpus on disk: what `decode` and `spectrograms` write and every later stage reads.

`<folder>/clips.parquet` has one row a clip, in the order in which the shards hold them;
`<folder>/shards/frames_*.npy` hold the middle frames, entry by entry where all have one shape, else
as bytes one behind the other, each where its row says. Spectrograms of one form lie in a folder of
their own: `form.json`, `sounds.parquet` with the same rows, and `shards/spectrograms_*.npy` with
**time first**, all clips of a shard one behind the other. Time first makes a window of any clip one
contiguous run of bytes, whatever the clips' lengths; the price is one transpose on the device.
Below them lies the frames' optical flow, where the method asks for it (`pipeline.clips.flow`).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from pipeline.base.arrays import ShardedArray
from pipeline.base.files import read_json, read_parquet
from pipeline.base.params import bound
from pipeline.clips.flow import FOLDER, FlowForm, StoredFlow
from pipeline.clips.sound_form import SoundForm
from pipeline.clips.squashing import squashed
from pipeline.errors import InputError


def read_form(folder: Path) -> SoundForm:
    """The form of the spectrograms in `folder`; `InputError` names a file that holds none."""
    path = folder / "form.json"
    return bound(SoundForm, read_json(path), str(path))


class DecodedCorpus:
    """Memory-mapped access to the frames and, in one form, the spectrograms of a decoded corpus."""

    def __init__(self, folder: Path, spectrograms: Path | None = None) -> None:
        """Open `folder`, and the `spectrograms` made of it where sounds are wanted.

        Raises `InputError` where a part is missing, inconsistent or of another corpus."""
        self.folder, self._sounds_folder = folder, spectrograms
        self._flow: StoredFlow | None = None
        self.clips = read_parquet(folder / "clips.parquet")
        self.clip_ids: list[str] = self.clips["clip_id"].to_pylist()
        self._rows = {clip_id: row for row, clip_id in enumerate(self.clip_ids)}
        self._frame_rows = self.clips["frame_row"].to_numpy()
        self._frames = ShardedArray(sorted((folder / "shards").glob("frames_*.npy")))
        self._kept = bool(self._frames.shards) and self._frames.shards[0].ndim == 1
        said = self.clips.schema.metadata or {}
        self._aspect = "kept" if self._kept else said.get(b"aspect", b"squashed").decode()
        if self._kept:
            self._frame_heights = self.clips["frame_height"].to_numpy()
            self._frame_widths = self.clips["frame_width"].to_numpy()
        if spectrograms is None:
            silent = pc.is_null(self.clips["sound_seconds"]).to_numpy()
            self._sound_starts = np.where(silent, -1, 0)
            return
        sounds = read_parquet(spectrograms / "sounds.parquet")
        if not sounds["clip_id"].equals(self.clips["clip_id"]):
            raise InputError(
                f"{spectrograms}: holds the sounds of {len(sounds)} clips, expected those of the "
                f"{len(self)} clips in {folder}, in their order"
            )
        self._form = read_form(spectrograms)
        self._sound_starts = sounds["start"].to_numpy()
        self._sound_steps = sounds["steps"].to_numpy()
        self._steps = ShardedArray(sorted((spectrograms / "shards").glob("spectrograms_*.npy")))
        bins = self._steps.shards[0].shape[1:] if self._steps.shards else ()
        if bins != (self._form.bins,):
            raise InputError(
                f"{spectrograms}: its shards hold {bins or 'no'} bins a time step, expected "
                f"{self._form.bins} as its form has"
            )

    @property
    def aspect(self) -> str:
        """How its frames came to their size: squashed, cropped or kept, see
        `pipeline.media.resizing.resized`."""
        return self._aspect

    @property
    def sounds_folder(self) -> Path:
        """The folder of the spectrograms; `InputError` where none are open."""
        if self._sounds_folder is None:
            raise InputError(
                f"{self.folder}: a sound is asked for, but the corpus is open without "
                "spectrograms; expected a folder of them (`avloc spectrograms` makes one)"
            )
        return self._sounds_folder

    @property
    def form(self) -> SoundForm:
        """How sounds became the spectrograms; `InputError` where none are open."""
        _ = self.sounds_folder
        return self._form

    def __len__(self) -> int:
        return len(self.clip_ids)

    def __contains__(self, clip_id: object) -> bool:
        return clip_id in self._rows

    def row(self, clip_id: str) -> int:
        """The row of a clip; `InputError` where the corpus does not hold it."""
        try:
            return self._rows[clip_id]
        except KeyError:
            raise InputError(f"{self.folder}: holds no clip {clip_id!r}") from None

    def rows(self, clip_ids: Sequence[str]) -> np.ndarray:
        """The rows of several clips, int64."""
        return np.array([self.row(clip_id) for clip_id in clip_ids], dtype=np.int64)

    def has_frame(self, row: int) -> bool:
        """Whether the clip has a picture (a sound-only source has none)."""
        return bool(self._frame_rows[row] >= 0)

    def has_sound(self, row: int) -> bool:
        """Whether the clip has a sound (a picture-only source has none)."""
        return bool(self._sound_starts[row] >= 0)

    def frame(self, row: int) -> np.ndarray:
        """The middle frame, (height, width, 3) uint8 RGB, a read-only view of contiguous bytes; its
        sides are equal where the corpus was not decoded with their aspect kept."""
        start = int(self._frame_rows[row])
        if not self._kept:
            return self._frames.read(start, start + 1)[0]
        height, width = self.frame_size(row)
        return self._frames.read(start, start + 3 * height * width).reshape(height, width, 3)

    def square(self, row: int) -> np.ndarray:
        """The middle frame, (side, side, 3) uint8: as it is stored where all are squares, else
        squashed to its shorter side."""
        return squashed(self.frame(row)) if self._kept else self.frame(row)

    def frame_size(self, row: int) -> tuple[int, int]:
        """Height and width of the middle frame in pixels, without touching it."""
        if not self._kept:
            height, width = self._frames.shards[0].shape[1:3]
            return int(height), int(width)
        return int(self._frame_heights[row]), int(self._frame_widths[row])

    def flow(self, row: int, form: FlowForm) -> np.ndarray:
        """The optical flow from the middle frame to the next, (height, width, 2) of the stored
        frame, to the right and down in pixels of the video: uint8 as an 8-bit picture keeps it, or
        float16 where `form` is "signed". `InputError` where none is stored."""
        if self._flow is None:
            self._flow = StoredFlow(self.sounds_folder / FOLDER, self.clip_ids)
        return self._flow.read(row, form, self.frame_size(row))

    def square_flow(self, row: int, form: FlowForm) -> np.ndarray:
        """The flow of `square`'s frame, (side, side, 2); raises as `flow` does."""
        return squashed(self.flow(row, form)) if self._kept else self.flow(row, form)

    def sound_length(self, row: int) -> int:
        """The number of time steps of the clip's spectrogram, 0 for a clip without sound."""
        _ = self.sounds_folder  # says what is missing
        return int(self._sound_steps[row])

    def spectrogram(self, row: int, start: int = 0, length: int | None = None) -> np.ndarray:
        """`length` time steps of the form's spectrogram from `start` on (all by default), as a
        read-only view of shape (length, bins), float16. Raises IndexError outside the clip."""
        total = self.sound_length(row)
        length = total - start if length is None else length
        if start < 0 or length < 1 or start + length > total:
            raise IndexError(f"time steps {start} to {start + length} of a clip of {total}")
        first = int(self._sound_starts[row]) + start
        return self._steps.read(first, first + length)

    def middle_window(self, row: int, length: int) -> np.ndarray:
        """The middle `length` time steps: the window that is tested (C3 of
        `pipeline/methods/DECISIONS.md`)."""
        return self.spectrogram(row, (self.sound_length(row) - length) // 2, length)
