"""The batches of a training run: which clips, which neighbours, which windows, copied as bytes.

An item is a whole batch, named by its step in the whole run, and everything random about it is
drawn at once for an epoch from (seed, epoch): loading processes agree without talking, and a
resumed run continues with the batches it would have had. The price is a few numbers a clip and
epoch in every process (6 MB at 200,000 clips). Augmentation is the device's work; a loading
process copies stored bytes and nothing else, but for frames that are stored with their aspect kept
and wanted squashed (some 3 ms each).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from torch.utils.data import Dataset

from pipeline.base.arrays import read_ahead
from pipeline.clips.decoded import DecodedCorpus
from pipeline.clips.frames import Stored, kept_frames
from pipeline.clips.squashing import squashed
from pipeline.clips.windows import sound_window
from pipeline.errors import InputError
from pipeline.methods.contract import Input
from pipeline.train.settings import check_aspect

# By the names that a method gave: a `Stored` for frames, a tensor for sounds.
Batch: TypeAlias = dict[str, Any]

_CHECKED_ROWS = 4096  # neighbour ids checked at a time, so that the memory stays small


@dataclass(frozen=True)
class Neighbours:
    """Ids of each training clip's nearest clips, nearest first: (n, >= k) int32 each, indices into
    the training list."""

    image: np.ndarray
    audio: np.ndarray


@dataclass(frozen=True)
class _Epoch:
    """What an epoch draws: the clips' order, and by what `Input` takes of it each clip's neighbour,
    other clip and window."""

    order: np.ndarray
    picks: dict[str, np.ndarray]
    shifts: np.ndarray


class TrainingSet(Dataset[Batch]):
    """The batches of `epochs` passes over a training list; item s is the batch of step s.

    A batch holds what the method asked for by the names that it gave, clip i at entry i: frames
    (b, side, side, 3) uint8, windows of sounds (b, steps, bins) float16, flow (b, side, side, 2) in
    the form asked for; frames and flow are `Frames` where their aspect is kept; kin (b, B) float32,
    1 for those of the whole batch's B clips that are, else 0. The last clips of
    an epoch's order that fill no batch are left out of that epoch, since a loss depends on the
    number of negatives.
    """

    def __init__(
        self,
        corpus: DecodedCorpus,
        rows: np.ndarray,
        neighbours: Neighbours | None,
        inputs: Mapping[str, Input],
        *,
        seconds: float,
        batch: int,
        epochs: int,
        seed: int,
        part: int = 0,
        parts: int = 1,
        aspect: Literal["squashed", "kept"] = "squashed",
    ) -> None:
        """`rows` (n,) int64 are the training list's rows of `corpus`; `neighbours` may be None
        where no input is of one. `seconds` is the length of a window that says no other. Of each
        batch, this set holds the `part`-th of `parts` equal parts (one for each rank). `aspect`:
        see `pipeline.train.settings.Train`.

        Raises `InputError` where a clip has no picture or no sound, where the list is smaller than
        a batch, where `parts` does not divide `batch`, where an input is of flow and none is
        stored, where the neighbours are fewer than k, are not of this list, or name the clip
        itself, and where the aspect is to be kept and was not when the corpus was decoded.
        """
        self.corpus, self.rows = corpus, np.asarray(rows, dtype=np.int64)
        self.inputs, self.seconds = dict(inputs), seconds
        self.batch, self.epochs, self.seed = batch, epochs, seed
        self.part, self.parts, self.aspect = part, parts, aspect
        check_aspect(aspect, corpus.aspect, f"{corpus.folder}: decode.aspect")
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
        for wanted in self.inputs.values():
            if wanted.part == "flow":
                corpus.flow(int(self.rows[0]), wanted.flow)  # says what is missing
        self.neighbours: dict[str, np.ndarray] = {}
        for of, name in (("image_neighbour", "image"), ("sound_neighbour", "audio")):
            k = self._k(of)
            if not k:
                continue
            if neighbours is None:
                raise InputError("the method asks for neighbours, but none were given")
            ids = neighbours.image if name == "image" else neighbours.audio
            _check_neighbours(name, ids, len(self.rows), k)
            self.neighbours[of] = ids
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
        stored: dict[str, list[np.ndarray]] = {}
        kin = {name for name, wanted in self.inputs.items() if wanted.part == "kin"}
        for name, wanted in self.inputs.items():
            if wanted.part == "kin":
                first = start - self.part * own
                everyone = epoch.order[first : first + self.batch]
                stored[name] = list(self._kin(wanted, clips, everyone))
                continue
            rows = self.rows[self._chosen(wanted, clips, epoch)]
            if wanted.part == "frame":
                stored[name] = [self.corpus.frame(row) for row in rows]
            elif wanted.part == "flow":
                stored[name] = [self.corpus.flow(row, wanted.flow) for row in rows]
            else:
                stored[name] = self._sounds(wanted, rows, epoch.shifts[clips])
        read_ahead(view for name, part in stored.items() for view in part if name not in kin)
        return {
            name: torch.from_numpy(np.stack(part))
            if self.inputs[name].part in ("sound", "kin")
            else self._pictures(part)
            for name, part in stored.items()
        }

    def _pictures(self, stored: list[np.ndarray]) -> Stored:
        """The frames, or the flow, of a batch in one form."""
        if self.aspect == "kept":
            return kept_frames(stored)
        if self.corpus.aspect == "kept":
            stored = [squashed(frame) for frame in stored]
        return torch.from_numpy(np.stack(stored))

    def _k(self, of: str) -> int:
        """Among how many neighbours of a kind the inputs choose; 0 where none is of one."""
        return max((wanted.k for wanted in self.inputs.values() if wanted.of == of), default=0)

    def _epoch(self, number: int) -> _Epoch:
        if self._drawn is None or self._drawn[0] != number:
            generator = np.random.default_rng([self.seed, number])
            clips = len(self.rows)
            order = generator.permutation(clips)
            picks = {
                of: generator.integers(self._k(of) or 1, size=clips)
                for of in ("image_neighbour", "sound_neighbour")
            }
            shifts = generator.random(clips)
            picks["other"] = generator.integers(1, max(2, clips), size=clips)
            self._drawn = (number, _Epoch(order, picks, shifts))
        return self._drawn[1]

    def _chosen(self, wanted: Input, clips: np.ndarray, epoch: _Epoch) -> np.ndarray:
        """The clips, as places in the training list, that an input of `clips` comes from."""
        if wanted.of == "own":
            return clips
        picks = epoch.picks[wanted.of][clips]
        if wanted.of == "other":  # any but the clip itself
            return (clips + picks) % len(self.rows)
        return self.neighbours[wanted.of][clips, picks % wanted.k]

    def _kin(self, wanted: Input, clips: np.ndarray, everyone: np.ndarray) -> np.ndarray:
        """Which of `everyone` (B,) are neighbours of each of `clips` (b,) or have it for one:
        (b, B) float32."""
        ids = self.neighbours[wanted.of]
        near = (ids[clips, : wanted.k, None] == everyone).any(axis=1)
        back = (ids[everyone, : wanted.k, None] == clips).any(axis=1).T
        return (near | back).astype(np.float32)

    def _sounds(self, wanted: Input, rows: np.ndarray, shifts: np.ndarray) -> list[np.ndarray]:
        """Windows of the clips: the middle ones, or those at `shifts` (0 to 1) of the room."""
        steps = self.corpus.form.steps(wanted.seconds or self.seconds)
        windows = []
        for row, shift in zip(rows, shifts, strict=True):
            start = None
            if wanted.window == "random":
                room = max(0, self.corpus.sound_length(row) - steps)
                start = int(shift * (room + 1))
            windows.append(sound_window(self.corpus, row, steps, start))
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
