"""A localizer applied to clips: maps of (frame, sound) pairs, and similarities of all with all.

Each frame and each sound is encoded once however many pairs it is in. What is kept meanwhile are
the sounds, a few hundred numbers each; the frames' feature maps, two hundred times as large, live
for one batch.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from pipeline.clips import views as augment
from pipeline.clips.decoded import DecodedCorpus
from pipeline.clips.spectrogram import log_spectrogram
from pipeline.clips.windows import sound_window
from pipeline.errors import InputError
from pipeline.execution.progress import track
from pipeline.methods.common.similarity import s_a, s_l
from pipeline.methods.localizer import Localizer, Usage, localization_map


def made_sounds(usage: Usage, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Log-spectrograms (steps, bands) float16 of digital silence, and of white noise: a standard
    normal waveform clipped to [-1, 1]."""
    samples = usage.window + (usage.steps - 1) * usage.hop
    noise = torch.randn(samples, generator=torch.Generator().manual_seed(seed)).clamp(-1, 1)
    silence, loud = (
        log_spectrogram(
            sound,
            sample_rate=usage.sample_rate,
            window=usage.window,
            hop=usage.hop,
            bands=usage.bands,
        )
        .T.numpy()
        .astype(np.float16)
        for sound in (torch.zeros(samples), noise)
    )
    return silence, loud


class Predictor:
    """A localizer and the corpus whose clips it is asked about."""

    def __init__(
        self,
        localizer: Localizer,
        corpus: DecodedCorpus,
        *,
        reserved: Mapping[str, np.ndarray] | None = None,
        batch: int = 64,
        device: str | None = None,
    ) -> None:
        """Frames are resized and windows cut as the localizer's `usage` says. `reserved` are
        further sounds by name, (steps, bands), such as `made_sounds`. `device` is "cuda" where
        there is one, by default."""
        chosen = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self.device = torch.device(chosen)
        self.localizer = localizer.to(self.device).eval()
        self.corpus, self.reserved = corpus, dict(reserved or {})
        self.usage, self.batch = localizer.usage, batch

    @torch.no_grad()
    def maps(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        """Raw localization maps of (frame's clip, sound's clip) pairs, (N, h, w) float32: the
        cosines of 4.1, higher where it sounds. Raises `InputError` for a clip that the corpus
        lacks or that has no picture or no sound."""
        height, width = self.localizer.map_size(self.usage.side, self.usage.side)
        maps = np.empty((len(pairs), height, width), dtype=np.float32)
        frames, frame_places = _unique(frame for frame, _ in pairs)
        sounds, sound_places = _unique(sound for _, sound in pairs)
        encoded = self._sounds(sounds)
        by_frame = np.argsort(frame_places, kind="stable")
        ordered = frame_places[by_frame]
        for start, v in self._frames(frames):
            first, last = np.searchsorted(ordered, [start, start + len(v)])
            for begin in range(first, last, self.batch):
                chosen = by_frame[begin : min(begin + self.batch, last)]
                own = torch.from_numpy(frame_places[chosen] - start).to(self.device)
                heard = torch.from_numpy(sound_places[chosen]).to(self.device)
                maps[chosen] = localization_map(v[own], encoded[heard]).cpu().numpy()
        return maps

    @torch.no_grad()
    def embeddings(
        self, frames: Sequence[str], sounds: Sequence[str]
    ) -> tuple[np.ndarray, np.ndarray]:
        """p_v and p_a of clips' frames and sounds (Eq. 4), L2-normalised: (N, D) and (M, D)
        float32. Raises ValueError where the localizer has no projections."""
        image = [self.localizer.image_embedding(v).cpu() for _, v in self._frames(frames)]
        audio = self.localizer.audio_embedding(self._sounds(sounds)).cpu()
        return torch.cat(image).numpy(), audio.numpy()

    @torch.no_grad()
    def similarities(self, frames: Sequence[str], sounds: Sequence[str]) -> dict[str, np.ndarray]:
        """Every frame against every sound, (frames, sounds) float32: `s_L` with the localizer's own
        pooling, and `s_A` where it has projections."""
        usage = self.usage
        heard = self._sounds(sounds)
        aligned = self.localizer.image_projection is not None
        queries = self.localizer.audio_embedding(heard) if aligned else None
        found: dict[str, list[Tensor]] = {"s_L": []}
        for _, v in self._frames(frames):
            rows = s_l(v, heard, usage.pooling, share=usage.share, temperature=usage.temperature)
            found["s_L"].append(rows.cpu())
            if queries is not None:
                alignment = s_a(self.localizer.image_embedding(v), queries).cpu()
                found.setdefault("s_A", []).append(alignment)
        return {name: torch.cat(rows).numpy() for name, rows in found.items()}

    def _frames(self, clips: Sequence[str]) -> Iterator[tuple[int, Tensor]]:
        """Features of the clips' frames in batches, each with the place of its first clip."""
        starts = range(0, len(clips), self.batch)
        for start in track(starts, "encode frames", total=len(starts)):
            pictures = []
            for clip in clips[start : start + self.batch]:
                row = self.corpus.row(clip)
                if not self.corpus.has_frame(row):
                    raise InputError(f"{self.corpus.folder}: clip {clip} has no picture")
                pictures.append(self.corpus.frame(row))
            stored = torch.from_numpy(np.stack(pictures)).to(self.device)
            yield start, self.localizer.encode_frames(augment.plain_view(stored, self.usage.side))

    def _sounds(self, clips: Sequence[str]) -> Tensor:
        """Features (N, C) of the clips' middle windows, or of reserved sounds, on the device."""
        features = []
        starts = range(0, len(clips), self.batch)
        for start in track(starts, "encode sounds", total=len(starts)):
            windows = []
            for clip in clips[start : start + self.batch]:
                windows.append(self._window(clip))
            stored = torch.from_numpy(np.stack(windows)).to(self.device)
            features.append(self.localizer.encode_sounds(augment.spectrograms(stored)))
        return torch.cat(features)

    def _window(self, clip: str) -> np.ndarray:
        if clip in self.reserved:
            return self.reserved[clip]
        row = self.corpus.row(clip)
        if not self.corpus.has_sound(row):
            raise InputError(f"{self.corpus.folder}: clip {clip} has no sound")
        return sound_window(self.corpus, row, self.usage.steps)


def _unique(names: Iterator[str]) -> tuple[list[str], np.ndarray]:
    """The different names in order of appearance, and the place among them of each name."""
    places: dict[str, int] = {}
    indices = [places.setdefault(name, len(places)) for name in names]
    return list(places), np.array(indices, dtype=np.int64)
