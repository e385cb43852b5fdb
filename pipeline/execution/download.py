"""One file from an address, whole or not at all, going on where an earlier try was cut off.

What has come lies beside the final name as `<name>.part`, with what the server said of it (its
length and its version) in `<name>.part.json`; a later try asks for the rest, and begins again where
the server has another version by now or gives no parts. The SHA-256 of a file lies beside it as
`<name>.sha256`, in the form that `sha256sum --check` reads.
"""

import hashlib
import http.client
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from pipeline.base.files import atomic_file
from pipeline.errors import InputError

_PIECE = 2**20  # bytes read at a time
_TIMEOUT = 20.0  # s without an answer


def download(address: str, path: Path, expected: str | None = None) -> str:
    """Fetch an address to `path`; its SHA-256, which is recorded beside it.

    `expected` is the hash that it has to have, if one is known. Raises `InputError` in one line,
    without what to do instead: where nobody answers, where the answer is an error, a page of HTML,
    or ends early (what came is kept for the next try), and where the hash is another one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part, facts = path.with_name(f"{path.name}.part"), path.with_name(f"{path.name}.part.json")
    try:
        _receive(address, part, facts)
    except HTTPError as error:
        raise InputError(f"{address}: answered {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        reason = str(getattr(error, "reason", None) or error) or type(error).__name__
        raise InputError(f"{address}: could not be fetched: {reason}") from error
    found = sha256_of(part)
    if expected not in (None, found):
        part.unlink()
        facts.unlink(missing_ok=True)
        raise InputError(
            f"{address}: found a file of SHA-256 {found}, expected {expected}, that of the first "
            f"copy ({path}.sha256); nothing was kept"
        )
    with part.open("rb") as file:
        os.fsync(file.fileno())
    record_hash(path, found)
    part.replace(path)
    facts.unlink(missing_ok=True)
    return found


def _receive(address: str, part: Path, facts: Path) -> None:
    """Bring `part` to the length that the server says."""
    known = _facts(facts)
    have = part.stat().st_size if part.is_file() and known.get("address") == address else 0
    request = Request(address, headers={"User-Agent": "avloc"})
    if have and known.get("version"):
        request.add_header("Range", f"bytes={have}-")
        request.add_header("If-Range", str(known["version"]))
    with _answer(request, have, known) as (answer, goes_on):
        kind = answer.headers.get_content_type()
        if kind in ("text/html", "application/xhtml+xml"):
            raise InputError(f"{address}: answered with a web page, expected a weight file")
        length = answer.headers.get("Content-Length")
        begin = have if goes_on else 0
        total = None if length is None else begin + int(length)
        version = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
        weak = version is None or version.startswith("W/")
        if not goes_on:
            said = {"address": address, "length": total, "version": None if weak else version}
            facts.write_text(json.dumps(said))
        with part.open("ab" if goes_on else "wb") as file:
            _copy(answer, file)
    came = part.stat().st_size
    if total is not None and came != total:
        raise http.client.HTTPException(
            f"the connection ended after {came:,} of {total:,} bytes; the same command goes on"
        )


@contextmanager
def _answer(
    request: Request, have: int, known: dict[str, object]
) -> Iterator[tuple[http.client.HTTPResponse, bool]]:
    """The server's answer, and whether it goes on behind the bytes that are there."""
    try:
        answer = urlopen(request, timeout=_TIMEOUT)
    except HTTPError as error:
        if error.code != 416:  # nothing behind what is there: begin again
            raise
        answer = urlopen(
            Request(request.full_url, headers={"User-Agent": "avloc"}), timeout=_TIMEOUT
        )
    with answer:
        found = answer.headers.get("Content-Range", "")
        if answer.status == 206 and not found.startswith(f"bytes {have}-"):
            raise http.client.HTTPException(f"answered with another part of it: {found!r}")
        yield answer, answer.status == 206


def _copy(answer: http.client.HTTPResponse, file: IO[bytes]) -> None:
    while True:
        try:
            piece = answer.read(_PIECE)
        except http.client.IncompleteRead as error:
            file.write(error.partial)
            raise
        if not piece:
            return
        file.write(piece)


def _facts(path: Path) -> dict[str, object]:
    """What is known of an unfinished file; nothing where that was not written whole."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def recorded_hash(path: Path) -> str | None:
    """The hash in the file beside `path`; None where there is none. Raises `InputError` where that
    file holds something else."""
    beside = _beside(path)
    if not beside.is_file():
        return None
    words = beside.read_text(errors="replace").split()
    if not words or len(words[0]) != 64:
        raise InputError(f"{beside}: expected a SHA-256 and the file's name; remove it")
    return words[0]


def record_hash(path: Path, found: str) -> None:
    """Write a file's hash beside it."""
    with atomic_file(_beside(path)) as file:
        file.write(f"{found}  {path.name}\n".encode())


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")
