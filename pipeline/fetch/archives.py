"""Clips out of the archives of re-uploads, one by one: tar, tar.gz and their like, zip.

Nothing but a file's own name is taken from an archive, so that no path in it can lead out of the
folder; files without a clip's name are left out and counted. A damaged clip is named and skipped.
Where a tar is damaged, so is all that follows in it.
"""

import lzma
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

from pipeline.base.files import atomic_file
from pipeline.corpora.names import (
    PICTURE_SUFFIXES,
    SOUND_SUFFIXES,
    VIDEO_SUFFIXES,
    is_vggsound_name,
)
from pipeline.errors import InputError

_SUFFIXES = PICTURE_SUFFIXES | SOUND_SUFFIXES | VIDEO_SUFFIXES
_DAMAGE = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError)


@dataclass
class Unpacked:
    """What became of an archive's files: how many were written, there before and left out, and
    what is damaged, a line each."""

    written: int = 0
    there: int = 0
    left_out: int = 0
    damaged: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Member:
    name: str
    size: int
    content: IO[bytes]


def unpack(archive: Path, folder: Path) -> Iterator[Unpacked]:
    """Put the media files of `archive` with a VGGSound name into `folder`, flat, under their own
    names; yields the same counts after each file.

    A file that is there with the same size is not written again, so an unpacking that was stopped
    goes on. Raises `InputError` where `archive` is missing or no archive, OSError where the disk
    fails.
    """
    if not archive.is_file():
        raise InputError(f"{archive}: no such file, expected a tar, tar.gz or zip archive")
    is_zip = zipfile.is_zipfile(archive)
    if not is_zip and not _is_tar(archive):
        raise InputError(f"{archive}: found neither a tar nor a zip archive")
    folder.mkdir(parents=True, exist_ok=True)
    found = Unpacked()
    current = "its first file"
    members = _zipped(archive, found) if is_zip else _tarred(archive)
    try:
        for member in members:
            current = member.name
            name = PurePosixPath(member.name.replace("\\", "/")).name
            path = folder / name
            if Path(name).suffix.lower() not in _SUFFIXES or not is_vggsound_name(name):
                found.left_out += 1
            elif path.is_file() and path.stat().st_size == member.size:
                found.there += 1
            elif _write(path, member, archive, found):
                found.written += 1
            yield found
    except _DAMAGE as error:
        found.damaged.append(f"{archive}: ends or is damaged at or after {current} ({error})")
        yield found


def _is_tar(archive: Path) -> bool:
    try:
        return tarfile.is_tarfile(archive)
    except _DAMAGE:
        return False


def _write(path: Path, member: _Member, archive: Path, found: Unpacked) -> bool:
    """Write a member whole, or name it as damaged and leave nothing; a damaged tar raises."""
    try:
        with atomic_file(path) as file:
            shutil.copyfileobj(member.content, file, 2**20)
            size = file.tell()
            if size != member.size:
                raise EOFError(f"{size} of {member.size} bytes")
    except _DAMAGE as error:
        if not isinstance(member.content, zipfile.ZipExtFile):
            raise
        found.damaged.append(f"{archive}: {member.name} is damaged ({error})")
        return False
    return True


def _tarred(archive: Path) -> Iterator[_Member]:
    # As a stream: it is read once from front to back, as a disk or a pipe likes it.
    with tarfile.open(archive, "r|*") as tar:
        for item in tar:
            content = tar.extractfile(item) if item.isfile() else None
            if content is not None:
                yield _Member(item.name, item.size, content)


def _zipped(archive: Path, found: Unpacked) -> Iterator[_Member]:
    with zipfile.ZipFile(archive) as file:
        for item in file.infolist():
            if item.is_dir():
                continue
            try:
                content = file.open(item)
            except (*_DAMAGE, RuntimeError) as error:
                found.damaged.append(f"{archive}: {item.filename} cannot be read ({error})")
                continue
            with content:
                yield _Member(item.filename, item.file_size, content)
