"""The page of a search: what was asked, and the clips that answer it, each with its player."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from pipeline.clips.decoded import DecodedCorpus
from pipeline.errors import InputError
from pipeline.media.errors import MediaError
from pipeline.media.file import read_picture
from pipeline.report.players import SECONDS, picture_uri, sound_uri
from pipeline.report.templating import render

_SIDE = 320  # pixels of a picture that comes from the media themselves


@dataclass(frozen=True)
class Card:
    """A picture and a sound to show, as data URIs; None where there is none."""

    title: str
    text: str
    picture: str | None
    sound: str | None
    own: bool = False


def file_card(path: Path) -> Card:
    """What a media file holds, a picture, a sound or both; `InputError` for neither."""
    picture, sound = _picture(path), _sound(path)
    if picture is None and sound is None:
        raise InputError(f"{path}: holds neither a picture nor a sound")
    return Card(path.name, "", picture, sound)


def clip_card(
    corpus: DecodedCorpus,
    row: int,
    media: Path | None,
    title: str,
    text: str = "",
    own: bool = False,
) -> Card:
    """A clip of a corpus whose media lie below `media`. Without them it shows the stored frame and
    has no player."""
    picture = sound = None
    if media is not None:
        paths = {key: corpus.clips[key][row].as_py() for key in ("picture_path", "sound_path")}
        picture = _picture(media / paths["picture_path"]) if paths["picture_path"] else None
        sound = _sound(media / paths["sound_path"]) if paths["sound_path"] else None
    if picture is None and corpus.has_frame(row):
        picture = picture_uri(Image.fromarray(corpus.frame(row)))
    return Card(title, text, picture, sound, own)


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
    return _sound(media / path, longest) if path else None


def _picture(path: Path) -> str | None:
    try:
        found = read_picture(path, side=_SIDE)
    except MediaError:
        return None  # a card without a picture says so by itself
    height = max(1, round(_SIDE * found.height / found.width))
    return picture_uri(Image.fromarray(found.frame).resize((_SIDE, height)))


def _sound(path: Path, longest: float = SECONDS) -> str | None:
    try:
        return sound_uri(path, longest)
    except MediaError:
        return None


def answers_page(title: str, note: str, query: Card, answers: Sequence[Card]) -> str:
    """The page as HTML text without any outside reference; a card that is the query's own clip is
    outlined."""
    return render("answers", title=title, note=note, query=query, answers=answers)
