"""A local page to try a localizer on: drop or record a clip, or a picture and a sound.

Gradio serves it. Nothing of it asks another host for anything: its telemetry is off, fonts are the
system's, what it offers to share is left out, and a policy forbids the browser the rest. What is
uploaded and made lies in one temporary folder, for an hour at most, and goes with the server.
"""

import html
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from pipeline.errors import InputError
from pipeline.methods.common.anyone import open_anyones
from pipeline.methods.contract import Method
from pipeline.predict.inputs import asked_clips
from pipeline.predict.media import describe
from pipeline.report.asked_clip import draw_clip, draw_moving
from pipeline.report.choices import Choice

TITLE = "Where in the picture does the sound come from?"
KEPT = 3600  # s that an upload and its answer stay
_HEIGHT = 360  # pixels of the picture in the film
_LARGEST = "500mb"
_EMPTY = '<p class="of">The answer will stand here.</p>'
# Scripts and styles stand in the page itself, and Gradio's evaluates some; media are made in it.
_POLICY = b"default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob: mediastream:"
_CSS = """
.gradio-container { width: 100%; max-width: 76rem !important; margin: 0 auto; }
#head h1 { font-size: 1.7rem; margin: .5rem 0 .2rem; }
#clip video { max-height: 260px; }
#said { min-height: 3.4rem; font-size: 1.05rem; }
#said .of { color: var(--body-text-color-subdued); font-size: .9rem; }
#said .mistake { color: #b42318; font-weight: 600; overflow-wrap: anywhere; }
.dark #said .mistake { color: #ff9b8e; }
footer { display: none !important; }
"""


def page(offered: Sequence[Choice], examples: Sequence[Path] = ()) -> gr.Blocks:
    """The page for these weights, not yet served; `examples` are clips to try at once."""
    methods = list(dict.fromkeys(choice.method for choice in offered))

    def names(method: str) -> list[str]:
        return [choice.name for choice in offered if choice.method == method]

    def chosen(method: str, name: str) -> Choice:
        return next(c for c in offered if c.method == method and c.name == name)

    def answer_clip(clip: str | None, method: str, name: str) -> Iterator[tuple[Any, Any, str]]:
        yield from _answers(clip, clip, chosen(method, name), "a clip")

    def answer_pair(
        picture: str | None, sound: str | None, method: str, name: str
    ) -> Iterator[tuple[Any, Any, str]]:
        yield from _answers(picture, sound, chosen(method, name), "a picture and a sound")

    with gr.Blocks(title="avloc", analytics_enabled=False, delete_cache=(60, KEPT)) as blocks:
        gr.Markdown(
            f"# {TITLE}\nDrop or record a clip, or a picture and a sound. Bright is where the "
            "sound is heard. Nothing leaves this machine.",
            elem_id="head",
        )
        with gr.Row():
            with gr.Column(scale=2):
                with gr.Row():
                    method = gr.Dropdown(methods, value=methods[0], label="Method", min_width=120)
                    first = names(methods[0])
                    name = gr.Dropdown(
                        first, value=first[0], label="Weights", scale=2, elem_id="weights"
                    )
                with gr.Tab("A clip"):
                    clip = gr.Video(
                        sources=["upload", "webcam"],
                        include_audio=True,
                        label="Clip with picture and sound",
                        webcam_options=gr.WebcamOptions(mirror=False),
                        height=330,
                        elem_id="clip",
                    )
                    ask_clip = gr.Button("Find the sound", variant="primary", elem_id="ask-clip")
                    if examples:
                        gr.Examples([[str(e)] for e in examples], [clip], label="Clips to try")
                with gr.Tab("A picture and a sound"):
                    picture = gr.Image(
                        sources=["upload", "webcam", "clipboard"],
                        type="filepath",
                        image_mode=None,
                        label="Picture",
                        webcam_options=gr.WebcamOptions(mirror=False),
                        height=240,
                        elem_id="picture",
                    )
                    # Gradio would open it, and fail in words of its own where that goes wrong.
                    vars(picture)["preprocess"] = _as_it_came
                    sound = gr.Audio(
                        sources=["upload", "microphone"],
                        type="filepath",
                        label="Sound",
                        buttons=[],
                        elem_id="sound",
                    )
                    ask_pair = gr.Button("Find the sound", variant="primary", elem_id="ask-pair")
            with gr.Column(scale=3):
                said = gr.HTML(_EMPTY, elem_id="said")
                film = gr.Video(
                    label="The map as it moves",
                    autoplay=True,
                    loop=True,
                    buttons=["download"],
                    height=360,
                    elem_id="film",
                )
                still = gr.Image(
                    label="The middle of it",
                    buttons=["download", "fullscreen"],
                    height=300,
                    elem_id="still",
                )
        outputs = [still, film, said]
        method.change(
            lambda m: gr.Dropdown(names(m), value=names(m)[0]),
            method,
            name,
            api_visibility="private",
        )
        # One answer at a time; who asks again meanwhile gets the last that was asked.
        asked = {"concurrency_limit": 1, "concurrency_id": "one", "trigger_mode": "always_last"}
        hidden: dict[str, Any] = {"api_visibility": "private", **asked}
        ask_clip.click(answer_clip, [clip, method, name], outputs, **hidden)
        ask_pair.click(answer_pair, [picture, sound, method, name], outputs, **hidden)
    return blocks


