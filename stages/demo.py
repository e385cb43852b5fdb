"""A local page to try localizers on one's own clips, pictures and sounds."""

import os
import signal
import tempfile
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from pipeline.corpora.lists import read_clip_list
from pipeline.errors import InputError
from pipeline.execution.checkpoints import given_weights
from pipeline.report.choices import choices
from stages.paths import DATA, published_weights

_EXAMPLES = 3


def demo(
    weights: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE|NAME",
            help="Further weights to choose from: a file, ours or a published one, or a name of "
            "avloc weights list. May be given several times.",
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Where it is served; 0.0.0.0 lets the whole network in.")
    ] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="The first free one from 7860 on.")
    ] = None,
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
) -> None:
    """Serve a page on this machine: drop or record a clip, and see the map move over it.

    It offers every run below data/runs and the files in data/weights, fetched or placed there.
    Nothing leaves the machine; what is uploaded is forgotten when the command ends.

    Examples: [bold]avloc demo[/bold], [bold]avloc demo --weights ours.pth.tar --no-browser[/bold]
    """
    if find_spec("gradio") is None:
        raise InputError("demo: needs Gradio, which is not installed: pip install -e '.[demo]'")
    further = [given_weights(each, None, published_weights()) for each in weights or ()]
    offered = choices(DATA, further)
    with tempfile.TemporaryDirectory(prefix="avloc-demo-") as folder:
        # Gradio reads these when it is imported, and everything temporary goes where it ends.
        os.environ |= {"GRADIO_TEMP_DIR": folder, "GRADIO_ANALYTICS_ENABLED": "False"}
        os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
        tempfile.tempdir = folder
        from pipeline.report.demo import page, serve

        ended = threading.Event()
        for signum in (signal.SIGTERM, signal.SIGINT):  # the way in which this command ends
            signal.signal(signum, lambda *_: ended.set())
        blocks = page(offered, _example_clips())
        try:
            address = serve(blocks, host, port, browser=browser)
            typer.echo(f"demo: {address} (Ctrl-C ends it)")
            while not ended.wait(0.5):
                pass
        finally:
            tempfile.tempdir = None
            blocks.close(verbose=False)


def _example_clips() -> list[Path]:
    """A few test clips of a toy that is there."""
    for listed in sorted((DATA / "toys").glob("*/lists/test.txt")):
        folder = listed.parents[1] / "vggsound"
        paths = [folder / f"{clip}.mp4" for clip in read_clip_list(listed)]
        return [path for path in paths if path.is_file()][:_EXAMPLES]
    return []
