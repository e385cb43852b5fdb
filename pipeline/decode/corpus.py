"""Any corpus to npy shards of middle frames and log-spectrograms, a clip table and the rejects.

As in img2dataset, the work is cut into shards that know nothing of each other: `decode_shard` is a
picklable call that gives the same files whoever makes it and however often, and only
`run_in_processes` knows about processes; another engine distributes the same calls. Each shard has
a process of its own, forked from a warm server in a tenth of a second, so a clip that kills its
decoder costs the work of its own shard only (it is tried once more, then rejected) and memory
cannot grow over a corpus.

Finished shards stay in a work folder, named by a fingerprint of everything that makes their bytes:
the settings, this code, and the id, path, size and modification time of each clip. A stage that
was killed goes on from there and one more clip redoes one shard. The final folder holds hard links
to the same files, so this costs no disk as long as both are on one file system.
"""

import functools
import json
import multiprocessing
import os
import re
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from itertools import chain
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import IO, Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from pipeline.base.code import code_of
from pipeline.base.files import atomic_file, map_npy, read_parquet, write_json, write_parquet
from pipeline.clips import spectrogram
from pipeline.clips.spectrogram import log_spectrogram, repeat_to
from pipeline.corpora.source import Source
from pipeline.errors import InputError
from pipeline.execution.progress import console, track
from pipeline.media.errors import CAUSES, Cause, MediaError
from pipeline.media.file import MediaFile
from pipeline.media.picture import Picture
from pipeline.media.sound import Sound

WINDOW_SECONDS = 3.0  # the middle part that the protocols use; its loudness is told
SILENT_BELOW = -60.0  # dB of full scale, over the whole sound
_HANG_MARGIN = 5.0  # s, for a busy machine
_OUT_OF_MEMORY = 12  # exit code
_QUIETEST = -120.0  # dB told for digital silence

