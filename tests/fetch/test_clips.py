"""Clips off a server on loopback that also fails, stalls and breaks off, and out of archives."""

import os
import subprocess
import sys
import threading
from collections import Counter
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.base.files import read_parquet
from pipeline.corpora.vggsound import find
from pipeline.errors import InputError
from pipeline.fetch.clips import Manners, fetch_clips
from pipeline.fetch.pace import Pace, waits
from pipeline.fetch.videos import cause_of, finder
from pipeline.fetch.wanted import read_wanted
from pipeline.media.file import read_picture, read_sound
from pipeline.media.writing import SAMPLE_RATE, write_video

pytest.importorskip("yt_dlp")

ROOT = Path(__file__).parents[2]
RATE = Fraction(10)
LONG = 12  # s of the video on the server


def video(path):
    """Second n of the picture has the grey value 20 n, second n of the sound the pitch 200 n Hz."""
    frames = [np.full((48, 64, 3), 20 * (n // 10), np.uint8) for n in range(LONG * 10)]
    time = np.arange(LONG * SAMPLE_RATE) / SAMPLE_RATE
    sound = 0.5 * np.sin(2 * np.pi * 200 * np.floor(time) * time).astype(np.float32)
    write_video(path, frames, sound, RATE)
    ready = path.with_name("ready.mp4")  # its index in front, as sites serve it
    with (
        av.open(str(path)) as source,
        av.open(str(ready), "w", options={"movflags": "faststart"}) as target,
    ):
        streams = {s.index: target.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                target.mux(packet)
    return ready.read_bytes()


class Server(ThreadingHTTPServer):
    """Serves `/<id>.mp4`; the first two letters of the id say how."""

    def __init__(self, content):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.asked, self.over = content, Counter(), threading.Event()
        self.address = f"http://127.0.0.1:{self.server_port}/{{video}}.mp4"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        how = self.path[1:3]
        if self.command == "GET":
            self.server.asked[self.path[1:12]] += 1
        if how == "no":
            return self.say(404, b"")
        if how == "bz" and self.server.asked[self.path[1:12]] < 2:
            return self.say(503, b"")
        if how == "bo":
            return self.say(429, b"")
        body = b"<not a film>" * 300 if how == "dm" else self.server.content
        first, last = 0, len(body) - 1
        if asked := self.headers.get("Range"):
            begin, _, end = asked.removeprefix("bytes=").partition("-")
            first, last = int(begin), min(last, int(end or last))
        self.send_response(206 if asked else 200)
        self.send_header("Content-Type", "video/mp4")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(last - first + 1))
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(body)}")
        self.end_headers()
        if self.command == "HEAD":
            return None
        part = body[first : last + 1]
        if how in ("st", "cu") and len(part) > 2000:
            self.wfile.write(part[: len(part) // 2])
            if how == "st":
                self.server.over.wait(20)  # says nothing more, and does not hang up
            self.close_connection = True
            return None
        self.wfile.write(part)
        return None

    def say(self, code, body):
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    return video(tmp_path_factory.mktemp("film") / "film.mp4")


@pytest.fixture
def server(content):
    server = Server(content)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.over.set()
    server.shutdown()
    server.server_close()


def fetch(server, folder, clips, seconds=3.0, at_once=1, again=False, tries=2):
    pace = Pace(1e6, sleep=lambda _: None)
    manners = Manners(pace, tries=tries, pause=0.0, at_once=at_once, stall=2.0)
    ask = finder(server.address, 360, 2.0)
    return fetch_clips(clips, folder, ask, manners, seconds=seconds, again=again)


def rows(folder):
    table = read_parquet(folder / "missing.parquet").to_pydict()
    return dict(
        zip(table["clip_id"], zip(table["cause"], table["tries"], strict=True), strict=True)
    )


def test_a_clip_begins_and_ends_where_it_should(server, tmp_path):
    """No hidden second in front: the first frame is second 4's, and so is the first sound."""
    assert fetch(server, tmp_path, ["ok_________a"[:11] + "_000004"])["fetched"] == 1
    [source] = find(tmp_path)
    with av.open(str(source.picture)) as film:
        frames = [(f.time, f.to_ndarray(format="gray").mean()) for f in film.decode(video=0)]
    assert frames[0][0] == 0 and len(frames) == 30
    grey = [value for _, value in frames]
    assert np.allclose(grey, np.repeat([80, 100, 120], 10), atol=4)
    assert read_picture(source.picture, side=16, second=1.55).frame.mean() == pytest.approx(
        100, abs=4
    )
    sound = read_sound(source.picture, sample_rate=SAMPLE_RATE).samples
    assert len(sound) == pytest.approx(3 * SAMPLE_RATE, abs=0.05 * SAMPLE_RATE)
    for second, pitch in enumerate((800, 1000, 1200)):
        middle = sound[round((second + 0.3) * SAMPLE_RATE) :][: SAMPLE_RATE // 2]
        assert np.abs(np.fft.rfft(middle)).argmax() * 2 == pytest.approx(pitch, abs=6)


def test_each_clip_that_cannot_be_had_has_its_cause(server, tmp_path):
    clips = [f"{how}________{n}"[:11] + "_000002" for n, how in enumerate(("ok", "no", "bz", "dm"))]
    clips += ["cu________4_000008", "st________5_000008", "ok________6_000030"]
    counts = fetch(server, tmp_path, clips)
    found = rows(tmp_path)
    assert {clip[:2]: row for clip, row in found.items() if clip[:2] != "ok"} == {
        "no": ("gone", 1),
        "dm": ("damaged", 2),
        "cu": ("network", 2),
        "st": ("network", 2),
    }
    assert found["ok________6_000030"] == ("too short", 1)
    passing = {"damaged": 1, "network": 2}
    assert counts == {"there": 0, "settled": 0, "fetched": 2, "gone": 1, "too short": 1, **passing}
    assert {source.clip_id[:2] for source in find(tmp_path)} == {"ok", "bz"}
    assert {path.suffix for path in tmp_path.iterdir()} == {".mp4", ".parquet"}  # nothing half


def test_nothing_is_asked_for_twice(server, tmp_path):
    clips = ["ok________1_000001", "no________2_000001", "cu________3_000008"]
    fetch(server, tmp_path, clips)
    (tmp_path / "ok________1_000001.mp4").rename(tmp_path / "ok________1_1000_11000.mp4")
    before = dict(server.asked)
    counts = fetch(server, tmp_path, clips)
    assert counts == {"there": 1, "settled": 1, "network": 1}
    assert [clip for clip, n in server.asked.items() if n > before[clip]] == ["cu________3"]
    assert rows(tmp_path)["cu________3_000008"] == ("network", 4)
    assert fetch(server, tmp_path, clips[1:2], again=True) == {"there": 0, "settled": 0, "gone": 1}


def test_several_at_once_are_the_same_clips(server, tmp_path):
    clips = [f"ok________{n}_00000{n}" for n in range(5)]
    assert fetch(server, tmp_path / "one", clips)["fetched"] == 5
    assert fetch(server, tmp_path / "many", clips, at_once=3)["fetched"] == 5
    for clip in clips:
        one, many = (tmp_path / name / f"{clip}.mp4" for name in ("one", "many"))
        lengths = [read_sound(path, sample_rate=8000).samples.shape for path in (one, many)]
        assert lengths[0] == lengths[1]


def test_a_site_that_refuses_is_left_alone(server, tmp_path):
    clips = ["ok________0_000001", *(f"bo________{n}_000001" for n in range(1, 6))]
    with pytest.raises(InputError, match=r"refuses to answer .*429.*; 1 clips were fetched"):
        fetch(server, tmp_path, clips, tries=1)
    assert not server.asked["bo________5"]
    assert set(rows(tmp_path)) == {f"bo________{n}_000001" for n in (1, 2, 3)}


def test_sites_say_why():
    said = {
        "ERROR: [youtube] x: Private video. Sign in if you've been granted access": "private",
        "Video unavailable. The uploader has not allowed it in your country": "region",
        "Sign in to confirm your age. This video may be inappropriate for some users.": "age",
        "Sign in to confirm you're not a bot": "blocked",
        "HTTP Error 503: Service Unavailable": "network",
        "Video unavailable. This video has been removed by the uploader": "gone",
        "Join this channel to get access to members-only content": "private",
        "The read operation timed out": "network",
    }
    assert {words: cause_of(words) for words in said} == said


def test_the_pace_is_kept_by_all_and_pauses_grow():
    now, slept = [0.0], []
    pace = Pace(30, clock=lambda: now[0], sleep=slept.append)
    for _ in range(3):
        pace.wait()
    assert slept == [2.0, 4.0]  # a question each two seconds, the clock stands still
    pace.rest(60)
    pace.wait()
    assert slept[-1] == 60
    assert list(waits(4, 5)) == [5, 10, 20]
    assert list(waits(1, 5)) == []
    assert max(waits(20, 5)) == 300


def test_lists_of_all_kinds_are_wanted(tmp_path):
    (tmp_path / "vggsound.csv").write_text('---g-f_I2yQ,1,"a, b",test\n---g-f_I2yQ,30,c,train\n')
    assert read_wanted(tmp_path / "vggsound.csv") == ["---g-f_I2yQ_000001", "---g-f_I2yQ_000030"]
    (tmp_path / "list.txt").write_text("---g-f_I2yQ_1000_11000\n")
    assert read_wanted(tmp_path / "list.txt") == ["---g-f_I2yQ_000001"]
    (tmp_path / "own.txt").write_text("beach\n")
    with pytest.raises(InputError, match=r"own.txt: cannot be fetched by name: .*'beach'"):
        read_wanted(tmp_path / "own.txt")


def test_the_command_says_what_it_did(server, tmp_path):
    clips = ["ok________1_000001", "no________2_000001"]
    (tmp_path / "list.txt").write_text("\n".join(clips))
    found = subprocess.run(
        [
            *(sys.executable, "-m", "stages.cli", "corpus", "fetch", "list.txt", "--to", "clips"),
            *("--address", server.address, "--seconds", "2", "--per-minute", "6000"),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr
    assert "1 fetched, 0 there before, 1 missing (gone 1)" in found.stderr
    assert [path.name for path in (tmp_path / "clips").glob("*.mp4")] == ["ok________1_000001.mp4"]


def test_an_address_without_a_place_for_the_video_is_refused():
    with pytest.raises(InputError, match=r"expected one with \{video\}"):
        finder("http://127.0.0.1/", 360, 2.0)
