"""Which clips are wanted: those of any official list, or of VGGSound's own table."""

import csv
import re
from pathlib import Path

from pipeline.corpora.files import read_text
from pipeline.corpora.lists import read_listed
from pipeline.corpora.names import canonical_clip_id
from pipeline.errors import InputError

_VIDEO = re.compile(r"[A-Za-z0-9_-]{11}")


def read_wanted(path: Path) -> list[str]:
    """The clip ids of a list, VGGSound's `<11-character id>_<6-digit start second>`, in its order.

    `path` is any list that `pipeline.corpora.lists.read_listed` reads, or VGGSound's own table
    (https://github.com/hche11/VGGSound: video, start second, class, split). Raises `InputError`
    with the first name that is no VGGSound clip's, and as `read_listed` does.
    """
    rows = [row for row in csv.reader(read_text(path).splitlines()) if row]
    if rows and all(len(row) > 1 and _is_table_row(row) for row in rows):
        return list(dict.fromkeys(f"{row[0].strip()}_{int(row[1]):06d}" for row in rows))
    return [_canonical(path, clip) for clip in read_listed(path)]


def _is_table_row(row: list[str]) -> bool:
    return _VIDEO.fullmatch(row[0].strip()) is not None and row[1].strip().isdigit()


def _canonical(path: Path, clip: str) -> str:
    try:
        return canonical_clip_id(clip)
    except InputError as error:
        raise InputError(f"{path}: cannot be fetched by name: {error}") from error
