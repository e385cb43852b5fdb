"""A small decoded corpus on disk, for tests that read one."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.base.files import write_npy, write_parquet
from pipeline.clips.decoded import DecodedCorpus


def make_corpus(
    folder: Path,
    frames: np.ndarray,
    sounds: Sequence[np.ndarray],
    shards: int = 2,
    clip_ids: Sequence[str] | None = None,
) -> DecodedCorpus:
    """Write clips clip00, clip01, ..., or of given ids, with frames (n, side, side, 3) uint8 and
    log-spectrograms (steps, bands), as float16, and open them."""
    lengths = [len(sound) for sound in sounds]
    clips = np.array_split(np.arange(len(frames)), shards)
    for number, rows in enumerate(clips):
        write_npy(folder / f"shards/frames_{number}.npy", frames[rows])
        spectrograms = np.concatenate([sounds[row] for row in rows]).astype(np.float16)
        write_npy(folder / f"shards/spectrograms_{number}.npy", spectrograms)
    table = {
        "clip_id": clip_ids or [f"clip{row:02d}" for row in range(len(frames))],
        "frame_row": pa.array(range(len(frames)), pa.int64()),
        "sound_start": pa.array(np.cumsum([0, *lengths[:-1]]), pa.int64()),
        "sound_frames": pa.array(lengths, pa.int32()),
    }
    write_parquet(folder / "clips.parquet", pa.table(table))
    return DecodedCorpus(folder)
