"""`avloc demo` as a person meets it: a page in a browser, which asks no other host for anything."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest
from chromium import PROGRAM, Page, chromium
from made_media import tones, write_media
from made_method import small_method
from PIL import Image
from running import Avloc

from pipeline.clips.sound_form import SoundForm
from pipeline.methods.common.files import save_weights
from stages import demo

ROOT = Path(__file__).resolve().parents[2]
FORM = SoundForm(window=512, hop=256, bands=16)
# Run by every Python that finds it: notes whom the process connects to, other than itself.
NOTES = """
import socket
_connect = socket.socket.connect
def connect(self, address):
    own = self.family == socket.AF_UNIX or str(address[0]).startswith(("127.", "::1", "localhost"))
    if not own:
        open({path!r}, "a").write(f"{{address}}\\n")
    return _connect(self, address)
socket.socket.connect = connect
"""


class Served(NamedTuple):
    """A demo that runs: its process, its address, its folder of temporary files' parent, and the
    file that notes whom it connects to."""

    process: subprocess.Popen[str]
    address: str
    folder: Path
    noted: Path


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    if PROGRAM is None or find_spec("gradio") is None:
        pytest.skip("needs Chromium and the extra `demo`")
    project, temporary = tmp_path / "project", tmp_path / "temporary"
    for name, seed in (("alignment-full-0", 1), ("alignment-full-1", 2)):
        weights = project / f"data/runs/toy/{name}/weights.safetensors"
        save_weights(weights, small_method(FORM, 20, seed=seed))
    temporary.mkdir()
    noted = tmp_path / "connections"
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text(NOTES.format(path=str(noted)))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "stages.cli", "demo", "--no-browser", "--port", str(port)],
        cwd=project,
        env={
            **os.environ,
            "PYTHONPATH": f"{tmp_path / 'site'}:{ROOT}",
            "TMPDIR": str(temporary),
            "OMP_NUM_THREADS": "1",
        },
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        found = re.match(r"demo: (\S+) ", process.stdout.readline())
        assert found
        yield Served(process, found[1], temporary, noted)
    finally:
        process.kill()
        process.communicate()


SAID = "document.querySelector('#said').innerText"


async def press(page: Page, words: str) -> None:
    """Press the button that is called so, or holds these words, once it is there."""
    found = (
        "[...document.querySelectorAll('button')].find(b => b.offsetParent && "
        f"(b.ariaLabel === {json.dumps(words)} || b.innerText.trim() === {json.dumps(words)}))"
    )
    await page.until(f"{found} !== undefined")
    await page.ask(f"{found}.click()")


async def answer(page: Page, words: str) -> str:
    """The line on the page once it holds these words."""
    return str(await page.until(f"{SAID}.includes({json.dumps(words)}) && {SAID}"))


async def film_plays(page: Page) -> bool:
    return bool(await page.until("document.querySelector('#film video')?.readyState >= 2 && true"))


async def recorded(page: Page) -> str:
    """The answer to a recording of the made camera and microphone that the browser has. On a busy
    machine a browser's recorder has nothing yet after some seconds, so there are several tries."""
    line = ""
    for seconds in (3, 10, 30):
        await press(page, "Capture from camera")
        await press(page, "Click to Access Webcam")
        await page.until("document.querySelector('#clip video')?.videoWidth > 0")
        await press(page, "Record")
        await asyncio.sleep(seconds)
        await press(page, "Stop")
        await page.until("/webm$/.test(document.querySelector('#clip video')?.src)")
        await press(page, "Find the sound")
        line = await answer(page, ".webm")
        if "unreadable" not in line:
            break
        await press(page, "Clear")
    return line


