"""Features of a decoded corpus: one row a clip, one npy file a modality.

Clips are taken in blocks of 1,024 in the corpus' order, and within a block in batches of one sound
length, so what is computed together depends on the corpus and the batch size alone, and with it
every bit of the result. A corpus of one length, the usual case, loses nothing by this; one where
every length differs is embedded clip by clip.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import nn

from pipeline.base.code import fingerprint, hash_of_code
from pipeline.base.pieces import Blocks
from pipeline.clips.decoded import DecodedCorpus
from pipeline.clips.windows import sound_window
from pipeline.encoders.load import AudioEncoder, ImageEncoder
from pipeline.errors import InputError
from pipeline.execution.pool import Report
from pipeline.execution.progress import track
from pipeline.execution.run import HERE, Engine, run

_BLOCK = 1024


def embed_corpus(
    corpus: DecodedCorpus,
    image_encoder: ImageEncoder,
    audio_encoder: AudioEncoder,
    folder: Path,
    *,
    work: Path,
    batch: int = 64,
    sound_frames: int | None = None,
    device: str = "cpu",
    engine: Engine = HERE,
) -> dict[str, int]:
    """Write `folder/image.npy` and `folder/audio.npy`, float32 (clips of the corpus, D).

    A clip without the modality has a row of NaN. `sound_frames` time steps of every sound are used:
    the middle of a longer one, a shorter one repeated; all of each sound by default. Finished
    blocks wait in `work` until both files are written. `engine` says where blocks are made: one
    after the other in this process, or on a Ray cluster; machines of one kind give the same bytes.
    Returns the number of clips and of those with each modality. Raises `InputError` where the
    corpus is empty or a feature is not finite.
    """
    if not len(corpus):
        raise InputError(f"{corpus.folder}: holds no clip, so there is nothing to embed")
    threads = torch.get_num_threads()  # sums in another order end in other bits
    parts = (batch, sound_frames, torch.device(device).type, image_encoder.side, threads)
    weights = (*_weights(image_encoder), *_weights(audio_encoder))
    # They hold a hash of every clip's content and how its sound became what is read.
    tables = (corpus.folder / "clips.parquet", corpus.sounds_folder / "sounds.parquet")
    clips = (table.read_bytes() for table in tables)
    code = (hash_of_code("pipeline.encoders.embedding"), torch.__version__)
    values = (repr(corpus.form), repr(parts))
    blocks = Blocks(work, fingerprint([*clips, *values, *weights, *code]))
    starts = range(0, len(corpus), _BLOCK)
    tasks = [
        _BlockTask(
            range(start, min(start + _BLOCK, len(corpus))),
            corpus.folder,
            corpus.sounds_folder,
            threads,
        )
        for start in starts
    ]
    make = partial(_make_blocks, blocks, image_encoder, audio_encoder, batch, device, sound_frames)
    made = run(tasks, make, engine, processes=False)
    for _ in track(made, f"embedding, blocks of {_BLOCK} clips", len(starts)):
        pass
    for modality in ("image", "audio"):
        blocks.join(modality, starts, folder / f"{modality}.npy")
    blocks.discard()
    return {
        "clips": len(corpus),
        "image": sum(corpus.has_frame(row) for row in range(len(corpus))),
        "audio": sum(corpus.has_sound(row) for row in range(len(corpus))),
    }


@dataclass(frozen=True)
class _BlockTask:
    """The clips at `rows` of a corpus, which is opened where the task is sent: memory maps do not
    travel. Sums are split over `threads` there too, since their order makes the last bits."""

    rows: range
    folder: Path
    sounds: Path
    threads: int
    item_seconds: float = math.inf

    @property
    def title(self) -> str:
        return f"embedding of {self.folder}"

    @property
    def items(self) -> list[str]:
        return [f"the block of clips {self.rows.start} to {self.rows.stop - 1}"]

    def without(self, item: int, hung: bool, how: str) -> Self:
        raise RuntimeError(f"{self.title}: {self.items[item]}: {how}")


def _make_blocks(
    blocks: Blocks,
    image_encoder: ImageEncoder,
    audio_encoder: AudioEncoder,
    batch: int,
    device: str,
    sound_frames: int | None,
    task: _BlockTask,
    report: Report,
) -> None:
    """The blocks of both modalities of the task's clips, unless they are there."""
    torch.set_num_threads(task.threads)
    tables = (task.folder / "clips.parquet", task.sounds / "sounds.parquet")
    written = tuple(table.stat().st_mtime_ns for table in tables)
    corpus, rows = _opened(task.folder.resolve(), task.sounds.resolve(), written), task.rows
    frames = partial(embed_frames, corpus, image_encoder, rows, batch, device)
    blocks.make("image", rows.start, frames)
    sounds = partial(embed_sounds, corpus, audio_encoder, rows, batch, device, sound_frames)
    blocks.make("audio", rows.start, sounds)


