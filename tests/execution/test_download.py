"""A file from an address: whole, gone on with where it was cut off, or one line and no file."""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.execution.download import download, recorded_hash

CONTENT = bytes(range(256)) * 40_000  # 10 MB, several pieces


@dataclass
class Server:
    """What a small server on loopback hands out, and what it was asked."""

    content: bytes = CONTENT
    cut: int | None = None  # bytes of an answer before the connection ends
    version: str | None = '"one"'
    kind: str = "application/octet-stream"
    status: int = 200
    ranges: list[str | None] = field(default_factory=list)
    address: str = ""


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            state.ranges.append(asked)
            if state.status != 200:
                self.send_error(state.status)
                return
            begin = 0
            if asked and self.headers.get("If-Range") == state.version:
                begin = int(asked.removeprefix("bytes=").removesuffix("-"))
            rest = state.content[begin:]
            self.send_response(206 if begin else 200)
            if begin:
                size = len(state.content)
                self.send_header("Content-Range", f"bytes {begin}-{size - 1}/{size}")
            if state.version:
                self.send_header("ETag", state.version)
            self.send_header("Content-Type", state.kind)
            self.send_header("Content-Length", str(len(rest)))
            self.end_headers()
            self.wfile.write(rest[: state.cut])

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        state.address = f"http://127.0.0.1:{http.server_port}/weights.pth"
        yield state
        http.shutdown()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_comes_whole_with_its_hash(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "new" / "w.pth"
    found = download(server.address, path)
    assert path.read_bytes() == CONTENT
    assert found == hashlib.sha256(CONTENT).hexdigest() == recorded_hash(path)
    assert names(path.parent) == ["w.pth", "w.pth.sha256"]
    assert (tmp_path / "new/w.pth.sha256").read_text() == f"{found}  w.pth\n"


def test_one_that_was_cut_off_goes_on(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    server.cut = 3_000_000
    with pytest.raises(InputError, match=r"ended after 3,000,000 of 10,240,000 bytes; the same"):
        download(server.address, path)
    assert not path.exists()
    server.cut = None
    download(server.address, path)
    assert server.ranges == [None, "bytes=3000000-"] and path.read_bytes() == CONTENT
    assert names(tmp_path) == ["w.pth", "w.pth.sha256"]


@pytest.mark.parametrize("version", ['"two"', None])
def test_another_version_begins_again(version: str | None, server: Server, tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    server.cut = 3_000_000
    with pytest.raises(InputError, match="ended after"):
        download(server.address, path)
    server.cut, server.version, server.content = None, version, CONTENT[::-1]
    download(server.address, path)
    assert path.read_bytes() == CONTENT[::-1]


def test_one_without_a_version_is_not_gone_on_with(server: Server, tmp_path: Path) -> None:
    server.cut, server.version = 3_000_000, None
    with pytest.raises(InputError, match="ended after"):
        download(server.address, tmp_path / "w.pth")
    server.cut = None
    download(server.address, tmp_path / "w.pth")
    assert server.ranges == [None, None] and (tmp_path / "w.pth").read_bytes() == CONTENT


def test_a_copy_of_another_hash_is_refused(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    first = download(server.address, path)
    server.content = b"other"
    with pytest.raises(InputError, match=f"expected {first}"):
        download(server.address, path, first)
    assert path.read_bytes() == CONTENT and names(tmp_path) == ["w.pth", "w.pth.sha256"]


def test_what_is_no_file_is_refused(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    server.kind = "text/html; charset=utf-8"
    with pytest.raises(InputError, match="answered with a web page, expected a weight file"):
        download(server.address, path)
    server.status = 404
    with pytest.raises(InputError, match=r"weights\.pth: answered 404 Not Found"):
        download(server.address, path)
    with pytest.raises(InputError, match=r"http://127\.0\.0\.1:9/w: could not be fetched: "):
        download("http://127.0.0.1:9/w", path)
    assert names(tmp_path) == []
