"""Which file is taken of several that are one clip's.

People keep a corpus in more than one download: training and test sets overlap, an archive was
fetched again, frames lie there in two code bases' layouts. None of this ends the corpus.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_PROBED = 64 * 2**10  # bytes compared at each place of two files


@dataclass(frozen=True)
class Taken:
    """The file that is taken of several for one clip; how many of the rest are `copies` of it, and
    the `others`, whose content is different."""

    path: Path
    copies: int = 0
    others: tuple[Path, ...] = ()

    @property
    def is_choice(self) -> bool:
        """Whether there was another file, the same or a different one."""
        return bool(self.copies or self.others)


def take_one(paths: Sequence[Path]) -> Taken:
    """The file to take of several of one kind that are the same clip's.

    The order of preference: the largest file, since a download that broke off and a smaller
    encoding are what two files of one clip mostly differ by; of equally large ones the first path.
    Folders' names decide nothing else, so moving a folder moves no choice.
    """
    if len(paths) == 1:
        return Taken(paths[0])
    first, *rest = sorted(paths, key=lambda path: (-_size(path), path))
    others = tuple(path for path in rest if not _is_copy(first, path))
    return Taken(first, len(rest) - len(others), others)


def _size(path: Path) -> int:
    """The file's bytes; -1 for one that cannot be looked at, so that another is taken."""
    try:
        return path.stat().st_size
    except OSError:  # where it is the only one, decoding rejects it with the cause
        return -1


def _is_copy(path: Path, other: Path) -> bool:
    """Whether two files are one, or equally large and equal at their start, middle and end.

    Three places of 64 KiB and not the whole: a corpus that lies there twice would otherwise be read
    twice whenever its clips are listed, for a count in a message.
    """
    size = _size(path)
    if size != _size(other):
        return False
    try:
        if path.samefile(other):
            return True
        with path.open("rb") as one, other.open("rb") as two:
            for place in (0, max(0, (size - _PROBED) // 2), max(0, size - _PROBED)):
                one.seek(place)
                two.seek(place)
                if one.read(_PROBED) != two.read(_PROBED):
                    return False
    except OSError:  # not proven to be a copy: it is named among the different files
        return False
    return True
