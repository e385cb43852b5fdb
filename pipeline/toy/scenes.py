"""The toy world's pictures: textured shapes before a grey backdrop, with the truth about each.

Objects are drawn once as patches with soft edges and moved by whole pixels, so a clip's frames
cost a few pastes each and the boxes and visible masks of any frame are exact by construction. The
price is that nothing turns or grows within a clip. The frame is a plane of unit width and height:
shapes keep their proportions once the frame is squashed to a square, whatever its native size.
"""

import colorsys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.toy.classes import CLASSES

# Box areas (shares of the frame) at these quantiles, VGG-SS's: quartiles 12, 25 and 47 per cent.
# Crowded scenes shrink what does not fit, hence values a little above those quartiles.
_AREA_QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)
_AREAS = (0.06, 0.16, 0.34, 0.60, 0.85)
_LARGEST_OVERLAP = 0.45  # share of a box that another one may cover when positions are drawn
LEAST_VISIBLE = 0.35  # share of an object's own pixels that must show in the middle frame

_ANGLES = np.linspace(-np.pi, np.pi, 721)


def _polygon(corners: int, turn: float) -> np.ndarray:
    """Radius over `_ANGLES` of a regular polygon whose corners lie on the unit circle."""
    half = np.pi / corners
    return np.cos(half) / np.cos((_ANGLES + turn) % (2 * half) - half)


def _cross() -> np.ndarray:
    """Radius of a plus sign with arms of length 1 and a half width of 0.38."""
    along, across = np.abs(np.cos(_ANGLES)), np.abs(np.sin(_ANGLES))
    long, short = np.maximum(along, across), np.minimum(along, across)
    return np.minimum(1 / long, np.where(short > 0, 0.38 / np.maximum(short, 1e-9), np.inf))


def _star() -> np.ndarray:
    """Radius of a five-pointed star with inner corners at 0.45."""
    share = np.abs(((_ANGLES + np.pi / 2) * 5 / (2 * np.pi) + 0.5) % 1 - 0.5) * 2
    return 1 / (1 + share * (1 / 0.45 - 1))


# Every shape is a radius over the angle around its centre, so one lookup tests any of them.
_SHAPES: dict[str, np.ndarray] = {
    "disc": np.ones_like(_ANGLES),
    "square": _polygon(4, np.pi / 4),
    "triangle": _polygon(3, np.pi / 2),
    "star": _star(),
    "cross": _cross(),
    "pill": 1 / np.sqrt(np.cos(_ANGLES) ** 2 + (np.sin(_ANGLES) / 0.5) ** 2),
    "flower": 0.72 + 0.28 * np.cos(5 * _ANGLES),
    "drop": 0.35 + 0.65 * np.abs(np.cos((_ANGLES - np.pi / 2) / 2)) ** 3,
}


@dataclass(frozen=True)
class _Surface:
    """Where a texture is painted: per pixel the object's own coordinates `u` and `v` (the object
    fills about -1 to 1), the radius `inside` the outline (1 on it) and the angle; a scale near 1
    and a generator."""

    u: np.ndarray
    v: np.ndarray
    inside: np.ndarray
    angle: np.ndarray
    scale: float
    rng: np.random.Generator

    def phase(self, coordinate: np.ndarray, rate: float) -> np.ndarray:
        """`rate` radians per unit of `coordinate` from a random start."""
        return rate * self.scale * coordinate + self.rng.uniform(0, 2 * np.pi)

    @property
    def radius(self) -> np.ndarray:
        return np.hypot(self.u, self.v)


def _bands(phase: np.ndarray) -> np.ndarray:
    """A sine of `phase` with steep flanks, as a weight from 0 to 1."""
    return np.clip(0.5 + 1.2 * np.sin(phase), 0, 1)


def _checks(on: _Surface) -> np.ndarray:
    return np.clip(0.5 + 2 * np.sin(on.phase(on.u, 7)) * np.sin(on.phase(on.v, 7)), 0, 1)


def _zigzag(on: _Surface) -> np.ndarray:
    bend = 0.5 * np.abs((2.2 * on.u + on.rng.random()) % 1 - 0.5)
    return _bands(on.phase(on.v + bend, 10))


