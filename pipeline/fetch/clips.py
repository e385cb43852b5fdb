"""Fetching a list's clips: politely, never one twice, each that cannot be had with its cause."""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from pipeline.base.files import remove_partials
from pipeline.corpora.vggsound import find
from pipeline.errors import InputError
from pipeline.execution.progress import track
from pipeline.fetch.cut import cut
from pipeline.fetch.errors import PASSING, FetchError
from pipeline.fetch.missing import Missing
from pipeline.fetch.pace import Pace, waits
from pipeline.fetch.videos import Finder

_FREE_BYTES = 2**30  # below it the disk is called full
_BLOCKED = 3  # clips in a row that a site refuses to talk about


@dataclass(frozen=True)
class Manners:
    """How a site is asked: `tries` a clip with pauses of `pause` s and more between, `pace` over
    all, so many clips `at_once`; an answer that takes longer than `stall` s is none."""

    pace: Pace
    tries: int = 4
    pause: float = 5.0
    at_once: int = 1
    stall: float = 30.0


def fetch_clips(
    clips: Sequence[str],
    folder: Path,
    finder: Finder,
    manners: Manners,
    *,
    seconds: float = 10.0,
    again: bool = False,
) -> dict[str, int]:
    """Put the clips of VGGSound that are not below `folder` yet there, `<clip>.mp4`; the number of
    clips there before, fetched, not asked for again, and of each cause (`pipeline.fetch.errors`).

    A clip that lies there under any of its spellings is there. One that an earlier run found gone
    for good is not asked for, unless `again`. `folder`/missing.parquet names what could not be had
    (`pipeline.fetch.missing`). Raises `InputError` where the site refuses several clips in a row,
    and where less than a gigabyte of the disk is free; what is fetched stays, and the same call
    goes on from it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    remove_partials(folder)
    missing = Missing(folder)
    there = {source.clip_id for source in find(folder)}
    wanted = [clip for clip in clips if clip not in there]
    left = [clip for clip in wanted if again or not missing.settled(clip)]
    counts: Counter[str] = Counter(
        {"there": len(clips) - len(wanted), "settled": len(wanted) - len(left)}
    )
    refused = 0

    def one(clip: str) -> int:
        return _one(clip, folder, finder, manners, seconds)

    try:
        done = _in_threads(one, left, manners.at_once)
        for clip, error, tries in track(done, "fetch", len(left)):
            if error is None:
                missing.remove(clip)
                counts["fetched"] += 1
            else:
                missing.add(clip, error, tries)
                counts[error.cause] += 1
            refused = refused + 1 if error is not None and error.cause == "blocked" else 0
            if refused == _BLOCKED:
                raise InputError(
                    f"{clip}: the site refuses to answer ({error.detail if error else ''}); "
                    f"{counts['fetched']} clips were fetched, the same command goes on later, "
                    "slower by --per-minute"
                )
            if shutil.disk_usage(folder).free < _FREE_BYTES:
                raise InputError(
                    f"{folder}: less than 1 GB of the disk is free; {counts['fetched']} clips were "
                    "fetched, the same command goes on"
                )
    finally:
        missing.save()
    return dict(counts)


class _TriedError(Exception):
    """A clip that could not be had, and after how many tries."""

    def __init__(self, error: FetchError, tries: int) -> None:
        super().__init__(str(error))
        self.error, self.tries = error, tries


def _one(clip: str, folder: Path, finder: Finder, manners: Manners, seconds: float) -> int:
    """Fetch one clip; how many tries it took. Raises `_TriedError`."""
    video, start = clip[:11], int(clip[12:])
    pauses = waits(manners.tries, manners.pause)
    tries = 0
    while True:
        tries += 1
        manners.pace.wait()
        try:
            cut(finder(video), start, seconds, folder / f"{clip}.mp4", stall=manners.stall)
            return tries
        except FetchError as error:
            pause = next(pauses, None) if error.cause in PASSING else None
            if pause is None:
                raise _TriedError(error, tries) from error
            if error.cause == "blocked":
                manners.pace.rest(pause)  # all threads are meant
            else:
                manners.pace.pause(pause)


def _in_threads(
    one: Callable[[str], int], clips: Sequence[str], at_once: int
) -> Iterator[tuple[str, FetchError | None, int]]:
    """Each clip as it is done, with its error and its tries; not more are begun than are at work,
    so that an end has little to wait for."""
    waiting = iter(clips)
    running: dict[Future[int], str] = {}
    with ThreadPoolExecutor(at_once) as threads:
        while True:
            while len(running) < at_once and (clip := next(waiting, None)) is not None:
                running[threads.submit(one, clip)] = clip
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                clip = running.pop(future)
                try:
                    yield clip, None, future.result()
                except _TriedError as failure:
                    yield clip, failure.error, failure.tries
