"""Clips of anyone's: where in their pictures do their sounds come from?"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from json import dumps
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.base.files import atomic_file
from pipeline.errors import InputError
from pipeline.execution.outputs import check_ending, check_outputs
from pipeline.predict.inputs import Asked, asked_clips
from stages.asked import asked_weights
from stages.paths import localized_folder

_PICTURES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
_FILMS = (".mp4", ".m4v", ".mov", ".mkv")
_QUALITY = 92
_NUMBERS = re.compile(r"\[\n([-+.\deE,\s]*)\]")


@dataclass(frozen=True)
class _Outputs:
    """Where the picture of a clip goes, and its film, if there is to be one."""

    picture: Path
    film: Path | None


def localize(
    clips: Annotated[
        list[str] | None,
        typer.Argument(metavar="CLIP...", help="Files with picture and sound, folders of them."),
    ] = None,
    image: Annotated[Path | None, typer.Option(help="A picture, in place of CLIP's.")] = None,
    audio: Annotated[Path | None, typer.Option(help="A sound, in place of CLIP's.")] = None,
    run: Annotated[
        str, typer.Option(help="The run that is asked, below data/runs.")
    ] = "toy/alignment-full-0",
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|NAME",
            help="Other weights: a file, ours or a published one, or a name of avloc weights list.",
        ),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(help="With a published file: its method, where its entries fit several."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The picture: .png, .jpg or .webp; of several clips a folder. By default "
            "data/localized/<clip>.png."
        ),
    ] = None,
    film: Annotated[
        Path | None,
        typer.Option(
            "--film",
            "--video",
            help="Also the clip with the map moving beside it: .mp4, .mov or .mkv; of several "
            "clips a folder.",
        ),
    ] = None,
    json: Annotated[
        Path | None, typer.Option(help="Also places, sureness and maps of all clips, JSON.")
    ] = None,
    height: Annotated[int, typer.Option(min=16, help="Height of a film's picture, pixels.")] = 480,
) -> None:
    """Draw where clips' sounds come from: the middle of each as a picture, all of it as a film.

    A line says where the map of the middle is largest, and how the cosine there compares with the
    largest under silence and under noise on the same picture: a model that knows the sound is above
    both. The map is drawn as strongly as it is sure, beside the picture as it is. In the film,
    brightest is where and when of the whole clip the sound is heard best.

    Examples: [bold]avloc localize clip.mp4 --out map.png --film moving.mp4[/bold],
    [bold]avloc localize holiday/ --json places.json[/bold],
    [bold]avloc localize --image street.jpg --audio dog.wav --weights lvs-vggsound[/bold]
    """
    asked = asked_clips(clips or [], image, audio)
    outputs = _outputs(asked, out, film, clips or [])
    if json is not None:
        check_ending(json, (".json",), "a file")
    path, method = asked_weights(weights, run, method)
    read = [path, *(file for clip in asked for file in (clip.picture, clip.sound))]
    written = [file for each in outputs for file in (each.picture, each.film) if file]
    check_outputs([*written, *([json] if json else [])], read)

    # Behind the checks, since torch takes seconds to be imported.
    from pipeline.methods.common.anyone import open_anyones

    localizer = open_anyones(path, method)
    told, failed = [], 0
    for clip, own in zip(asked, outputs, strict=True):
        try:
            facts, line = _localize(localizer, clip, own, height // 2 * 2)
        except InputError as error:
            if len(asked) == 1:
                raise
            failed += 1
            typer.echo(f"error: {error}", err=True)
            continue
        told.append(facts)
        typer.echo(line if len(asked) == 1 else f"{clip.name}: {line}")
    if json is not None:
        _write_rows(json, told)
        typer.echo(str(json))
    if failed:
        raise InputError(f"localize: {failed} of {len(asked)} clips could not be read, see above")


def _write_rows(path: Path, told: Sequence[Mapping[str, Any]]) -> None:
    """Write JSON whose innermost lists of numbers, a row of a map or a cell, are a line each."""
    text = dumps(told, indent=2, ensure_ascii=False, allow_nan=False)
    # No text of a file's name is met: a line's end in it is written as an escape.
    text = _NUMBERS.sub(lambda match: "[" + " ".join(match[1].split()) + "]", text)
    with atomic_file(path) as file:
        file.write(text.encode() + b"\n")


def _outputs(
    asked: Sequence[Asked], out: Path | None, film: Path | None, named: Sequence[str]
) -> list[_Outputs]:
    """Where each clip's outputs go. One clip's are files; those of several, or of a folder's, lie
    in folders under the clips' names. Raises `InputError` for an ending of no format."""
    single = len(asked) == 1 and not any(Path(name).is_dir() for name in named)
    pictures = _named(asked, out or localized_folder(), ".png", single and out is not None)
    films = None if film is None else _named(asked, film, ".mp4", single)
    for place in pictures:
        check_ending(place, tuple(_PICTURES), "a picture")
    for place in films or ():
        check_ending(place, _FILMS, "a film, which has a sound,")
    return [
        _Outputs(picture, films[number] if films else None)
        for number, picture in enumerate(pictures)
    ]


def _named(asked: Sequence[Asked], place: Path, ending: str, single: bool) -> list[Path]:
    if single:
        return [place]
    if place.suffix and not place.is_dir():
        raise InputError(f"{place}: has an ending, expected a folder for {len(asked)} clips")
    return [place / f"{clip.name}{ending}" for clip in asked]


def _localize(
    localizer: Any, clip: Asked, outputs: _Outputs, height: int
) -> tuple[dict[str, Any], str]:
    """Draw a clip; what is told of it, and the line that is printed."""
    from pipeline.predict.media import describe
    from pipeline.report.asked_clip import draw_clip, draw_moving, facts

    found, picture = draw_clip(localizer, clip)
    if outputs.film is not None:
        draw_moving(outputs.film, localizer, clip, height)
    with atomic_file(outputs.picture) as file:
        picture.save(file, _PICTURES[outputs.picture.suffix.lower()], quality=_QUALITY)
    shown = ", ".join(str(path) for path in (outputs.picture, outputs.film) if path)
    return facts(clip, found), f"{describe(found)}; {shown}"