def _speckle(on: _Surface) -> np.ndarray:
    cells = on.rng.random((16, 16)) > 0.5
    column, row = (np.floor(x * 4.5 * on.scale + 8).astype(int).clip(0, 15) for x in (on.u, on.v))
    return cells[row, column].astype(np.float64)


def _grid(on: _Surface) -> np.ndarray:
    lines = np.maximum(np.cos(on.phase(on.u, 9)), np.cos(on.phase(on.v, 9)))
    return (lines > 0.75).astype(np.float64)


def _dots(on: _Surface) -> np.ndarray:
    return np.clip(2 * np.cos(on.phase(on.u, 11)) + 2 * np.cos(on.phase(on.v, 11)) - 1, 0, 1)


def _bricks(on: _Surface) -> np.ndarray:
    height = (on.v + on.rng.random()) * 3 * on.scale
    length = (on.u + on.rng.random()) * 1.7 * on.scale + 0.5 * (np.floor(height) % 2)
    return ((height % 1 > 0.25) & (length % 1 > 0.18)).astype(np.float64)


# Every texture is a weight from 0 to 1 between an object's two colours.
_TEXTURES: dict[str, Callable[[_Surface], np.ndarray]] = {
    "stripes": lambda on: _bands(on.phase(on.u, 9)),
    "rings": lambda on: _bands(on.phase(on.radius, 11)),
    "checks": _checks,
    "zigzag": _zigzag,
    "speckle": _speckle,
    "grid": _grid,
    "spokes": lambda on: _bands(int(on.rng.integers(7, 10)) * on.angle),
    "dots": _dots,
    "spiral": lambda on: _bands(2 * on.angle + on.phase(on.radius, 8)),
    "core": lambda on: np.clip(8 * (0.5 * on.scale - on.inside), 0, 1),
    "bricks": _bricks,
    "rim": lambda on: np.clip(8 * (on.inside - 0.72 / on.scale), 0, 1),
}


@dataclass(frozen=True)
class SceneObject:
    """One object: a patch, where it lies in the middle frame and how it moves.

    `colours` (h, w, 3) float32 0 to 255, `alpha` (h, w) float32 0 to 1, `top` and `left` the
    patch's place in the middle frame in pixels, `offsets` (frames, 2) int pixels (down, right)
    added to it, zero in the middle frame.
    """

    class_index: int
    sounding: bool
    colours: np.ndarray
    alpha: np.ndarray
    top: int
    left: int
    offsets: np.ndarray


@dataclass(frozen=True)
class Scene:
    """A backdrop (height, width, 3) float32 0 to 255 and its objects, the farthest first."""

    backdrop: np.ndarray
    objects: tuple[SceneObject, ...]
    frames: int

    @property
    def middle(self) -> int:
        """The frame that lies in the middle of the clip, for which `draw_scene` placed things."""
        return self.frames // 2


def _upsampling(size: int, cells: int) -> np.ndarray:
    """Linear interpolation of `cells` + 1 values over `size` pixels, a (size, cells + 1) matrix."""
    position = (np.arange(size) + 0.5) / size * cells
    low = np.minimum(position.astype(int), cells - 1)
    matrix = np.zeros((size, cells + 1))
    matrix[np.arange(size), low] = 1 - (position - low)
    matrix[np.arange(size), low + 1] = position - low
    return matrix


