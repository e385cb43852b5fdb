"""Features of a decoded corpus: one row a clip, one npy file an encoder.

Clips are taken in blocks of 1,024 in the corpus' order, and within a block in batches of one sound
length or one frame size, so what is computed together depends on the corpus and the batch size
alone, and with it every bit of the result. A corpus of one length, the usual case, loses nothing by
this; one where every length differs is embedded clip by clip.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from pipeline.base.code import fingerprint, hash_of_code
from pipeline.base.pieces import Blocks
from pipeline.clips.decoded import DecodedCorpus
from pipeline.clips.windows import sound_window
from pipeline.encoders.common.contract import Encoder
from pipeline.errors import InputError
from pipeline.execution.pool import Report, Whole
from pipeline.execution.progress import track
from pipeline.execution.run import HERE, Engine, run

_BLOCK = 1024


class Modality(StrEnum):
    """What an encoder reads."""

    image = "image"
    audio = "audio"


def embed_corpus(
    corpus: DecodedCorpus,
    encoder: Encoder,
    path: Path,
    *,
    work: Path,
    batch: int = 64,
    sound_steps: int | None = None,
    device: str = "cpu",
    half: bool = False,
    engine: Engine = HERE,
) -> dict[str, int]:
    """Write the features of a corpus by one encoder to `path`, npy float32 (clips, D).

    A clip without the encoder's modality has a row of NaN. `sound_steps` time steps of every sound
    are used: the middle of a longer one, a shorter one repeated; all of each sound by default.
    `half` has the networks' passes in bfloat16; features are float32.
    Finished blocks wait in `work` until the file is written. `engine` says where blocks are made:
    one after the other in this process, or on a Ray cluster; machines of one kind give the same
    bytes. Returns the number of clips and of those that have features. Raises `InputError` where
    the corpus is empty or a feature is not finite.
    """
    if not len(corpus):
        raise InputError(f"{corpus.folder}: holds no clip, so there is nothing to embed")
    threads = torch.get_num_threads()  # sums in another order end in other bits
    pictures = encoder.modality == "image"
    parts = (
        (batch, vars(encoder).get("side"))
        if pictures
        else (batch, sound_steps, asdict(corpus.form))
    )
    said = repr((parts, torch.device(device).type, threads, half))
    # They hold a hash of every clip's content, and where its sound is in what is read.
    tables = [(corpus.folder / "clips.parquet").read_bytes()]
    tables += [] if pictures else [(corpus.sounds_folder / "sounds.parquet").read_bytes()]
    code = hash_of_code("pipeline.encoders.embedding", type(encoder).__module__)
    blocks = Blocks(work, fingerprint([*tables, torch.__version__, said, *_weights(encoder), code]))
    starts = range(0, len(corpus), _BLOCK)
    tasks = [
        _BlockTask(
            range(start, min(start + _BLOCK, len(corpus))),
            corpus.folder,
            None if pictures else corpus.sounds_folder,
            threads,
        )
        for start in starts
    ]
    make = partial(_make_block, blocks, encoder, batch, device, half, sound_steps)
    embedded = run(tasks, make, engine, processes=False)
    for _ in track(embedded, f"embedding, blocks of {_BLOCK} clips", len(starts)):
        pass
    blocks.join("features", starts, path)
    blocks.discard()
    has = corpus.has_frame if pictures else corpus.has_sound
    return {"clips": len(corpus), "with features": sum(map(has, range(len(corpus))))}


@dataclass(frozen=True)
class _BlockTask(Whole):
    """The clips at `rows` of a corpus, which is opened where the task is sent: memory maps do not
    travel. Sums are split over `threads` there too, since their order makes the last bits."""

    rows: range
    folder: Path
    spectrograms: Path | None
    threads: int

    @property
    def title(self) -> str:
        return f"embedding of {self.folder}"

    @property
    def items(self) -> list[str]:
        return [f"the block of clips {self.rows.start} to {self.rows.stop - 1}"]


def _make_block(
    blocks: Blocks,
    encoder: Encoder,
    batch: int,
    device: str,
    half: bool,
    sound_steps: int | None,
    task: _BlockTask,
    report: Report,
) -> None:
    """The block of the task's clips, unless it is there."""
    torch.set_num_threads(task.threads)
    written = (task.folder / "clips.parquet").stat().st_mtime_ns
    sounds = None if task.spectrograms is None else task.spectrograms.resolve()
    corpus, rows = _opened(task.folder.resolve(), sounds, written), task.rows
    compute = (
        partial(embed_frames, corpus, encoder, rows, batch, device)
        if encoder.modality == "image"
        else partial(embed_sounds, corpus, encoder, rows, batch, device, sound_steps)
    )
    with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=half):
        blocks.make("features", rows.start, compute)


@lru_cache(maxsize=1)
def _opened(folder: Path, spectrograms: Path | None, written: int) -> DecodedCorpus:
    """A corpus as of the time `written`, opened once for all blocks of a process."""
    return DecodedCorpus(folder, spectrograms)


def embed_frames(
    corpus: DecodedCorpus, encoder: Encoder, rows: Sequence[int], batch: int, device: str
) -> np.ndarray:
    """Features of the clips at `rows`, float32 (rows, D), NaN where a clip has no picture."""
    sizes: dict[tuple[int, int], list[int]] = {}
    for place, row in enumerate(rows):
        if corpus.has_frame(row):
            sizes.setdefault(corpus.frame_size(row), []).append(place)
    groups = _batches(sizes, batch)
    return _embed(corpus, encoder, rows, groups, corpus.frame, device)


def embed_sounds(
    corpus: DecodedCorpus,
    encoder: Encoder,
    rows: Sequence[int],
    batch: int,
    device: str,
    sound_steps: int | None = None,
) -> np.ndarray:
    """Features of the clips at `rows`, float32 (rows, D), NaN where a clip has no sound."""
    lengths: dict[int, list[int]] = {}
    for place, row in enumerate(rows):
        if corpus.has_sound(row):
            lengths.setdefault(sound_steps or corpus.sound_length(row), []).append(place)
    groups = _batches(lengths, batch)
    return _embed(
        corpus, encoder, rows, groups, lambda row: _sound(corpus, row, sound_steps), device
    )


def _batches(alike: Mapping[Any, list[int]], batch: int) -> list[list[int]]:
    """Places of one shape each, by their shapes in order, at most `batch` together."""
    return [
        places[first : first + batch]
        for _, places in sorted(alike.items())
        for first in range(0, len(places), batch)
    ]


def _sound(corpus: DecodedCorpus, row: int, length: int | None) -> np.ndarray:
    """A clip's spectrogram with `length` time steps: its middle, or repeated if shorter."""
    return corpus.spectrogram(row) if length is None else sound_window(corpus, row, length)


def _embed(
    corpus: DecodedCorpus,
    encoder: Encoder,
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
            outputs = encoder(inputs.to(device)).float().cpu().numpy()
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