@lru_cache(maxsize=1)
def _opened(folder: Path, sounds: Path, written: tuple[int, ...]) -> DecodedCorpus:
    """A corpus as of the times `written`, opened once for all blocks of a process."""
    return DecodedCorpus(folder, sounds)


def embed_frames(
    corpus: DecodedCorpus, encoder: ImageEncoder, rows: Sequence[int], batch: int, device: str
) -> np.ndarray:
    """Features of the clips at `rows`, float32 (rows, D), NaN where a clip has no picture."""
    present = [place for place, row in enumerate(rows) if corpus.has_frame(row)]
    groups = [present[first : first + batch] for first in range(0, len(present), batch)]
    return _embed(corpus, encoder, rows, groups, corpus.frame, device)


def embed_sounds(
    corpus: DecodedCorpus,
    encoder: AudioEncoder,
    rows: Sequence[int],
    batch: int,
    device: str,
    sound_frames: int | None = None,
) -> np.ndarray:
    """Features of the clips at `rows`, float32 (rows, D), NaN where a clip has no sound."""
    lengths: dict[int, list[int]] = {}
    for place, row in enumerate(rows):
        if corpus.has_sound(row):
            lengths.setdefault(sound_frames or corpus.sound_length(row), []).append(place)
    groups = [
        places[first : first + batch]
        for _, places in sorted(lengths.items())
        for first in range(0, len(places), batch)
    ]

    def load(row: int) -> np.ndarray:
        return sound_window(corpus, row, sound_frames or corpus.sound_length(row))

    return _embed(corpus, encoder, rows, groups, load, device)


def _embed(
    corpus: DecodedCorpus,
    encoder: ImageEncoder | AudioEncoder,
    rows: Sequence[int],
    groups: Sequence[Sequence[int]],
    load: Callable[[int], np.ndarray],
    device: str,
) -> np.ndarray:
    """One row of features for each of `rows`; each of `groups` (places in `rows`) is one batch."""
    encoder = encoder.to(device).eval()
    features = np.full((len(rows), encoder.features), np.nan, np.float32)
    for places in groups:
        inputs = torch.from_numpy(np.stack([load(rows[place]) for place in places]))
        with torch.inference_mode():
            outputs = encoder(inputs.to(device)).cpu().numpy()
        finite = np.isfinite(outputs).all(axis=1)
        if not finite.all():
            clip = corpus.clip_ids[rows[places[int(np.argmin(finite))]]]
            raise InputError(f"{corpus.folder}: {clip}: its features are not finite")
        features[np.asarray(places)] = outputs
    return features


def _weights(encoder: nn.Module) -> Iterator[str | np.ndarray]:
    """Everything that tells an encoder from another: names, shapes and values of its entries."""
    for key, tensor in encoder.state_dict().items():
        yield f"{key} {tuple(tensor.shape)}"
        yield np.atleast_1d(tensor.detach().cpu().contiguous().numpy())
