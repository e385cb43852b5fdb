"""Decoding beside PyAV, torchcodec and decord, where they are installed, on real clips.

Every decoder gives the middle frame and the whole sound; the frame is then brought to its side by
the same Pillow. Ours is `decode_clip`, with all that it finds out besides. Seconds are the
processes' own CPU time, which other work on the machine hardly touches; frames and sounds are
judged by `pipeline.speed.judged`.
"""

import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from pipeline.corpora.source import Source
from pipeline.decode.clip import Settings, decode_clip
from pipeline.errors import InputError
from pipeline.media.errors import MediaError
from pipeline.media.file import read_picture, read_sound
from pipeline.media.resizing import resized
from pipeline.speed.harness import Fact, Row, Setup, scaled, take_turns, timed_row
from pipeline.speed.judged import SIDE, Truth, frame_is_right, sound_is_right, truth_of
from pipeline.speed.made_clip import clip
from pipeline.speed.other_decoders import Decoder, load_decoders

STORED = 246  # pixels, the paper's
_LIMIT = 120.0  # s
_ROUNDS = 4  # of all clips that two processes share, so that neither waits long at the end
_NO_MEDIA = frozenset((".md", ".txt", ".json", ".csv"))
BAD = ("wrong", "refused", "dies")


def measure(folder: Path, setup: Setup) -> Iterator[Row]:
    """Rows for all clips of the folder `media`, or for that clip, or for a made one of 10 s and
    720p (sides times `size`): each of the others beside ours, then each in one and in two
    processes."""
    paths = _clips(folder, setup)
    others, absent = load_decoders()
    truths = [truth_of(path) for path in paths]
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    calls: list[Callable[[], object]] = [
        partial(_every, decode, paths) for decode in (ours, *map(_theirs, others.values()))
    ]
    for call in calls:
        call()
    seconds = take_turns(calls, setup.repeats, time.process_time) / len(paths)
    torch.set_num_threads(before)
    missing = [Fact(name, why) for name, why in absent.items()]
    with Judge() as judge:
        told = Fact("ours", judge.counted(OURS, paths, truths))
        for place, (name, decoder) in enumerate(others.items(), 1):
            yield timed_row(
                f"frame and sound of {len(paths)} clips, CPU time",
                name,
                seconds[:, [0, place]],
                bar=1.0,
                facts=[told, Fact("theirs", judge.counted(decoder, paths, truths)), *missing],
            )
    for name, decode in (("ours", ours), *((n, _theirs(d)) for n, d in others.items())):
        yield _two_processes(name, decode, paths, setup.repeats)


class Judge:
    """Judges decoders, each call in a process that may die of it. To be closed, or used in a
    `with`."""

    def __init__(self) -> None:
        self._process = _pool(1)

    def __enter__(self) -> "Judge":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.shutdown()

    def verdicts(self, decoder: Decoder, path: Path, truth: Truth) -> tuple[str, str]:
        """What becomes of a clip's picture and of its sound: "right", "wrong", "refused" (an
        error), "dies" (its process), or "" for what the file does not have."""
        picture = sound = ""
        if truth.frames is not None:
            picture = self._verdict(
                lambda frame: frame_is_right(frame, truth),
                partial(_or_none, decoder.picture, decoder.refusals, path),
            )
        if truth.sound is not None:
            sound = self._verdict(
                lambda heard: sound_is_right(heard[0], heard[1], truth),
                partial(_or_none, decoder.sound, decoder.refusals, path),
            )
        return picture, sound

    def counted(self, decoder: Decoder, paths: Sequence[Path], truths: Sequence[Truth]) -> str:
        """How many of all clips' frames and sounds are not right."""
        found = [self.verdicts(decoder, *clip) for clip in zip(paths, truths, strict=True)]
        told = []
        for kind, of in zip(("frames", "sounds"), zip(*found, strict=True), strict=True):
            there = Counter(filter(None, of))
            bad = [f"{there[verdict]} {verdict}" for verdict in BAD if there[verdict]]
            told.append(f"{kind}: {', '.join(bad) or 'none wrong'} of {there.total()}")
        return "; ".join(told)

    def _verdict(self, is_right: Callable[[Any], bool], decode: Callable[[], object]) -> str:
        try:
            decoded = self._process.submit(decode).result()
        except BrokenProcessPool:
            self._process.shutdown()
            self._process = _pool(1)
            return "dies"
        if decoded is None:
            return "refused"
        return "right" if is_right(decoded) else "wrong"


def _or_none(
    decode: Callable[[Path], object], refusals: tuple[type[Exception], ...], path: Path
) -> object | None:
    """What is decoded; None where the clip is refused, since not every exception can be sent to
    another process."""
    try:
        return decode(path)
    except refusals:
        return None


def _our_picture(path: Path) -> np.ndarray:
    return read_picture(path, side=SIDE).frame


def _our_sound(path: Path) -> tuple[np.ndarray, None]:
    return read_sound(path).samples, None


OURS = Decoder(_our_picture, _our_sound, (MediaError,))


def ours(path: Path) -> None:
    """All that stage decode does with a clip before it writes it."""
    settings = Settings(side=STORED, max_seconds=60.0, seconds_limit=_LIMIT)
    decode_clip(Source(path.stem, path, path), path.parent, settings)


def _theirs(decoder: Decoder) -> Callable[[Path], None]:
    return partial(_by, decoder)


def _by(decoder: Decoder, path: Path) -> None:
    """The same frame and sound by another decoder."""
    resized(Image.fromarray(np.ascontiguousarray(decoder.picture(path))), STORED)
    decoder.sound(path)


def _every(decode: Callable[[Path], None], paths: Sequence[Path]) -> None:
    for path in paths:
        decode(path)


def _clips(folder: Path, setup: Setup) -> list[Path]:
    media = setup.media
    if media is None:
        width, height = 16 * scaled(80, setup.size), 16 * scaled(45, setup.size)
        return [clip(folder / "clip.mp4", seconds=10.0, width=width, height=height)]
    if media.is_file():
        return [media]
    paths = sorted(
        path for path in media.iterdir() if path.is_file() and path.suffix not in _NO_MEDIA
    )
    if not paths:
        raise InputError(f"{media}: no file in it, expected clips with picture and sound")
    return paths


def _two_processes(
    name: str, decode: Callable[[Path], None], paths: Sequence[Path], repeats: int
) -> Row:
    """The clock of the same clips in two processes beside one, and what their CPUs took."""
    work = list(paths) * _ROUNDS
    clock, computed = np.zeros((repeats, 2)), np.zeros((repeats, 2))
    with _pool(2) as two, _pool(1) as one:
        for pool in (two, one):
            list(pool.map(partial(_timed, decode), work))  # starts them and imports
        for turn in range(repeats):
            for place, pool in enumerate((two, one)):
                started = time.perf_counter()
                computed[turn, place] = sum(pool.map(partial(_timed, decode), work))
                clock[turn, place] = time.perf_counter() - started
    apart = np.median(computed, axis=0) / len(work)
    return timed_row(
        f"{name}, two processes, {len(work)} clips",
        "one process",
        clock / len(work),
        facts=[
            Fact("CPU ms a clip, two", round(1e3 * apart[0], 1)),
            Fact("CPU ms a clip, one", round(1e3 * apart[1], 1)),
        ],
    )


def _pool(processes: int) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(processes, context, torch.set_num_threads, (1,))


def _timed(decode: Callable[[Path], None], path: Path) -> float:
    """CPU seconds of one clip."""
    started = time.process_time()
    decode(path)
    return time.process_time() - started