async def visit(served: Served, folder: Path) -> None:
    clip = write_media(folder / "clip.mp4", seconds=2, sound=tones(2, 16000))
    sound = write_media(
        folder / "dog.wav", size=None, sound=tones(2, 16000), audio_codec="pcm_s16le"
    )
    picture, bad, none = folder / "street.png", folder / "holiday.mp4", folder / "cat.png"
    Image.new("RGB", (60, 40), (40, 90, 160)).save(picture)
    bad.write_bytes(b"no video" * 100)
    none.write_bytes(b"no picture")
    async with chromium(folder / "profile", served.address) as page:
        await press(page, "Find the sound")
        assert await answer(page, "expected") == "expected a clip"

        assert "cosine" in await recorded(page)
        assert await film_plays(page)
        await press(page, "Clear")

        await press(page, "Upload file")
        await page.upload("#clip input[type=file]", bad)
        await page.until("document.querySelector('#clip video') !== null")
        await press(page, "Find the sound")
        line = await answer(page, "holiday")
        assert line.startswith("holiday.mp4: unreadable") and "\n" not in line
        assert str(served.folder) not in line

        await press(page, "Clear")
        await page.upload("#clip input[type=file]", clip)
        await page.until("document.querySelector('#clip video')?.readyState >= 2 && true")
        await press(page, "Find the sound")
        line = await answer(page, "cosine")
        assert line.startswith("sound: ") and "asked about clip.mp4" in line
        assert "toy/alignment-full-0" in line
        assert await film_plays(page)
        assert await page.until("document.querySelector('#still img')?.naturalWidth > 0")
        first = await page.ask("document.querySelector('#film video').src")

        # Other weights, the same clip.
        await page.ask("document.querySelector('#weights input').focus()")
        options = "[...document.querySelectorAll('[role=option]')]"
        option = f"{options}.find(o => /full-1/.test(o.innerText))"
        await page.until(f"{option} !== undefined")
        await page.ask(f"{option}.dispatchEvent(new MouseEvent('mousedown', {{bubbles: true}}))")
        await press(page, "Find the sound")
        assert "asked about clip.mp4" in await answer(page, "toy/alignment-full-1")
        await page.until(f"document.querySelector('#film video')?.src !== {json.dumps(first)}")

        await page.ask("document.querySelectorAll('button[role=tab]')[1].click()")
        await page.upload("#picture input[type=file]", none)
        await page.upload("#sound input[type=file]", sound)
        await page.until("document.querySelector('#picture img') !== null")
        await page.until("document.querySelector('#sound input[type=file]') === null")
        await press(page, "Find the sound")
        assert (await answer(page, "cat.png")).startswith("cat.png: unreadable")
        await press(page, "Remove Image")
        await page.upload("#picture input[type=file]", picture)
        await page.until("document.querySelector('#picture img')?.naturalWidth > 0")
        await press(page, "Find the sound")
        assert "cosine" in await answer(page, "street.png")
        assert await film_plays(page)

        assert page.hosts == {"127.0.0.1"} and page.requests > 20
        assert not page.told
        # And if some part of the page would ask: the browser forbids it.
        other = "fetch('https://example.org/').then(() => 'asked', () => 'refused')"
        violated = (
            "new Promise(done => { document.addEventListener('securitypolicyviolation', "
            f"event => done(event.blockedURI)); {other}; }})"
        )
        assert str(await page.ask(violated)).startswith("https://example.org")


def test_a_person_tries_clips_pictures_sounds_and_a_camera(served: Served, tmp_path: Path) -> None:
    asyncio.run(visit(served, tmp_path))
    (folder,) = served.folder.glob("avloc-demo-*")
    assert any(path.is_file() for path in folder.rglob("*"))
    served.process.send_signal(signal.SIGTERM)
    served.process.communicate(timeout=60)
    assert served.process.returncode == 0
    assert not folder.exists()  # with all that was uploaded and made
    assert not served.noted.exists(), served.noted.read_text()


def test_without_gradio_a_line_says_what_to_install(
    avloc: Avloc, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "find_spec", lambda name: None)
    assert avloc("demo") == 1
    line = capsys.readouterr().err
    assert line == "error: demo: needs Gradio, which is not installed: pip install -e '.[demo]'\n"
