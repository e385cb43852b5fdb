"""A clip as it lies on disk, and the walk over a corpus folder that every reader shares.

The walk never leaves the root: a link that points outside is an error, not something to follow or
to pass over in silence, because both would change what the corpus is without a word. The price is
that a corpus spread over several disks has to be joined above its root, not by links inside.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.corpora.names import PICTURE_SUFFIXES, SOUND_SUFFIXES, VIDEO_SUFFIXES
from pipeline.errors import InputError


@dataclass(frozen=True)
class Source:
    """One clip as it lies on disk.

    `picture` is a video (its middle frame is taken) or a picture file, `sound` the same video or a
    sound file; one of them may be missing (None), never both. `mask` is the ground truth of the
    picture where that lies with the media.
    """

    clip_id: str
    picture: Path | None
    sound: Path | None
    mask: Path | None = None


def walk_files(root: Path) -> Iterator[Path]:
    """Yield every regular file under `root`, sorted by name within each folder.

    Hidden files and folders are passed over (archives bring `._` twins of every file), and so are
    linked folders inside the root, whose files are met where they lie. Raises `InputError` for a
    link out of the root and for a folder that cannot be read.
    """
    inside = root.resolve()

    def walk(folder: Path) -> Iterator[Path]:
        try:
            with os.scandir(folder) as scan:
                entries = sorted(scan, key=lambda entry: entry.name)
        except OSError as error:
            raise InputError(f"{folder}: cannot be read: {error.strerror}") from error
        for entry in entries:
            if entry.name.startswith("."):
                continue
            path = folder / entry.name
            if entry.is_symlink():
                target = Path(os.path.realpath(path))
                if not target.is_relative_to(inside):
                    raise InputError(
                        f"{path}: is a link to {target}, outside of the corpus root {root}; "
                        "expected the file itself"
                    )
                if not target.is_dir():
                    yield path
            elif entry.is_dir():
                yield from walk(path)
            elif entry.is_file():
                yield path

    yield from walk(root)


def collect_sources(
    files: Iterable[Path], clip_id_of_file: Callable[[Path], str | None], videos: bool
) -> list[Source]:
    """Join videos, pictures and sounds of the same clip id into sources, sorted by id.

    `clip_id_of_file` names the clip of a media file, or None for one that is not the corpus'.
    `videos` says whether video files count. A video gives both the picture and the sound of its
    clip, also where prepared ones lie beside it, so that the two belong to the same moment.
    Raises `InputError` where two files of one kind claim the same clip.
    """
    found: dict[str, dict[str, Path]] = {}
    for path in files:
        suffix = path.suffix.lower()
        if suffix in VIDEO_SUFFIXES and videos:
            kind = "video"
        elif suffix in PICTURE_SUFFIXES:
            kind = "picture"
        elif suffix in SOUND_SUFFIXES:
            kind = "sound"
        else:
            continue
        clip_id = clip_id_of_file(path)
        if clip_id is None:
            continue
        clip = found.setdefault(clip_id, {})
        if kind in clip:
            raise InputError(
                f"clip {clip_id}: two files are its {kind}, {clip[kind]} and {path}; expected one"
            )
        clip[kind] = path
    return [
        Source(
            clip_id,
            clip.get("video", clip.get("picture")),
            clip.get("video", clip.get("sound")),
        )
        for clip_id, clip in sorted(found.items())
    ]