_CLIPS = pa.schema(
    [
        ("clip_id", pa.string()),
        ("frame_row", pa.int64()),
        ("sound_start", pa.int64()),
        ("sound_frames", pa.int32()),
        ("picture_path", pa.string()),
        ("sound_path", pa.string()),
        ("duration", pa.float64()),
        ("frame_rate", pa.float64()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("sample_rate", pa.int32()),
        ("channels", pa.int32()),
        ("sound_seconds", pa.float64()),
        ("loudness", pa.float64()),
        ("window_loudness", pa.float64()),
        ("silent", pa.bool_()),
        ("still", pa.bool_()),
        ("content", pa.string()),
        ("mask", pa.string()),
    ]
)
_REJECTS = pa.schema([(name, pa.string()) for name in ("clip_id", "path", "cause", "detail")])

Report = Callable[[int], None]


@dataclass(frozen=True)
class Settings:
    """What makes the numbers: pixels, seconds, Hz, and samples for `window` and `hop`."""

    side: int
    seconds: float
    max_seconds: float
    sample_rate: int
    window: int
    hop: int
    bands: int
    seconds_limit: float


@dataclass(frozen=True)
class ShardTask:
    """All that `decode_shard` needs, free of open files, so that any engine can carry it.

    `folder` is where the shard's files go; `condemned` are the clips that killed their process
    twice, with the cause to reject them for.
    """

    folder: Path
    root: Path
    sources: tuple[Source, ...]
    settings: Settings
    condemned: tuple[tuple[str, Cause, str], ...] = ()


def shard_of(clip_id: str, shards: int) -> int:
    """The shard of a clip: a hash of its id alone, so that other clips never move it."""
    return int.from_bytes(blake2b(clip_id.encode(), digest_size=8).digest(), "big") % shards


def decode_corpus(
    sources: Sequence[Source],
    root: Path,
    folder: Path,
    *,
    work: Path,
    side: int,
    seconds: float,
    max_seconds: float,
    sample_rate: int,
    window: int,
    hop: int,
    bands: int,
    shards: int,
    seconds_limit: float,
    max_reject_share: float,
    workers: int,
    worker: "Callable[[ShardTask, Report], None] | None" = None,
    distribute: Callable[..., Iterable[list[str]]] | None = None,
) -> dict[str, int | float]:
    """Decode `sources` (below `root`) into `folder`; gives the content of its summary.json.

    Frames are (`side`, `side`, 3) uint8; spectrograms float16, time first, natural logarithm, of
    `bands` mel bands (0: all `window` // 2 + 1 linear ones). Sounds shorter than `seconds` are
    repeated up to it, of sounds longer than `max_seconds` the centre is kept. `work` keeps
    finished shards between calls. No output depends on `workers`. `worker` is `decode_shard`,
    unless a caller wants something around it. `distribute(function, tasks)` yields the results of
    a function for every task, in any order and on any machines that see these folders, in place of
    this machine's processes.
    Raises `InputError` where no clip is good, where the rejected share exceeds `max_reject_share`
    (the rejects are written first), and where the disk fails or is full.
    """
    if not sources:
        raise InputError(f"{root}: holds no clip to decode")
    settings = Settings(side, seconds, max_seconds, sample_rate, window, hop, bands, seconds_limit)
    members: list[list[Source]] = [[] for _ in range(shards)]
    for source in sorted(sources, key=lambda source: source.clip_id):
        members[shard_of(source.clip_id, shards)].append(source)
    tasks = [
        _task(work, root, number, tuple(clips), settings) for number, clips in enumerate(members)
    ]
    unfinished = [task for task in tasks if not _is_whole(task)]
    if len(unfinished) < len(tasks):
        console.print(f"decode: {len(tasks) - len(unfinished)} of {len(tasks)} shards are done")
    clips_left = sum(len(task.sources) for task in unfinished)
    decoding: Iterable[str] = (
        run_in_processes(unfinished, workers, worker or decode_shard)
        if distribute is None
        else chain.from_iterable(
            distribute(functools.partial(_run_elsewhere, worker or decode_shard), unfinished)
        )
    )
    try:
        for _ in track(decoding, "decode", clips_left):
            pass
        return _publish(tasks, root, folder, work, max_reject_share)
    except OSError as error:
        raise InputError(f"{error.filename or work}: {error.strerror}") from error


# --- one shard -----------------------------------------------------------------------------------


def decode_shard(task: ShardTask, report: Report) -> None:
    """Decode the clips of one shard into `task.folder`: two npy files and two tables.

    Idempotent: the same task gives the same bytes, and a shard that is whole is left as it is.
    `report(n)` is called when clip number n begins and, with the number of clips, at the end.
    Frames and spectrograms go straight to the disk, so memory holds one clip at a time.
    """
    if _is_whole(task):
        return
    torch.set_num_threads(1)
    settings = task.settings
    for partial in task.folder.glob(".*.partial"):  # of a process that was killed
        partial.unlink()
    condemned = {clip_id: MediaError(cause, detail) for clip_id, cause, detail in task.condemned}
    clips: list[dict[str, Any]] = []
    rejects: list[dict[str, str]] = []
    bands = settings.bands or settings.window // 2 + 1
    with ExitStack() as stack:
        frames, steps = (
            _GrowingArray(stack.enter_context(atomic_file(task.folder / name)), dtype, shape)
            for name, dtype, shape in (
                ("frames.npy", np.dtype(np.uint8), (settings.side, settings.side, 3)),
                ("spectrograms.npy", np.dtype(np.float16), (bands,)),
            )
        )
        for number, source in enumerate(task.sources):
            report(number)
            paths = {
                "picture_path": source.picture and _relative(source.picture, task.root),
                "sound_path": source.sound and _relative(source.sound, task.root),
            }
            step = "sound_path"  # the sound is read first: it is cheaper to find missing
            try:
                if source.clip_id in condemned:
                    raise condemned[source.clip_id]
                # Where both are in one file its packets are listed once.
                places = [place for place in (source.sound, source.picture) if place is not None]
                with ExitStack() as open_files:
                    files = {
                        place: open_files.enter_context(MediaFile(place))
                        for place in dict.fromkeys(places)
                    }
                    sound = _sound(source, files, settings)
                    step = "picture_path"
                    picture = _picture(source, files, settings)
            except MediaError as error:
                path = paths[step] or paths["sound_path"] or paths["picture_path"] or ""
                rejects.append(
                    {
                        "clip_id": source.clip_id,
                        "path": path,
                        "cause": error.cause,
                        "detail": _printable(error.detail),
                    }
                )
                continue
            row: dict[str, Any] = {"clip_id": source.clip_id, **paths}
            row.update(_health(picture, sound, settings), mask=_digest(source.mask))
            row.update(frame_row=-1, sound_start=-1, sound_frames=0)
            if picture is not None:
                row["frame_row"] = frames.append(picture.frame[None])
            if sound is not None:
                logs = _spectrogram(sound, settings)
                row["sound_start"] = steps.append(logs)
                row["sound_frames"] = len(logs)
            clips.append(row)
        report(len(task.sources))
        frames.finish()
        steps.finish()
    write_parquet(task.folder / "rejects.parquet", pa.Table.from_pylist(rejects, _REJECTS))
    # Last of all, since a shard counts as done where this table is.
    write_parquet(task.folder / "clips.parquet", pa.Table.from_pylist(clips, _CLIPS))


class _GrowingArray:
    """An npy file whose first axis grows while it is written."""

    def __init__(self, file: IO[bytes], dtype: np.dtype, shape: tuple[int, ...]) -> None:
        self._file = file
        self._dtype = dtype
        self._shape = shape
        self._length = 0
        self._write_header()

    def _write_header(self) -> None:
        # NumPy pads the header so that a longer first axis does not change its size.
        header = {
            "descr": np.lib.format.dtype_to_descr(self._dtype),
            "fortran_order": False,
            "shape": (self._length, *self._shape),
        }
        np.lib.format.write_array_header_1_0(self._file, header)

    def append(self, array: np.ndarray) -> int:
        """Append along the first axis; gives the index of the first new entry."""
        first = self._length
        self._file.write(np.ascontiguousarray(array, dtype=self._dtype).data)
        self._length += len(array)
        return first

    def finish(self) -> None:
        self._file.seek(0)
        self._write_header()
        self._file.seek(0, os.SEEK_END)


def _sound(source: Source, files: Mapping[Path, MediaFile], settings: Settings) -> Sound | None:
    if source.sound is None:
        return None
    sound = files[source.sound].sound(
        sample_rate=settings.sample_rate,
        max_seconds=settings.max_seconds,
        seconds_limit=settings.seconds_limit,
    )
    if len(sound.samples) < settings.window:
        raise MediaError(
            "too short", f"{len(sound.samples)} samples of sound, expected {settings.window}"
        )
    return sound


def _picture(source: Source, files: Mapping[Path, MediaFile], settings: Settings) -> Picture | None:
    if source.picture is None:
        return None
    return files[source.picture].picture(side=settings.side, seconds_limit=settings.seconds_limit)


def _spectrogram(sound: Sound, settings: Settings) -> np.ndarray:
    """The log-spectrogram of a sound, (T, bands) float16."""
    wanted = round(settings.seconds * settings.sample_rate)
    logs = log_spectrogram(
        repeat_to(torch.from_numpy(sound.samples), wanted),
        sample_rate=settings.sample_rate,
        window=settings.window,
        hop=settings.hop,
        bands=settings.bands,
    )
    return logs.T.half().numpy()


def _health(
    picture: Picture | None, sound: Sound | None, settings: Settings
) -> dict[str, float | int | bool | str | None]:
    """The columns that tell what a clip is worth; None where it lacks what they tell about."""
    content = blake2b(digest_size=16)
    row: dict[str, float | int | bool | str | None] = {}
    if sound is not None:
        middle = round(WINDOW_SECONDS * settings.sample_rate)
        begin = max(0, (len(sound.samples) - middle) // 2)
        loudness = _decibels(sound.samples)
        row = {
            "duration": sound.seconds,
            "sample_rate": sound.sample_rate,
            "channels": sound.channels,
            "sound_seconds": sound.seconds,
            "loudness": loudness,
            "window_loudness": _decibels(sound.samples[begin : begin + middle]),
            "silent": loudness < SILENT_BELOW,
        }
        content.update(np.rint(sound.samples * 32767).astype("<i2").tobytes())
    if picture is not None:
        row.update(
            frame_rate=picture.frame_rate,
            width=picture.width,
            height=picture.height,
            still=picture.still,
        )
        if picture.duration is not None:
            row["duration"] = picture.duration
        content.update(picture.frame.tobytes())
    return {**row, "content": content.hexdigest()}


def _decibels(samples: np.ndarray) -> float:
    """Root mean square in dB of full scale, -120 at least."""
    power = float(np.mean(np.square(samples, dtype=np.float64)))
    return max(_QUIETEST, 10 * float(np.log10(power))) if power > 0 else _QUIETEST


# --- tasks and their work folders ----------------------------------------------------------------


def _printable(text: str) -> str:
    """Text that UTF-8 can hold; file names and FFmpeg's messages are bytes of anyone's making."""
    return text.encode("utf-8", "backslashreplace").decode()


def _relative(path: Path, root: Path) -> str:
    return _printable(path.relative_to(root).as_posix())


def _digest(mask: Path | None) -> str | None:
    """A hash of a mask's file. The scores are computed from the file itself, which is none of their
    stage's dependencies: this is how they come to depend on it."""
    return None if mask is None else blake2b(mask.read_bytes(), digest_size=16).hexdigest()


def _state(path: Path | None, root: Path) -> list[str | int] | None:
    """What tells whether a file is still the same, without reading it."""
    if path is None:
        return None
    try:
        found = path.stat()
    except OSError:  # reading it will reject it, with the cause
        return [_relative(path, root)]
    return [_relative(path, root), found.st_size, found.st_mtime_ns]


def _task(
    work: Path, root: Path, number: int, sources: tuple[Source, ...], settings: Settings
) -> ShardTask:
    modules = [*map(str, sorted(code_of("pipeline.media.file"))), spectrogram.__file__, __file__]
    everything = {
        "settings": asdict(settings),
        "code": [blake2b(Path(module).read_bytes()).hexdigest() for module in modules],
        "versions": [av.__version__, torch.__version__, np.__version__],
        "number": number,  # two empty shards are two
        "clips": [
            [s.clip_id, *(_state(path, root) for path in (s.picture, s.sound, s.mask))]
            for s in sources
        ],
    }
    fingerprint = blake2b(json.dumps(everything).encode(), digest_size=16).hexdigest()
    return ShardTask(work / fingerprint, root, sources, settings)


def _is_whole(task: ShardTask) -> bool:
    """Whether the shard's files are all there and agree with each other and with the task."""
    if not (task.folder / "clips.parquet").exists():
        return False
    try:
        clips = read_parquet(task.folder / "clips.parquet")
        rejects = read_parquet(task.folder / "rejects.parquet")
        frames = map_npy(task.folder / "frames.npy")
        steps = map_npy(task.folder / "spectrograms.npy")
    except InputError:  # damaged since: made again
        return False
    return (
        len(clips) + len(rejects) == len(task.sources)
        and len(frames) == sum(row >= 0 for row in clips["frame_row"].to_pylist())
        and len(steps) == (pc.sum(clips["sound_frames"]).as_py() or 0)
    )


# --- processes -----------------------------------------------------------------------------------


@dataclass
class _Running:
    task: ShardTask
    process: BaseProcess
    connection: Connection
    clip: int  # the number of the clip in progress, -1 before the first
    since: float  # when that clip began


def run_in_processes(
    tasks: Sequence[ShardTask], workers: int, worker: Callable[[ShardTask, Report], None]
) -> Iterator[str]:
    """Run `worker` on every task, `workers` at a time; yields the id of each clip done.

    A process that dies, or stays with one clip far beyond the time limit and is killed, is
    started again; a clip that this happens to twice is condemned to be rejected.
    Raises OSError where a worker could not write, RuntimeError for a defect in a worker, whose
    traceback is on stderr by then.
    """
    # Not "fork": a copy of a process that has run threads may find their locks held for ever.
    context: ForkServerContext | SpawnContext = multiprocessing.get_context("spawn")
    if "forkserver" in multiprocessing.get_all_start_methods():
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["pipeline.decode.corpus"])
    waiting = list(reversed(tasks))
    running: list[_Running] = []
    counted: Counter[Path] = Counter()  # clips yielded, by shard
    deaths: Counter[tuple[Path, int]] = Counter()
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                task = waiting.pop()
                receiver, sender = context.Pipe(duplex=False)
                process = context.Process(target=_work, args=(worker, task, sender), daemon=True)
                # It inherits the mask, and would answer Ctrl-C with a traceback while it imports.
                # The tracker's own start ends by unblocking, so that comes first.
                resource_tracker.ensure_running()
                unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
                try:
                    process.start()
                finally:
                    signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
                sender.close()  # so that the end of the process ends the pipe
                running.append(_Running(task, process, receiver, -1, time.monotonic()))
            ready = wait([run.connection for run in running], timeout=1.0)
            for run in list(running):
                hung = False
                if run.connection in ready:
                    try:
                        message = run.connection.recv()
                    except EOFError:
                        message = None
                    if isinstance(message, OSError):
                        raise message
                    if message is not None:
                        run.clip, run.since = message, time.monotonic()
                        while counted[run.task.folder] < run.clip:
                            yield run.task.sources[counted[run.task.folder]].clip_id
                            counted[run.task.folder] += 1
                        continue
                elif 0 <= run.clip < len(run.task.sources):
                    # Twice, for sound and picture.
                    limit = 2 * run.task.settings.seconds_limit + _HANG_MARGIN
                    hung = time.monotonic() - run.since > limit
                    if not hung:
                        continue
                    run.process.kill()
                else:
                    continue
                run.process.join()
                run.connection.close()
                running.remove(run)
                if run.process.exitcode != 0:
                    deaths[run.task.folder, run.clip] += 1
                    again = deaths[run.task.folder, run.clip] > 1
                    waiting.append(_after_death(run, again, hung))
    finally:
        for run in running:
            run.process.kill()
            run.process.join()
            run.connection.close()


def _run_elsewhere(worker: Callable[[ShardTask, Report], None], task: ShardTask) -> list[str]:
    """One shard where another engine sent it; the ids of its clips. It gets a process of its own
    there too, so that retries and rejects are what they are on one machine."""
    return list(run_in_processes([task], 1, worker))


def _after_death(run: _Running, again: bool, hung: bool) -> ShardTask:
    """The task to go on with after the end of a process."""
    sources = run.task.sources
    in_progress = sources[run.clip].clip_id if 0 <= run.clip < len(sources) else None
    where = f"clip {in_progress}" if in_progress else f"shard {run.task.folder}"
    if run.process.exitcode == 1 and not hung:  # a Python exception
        raise RuntimeError(f"{where}: decoding failed, see the traceback above")
    how = "hung and was killed" if hung else f"died with exit code {run.process.exitcode}"
    console.print(f"decode: the worker {how} at {where}")
    if not again:
        return run.task
    if in_progress is None:
        raise RuntimeError(f"{where}: the worker {how}, twice")
    cause: Cause = "time limit" if hung else "worker died"
    condemned = (in_progress, cause, f"the worker {how}, twice")
    return replace(run.task, condemned=(*run.task.condemned, condemned))


def _work(worker: Callable[[ShardTask, Report], None], task: ShardTask, sender: Connection) -> None:
    """The life of a worker process."""
    try:
        worker(task, sender.send)
    except BrokenPipeError:
        return  # the stage was killed; whoever runs it again starts this shard anew
    except OSError as error:
        sender.send(error)
    except MemoryError:
        sys.exit(_OUT_OF_MEMORY)  # the clip's fault as much as a kill by the system would be


# --- the corpus ----------------------------------------------------------------------------------


def _publish(
    tasks: Sequence[ShardTask], root: Path, folder: Path, work: Path, max_reject_share: float
) -> dict[str, int | float]:
    """Put the shards together in `folder`, drop work that is out of date, check the rejects."""
    (folder / "clips.parquet").unlink(missing_ok=True)  # whole only once this is back
    for old in (folder / "shards").glob("*.npy"):
        old.unlink()
    (folder / "shards").mkdir(parents=True, exist_ok=True)
    tables, rejects = [], []
    frame_row = sound_start = 0
    for number, task in enumerate(tasks):
        for name in ("frames", "spectrograms"):
            _link(task.folder / f"{name}.npy", folder / "shards" / f"{name}_{number:05d}.npy")
        table = read_parquet(task.folder / "clips.parquet")
        for name, offset in (("frame_row", frame_row), ("sound_start", sound_start)):
            column = table[name]
            moved = pc.if_else(pc.less(column, 0), column, pc.add(column, offset))
            table = table.set_column(_CLIPS.get_field_index(name), _CLIPS.field(name), moved)
        frame_row += len(map_npy(task.folder / "frames.npy"))
        sound_start += len(map_npy(task.folder / "spectrograms.npy"))
        tables.append(table)
        rejects.append(read_parquet(task.folder / "rejects.parquet"))
    clips = pa.concat_tables(tables).combine_chunks()
    rejected = pa.concat_tables(rejects).combine_chunks()
    summary = _summary(clips, rejected)
    write_parquet(folder / "rejects.parquet", rejected)
    write_json(folder / "summary.json", summary)
    current = {task.folder.name for task in tasks}
    for old in work.iterdir():
        if re.fullmatch("[0-9a-f]{32}", old.name) and old.name not in current:
            shutil.rmtree(old)
    share = len(rejected) / (len(clips) + len(rejected))
    if share > max_reject_share or not len(clips):
        causes = Counter(rejected["cause"].to_pylist())
        cause, count = max(causes.items(), key=lambda item: (item[1], item[0]))
        raise InputError(
            f"{root}: {len(rejected)} of {len(clips) + len(rejected)} clips ({100 * share:.1f} %) "
            f"cannot be decoded, at most {100 * max_reject_share:.1f} % expected "
            f"(max_reject_share); {count} of them: {cause}; "
            f"all are in {folder / 'rejects.parquet'}"
        )
    write_parquet(folder / "clips.parquet", clips)
    return summary


def _link(source: Path, target: Path) -> None:
    """Make `target` the same file as `source`, or a copy where the file system cannot."""
    try:
        os.link(source, target)
    except OSError:
        with source.open("rb") as read, atomic_file(target) as write:
            shutil.copyfileobj(read, write)


def _summary(clips: pa.Table, rejects: pa.Table) -> dict[str, int | float]:
    """The corpus' health as flat metrics; lengths in s, only where there is something to tell."""
    causes = Counter(rejects["cause"].to_pylist())
    summary: dict[str, int | float] = {"clips": len(clips), "rejects": len(rejects)}
    summary |= {f"rejects_{cause.replace(' ', '_')}": causes[cause] for cause in CAUSES}
    for name in ("silent", "still"):
        summary[name] = pc.sum(clips[name]).as_py() or 0
    summary["duplicates"] = len(clips) - pc.count_distinct(clips["content"]).as_py()
    for name in ("duration", "sound_seconds", "frame_rate", "loudness"):
        values = clips[name].drop_null().to_numpy()
        if len(values):
            for label, share in (("min", 0), ("p05", 0.05), ("median", 0.5), ("max", 1)):
                summary[f"{name}_{label}"] = round(float(np.quantile(values, share)), 4)
    return summary
