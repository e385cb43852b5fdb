"""Figure 5 as a page: one frame, several sounds, and the map of the sound that is played.

Maps travel as their few cells, one byte each, and the page itself enlarges and colours them, so 100
moments of a 14 x 14 map take 26 KB where 100 pictures would take megabytes.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.report.heat import COLOURS, levels, scaled
from pipeline.report.regions import packed
from pipeline.report.templating import render


@dataclass(frozen=True)
class SoundChoice:
    """A sound of a scene: its label, its data URI (None where its media are absent), for each row
    raw maps (T, h, w), one for each moment, T being 1 for a map that does not move; and what it
    belongs to, bool (H, W), None where that is not in the frame."""

    label: str
    uri: str | None
    maps: Sequence[np.ndarray]
    truth: np.ndarray | None = None


@dataclass(frozen=True)
class InteractiveScene:
    """A frame as a data URI, the labels of its rows, its sounds, and the picture's width over its
    height."""

    frame: str
    rows: Sequence[str]
    sounds: Sequence[SoundChoice]
    shape: float = 1.0


def interactive_page(scenes: Sequence[InteractiveScene], interval: float) -> str:
    """The page as HTML text without any outside reference; moments are `interval` s apart."""
    content = [
        {
            "frame": scene.frame,
            "rows": list(scene.rows),
            "interval": interval,
            "shape": round(scene.shape, 3),
            "sounds": [
                {
                    "label": s.label,
                    "uri": s.uri,
                    "maps": [_packed(m) for m in s.maps],
                    "truth": None if s.truth is None else _base64(packed(s.truth)),
                }
                for s in scene.sounds
            ],
        }
        for scene in scenes
    ]
    scripts = ("maps.js", "player.js", "page.js")
    colours = _base64(COLOURS.tobytes())
    return render("interactive", scenes=content, colours=colours, scripts=scripts)


def _packed(maps: np.ndarray) -> dict[str, object]:
    return {"size": maps.shape[1:], "cells": _base64(levels(scaled(maps)).tobytes())}


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
