"""How clips are spread over shards, and how tables name the files that they came from."""

import os
import re
from hashlib import blake2b
from pathlib import Path

_ESCAPED = re.compile(r"\\udc([89a-f][0-9a-f])")


def shard_of(clip_id: str, shards: int) -> int:
    """The shard of a clip: a hash of its id alone, so that other clips never move it."""
    return int.from_bytes(blake2b(clip_id.encode(), digest_size=8).digest(), "big") % shards


def printable(text: str) -> str:
    """Text that UTF-8 can hold; file names and FFmpeg's messages are bytes of anyone's making."""
    return text.encode("utf-8", "backslashreplace").decode()


def relative(path: Path, root: Path) -> str:
    """The path of a clip's file below its corpus' folder, as text that a table can hold."""
    return printable(path.relative_to(root).as_posix())


def restored(text: str, root: Path) -> Path:
    """The file below `root` that a table names: `relative` turned round."""
    path = root / text
    if "\\udc" in text and not path.exists():
        return root / _ESCAPED.sub(lambda found: os.fsdecode(bytes.fromhex(found[1])), text)
    return path


def file_state(path: Path | None, root: Path) -> list[str | int] | None:
    """What tells whether a file is still the same, without reading it: its path, size and time."""
    if path is None:
        return None
    try:
        found = path.stat()
    except OSError:  # reading it will tell what is wrong
        return [relative(path, root)]
    return [relative(path, root), found.st_size, found.st_mtime_ns]
