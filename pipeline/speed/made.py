"""Made inputs for measuring: pictures, sounds, decoded corpora and features of any size.

Content is random but shaped like the real thing where that costs time: pictures are smooth with
some noise, so that JPEG and H.264 have about as much to do as with a photograph, and features lie
in clusters, without which no approximate index could find anything.
"""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from pipeline.base.files import write_json, write_npy, write_parquet
from pipeline.clips.decoded import DecodedCorpus
from pipeline.clips.sound_form import SoundForm

SAMPLE_RATE = 16000
_SHARD = 256  # clips
_DISTINCT = 32  # clips whose content differs; the others repeat them


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A smooth picture with noise, (height, width, 3) uint8."""
    generator = np.random.default_rng(seed)
    coarse = Image.fromarray(generator.integers(0, 256, (9, 16, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.float32)
    noisy = smooth + generator.normal(0, 6, (height, width, 1)).astype(np.float32)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def sound(seconds: float, seed: int = 0) -> np.ndarray:
    """Noise under a slow swell, (n,) float32 at 16 kHz."""
    samples = round(seconds * SAMPLE_RATE)
    swell = 0.5 + 0.5 * np.sin(np.linspace(0, 7, samples))
    noise = np.random.default_rng(seed).normal(0, 0.1, samples)
    return np.clip(noise * swell, -1, 1).astype(np.float32)


def corpus(
    folder: Path, clips: int, *, side: int, form: SoundForm, seconds: float
) -> DecodedCorpus:
    """A decoded corpus on disk: frames of `side` pixels, spectrograms of `seconds` in `form`."""
    steps, bins = form.steps(seconds), form.bins
    spectrograms = folder / "spectrograms"
    generator = np.random.default_rng(0)
    distinct = min(clips, _DISTINCT)
    frames = np.stack([picture(side, side, seed) for seed in range(distinct)])
    logs = generator.normal(-12, 2, (distinct, steps, bins)).astype(np.float16)
    for number, start in enumerate(range(0, clips, _SHARD)):
        chosen = np.arange(start, min(start + _SHARD, clips)) % distinct
        write_npy(folder / f"shards/frames_{number:05d}.npy", frames[chosen])
        sounds = logs[chosen].reshape(-1, bins)
        write_npy(spectrograms / f"shards/spectrograms_{number:05d}.npy", sounds)
    table = {
        "clip_id": [f"clip{row:07d}" for row in range(clips)],
        "frame_row": pa.array(np.arange(clips), pa.int64()),
        "sound_seconds": pa.array(np.full(clips, seconds), pa.float64()),
    }
    write_parquet(folder / "clips.parquet", pa.table(table))
    sounds_of = {
        "clip_id": table["clip_id"],
        "start": pa.array(np.arange(clips) * steps, pa.int64()),
        "steps": pa.array(np.full(clips, steps), pa.int32()),
    }
    write_parquet(spectrograms / "sounds.parquet", pa.table(sounds_of))
    write_json(spectrograms / "form.json", asdict(form))
    return open_corpus(folder)


def open_corpus(folder: Path) -> DecodedCorpus:
    """A corpus that `corpus` made."""
    return DecodedCorpus(folder, folder / "spectrograms")


def features(clips: int, width: int) -> np.ndarray:
    """Features in 300 clusters, (clips, width) float32 of length 1."""
    generator = np.random.default_rng(0)
    centres = generator.standard_normal((300, width), np.float32)
    rows = centres[generator.integers(300, size=clips)]
    rows += generator.standard_normal((clips, width), np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def neighbour_ids(clips: int, k: int) -> np.ndarray:
    """(clips, k) int32 ids of other clips, anywhere in the corpus."""
    offsets = np.random.default_rng(0).integers(1, clips, (clips, k))
    return ((np.arange(clips)[:, None] + offsets) % clips).astype(np.int32)