def draw_backdrop(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Low-saturation noise of several scales, (height, width, 3) float32 0 to 255."""
    grey = np.full((height, width), rng.uniform(70, 185))
    for cells in (2, 4, 8, 16, 32):
        noise = rng.standard_normal((cells + 1, cells + 1))
        strength = rng.uniform(4, 22)
        grey += strength * _upsampling(height, cells) @ noise @ _upsampling(width, cells).T
    tint = rng.normal(0, 9, 3)
    noise = rng.standard_normal((3, 3, 3))
    drift = np.moveaxis(_upsampling(height, 2) @ noise @ _upsampling(width, 2).T, 0, 2)
    coloured = grey[..., None] + tint + 7 * drift + rng.normal(0, 4, (height, width, 1))
    return np.clip(coloured, 0, 255).astype(np.float32)


def _colour_pair(rng: np.random.Generator, hue: float) -> tuple[np.ndarray, np.ndarray]:
    """The class-typical colour and a free one of clearly different brightness, RGB 0 to 255."""
    value = rng.uniform(0.55, 1.0)
    typical = colorsys.hsv_to_rgb((hue + rng.normal(0, 0.12)) % 1, rng.uniform(0.55, 0.95), value)
    other = value - rng.uniform(0.3, 0.55) if rng.random() < 0.75 else min(1, value + 0.3)
    free = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0, 0.7), max(other, 0.08))
    return 255 * np.array(typical), 255 * np.array(free)


@dataclass(frozen=True)
class _Outline:
    """A class's shape turned and stretched, at the scale where its radius is 1 unit."""

    class_index: int
    transform: np.ndarray  # object coordinates to frame coordinates, 2 x 2
    low: np.ndarray  # extent around the centre, (x, y)
    high: np.ndarray


def _draw_outline(rng: np.random.Generator, class_index: int) -> _Outline:
    stretch = np.sqrt(rng.uniform(0.85, 1.18))
    turn = rng.uniform(-0.5, 0.5)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    transform = rotation @ np.diag([stretch, 1 / stretch])
    radius = _SHAPES[CLASSES[class_index].shape]
    points = (radius * np.stack([np.cos(_ANGLES), np.sin(_ANGLES)])).T @ transform.T
    return _Outline(class_index, transform, points.min(axis=0), points.max(axis=0))


def _draw_patch(
    rng: np.random.Generator, outline: _Outline, scale: float, width: int, height: int
) -> tuple[np.ndarray, np.ndarray]:
    """Colours (h, w, 3) and alpha (h, w) of one object, cropped to where alpha is not 0."""
    kind = CLASSES[outline.class_index]
    size = np.array([width, height])
    low, high = outline.low * scale * size, outline.high * scale * size
    x = np.arange(np.floor(low[0]) - 1, np.ceil(high[0]) + 2) / width / scale
    y = np.arange(np.floor(low[1]) - 1, np.ceil(high[1]) + 2) / height / scale
    inverse = np.linalg.inv(outline.transform)
    u = inverse[0, 0] * x + inverse[0, 1] * y[:, None]
    v = inverse[1, 0] * x + inverse[1, 1] * y[:, None]
    angle = np.arctan2(v, u)
    radius = np.interp(angle, _ANGLES, _SHAPES[kind.shape])
    distance = np.hypot(u, v)
    pixels = scale * (width + height) / 2
    alpha = np.clip(0.5 + (radius - distance) * pixels, 0, 1)
    typical, free = _colour_pair(rng, kind.hue)
    surface = _Surface(u, v, distance / radius, angle, rng.uniform(0.85, 1.2), rng)
    weight = _TEXTURES[kind.texture](surface)[..., None]
    # Light falls from one side, so that a plain surface is not one flat colour.
    light = 1 + rng.uniform(-0.2, 0.2) * u + rng.uniform(-0.2, 0.2) * v
    colours = np.clip((typical * (1 - weight) + free * weight) * light[..., None], 0, 255)
    rows, columns = np.flatnonzero(alpha.max(axis=1)), np.flatnonzero(alpha.max(axis=0))
    crop = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return colours[crop].astype(np.float32), alpha[crop].astype(np.float32)


def _place(rng: np.random.Generator, sizes: np.ndarray) -> np.ndarray | None:
    """Upper left corners (n, 2) in unit coordinates of boxes (n, 2) that overlap little.

    None where twelve draws all had one box cover more than `_LARGEST_OVERLAP` of another.
    """
    areas = sizes.prod(axis=1)
    for _ in range(12):
        corners = rng.random(sizes.shape) * (1 - sizes)
        ends = corners + sizes
        lows = np.maximum(corners[:, None], corners[None])
        highs = np.minimum(ends[:, None], ends[None])
        shared = np.clip(highs - lows, 0, None).prod(axis=2)
        np.fill_diagonal(shared, 0)
        if (shared / areas[:, None]).max() <= _LARGEST_OVERLAP:
            return corners
    return None


def _draw_offsets(rng: np.random.Generator, frames: int, reach: float) -> np.ndarray:
    """A slow swing of up to `reach` pixels each way, zero in the middle frame, (frames, 2) int."""
    time = (np.arange(frames) - frames // 2) / max(frames, 1)
    swing = np.sin(2 * np.pi * rng.uniform(0.5, 1.5, 2) * time[:, None])
    strength = rng.uniform(0.5, 1.0, 2) * reach * rng.choice([-1, 1], 2)
    return np.rint(strength * swing).astype(int)


def draw_scene(
    rng: np.random.Generator,
    *,
    sounding: Sequence[int],
    silent: Sequence[int],
    width: int,
    height: int,
    frames: int = 1,
    reach: float = 3.0,
    areas: Sequence[float] = _AREAS,
) -> Scene:
    """Draw a scene that holds one object per class in `sounding` and in `silent` (class indices).

    Both kinds come from the same range of sizes, places and depths and move alike, so nothing but
    the sound tells them apart. Objects lie whole in the middle frame and at least 35 per cent of
    each shows there; `reach` is how many pixels they swing in the other frames. `areas` are the
    quartiles of a box's share of the frame, smallest and largest included.
    """
    classes = [*sounding, *silent]
    outlines = [_draw_outline(rng, index) for index in classes]
    extents = np.array([outline.high - outline.low for outline in outlines]).reshape(-1, 2)
    drawn = np.interp(rng.random(len(classes)), _AREA_QUANTILES, areas)
    scales = np.sqrt(drawn / extents.prod(axis=1))
    # A box must fit in the frame with two pixels to spare on each side for soft edges.
    room = 1 - 4 / np.array([width, height])
    scales = np.minimum(scales, (room / extents).min(axis=1, initial=np.inf))
    backdrop = draw_backdrop(rng, width, height)
    order = rng.permutation(len(classes))
    while True:
        corners = _place(rng, extents * scales[:, None]) if classes else np.zeros((0, 2))
        if corners is not None:
            objects = []
            for index in order:
                colours, alpha = _draw_patch(rng, outlines[index], scales[index], width, height)
                left, top = np.rint(corners[index] * (width, height)).astype(int)
                objects.append(
                    SceneObject(
                        class_index=int(classes[index]),
                        sounding=bool(index < len(sounding)),
                        colours=colours,
                        alpha=alpha,
                        top=int(np.clip(top, 0, height - alpha.shape[0])),
                        left=int(np.clip(left, 0, width - alpha.shape[1])),
                        offsets=_draw_offsets(rng, frames, reach),
                    )
                )
            scene = Scene(backdrop, tuple(objects), frames)
            visible = visible_masks(scene, scene.middle).sum(axis=(1, 2))
            whole = np.array([(item.alpha >= 0.5).sum() for item in objects])
            if (visible >= LEAST_VISIBLE * whole).all():
                return scene
        scales *= 0.93


def _overlap(
    item: SceneObject, frame: int, width: int, height: int
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Where `item` meets the frame: slices of the frame and of the patch."""
    top, left = item.top + item.offsets[frame, 0], item.left + item.offsets[frame, 1]
    rows, columns = item.alpha.shape
    y0, y1 = max(top, 0), max(min(top + rows, height), 0)
    x0, x1 = max(left, 0), max(min(left + columns, width), 0)
    return np.s_[y0:y1, x0:x1], np.s_[y0 - top : y1 - top, x0 - left : x1 - left]


def render(scene: Scene, frame: int) -> np.ndarray:
    """One frame of `scene` as (height, width, 3) uint8 RGB."""
    picture = scene.backdrop.copy()
    height, width = picture.shape[:2]
    for item in scene.objects:
        where, part = _overlap(item, frame, width, height)
        alpha = item.alpha[part][..., None]
        picture[where] += alpha * (item.colours[part] - picture[where])
    return np.rint(picture).astype(np.uint8)


def visible_masks(scene: Scene, frame: int) -> np.ndarray:
    """What shows of each object in one frame: (objects, height, width) bool, without overlaps."""
    height, width = scene.backdrop.shape[:2]
    masks = np.zeros((len(scene.objects), height, width), dtype=bool)
    for index, item in enumerate(scene.objects):
        where, part = _overlap(item, frame, width, height)
        covers = item.alpha[part] >= 0.5
        masks[(slice(index), *where)] &= ~covers
        masks[(index, *where)] = covers
    return masks


def mask_box(mask: np.ndarray) -> list[float]:
    """The smallest box [x0, y0, x1, y1] around a non-empty mask, as fractions of the frame."""
    height, width = mask.shape
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    edges = (columns[0] / width, rows[0] / height)
    return [*map(float, edges), float((columns[-1] + 1) / width), float((rows[-1] + 1) / height)]
