"""Decoding against its floor, what no decoder of one frame and one sound can leave out, and all
cores against one."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch

from pipeline.corpora.source import Source
from pipeline.decode.clip import Settings
from pipeline.decode.corpus import decode_corpus
from pipeline.decode.shard import ShardTask, decode_shard
from pipeline.execution.run import Engine
from pipeline.speed import made
from pipeline.speed.harness import Fact, Row, compare, scaled

SIDE, SECONDS = 246, 10.0  # the paper's
SETTINGS: dict[str, Any] = {"side": SIDE, "max_seconds": 60.0, "seconds_limit": 120.0}


def measure(
    folder: Path, *, size: float, repeats: int, threads: int, media: Path | None
) -> Iterator[Row]:
    """Rows for `media`, or for a made clip of 10 s and 720p (sides and length times `size`)."""
    path = media or made.clip(
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
        resampler = av.AudioResampler("flt", "mono", made.SAMPLE_RATE)
        chunks = [
            part.to_ndarray()[0]
            for heard in container.decode(audio=0)
            for part in resampler.resample(heard)
        ]
        chunks += [part.to_ndarray()[0] for part in resampler.resample(None)]
    return frame, np.concatenate(chunks)


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
