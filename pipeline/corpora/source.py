"""A clip as it lies on disk, and the walk over a corpus folder that every reader shares.

The walk never leaves the root: a link that points outside is an error, not something to follow or
to pass over in silence, because both would change what the corpus is without a word. The price is
that a corpus spread over several disks has to be joined above its root, not by links inside.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.corpora.copies import Taken, take_one
from pipeline.corpora.names import PICTURE_SUFFIXES, SOUND_SUFFIXES, VIDEO_SUFFIXES
from pipeline.errors import InputError
from pipeline.execution.progress import console

_NAMED = 3  # clips named in a message
_ARCHIVE = re.compile(r"\.(tar|tgz|tbz2?|txz|zip|7z|rar)(\.[a-z0-9]{1,8})*$", re.IGNORECASE)


@dataclass(frozen=True)
class Source:
    """One clip as it lies on disk.

    `picture` is a video (its middle frame is taken) or a picture file, `sound` the same video or a
    sound file; one of them may be missing (None), never both. `mask` is the ground truth of the
    picture where that lies with the media. `choices` are those between several files of one kind,
    none where the clip lies there once.
    """

    clip_id: str
    picture: Path | None
    sound: Path | None
    mask: Path | None = None
    choices: tuple[Taken, ...] = ()

    @property
    def copies(self) -> int:
        """How many further files have the content of one that is taken."""
        return sum(one.copies for one in self.choices)

    @property
    def not_taken(self) -> tuple[Path, ...]:
        """The files of the clip whose content is another than that of the file that is taken."""
        return tuple(path for one in self.choices for path in one.others)


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
    clip, also where prepared ones lie beside it, so that the two belong to the same moment. Of
    several files of one kind for one clip one is taken, by `take_one`.
    """
    found: dict[str, dict[str, list[Path]]] = {}
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
        if clip_id is not None:
            found.setdefault(clip_id, {}).setdefault(kind, []).append(path)
    return [_source(clip_id, kinds) for clip_id, kinds in sorted(found.items())]


def _source(clip_id: str, kinds: dict[str, list[Path]]) -> Source:
    taken = {kind: take_one(paths) for kind, paths in kinds.items()}
    of_kind = {kind: one.path for kind, one in taken.items()}
    return Source(
        clip_id,
        of_kind.get("video", of_kind.get("picture")),
        of_kind.get("video", of_kind.get("sound")),
        # A video stands for the prepared pictures and sounds beside it.
        choices=tuple(
            replace(one, path=of_kind.get("video", one.path))
            for one in taken.values()
            if one.is_choice
        ),
    )


def describe_copies(sources: Sequence[Source]) -> list[str]:
    """Lines about clips that lie there more than once, none where every clip lies there once.

    One line counts the clips whose files are all the same, another counts and names those with
    different files.
    """
    lines = []
    same = sum(bool(source.copies) and not source.not_taken for source in sources)
    if same:
        lines.append(
            f"{same:,} of {len(sources):,} clips lie there more than once with the same content; "
            "each is taken once"
        )
    different = [source for source in sources if source.not_taken]
    if different:
        named = "; ".join(_describe(source) for source in different[:_NAMED])
        more = "" if len(different) <= _NAMED else f"; and {len(different) - _NAMED:,} more"
        lines.append(
            f"{len(different):,} of {len(sources):,} clips lie there with different files, of "
            f"which the largest is taken: {named}{more}"
        )
    return lines


def _describe(source: Source) -> str:
    left = ", ".join(map(repr, map(str, source.not_taken)))
    taken = " and ".join(
        repr(str(path)) for path in dict.fromkeys((source.picture, source.sound)) if path
    )
    return f"clip {source.clip_id}, {taken} taken, {left} left"


def report(root: Path, line: str) -> None:
    """Write a line about the corpus at `root` on the terminal, unbroken: its paths stay whole."""
    console.print(f"{root}: {line}", markup=False, soft_wrap=True)


def report_unpaired(root: Path, sources: Sequence[Source]) -> None:
    """Report on the terminal how many clips of a corpus of pairs lack their picture or their sound;
    they stay, since AVSBench's samples and a benchmark's counts need halves too."""
    without = {
        "picture": [source.clip_id for source in sources if source.picture is None],
        "sound": [source.clip_id for source in sources if source.sound is None],
    }
    for kind, clips in without.items():
        if clips:
            report(
                root,
                f"{len(clips):,} of {len(sources):,} clips are without a {kind}, the first is "
                f"{clips[0]!r}",
            )


def archives_under(root: Path) -> list[Path]:
    """The archives (tar, zip, 7z, rar, split ones too) below `root`: nothing is read from them."""
    return [path for path in walk_files(root) if _ARCHIVE.search(path.name)]
