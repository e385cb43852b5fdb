"""Decoding against its floor, what no decoder of one frame and one sound can leave out, all cores
against one, and the spectrograms of a corpus against PyAV and SciPy clip by clip."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from scipy import signal

from pipeline.base.files import map_npy
from pipeline.clips.sound_form import LOG_FLOOR, SoundForm
from pipeline.corpora.source import Source
from pipeline.decode.clip import Settings
from pipeline.decode.corpus import decode_corpus
from pipeline.decode.shard import ShardTask, decode_shard
from pipeline.decode.sounds import SoundsTask, make_sounds
from pipeline.execution.run import Engine
from pipeline.speed import made
from pipeline.speed.harness import Fact, Row, Setup, compare, scaled
from pipeline.speed.made_clip import clip

SIDE, SECONDS = 246, 10.0  # the paper's
SETTINGS: dict[str, Any] = {"side": SIDE, "max_seconds": 60.0, "seconds_limit": 120.0}


def measure(folder: Path, setup: Setup) -> Iterator[Row]:
    """Rows for `media`, or for a made clip of 10 s and 720p (sides and length times `size`)."""
    size, repeats, threads, media = setup.size, setup.repeats, setup.threads, setup.media
    path = media or clip(
        folder / "clip.mp4",
        seconds=max(1.0, SECONDS * size),
        width=16 * scaled(80, size),
        height=16 * scaled(45, size),
    )
    name = media.name if media else f"made, {_form(path)}"
    clips = 12  # a shard has hundreds, beside whose work its few files cost nothing
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield compare(
        f"decode one clip, one core ({name})",
        lambda: _one_shard(path, clips),
        lambda: [plain_decode(path) for _ in range(clips)],
        "floor: seek, middle frame, sound",
        repeats=repeats,
        units=clips,
        bar=0.9,
    )
    yield _spectrograms_row(path, name, repeats)
    torch.set_num_threads(before)
    clips = 16 * threads  # small shards, since the last one alone leaves the other cores idle
    yield compare(
        f"decode {clips} clips, {threads} processes",
        lambda: _whole_corpus(path, clips, 8 * threads, threads),
        lambda: _whole_corpus(path, clips, 8 * threads, 1),
        "one process",
        repeats=repeats,
        units=clips,
        bar=0.9 * threads,
        facts=lambda ours, other: [Fact("rejects", ours + other, at_most=0)],
    )


def plain_decode(path: Path) -> tuple[av.VideoFrame, np.ndarray]:
    """The frame at the middle and the mono sound at 16 kHz, the shortest way on one thread. No
    check of anything."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        video.codec_context.thread_count = 1
        middle = (video.start_time or 0) + (video.duration or 0) // 2
        container.seek(middle, stream=video)
        for frame in container.decode(video):
            if (frame.pts or 0) >= middle:
                break
    with av.open(str(path)) as container:
        return frame, _mono(container)


def plain_spectrogram(path: Path) -> np.ndarray:
    """The paper's spectrogram of a clip's sound by PyAV and SciPy, (T, 257) float16."""
    with av.open(str(path)) as container:
        samples = _mono(container)
    power = signal.spectrogram(samples, made.SAMPLE_RATE, nperseg=512, noverlap=512 - 159)[2]
    return np.log(power + LOG_FLOOR).T.astype(np.float16)


def _mono(container: av.container.InputContainer) -> np.ndarray:
    """The sound of an open file at 16 kHz, (n,) float32."""
    resampler = av.AudioResampler("flt", "mono", made.SAMPLE_RATE)
    chunks = [
        part.to_ndarray()[0]
        for heard in container.decode(audio=0)
        for part in resampler.resample(heard)
    ]
    chunks += [part.to_ndarray()[0] for part in resampler.resample(None)]
    return np.concatenate(chunks)


def _spectrograms_row(path: Path, name: str, repeats: int) -> Row:
    """The sounds of a decoded corpus' clips in one form, by the process of a shard, beside PyAV and
    SciPy."""
    clips = 12
    return compare(
        f"spectrograms, one form, one core ({name})",
        lambda: _one_form(path, clips),
        lambda: _plain_spectrograms(path, clips),
        "PyAV + SciPy per clip",
        repeats=repeats,
        units=clips,
        facts=lambda ours, other: [
            Fact("time steps, ours and theirs", f"{len(ours)}, {len(other)}"),
            # float16 keeps three digits of a value near -16.
            Fact("values differ by", _apart(ours, other), at_most=0.05),
        ],
    )


def _one_form(path: Path, clips: int) -> np.ndarray:
    """The first clip's spectrogram, (T, 257) float16, of all that are made."""
    with tempfile.TemporaryDirectory() as scratch:
        task = SoundsTask(
            Path(scratch),
            path.parent,
            tuple((source.clip_id, path.name) for source in _sources(path, clips)),
            SoundForm(),
            seconds=0.5,
            max_seconds=SETTINGS["max_seconds"],
            seconds_limit=SETTINGS["seconds_limit"],
        )
        make_sounds(task, lambda number: None)
        made_steps = map_npy(Path(scratch) / "spectrograms.npy")
        return np.array(made_steps[: len(made_steps) // clips])


def _plain_spectrograms(path: Path, clips: int) -> np.ndarray:
    """`plain_spectrogram`, so many times."""
    for _ in range(clips):
        found = plain_spectrogram(path)
    return found


def _apart(ours: np.ndarray, other: np.ndarray) -> float:
    """The largest difference of the time steps that both have; a container may say that the last
    packet's end is no sound."""
    common = min(len(ours), len(other))
    return float(np.abs(ours[:common].astype(np.float32) - other[:common]).max())


def _form(path: Path) -> str:
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        return f"{video.width}x{video.height}, {(container.duration or 0) / av.time_base:.1f} s"


def _sources(path: Path, clips: int) -> list[Source]:
    return [Source(f"clip{number:05d}", path, path) for number in range(clips)]


def _one_shard(path: Path, clips: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        sources = tuple(_sources(path, clips))
        task = ShardTask(Path(scratch), path.parent, sources, Settings(**SETTINGS))
        decode_shard(task, lambda number: None)


def _whole_corpus(path: Path, clips: int, shards: int, workers: int) -> float:
    """The number of rejects."""
    with tempfile.TemporaryDirectory() as scratch:
        summary = decode_corpus(
            _sources(path, clips),
            path.parent,
            Path(scratch) / "decoded",
            work=Path(scratch) / "work",
            shards=shards,
            max_reject_share=1.0,
            engine=Engine(workers=workers),
            **SETTINGS,
        )
    return float(summary["rejects"])
