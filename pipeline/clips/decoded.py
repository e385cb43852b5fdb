"""A decoded corpus on disk: what `decode` writes and every later stage reads.

`<folder>/clips.parquet` has one row a clip, in the order in which the shards hold them;
`<folder>/shards/frames_*.npy` hold the middle frames, `<folder>/shards/spectrograms_*.npy` the
log-spectrograms with **time first**, all clips of a shard one behind the other. Time first makes a
window of any clip one contiguous run of bytes, whatever the clips' lengths; the price is one
transpose on the device.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.base.arrays import ShardedArray
from pipeline.base.files import read_parquet
from pipeline.errors import InputError


class DecodedCorpus:
    """Memory-mapped access to the frames and log-spectrograms of a decoded corpus."""

    def __init__(self, folder: Path) -> None:
        """Open `folder`. Raises `InputError` where a part of it is missing or inconsistent."""
        self.folder = folder
        self.clips = read_parquet(folder / "clips.parquet")
        self.clip_ids: list[str] = self.clips["clip_id"].to_pylist()
        self._rows = {clip_id: row for row, clip_id in enumerate(self.clip_ids)}
        self._frame_rows = self.clips["frame_row"].to_numpy()
        self._sound_starts = self.clips["sound_start"].to_numpy()
        self._sound_frames = self.clips["sound_frames"].to_numpy()
        self._frames = ShardedArray(sorted((folder / "shards").glob("frames_*.npy")))
        self._spectrograms = ShardedArray(sorted((folder / "shards").glob("spectrograms_*.npy")))

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
        """The middle frame, (side, side, 3) uint8 RGB, a read-only view."""
        start = int(self._frame_rows[row])
        return self._frames.read(start, start + 1)[0]

    def sound_length(self, row: int) -> int:
        """The number of time steps of the clip's log-spectrogram."""
        return int(self._sound_frames[row])

    def spectrogram(self, row: int, start: int = 0, length: int | None = None) -> np.ndarray:
        """`length` time steps of log(S + 1e-7) from `start` on (all by default), as a read-only
        view of shape (length, bands), float16. Raises IndexError outside the clip."""
        total = int(self._sound_frames[row])
        length = total - start if length is None else length
        if start < 0 or length < 1 or start + length > total:
            raise IndexError(f"time steps {start} to {start + length} of a clip of {total}")
        first = int(self._sound_starts[row]) + start
        return self._spectrograms.read(first, first + length)

    def middle_window(self, row: int, length: int) -> np.ndarray:
        """The middle `length` time steps: the test window of the protocols."""
        return self.spectrogram(row, (self.sound_length(row) - length) // 2, length)
