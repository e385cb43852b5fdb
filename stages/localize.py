"""One clip of anyone's: where in its picture does its sound come from?"""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.errors import InputError
from stages.paths import run_folder


def localize(
    video: Annotated[Path | None, typer.Argument(help="A file with picture and sound.")] = None,
    image: Annotated[Path | None, typer.Option(help="A picture, in place of VIDEO's.")] = None,
    audio: Annotated[Path | None, typer.Option(help="A sound, in place of VIDEO's.")] = None,
    run: Annotated[str, typer.Option(help="The run whose localizer is asked.")] = "toy",
    weights: Annotated[
        Path | None, typer.Option(help="A weights file in its place, ours or a published one.")
    ] = None,
    out: Annotated[Path, typer.Option(help="The heat map over the picture, PNG.")] = Path(
        "heat-map.png"
    ),
) -> None:
    """Draw the heat map of a clip. Example: [bold]avloc localize clip.mp4 --out map.png[/bold]"""
    from pipeline.localizer import load_localizer
    from pipeline.lookup import localize_media
    from pipeline.report.figures import overlay
    from pipeline.shards import atomic_file

    picture, sound = image or video, audio or video
    if picture is None or sound is None:
        raise InputError("localize: expected VIDEO, or both --image and --audio")
    localizer = load_localizer(weights or run_folder(run) / "weights.safetensors")
    found = localize_media(localizer, picture, sound)
    with atomic_file(out) as file:
        overlay(found.frame, found.map, 2 * max(224, localizer.usage.side)).save(file, "PNG")
    row, column = divmod(int(found.map.argmax()), found.map.shape[1])
    across, down = (column + 0.5) / found.map.shape[1], (row + 0.5) / found.map.shape[0]
    typer.echo(
        f"loudest at {100 * across:.0f} % from the left and {100 * down:.0f} % from the top, "
        f"cosine {found.map.max():.2f} (silence on this picture: {found.silence:.2f}); {out}"
    )
