"""One clip of any corpus to its middle frame, its sound and its row of the clip table.

The row tells what the clip is worth (its health): how loud it is, whether its channels cancelled,
the seconds of silence that fill its holes, whether its picture stands still, and a hash of its
content, by which copies are found. What cannot be decoded is a `MediaError` with
a cause, never another frame or another sound in silence.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from pipeline.decode.naming import printable, relative
from pipeline.decode.taken import USUAL, Taken
from pipeline.media.errors import MediaError
from pipeline.media.file import MediaFile
from pipeline.media.picture import Picture
from pipeline.media.resizing import Aspect
from pipeline.media.sound import Sound

WINDOW_SECONDS = 3.0  # the middle part, whose loudness is told; pipeline/methods/DECISIONS.md, C3
SILENT_BELOW = -60.0  # dB of full scale, over the whole sound
SAMPLE_RATE = 16000  # Hz, at which a sound is looked at
_SHORTEST = 512  # samples of a sound that is worth anything: one window of the paper's spectrogram
_QUIETEST = -120.0  # dB told for digital silence

CLIPS = pa.schema(
    [
        ("clip_id", pa.string()),
        ("frame_row", pa.int64()),
        ("frame_height", pa.int32()),
        ("frame_width", pa.int32()),
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
        ("cancelled", pa.bool_()),
        ("holes", pa.float32()),
        ("still", pa.bool_()),
        ("content", pa.string()),
        ("mask", pa.string()),
    ]
)
REJECTS = pa.schema([(name, pa.string()) for name in ("clip_id", "path", "cause", "detail")])


class ClipFiles(Protocol):
    """`pipeline.corpora.source.Source` by what is read of it. Not by name: a reader makes
    nothing of a clip's bytes but these four."""

    @property
    def clip_id(self) -> str: ...
    @property
    def picture(self) -> Path | None: ...
    @property
    def sound(self) -> Path | None: ...
    @property
    def mask(self) -> Path | None: ...


@dataclass(frozen=True)
class Settings:
    """What makes the numbers: pixels of a frame's side; seconds of a long sound that are looked at
    (its centre) and that decoding a clip's picture or its sound may take; how a frame comes to its
    side, and whether antialiased (`pipeline.media.resizing.resized`)."""

    side: int
    max_seconds: float
    seconds_limit: float
    aspect: Aspect = "squashed"
    taken: Taken = USUAL
    antialias: bool = True


@dataclass(frozen=True)
class Clip:
    """What was decoded of a clip, and its row of the table without its places in the shards."""

    row: dict[str, Any]
    picture: Picture | None
    sound: Sound | None


class ClipError(Exception):
    """A clip that cannot be used, with its row of the table of rejects."""

    def __init__(self, row: dict[str, str]) -> None:
        super().__init__(row["detail"])
        self.row = row


def decode_clip(
    files: ClipFiles, root: Path, settings: Settings, condemned: MediaError | None = None
) -> Clip:
    """Decode a clip whose files lie below `root`; with `condemned`, reject it for that.

    Raises `ClipError`."""
    paths = {
        "picture_path": files.picture and relative(files.picture, root),
        "sound_path": files.sound and relative(files.sound, root),
    }
    step = "sound_path"  # the sound is read first: it is cheaper to find missing
    try:
        if condemned is not None:
            raise condemned
        # Where both are in one file its packets are listed once.
        places = [place for place in (files.sound, files.picture) if place is not None]
        with ExitStack() as stack:
            opened = {
                place: stack.enter_context(MediaFile(place)) for place in dict.fromkeys(places)
            }
            sound = _sound(files.sound, opened, settings)
            step = "picture_path"
            picture = _picture(files.picture, opened, settings)
    except MediaError as error:
        path = paths[step] or paths["sound_path"] or paths["picture_path"] or ""
        row = {"clip_id": files.clip_id, "path": path, "cause": str(error.cause)}
        raise ClipError({**row, "detail": printable(error.detail)}) from error
    health = _health(picture, sound)
    return Clip(
        {"clip_id": files.clip_id, **paths, **health, "mask": _digest(files.mask)}, picture, sound
    )


def _sound(path: Path | None, files: Mapping[Path, MediaFile], settings: Settings) -> Sound | None:
    if path is None:
        return None
    sound = files[path].sound(
        sample_rate=SAMPLE_RATE,
        max_seconds=settings.max_seconds,
        seconds_limit=settings.seconds_limit,
        keep=settings.taken.keep,
        middle=settings.taken.middle,
        channels=settings.taken.channels,
        max_holes=settings.taken.max_holes,
    )
    if len(sound.samples) < _SHORTEST:
        raise MediaError(
            "too short", f"{len(sound.samples)} samples of sound, expected {_SHORTEST}"
        )
    return sound


def _picture(
    path: Path | None, files: Mapping[Path, MediaFile], settings: Settings
) -> Picture | None:
    if path is None:
        return None
    return files[path].picture(
        side=settings.side,
        seconds_limit=settings.seconds_limit,
        aspect=settings.aspect,
        antialias=settings.antialias,
        middle=settings.taken.middle,
        second=settings.taken.second,
    )


def _health(
    picture: Picture | None, sound: Sound | None
) -> dict[str, float | int | bool | str | None]:
    """The columns that tell what a clip is worth; None where it lacks what they tell about."""
    content = blake2b(digest_size=16)
    row: dict[str, float | int | bool | str | None] = {}
    if sound is not None:
        middle = round(WINDOW_SECONDS * SAMPLE_RATE)
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
            "cancelled": sound.cancelled,
            "holes": sound.holes,
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


def _digest(mask: Path | None) -> str | None:
    """A hash of a mask's file. The scores are computed from the file itself, which is none of their
    stage's dependencies: this is how they come to depend on it."""
    return None if mask is None else blake2b(mask.read_bytes(), digest_size=16).hexdigest()
