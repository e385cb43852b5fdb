"""A method applied to a corpus: maps of (frame, sound) pairs, and similarities of all with all.

Each frame and each sound is encoded once however many pairs it is in. What is kept meanwhile are
the sounds, a few hundred numbers each; the frames' feature maps, two hundred times as large, live
for one batch.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from pipeline.clips.decoded import DecodedCorpus
from pipeline.clips.spectrogram import to_spectrogram
from pipeline.clips.windows import sound_window
from pipeline.errors import InputError
from pipeline.execution.progress import track
from pipeline.methods.contract import Features, Method, join, select
from pipeline.networks.device import best_device
from pipeline.predict.sights import sight_features, stored_sight


def synthetic_sounds(method: Method, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Windows (steps, bins) float16 in the method's form of digital silence, and of white noise: a
    standard normal waveform clipped to [-1, 1]."""
    samples = method.form.samples(method.steps)
    noise = torch.randn(samples, generator=torch.Generator().manual_seed(seed)).clamp(-1, 1)
    silence, loud = (
        to_spectrogram(sound, method.form).T.numpy().astype(np.float16)
        for sound in (torch.zeros(samples), noise)
    )
    return silence, loud


class Predictor:
    """A method and the corpus whose clips it is asked about."""

    def __init__(
        self,
        method: Method,
        corpus: DecodedCorpus,
        *,
        reserved: Mapping[str, np.ndarray] | None = None,
        batch: int = 64,
        device: torch.device | None = None,
    ) -> None:
        """`reserved` are further sounds by name, (steps, bins), such as `synthetic_sounds`. Raises
        `InputError` where the corpus holds spectrograms of another form than the method's."""
        check_form(method, corpus)
        self.device = device or best_device()
        self.method = method.to(self.device).eval()
        self.corpus, self.reserved, self.batch = corpus, dict(reserved or {}), batch

    @torch.no_grad()
    def maps(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        """Raw localization maps of (frame's clip, sound's clip) pairs, (N, h, w) float32, higher
        where it sounds. Raises `InputError` for a clip that the corpus lacks or that has no picture
        or no sound."""
        maps = np.empty((len(pairs), *self.method.map_size()), dtype=np.float32)
        frames, frame_places = _unique(frame for frame, _ in pairs)
        sounds, sound_places = _unique(sound for _, sound in pairs)
        encoded = self._sounds(sounds)
        by_frame = np.argsort(frame_places, kind="stable")
        ordered = frame_places[by_frame]
        for start, count, v in self._frames(frames):
            first, last = np.searchsorted(ordered, [start, start + count])
            for begin in range(first, last, self.batch):
                chosen = by_frame[begin : min(begin + self.batch, last)]
                own = torch.from_numpy(frame_places[chosen] - start).to(self.device)
                heard = torch.from_numpy(sound_places[chosen]).to(self.device)
                found = self.method.maps(select(v, own), select(encoded, heard))
                maps[chosen] = found.cpu().numpy()
        return maps

    @torch.no_grad()
    def similarities(self, frames: Sequence[str], sounds: Sequence[str]) -> dict[str, np.ndarray]:
        """Every frame against every sound, (frames, sounds) float32, by the method's names, its
        default first."""
        heard = self._sounds(sounds)
        found: dict[str, list[Tensor]] = {}
        for _, _, v in self._frames(frames):
            for name, rows in self.method.similarities(v, heard).items():
                found.setdefault(name, []).append(rows.cpu())
        return {name: torch.cat(rows).numpy() for name, rows in found.items()}

    def _frames(self, clips: Sequence[str]) -> Iterator[tuple[int, int, Features]]:
        """Features of the clips' frames in batches, each with the place of its first clip and the
        number of its clips."""
        starts = range(0, len(clips), self.batch)
        for start in track(starts, "encode frames", total=len(starts)):
            rows = [self.corpus.row(clip) for clip in clips[start : start + self.batch]]
            sights = [stored_sight(self.method, self.corpus, row) for row in rows]
            yield start, len(sights), sight_features(self.method, sights, self.device)

    def _sounds(self, clips: Sequence[str]) -> Features:
        """Features of the clips' middle windows, or of reserved sounds, on the device."""
        features = []
        starts = range(0, len(clips), self.batch)
        for start in track(starts, "encode sounds", total=len(starts)):
            windows = [self._window(clip) for clip in clips[start : start + self.batch]]
            stored = torch.from_numpy(np.stack(windows)).to(self.device)
            features.append(self.method.sound_features(stored))
        return join(features)

    def _window(self, clip: str) -> np.ndarray:
        if clip in self.reserved:
            return self.reserved[clip]
        row = self.corpus.row(clip)
        if not self.corpus.has_sound(row):
            raise InputError(f"{self.corpus.folder}: clip {clip} has no sound")
        return sound_window(self.corpus, row, self.method.steps)


def check_form(method: Method, corpus: DecodedCorpus) -> None:
    """Raise `InputError` where a corpus holds spectrograms of another form than a method's."""
    if corpus.form != method.form:
        raise InputError(
            f"{corpus.folder}: holds spectrograms of the form {corpus.form}, the method expects "
            f"{method.form}"
        )


def _unique(names: Iterator[str]) -> tuple[list[str], np.ndarray]:
    """The different names in order of appearance, and the place among them of each name."""
    places: dict[str, int] = {}
    indices = [places.setdefault(name, len(places)) for name in names]
    return list(places), np.array(indices, dtype=np.int64)
