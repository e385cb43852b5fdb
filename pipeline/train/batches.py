"""The batches of a training run: which clips, which neighbours, which windows, copied as bytes.

An item is a whole batch, named by its step in the whole run, and everything random about it is
drawn at once for an epoch from (seed, epoch): loading processes agree without talking, and a
resumed run continues with the batches it would have had. The price is a few numbers a clip and
epoch in every process (6 MB at 200,000 clips). Augmentation is the device's work; a loading
process copies stored bytes and nothing else.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from pipeline.base.arrays import read_ahead
from pipeline.clips.decoded import DecodedCorpus
from pipeline.clips.windows import sound_window
from pipeline.errors import InputError

Batch: TypeAlias = dict[str, Tensor]

_CHECKED_ROWS = 4096  # neighbour ids checked at a time, so that the memory stays small


@dataclass(frozen=True)
class Neighbours:
    """Ids of each training clip's nearest clips, nearest first: (n, >= k) int32 each, indices into
    the training list."""

    image: np.ndarray
    audio: np.ndarray


@dataclass(frozen=True)
class _Epoch:
    """What an epoch draws: the clips' order, each one's neighbours and window."""

    order: np.ndarray
    image_picks: np.ndarray
    audio_picks: np.ndarray
    shifts: np.ndarray


class TrainingSet(Dataset[Batch]):
    """The batches of `epochs` passes over a training list; item s is the batch of step s.

    A batch holds, clip i at entry i:

    - ``frames`` (b, side, side, 3) uint8: middle frames, for v and v_aug;
    - ``sounds`` (b, steps, bands) float16: the middle windows, for a;
    - ``shifted_sounds``: windows at random places of the clips, for a_aug (multi-view only);
    - ``conceptual_frames``: of one of each clip's k image neighbours, for v_conc (semantic only);
    - ``conceptual_sounds``: middle windows of one of its k sound neighbours, for a_conc.

    The last clips of an epoch's order that fill no batch are left out of that epoch, since the
    loss depends on the number of negatives.
    """

    def __init__(
        self,
        corpus: DecodedCorpus,
        rows: np.ndarray,
        neighbours: Neighbours | None,
        *,
        window_steps: int,
        batch: int,
        epochs: int,
        seed: int,
        k: int = 1000,
        semantic: bool = True,
        multi_view: bool = True,
        part: int = 0,
        parts: int = 1,
    ) -> None:
        """`rows` (n,) int64 are the training list's rows of `corpus`; `neighbours` may be None
        where `semantic` is off. Of each batch, this set holds the `part`-th of `parts` equal parts
        (one for each rank).

        Raises `InputError` where a clip has no picture or no sound, where the list is smaller than
        a batch, where `parts` does not divide `batch`, and where the neighbours are fewer than k,
        are not of this list, or name the clip itself.
        """
        self.corpus, self.rows, self.k = corpus, np.asarray(rows, dtype=np.int64), k
        self.window_steps, self.batch, self.epochs, self.seed = window_steps, batch, epochs, seed
        self.semantic, self.multi_view, self.part, self.parts = semantic, multi_view, part, parts
        for row in self.rows:
            if not (corpus.has_frame(row) and corpus.has_sound(row)):
                raise InputError(
                    f"{corpus.folder}: training clip {corpus.clip_ids[row]} lacks its "
                    f"{'sound' if corpus.has_frame(row) else 'picture'}"
                )
        if len(self.rows) < batch:
            raise InputError(
                f"{corpus.folder}: the training list has {len(self.rows)} clips, expected at "
                f"least a batch of {batch}"
            )
        if batch % parts:
            raise InputError(f"a batch of {batch} clips cannot be split over {parts} devices")
        self.neighbours = neighbours if semantic else None
        if semantic:
            if neighbours is None:
                raise InputError("semantic positives are on, but no neighbours were given")
            for name, ids in (("image", neighbours.image), ("audio", neighbours.audio)):
                _check_neighbours(name, ids, len(self.rows), k)
        self._drawn: tuple[int, _Epoch] | None = None

    @property
    def steps_per_epoch(self) -> int:
        """Batches of one pass over the training list."""
        return len(self.rows) // self.batch

    def __len__(self) -> int:
        return self.epochs * self.steps_per_epoch

    def __getitem__(self, step: int) -> Batch:
        if not 0 <= step < len(self):
            raise IndexError(f"step {step} of a run of {len(self)}")
        epoch = self._epoch(step // self.steps_per_epoch)
        own = self.batch // self.parts
        start = step % self.steps_per_epoch * self.batch + self.part * own
        clips = epoch.order[start : start + own]
        rows = self.rows[clips]
        views = {"frames": self._frames(rows), "sounds": self._sounds(rows)}
        if self.multi_view:
            views["shifted_sounds"] = self._sounds(rows, epoch.shifts[clips])
        if self.neighbours is not None:
            image = self.neighbours.image[clips, epoch.image_picks[clips]]
            audio = self.neighbours.audio[clips, epoch.audio_picks[clips]]
            views["conceptual_frames"] = self._frames(self.rows[image])
            views["conceptual_sounds"] = self._sounds(self.rows[audio])
        read_ahead(view for part in views.values() for view in part)
        return {name: torch.from_numpy(np.stack(part)) for name, part in views.items()}

    def _epoch(self, number: int) -> _Epoch:
        if self._drawn is None or self._drawn[0] != number:
            generator = np.random.default_rng([self.seed, number])
            clips = len(self.rows)
            epoch = _Epoch(
                order=generator.permutation(clips),
                image_picks=generator.integers(self.k, size=clips),
                audio_picks=generator.integers(self.k, size=clips),
                shifts=generator.random(clips),
            )
            self._drawn = (number, epoch)
        return self._drawn[1]

    def _frames(self, rows: np.ndarray) -> list[np.ndarray]:
        return [self.corpus.frame(row) for row in rows]

    def _sounds(self, rows: np.ndarray, shifts: np.ndarray | None = None) -> list[np.ndarray]:
        """Windows of the clips: the middle ones, or those at `shifts` (0 to 1) of the room."""
        windows = []
        for place, row in enumerate(rows):
            start = None
            if shifts is not None:
                room = max(0, self.corpus.sound_length(row) - self.window_steps)
                start = int(shifts[place] * (room + 1))
            windows.append(sound_window(self.corpus, row, self.window_steps, start))
        return windows


def _check_neighbours(name: str, ids: np.ndarray, clips: int, k: int) -> None:
    """Raise `InputError` unless each of `clips` rows names k other clips of the list first."""
    if ids.ndim != 2 or len(ids) != clips or ids.shape[1] < k:
        raise InputError(
            f"{name} neighbours have the shape {ids.shape}, expected {clips} training clips x at "
            f"least k = {k}"
        )
    for start in range(0, clips, _CHECKED_ROWS):
        part = np.asarray(ids[start : start + _CHECKED_ROWS, :k])
        own = np.arange(start, start + len(part))[:, None]
        wrong = (part < 0) | (part >= clips) | (part == own)
        if wrong.any():
            clip, place = np.argwhere(wrong)[0]
            found = int(part[clip, place])
            raise InputError(
                f"{name} neighbours of training clip {start + clip}: found {found} at place "
                f"{place}, expected another clip of the list, 0 to {clips - 1}"
            )
