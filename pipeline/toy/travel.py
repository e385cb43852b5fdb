"""Objects that travel: a scene whose every object crosses the frame while all of them stay in view.

Each goes straight on and turns back at the frame's edge, so that it lies whole in every frame. Of a
drawn set of paths that would hide an object for a moment another one is drawn, then slower ones,
which ends at the scene as it was placed. The price is that crowded scenes move less.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pipeline.toy.scenes import LEAST_VISIBLE, Scene, draw_scene, visible_masks

# Smaller than in a still scene: what fills the frame has nowhere to go.
_AREAS = (0.05, 0.09, 0.13, 0.18, 0.26)
_TRAVEL = (0.5, 1.1)  # how far an object goes in a clip, in sides of the frame
_DRAWS = 6  # of paths, before they become shorter
_SHORTER = 0.7
_SHORTEST = 0.02  # below this nothing moves by a pixel


def draw_travelling_scene(
    rng: np.random.Generator,
    *,
    sounding: Sequence[int],
    silent: Sequence[int],
    width: int,
    height: int,
    frames: int,
) -> Scene:
    """A scene as `draw_scene` makes it, of smaller objects that travel: at least 35 per cent of
    each shows in every frame."""
    placed = draw_scene(
        rng,
        sounding=sounding,
        silent=silent,
        width=width,
        height=height,
        frames=frames,
        areas=_AREAS,
    )
    share = 1.0
    while share >= _SHORTEST:
        for _ in range(_DRAWS):
            scene = _travelling(rng, placed, share)
            if _least_visible(scene) >= LEAST_VISIBLE:
                return scene
        share *= _SHORTER
    return _travelling(rng, placed, 0.0)


def _travelling(rng: np.random.Generator, scene: Scene, share: float) -> Scene:
    height, width = scene.backdrop.shape[:2]
    objects = []
    for item in scene.objects:
        angle = rng.uniform(0, 2 * np.pi)
        length = share * rng.uniform(*_TRAVEL)
        way = length * np.array([np.sin(angle) * height, np.cos(angle) * width])
        time = (np.arange(scene.frames) - scene.middle) / scene.frames
        room = np.array([height, width]) - item.alpha.shape
        place = _turned_back(np.array([item.top, item.left]) + time[:, None] * way, room)
        objects.append(replace(item, offsets=np.rint(place).astype(int) - [item.top, item.left]))
    return replace(scene, objects=tuple(objects))


def _turned_back(place: np.ndarray, room: np.ndarray) -> np.ndarray:
    """Places (frames, 2) on a straight way, mirrored at 0 and at `room` (2,) until inside."""
    period = 2 * np.maximum(room, 1e-9)
    return np.minimum(place % period, period - place % period).clip(0, room)


def _least_visible(scene: Scene) -> float:
    """The smallest share of an object's own pixels that shows in any frame."""
    whole = np.array([(item.alpha >= 0.5).sum() for item in scene.objects])
    shown = [visible_masks(scene, frame).sum(axis=(1, 2)) for frame in range(scene.frames)]
    return float((np.stack(shown) / whole).min())
