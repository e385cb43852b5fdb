"""A clip that somebody asked about, as a picture, as a film, and as values."""

from pathlib import Path
from typing import Any

from PIL import Image

from pipeline.methods.contract import Method
from pipeline.predict.inputs import Asked
from pipeline.predict.media import Found, describe_margin, localize_media, picture_of
from pipeline.predict.moving import INTERVAL, Moving, localize_moving
from pipeline.predict.places import peak, place_in_words, places
from pipeline.predict.sureness import sureness
from pipeline.report.film import draw_film
from pipeline.report.localized import SIDE, draw_localized


def draw_clip(method: Method, clip: Asked) -> tuple[Found, Image.Image]:
    """The map of a clip's middle, and the picture of it. Raises `InputError` as `localize_media`
    does."""
    found = localize_media(method, clip.picture, clip.sound)
    shown = picture_of(clip.picture, SIDE)
    size = shown.width, shown.height
    if found.silent:
        lines = [f"{clip.name}: silent", found.silent]
        return found, draw_localized(shown.frame, size, None, 0, (0, 0), lines)
    across, down, words = place_in_words(found.map)
    place = f"{words}: {100 * across:.0f} % from the left, {100 * down:.0f} % from the top"
    lines = [f"{clip.name}: {found.word}", place, describe_margin(found)]
    strength = found.strength
    return found, draw_localized(shown.frame, size, found.map, strength, (across, down), lines)


def draw_moving(path: Path, method: Method, clip: Asked, height: int) -> None:
    """Write the film of a clip to `path`, its picture `height` pixels high. Raises `InputError` as
    `localize_moving` and `draw_film` do."""
    moving = localize_moving(method, clip.picture, clip.sound)
    draw_film(
        path,
        clip.picture,
        clip.sound,
        moving.maps,
        interval=INTERVAL,
        frames=moving.frames,
        height=height,
        strengths=moving.strengths,
        lines=_lines(clip.name, moving),
    )


def _lines(name: str, moving: Moving) -> list[tuple[str, ...]]:
    """What stands below the pictures at each moment: how sure its map is, and where it is
    largest."""
    return [
        (f"{name}: silent",)
        if silent
        else (f"{name}: {sureness(float(margin))}", place_in_words(heat)[2])
        for heat, margin, silent in zip(moving.maps, moving.margins, moving.silent, strict=True)
    ]


def facts(clip: Asked, found: Found) -> dict[str, Any]:
    """What is found of a clip, for JSON: `places` (see `pipeline.predict.places.Place`), the
    strongest first, and the raw `map`, rows from the top; where the clip is silent there are
    none."""
    told = {
        "clip": clip.name,
        "picture": str(clip.picture),
        "sound": str(clip.sound),
        "sureness": found.word,
        "strength": round(found.strength, 4),
        "margin": round(found.margin, 6),
        "maximum": round(float(found.map.max()), 6),
        "under_silence": round(found.silence, 6),
        "under_noise": round(found.noise, 6),
    }
    if found.silent:
        return {**told, "margin": None, "silent": found.silent, "places": [], "map": None}
    x, y = peak(found.map)
    return {
        **told,
        "x": x,
        "y": y,
        "places": [
            {
                "x": place.x,
                "y": place.y,
                "value": round(place.value, 6),
                "box": list(place.box),
                "cells": [list(cell) for cell in place.cells],
            }
            for place in places(found.map)
        ],
        "map": [[round(float(value), 6) for value in row] for row in found.map],
    }
