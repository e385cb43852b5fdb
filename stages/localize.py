"""One clip of anyone's: where in its picture does its sound come from?"""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.base.files import atomic_file
from pipeline.errors import InputError
from pipeline.execution.outputs import check_outputs
from pipeline.methods.common.anyone import open_anyones
from pipeline.predict.media import describe, localize_media, picture_of
from pipeline.predict.moving import INTERVAL, localize_moving
from pipeline.report.figures import overlay
from pipeline.report.film import draw_film
from stages.paths import run_folder

_SIDE = 720  # pixels of the longer side of the still picture


def localize(
    video: Annotated[Path | None, typer.Argument(help="A file with picture and sound.")] = None,
    image: Annotated[Path | None, typer.Option(help="A picture, in place of VIDEO's.")] = None,
    audio: Annotated[Path | None, typer.Option(help="A sound, in place of VIDEO's.")] = None,
    run: Annotated[
        str, typer.Option(help="The run that is asked, below data/runs.")
    ] = "toy/alignment-full-0",
    weights: Annotated[
        Path | None, typer.Option(help="A weights file in its place, ours or a published one.")
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(help="With a published file: its method, where its entries fit several."),
    ] = None,
    out: Annotated[Path, typer.Option(help="The heat map over the picture, PNG.")] = Path(
        "heat-map.png"
    ),
    film: Annotated[
        Path | None,
        typer.Option("--video", help="Also the clip with the map moving over it, MP4."),
    ] = None,
    height: Annotated[int, typer.Option(min=16, help="Height of --video in pixels.")] = 480,
) -> None:
    """Draw where a clip's sound comes from: its middle as a PNG, all of it as a video.

    A line says where the map of the middle is largest, and how the cosine there compares with the
    largest under silence and under noise on the same picture: a model that knows the sound is above
    both. In the video, brightest is where and when of the whole clip the sound is heard best.

    Examples: [bold]avloc localize clip.mp4 --out map.png --video moving.mp4[/bold],
    [bold]avloc localize --image street.jpg --audio dog.wav --weights ours.pth.tar[/bold]
    """
    picture, sound = image or video, audio or video
    if picture is None or sound is None:
        raise InputError("localize: expected VIDEO, or both --image and --audio")
    asked = weights or run_folder(run) / "weights.safetensors"
    check_outputs([out, *([film] if film else [])], [picture, sound, asked])
    localizer = open_anyones(asked, method)
    found = localize_media(localizer, picture, sound)
    if film is not None:
        moving = localize_moving(localizer, picture, sound)
        draw_film(
            film,
            picture,
            sound,
            moving.maps,
            interval=INTERVAL,
            frames=moving.frames,
            height=height // 2 * 2,
        )
    shown = picture_of(picture, _SIDE)
    scale = _SIDE / max(shown.width, shown.height)
    size = (max(1, round(scale * shown.width)), max(1, round(scale * shown.height)))
    with atomic_file(out) as file:
        overlay(shown.frame, found.map, _SIDE).resize(size).save(file, "PNG")
    typer.echo(f"{describe(found)}; {out}" + (f", {film}" if film else ""))