def serve(blocks: gr.Blocks, host: str, port: int | None, *, browser: bool = False) -> str:
    """Serve the page in a thread of this process; returns its address. Raises `InputError` where
    the port is taken."""
    try:
        _, address, _ = blocks.launch(
            server_name=host,
            server_port=port,
            inbrowser=browser,
            share=False,
            quiet=True,
            prevent_thread_lock=True,
            max_file_size=_LARGEST,
            run_history=False,
            enable_monitoring=False,
            ssr_mode=False,
            mcp_server=False,
            pwa=False,
            footer_links=[],
            app_kwargs={"middleware": [Middleware(_AskNobodyElse)]},
            css=_CSS,
            theme=gr.themes.Base(
                primary_hue="blue",
                neutral_hue="slate",
                font=["system-ui", "sans-serif"],
                font_mono=["ui-monospace", "monospace"],
            ),
        )
    except OSError as error:
        raise InputError(f"{host}:{port}: cannot be served there: {error}") from error
    return str(address)


class _AskNobodyElse:
    """Tells the browser, with every answer, to ask nobody but this server for anything."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def sent(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message["headers"],
                    (b"content-security-policy", _POLICY),
                ]
            await send(message)

        await self.app(scope, receive, sent)


def _as_it_came(payload: Any) -> str | None:
    """The file that was uploaded, whatever it holds."""
    return None if payload is None else str(payload.path)


def _answers(
    picture: str | None, sound: str | None, choice: Choice, wanted: str
) -> Iterator[tuple[Any, Any, str]]:
    """The still map and its line as soon as they are there, then the film. What is wrong with a
    file is a line, in place of both."""
    if picture is None or sound is None:
        yield None, None, _mistake(f"expected {wanted}")
        return
    files = Path(picture), Path(sound)
    try:
        (clip,) = asked_clips([picture]) if picture == sound else asked_clips([], *files)
        method = _opened(choice.path, choice.method)
        found, still = draw_clip(method, clip)
        of = f"{choice.method}, {choice.name}, asked about {files[0].name}"
        line = f'<p>{html.escape(describe(found))}</p><p class="of">{html.escape(of)}</p>'
        yield still, None, line
        path = _place_of_film()
        draw_moving(path, method, clip, _HEIGHT)
        yield still, str(path), line
    except InputError as error:
        told = str(error)
        for file in files:
            told = told.replace(str(file), file.name)
        yield None, None, _mistake(told)


def _place_of_film() -> Path:
    """Where the next film goes: a folder of its own, beside others that are younger than `KEPT`."""
    made = Path(tempfile.gettempdir()) / "made"
    made.mkdir(exist_ok=True)
    for folder in made.iterdir():
        if time.time() - folder.stat().st_mtime > KEPT:
            shutil.rmtree(folder)
    return Path(tempfile.mkdtemp(dir=made)) / "map.mp4"


@lru_cache(maxsize=2)
def _opened(path: Path, method: str) -> Method:
    return open_anyones(path, method)


def _mistake(text: str) -> str:
    return f'<p class="mistake" role="alert">{html.escape(text)}</p>'
