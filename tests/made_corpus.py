"""A small decoded corpus on disk, for tests that read one."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.base.files import write_json, write_npy, write_parquet
from pipeline.clips.decoded import DecodedCorpus
from pipeline.clips.flow import DTYPES, FOLDER, FlowForm
from pipeline.clips.sound_form import SoundForm


def make_corpus(
    folder: Path,
    frames: np.ndarray | Sequence[np.ndarray],
    sounds: Sequence[np.ndarray],
    shards: int = 2,
    clip_ids: Sequence[str] | None = None,
    *,
    spectrograms: Path | None = None,
    form: SoundForm | None = None,
    flow: Mapping[FlowForm, np.ndarray] | None = None,
) -> DecodedCorpus:
    """Write clips clip00, clip01, ..., or of given ids, with frames (n, side, side, 3) uint8, or
    (h, w, 3) each, whose aspect is then kept, and spectrograms (steps, bins), as float16, and open
    them.

    The spectrograms lie in `folder / "spectrograms"` by default, and are of a `form` with as many
    bands as they have bins. `flow` (n, side, side, 2) lies below them, in one form or both."""
    lengths = [len(sound) for sound in sounds]
    spectrograms = spectrograms or folder / "spectrograms"
    clips = np.array_split(np.arange(len(frames)), shards)
    for number, rows in enumerate(clips):
        if isinstance(frames, np.ndarray):
            stored = frames[rows]
        else:
            stored = np.concatenate([frames[row].reshape(-1) for row in rows])
        write_npy(folder / f"shards/frames_{number}.npy", stored)
        steps = np.concatenate([sounds[row] for row in rows]).astype(np.float16)
        write_npy(spectrograms / f"shards/spectrograms_{number}.npy", steps)
    ids = list(clip_ids or [f"clip{row:02d}" for row in range(len(frames))])
    table = {
        "clip_id": ids,
        "frame_row": pa.array(range(len(frames)), pa.int64()),
        "sound_seconds": pa.array([1.0] * len(frames), pa.float64()),
    }
    if not isinstance(frames, np.ndarray):
        starts = np.cumsum([0, *(frame.size for frame in frames)])[:-1]
        table["frame_row"] = pa.array(starts, pa.int64())
        table["frame_height"] = pa.array([len(frame) for frame in frames], pa.int32())
        table["frame_width"] = pa.array([frame.shape[1] for frame in frames], pa.int32())
    write_parquet(folder / "clips.parquet", pa.table(table))
    steps_of = {
        "clip_id": ids,
        "start": pa.array(np.cumsum([0, *lengths[:-1]]), pa.int64()),
        "steps": pa.array(lengths, pa.int32()),
    }
    write_parquet(spectrograms / "sounds.parquet", pa.table(steps_of))
    form = form or SoundForm(bands=np.shape(sounds[0])[1])
    write_json(spectrograms / "form.json", asdict(form))
    if flow is not None:
        for name, values in flow.items():
            for number, rows in enumerate(clips):
                stored = values[rows].astype(DTYPES[name])
                write_npy(spectrograms / FOLDER / f"shards/{name}_{number}.npy", stored)
        starts = pa.array(range(len(frames)), pa.int64())
        columns = {"clip_id": ids, "start": starts, "paired": [True] * len(frames)}
        write_parquet(spectrograms / FOLDER / "flow.parquet", pa.table(columns))
    return DecodedCorpus(folder, spectrograms)
