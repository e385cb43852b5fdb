"""A headless Chromium, driven by its devtools protocol over aiohttp, which DVC brings."""

import asyncio
import base64
import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

PROGRAM = next((p for p in map(shutil.which, ("chromium", "google-chrome")) if p), None)
_SECONDS = 60  # that something on a page may take on a busy machine


class Page:
    """One page: `ask` runs JavaScript, `until` waits for it to be true, `hosts` are all that the
    page asked anything of."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket, self._number = socket, 0
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self.hosts: set[str] = set()
        self.requests = 0
        self.told: list[str] = []  # uncaught mistakes of the page's own script

    async def listen(self) -> None:
        async for message in self._socket:
            content = json.loads(message.data)
            if "id" in content:
                self._waiting.pop(content["id"]).set_result(content)
            elif content["method"] == "Network.requestWillBeSent":
                url = urlsplit(content["params"]["request"]["url"])
                if url.scheme in ("http", "https", "ws", "wss"):
                    self.requests += 1
                    self.hosts.add(str(url.hostname))
            elif content["method"] == "Runtime.exceptionThrown":
                self.told.append(str(content["params"]["exceptionDetails"].get("exception")))

    async def send(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        found = asyncio.get_running_loop().create_future()
        self._waiting[self._number] = found
        await self._socket.send_json({"id": self._number, "method": method, "params": params})
        content = await asyncio.wait_for(found, _SECONDS)
        if "error" in content:
            raise RuntimeError(f"{method}: {content['error']}")
        result: dict[str, Any] = content["result"]
        return result

    async def ask(self, script: str) -> Any:
        found = await self.send(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in found:
            raise RuntimeError(f"{script}: {found['exceptionDetails']}")
        return found["result"].get("value")

    async def until(self, script: str, seconds: float = _SECONDS) -> Any:
        """What `script` gives as soon as that is true."""
        for _ in range(int(4 * seconds)):
            if found := await self.ask(script):
                return found
            await asyncio.sleep(0.25)
        shown = await self.ask("document.body.innerText")
        raise AssertionError(f"never true: {script}; the page shows: {shown}")

    async def upload(self, selector: str, *files: Path) -> None:
        """Give files to an `input` of the page, as a drop or a choice does."""
        await self.until(f"document.querySelector({json.dumps(selector)}) !== null")
        root = (await self.send("DOM.getDocument"))["root"]["nodeId"]
        node = await self.send("DOM.querySelector", nodeId=root, selector=selector)
        paths = [str(file.resolve()) for file in files]
        await self.send("DOM.setFileInputFiles", nodeId=node["nodeId"], files=paths)

    async def picture(self, path: Path) -> None:
        """A screenshot, PNG."""
        found = await self.send("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(found["data"]))


@asynccontextmanager
async def chromium(
    folder: Path, address: str, size: tuple[int, int] = (1280, 1000), *further: str
) -> AsyncIterator[Page]:
    """A page at an address, in a browser of its own with a made camera and microphone, whose
    profile lies in `folder`."""
    assert PROGRAM is not None
    browser = subprocess.Popen(
        [
            PROGRAM, "--headless", "--no-sandbox", "--disable-gpu", "--mute-audio",
            "--remote-debugging-port=0", f"--user-data-dir={folder}", "--no-first-run",
            "--disable-background-networking", "--use-fake-device-for-media-stream",
            "--use-fake-ui-for-media-stream", "--autoplay-policy=no-user-gesture-required",
            f"--window-size={size[0]},{size[1]}", *further, "about:blank",
        ],
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    try:
        assert browser.stderr is not None
        lines = iter(browser.stderr.readline, "")
        found = next(m for m in (re.search(r"ws://([^/]+)/", line) for line in lines) if m)
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://{found[1]}/json") as answer:
                (target,) = [t for t in await answer.json() if t["type"] == "page"]
            socket = await session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=2**28)
            page = Page(socket)
            listening = asyncio.create_task(page.listen())
            for domain in ("Network", "Page", "Runtime", "DOM"):
                await page.send(f"{domain}.enable")
            await page.send("Emulation.setFocusEmulationEnabled", enabled=True)
            await page.send("Page.navigate", url=address)
            try:
                yield page
            finally:
                await socket.close()
                await listening
    finally:
        browser.terminate()
        browser.wait(30)
        browser.stderr.close()  # type: ignore[union-attr]
