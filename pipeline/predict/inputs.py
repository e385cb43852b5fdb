"""What somebody names to be looked at: files, folders, or a picture and a sound apart.

Nothing is decoded, so that a slip is told at once.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.corpora.names import PICTURE_SUFFIXES, SOUND_SUFFIXES, clip_id_of_path
from pipeline.corpora.source import collect_sources, walk_files
from pipeline.errors import InputError

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_OTHER_PICTURES = frozenset({".bmp", ".webp", ".tif", ".tiff"})  # which no corpus' layout has


@dataclass(frozen=True)
class Asked:
    """A clip to be looked at: the name that its outputs get, and its two files, often the same."""

    name: str
    picture: Path
    sound: Path


def asked_clips(
    named: Sequence[str], image: Path | None = None, audio: Path | None = None
) -> list[Asked]:
    """The clips that files and folders hold, in order. Of one file `image` takes the picture's
    place and `audio` the sound's; without any file both are given.

    A folder gives the videos below it, and each picture that has a sound of the same name; hidden
    files are passed over. Raises `InputError` for an address, for what is not there, for a file
    that lacks its other half, for a folder that holds no clip, and where two clips would be of one
    name.
    """
    for text in named:
        if _ADDRESS.match(text):
            raise InputError(f"{text}: is an address, expected a file; fetch it first")
    if image is not None or audio is not None:
        return [_of_parts(named, image, audio)]
    if not named:
        raise InputError("localize: expected a clip, a folder of clips, or --image and --audio")
    clips: list[Asked] = []
    for text in named:
        path = Path(text)
        clips += _below(path) if path.is_dir() else [_whole(path)]
    places: dict[str, Asked] = {}
    for clip in clips:
        if clip.name in places:
            raise InputError(
                f"{clip.picture}: its outputs would be called {clip.name}, as those of "
                f"{places[clip.name].picture}; expected clips of different names, or their folder"
            )
        places[clip.name] = clip
    return clips


def _of_parts(named: Sequence[str], image: Path | None, audio: Path | None) -> Asked:
    """The clip of a picture's and a sound's own file, one of which a video may give."""
    if len(named) > 1:
        raise InputError(
            f"localize: found {len(named)} clips beside --image or --audio, expected one at most"
        )
    other = Path(named[0]) if named else None
    picture, sound = image or other, audio or other
    if picture is None:
        raise InputError(f"{audio}: has no picture beside it, expected --image too")
    if sound is None:
        raise InputError(f"{image}: has no sound beside it, expected --audio too")
    for path, of in ((picture, image), (sound, audio)):
        _check_file(path)
        if of is None and path.suffix.lower() in _PICTURES | SOUND_SUFFIXES:
            _whole(path, picture=path is picture, sound=path is sound)
    return Asked(clip_id_of_path((other or picture).parts[-1:]), picture, sound)


_PICTURES = PICTURE_SUFFIXES | _OTHER_PICTURES


def _whole(path: Path, *, picture: bool = True, sound: bool = True) -> Asked:
    """The clip of one file. Raises `InputError` where its ending says that it lacks the `picture`
    or the `sound` that is wanted of it."""
    _check_file(path)
    suffix = path.suffix.lower()
    if sound and suffix in _PICTURES:
        raise InputError(f"{path}: is a picture and has no sound; give its sound by --audio")
    if picture and suffix in SOUND_SUFFIXES:
        raise InputError(f"{path}: is a sound and has no picture; give its picture by --image")
    return Asked(clip_id_of_path(path.parts[-1:]), path, path)


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise InputError(f"{path}: is a folder, expected a file beside --image or --audio")
    if not path.exists():
        raise InputError(f"{path}: no such file")


def _below(folder: Path) -> list[Asked]:
    """The clips in a folder, those whose halves are both there."""
    found = collect_sources(
        walk_files(folder), lambda path: clip_id_of_path(path.relative_to(folder).parts), True
    )
    clips = [
        Asked(source.clip_id, source.picture, source.sound)
        for source in found
        if source.picture is not None and source.sound is not None
    ]
    if not clips:
        raise InputError(
            f"{folder}: holds no video, and no picture with a sound of the same name"
            + (f" ({len(found)} halves of one)" if found else "")
        )
    return clips
