"""The page of a search: what was asked, and the clips that answer it.

A sound finds frames, and a picture finds sounds. Only what was compared is shown large, and of what
was asked only that: a video's own frame beside a search by its sound would look like part of the
question.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.clips.decoded import DecodedCorpus
from pipeline.errors import InputError
from pipeline.media.errors import MediaError
from pipeline.media.file import read_picture
from pipeline.report.figures import overlay
from pipeline.report.players import SECONDS, picture_uri, sound_uri
from pipeline.report.templating import render

_SIDE = 320  # pixels of a picture that comes from the media themselves


@dataclass(frozen=True)
class Shown:
    """A picture and a sound to show, as data URIs; None where there is none. `shape` is the
    picture's, 'width/height'."""

    name: str
    picture: str | None
    sound: str | None
    shape: str = "1/1"


@dataclass(frozen=True)
class Answer:
    """A clip that was found: its class ('' for unknown), path, similarity in words, what of it
    answers, and the picture under the map of the sound, largest at `across` and `down` per cent,
    `place` in words. `own` where it is the clip that was asked about."""

    clip: str
    class_: str
    path: str
    similarity: str
    shown: Shown
    across: float
    down: float
    place: str
    own: bool = False


@dataclass(frozen=True)
class Frame:
    """A picture to draw maps over, (side, side, 3) uint8, and its shape, 'width/height'."""

    pixels: np.ndarray
    shape: str

    def plain(self) -> str:
        """It as a data URI."""
        return picture_uri(Image.fromarray(self.pixels).resize((_SIDE, _SIDE)))

    def under(self, heat: np.ndarray) -> str:
        """It under a raw map (h, w), as a data URI."""
        return picture_uri(overlay(self.pixels, heat, _SIDE))


def file_frame(path: Path) -> Frame:
    """The middle frame of a media file. Raises `InputError` where it has none."""
    found = _frame(path)
    if found is None:
        raise InputError(f"{path}: holds no picture")
    return found


def clip_frame(corpus: DecodedCorpus, row: int, media: Path | None) -> Frame:
    """The frame of a clip of a corpus, out of the media where they lie below `media`, else as it is
    stored. Raises `InputError` where it has none."""
    path = corpus.clips["picture_path"][row].as_py() if media is not None else None
    found = _frame(media / path) if media is not None and path else None
    if found is not None and corpus.aspect != "cropped":
        return found
    if not corpus.has_frame(row):
        raise InputError(f"{corpus.folder}: clip {corpus.clip_ids[row]} has no picture")
    return Frame(corpus.square(row), "1/1")


def file_sound(path: Path) -> str:
    """A media file's sound as a data URI. Raises `InputError` where it has none."""
    try:
        return sound_uri(path)
    except MediaError as error:
        raise InputError(f"{path}: {error}") from None


def media_called(name: str, corpus: DecodedCorpus, media: Path | None) -> list[Path]:
    """The files of a corpus' clips below `media` that are called `name`, which nothing else shall
    be written to."""
    if media is None:
        return []
    columns = (corpus.clips[key].to_pylist() for key in ("picture_path", "sound_path"))
    named = {path for column in columns for path in column if path}
    return [media / path for path in named if path.rpartition("/")[2] == name]


def clip_sound(
    corpus: DecodedCorpus, clip_id: str, media: Path, longest: float = SECONDS
) -> str | None:
    """The player's data URI of a clip's sound, None where the media do not hold it; of one longer
    than `longest` s of its middle."""
    path = corpus.clips["sound_path"][corpus.row(clip_id)].as_py()
    try:
        return sound_uri(media / path, longest) if path else None
    except MediaError:
        return None


def _frame(path: Path) -> Frame | None:
    try:
        found = read_picture(path, side=_SIDE)
    except MediaError:
        return None  # the stored frame stands in for it, and a question says so by itself
    return Frame(found.frame, f"{found.width}/{found.height}")


def answers_page(
    by_sound: bool, note: str, query: Shown, answers: Sequence[Answer], players: bool
) -> str:
    """The page as HTML text without any outside reference; an answer that is the query's own clip
    is outlined. `players`: whether the corpus' media are there to be played."""
    what = "sound" if by_sound else "picture"
    return render(
        "answers",
        title=f"What fits the {what} of {query.name}",
        by_sound=by_sound,
        note=note,
        query=query,
        answers=answers,
        players=players,
    )
