"""Ground truth as the annotation files give it: plain numbers, nothing clipped, nothing drawn.

What a degenerate box or a coordinate of -2.9e16 means is the protocol's business, and protocols
differ; so they come through here as they are. Only what is no number at all (NaN, a text, a missing
coordinate) is refused. The price is that whoever draws the boxes must clip them first.
"""

import math
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from pipeline.corpora.avsbench import parse_frame_name
from pipeline.corpora.files import read_json, read_xml
from pipeline.corpora.names import clip_id_of, plain_clip_id
from pipeline.errors import InputError

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Boxes:
    """The boxes of one clip's sounding object: `boxes` are (x0, y0, x1, y1) in the file's own
    unit, possibly none, degenerate or out of the frame; `label` is the class."""

    clip_id: str
    label: str
    boxes: tuple[Box, ...]


@dataclass(frozen=True)
class Distractor:
    """A silent object in a toy scene: its boxes (fractions) and mask file, and a clip whose sound
    it would make."""

    label: str
    boxes: tuple[Box, ...]
    mask: Path
    sound: str


@dataclass(frozen=True)
class Scene:
    """A toy clip's exact truth: boxes (fractions) and mask file of what sounds, and the rest."""

    clip_id: str
    split: str
    label: str
    boxes: tuple[Box, ...]
    mask: Path
    distractors: tuple[Distractor, ...]


@dataclass(frozen=True)
class SeenObject:
    """A visible object of a toy clip: its class, whether it sounds, its boxes (fractions) and its
    mask file."""

    label: str
    sounding: bool
    boxes: tuple[Box, ...]
    mask: Path


@dataclass(frozen=True)
class Conditioned:
    """A toy clip under a condition: what is seen in it, and the class that is heard in it and not
    seen, None where there is none."""

    clip_id: str
    condition: str
    objects: tuple[SeenObject, ...]
    unseen: str | None

    @property
    def sounding(self) -> tuple[SeenObject, ...]:
        """The objects that sound, in the file's order."""
        return tuple(item for item in self.objects if item.sounding)


@dataclass(frozen=True)
class MovingScene:
    """A toy clip of travelling objects, of the classes `labels`. `turns` says from which second on
    which of them sounds (a place in `labels`), until the next one does; `masks` is the picture of
    its moments, see `read_moments`."""

    clip_id: str
    seconds: float
    labels: tuple[str, ...]
    turns: tuple[tuple[float, int], ...]
    masks: Path

    def sounding(self, second: float) -> int:
        """The object that sounds at a second: its place in `labels`."""
        return [item for start, item in self.turns if start <= second][-1]


def _field(entry: Any, key: str, kind: type | tuple[type, ...], place: str) -> Any:
    if not isinstance(entry, dict):
        raise InputError(f"{place}: found {type(entry).__name__}, expected an object")
    if key not in entry:
        raise InputError(f"{place}: no {key!r}, expected one")
    value = entry[key]
    if not isinstance(value, kind):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        expected = " or ".join(each.__name__ for each in kinds)
        raise InputError(f"{place}: {key!r} is {type(value).__name__}, expected {expected}")
    return value


def _box(value: Any, place: str) -> Box:
    if not isinstance(value, list) or len(value) != 4:
        raise InputError(f"{place}: found the box {str(value)[:80]}, expected [x0, y0, x1, y1]")
    coordinates = []
    for number in value:
        if isinstance(number, bool) or not isinstance(number, (int, float)):
            raise InputError(f"{place}: found {str(number)[:40]!r} in a box, expected a number")
        try:
            coordinate = float(number)
        except OverflowError:
            coordinate = math.inf
        if not math.isfinite(coordinate):
            raise InputError(f"{place}: found a coordinate that is not finite")
        coordinates.append(coordinate)
    x0, y0, x1, y1 = coordinates
    return x0, y0, x1, y1


def _boxes(entry: Any, key: str, place: str) -> tuple[Box, ...]:
    return tuple(_box(box, place) for box in _field(entry, key, list, place))


def _entries(path: Path) -> list[tuple[str, Any]]:
    """Each entry of a JSON list with the words that name its place in an error."""
    content = read_json(path)
    if not isinstance(content, list):
        raise InputError(f"{path}: found {type(content).__name__}, expected a list of entries")
    return [(f"{path}, entry {number}", entry) for number, entry in enumerate(content, 1)]


def _name(entry: Any, key: str, place: str, names: dict[str, str]) -> str:
    """The canonical clip id under `key`, once in the whole file."""
    try:
        clip_id = clip_id_of(_field(entry, key, str, place))
    except InputError as error:
        message = str(error)
        raise error if message.startswith(place) else InputError(f"{place}: {message}") from error
    if clip_id in names:
        raise InputError(f"{place}: clip {clip_id} is in {names[clip_id]} already; expected once")
    names[clip_id] = place
    return clip_id


def read_vggss(path: Path) -> list[Boxes]:
    """VGG-SS's `vggss.json`: 1 to 7 boxes a clip, in fractions of the frame, in the file's order.

    Raises `InputError` for another structure, NaN, infinity, a bad name and a clip given twice.
    """
    names: dict[str, str] = {}
    return [
        Boxes(
            _name(entry, "file", place, names),
            _field(entry, "class", str, place),
            _boxes(entry, "bbox", place),
        )
        for place, entry in _entries(path)
    ]


def _boxed_pairs(path: Path) -> Iterator[tuple[str, str, str, Box]]:
    """Each entry `{"image": path, "audio": path, "gt_box": box}` of a list: the words that name its
    place, the names of both files without extension, and the box."""
    for place, entry in _entries(path):
        stems = []
        for key in ("image", "audio"):
            # Paths of another machine: only the file's own name says anything here.
            name = re.split(r"[/\\]", _field(entry, key, str, place))[-1]
            try:
                stems.append(plain_clip_id(name))
            except InputError as error:
                raise InputError(f"{place}: {error}") from error
        image, audio = stems
        yield place, image, audio, _box(_field(entry, "gt_box", list, place), place)


def _once(place: str, name: str, known: Collection[str]) -> None:
    if name in known:
        raise InputError(f"{place}: {name} is in an earlier entry already; expected once")


def read_is3(path: Path) -> list[Boxes]:
    """IS3's boxes in 224-pixel coordinates, one entry per picture and sounding object.

    `clip_id` is the stem that picture and sound share, `<picture>_<sounding object>`; entries of
    one image share what is before the last `_`. Raises as `read_vggss` does, and for a picture
    and a sound of different stems.
    """
    return _pairs_of_one_stem(path, "<picture>_<sounding object>", named=True)


def read_vpo_boxes(path: Path) -> list[Boxes]:
    """The boxes of VPO-SS or VPO-MS (`vpo_*_boxes.json`) in 224-pixel coordinates, one entry per
    picture of COCO and object in it that sounds.

    `clip_id` is the stem that picture and sound share, `<COCO picture>_<COCO annotation>`; the
    class is not given ('' as `label`). Raises as `read_is3` does.
    """
    return _pairs_of_one_stem(path, "<COCO picture>_<COCO annotation>", named=False)


def _pairs_of_one_stem(path: Path, form: str, named: bool) -> list[Boxes]:
    found: dict[str, Boxes] = {}
    for place, image, audio, box in _boxed_pairs(path):
        if image != audio or "_" not in image:
            raise InputError(
                f"{place}: found picture {image!r} and sound {audio!r}, expected one stem {form}"
            )
        _once(place, image, found)
        found[image] = Boxes(image, image.rsplit("_", 1)[1] if named else "", (box,))
    return list(found.values())


def read_avsbench_boxes(path: Path) -> list[tuple[str, int, Box]]:
    """The rows (video, frame number, box) of `avsbench_*_boxes.json`, the boxes around AVSBench's
    masks in 224-pixel coordinates, in the file's order; an empty mask has the box 0, 0, 0, 0.

    The clip ids follow by `names.avsbench_frame_id` and `names.avsbench_sound_id`. Raises as
    `read_is3` does, and for a picture that is no frame of its sound's video.
    """
    found: dict[str, tuple[str, int, Box]] = {}
    for place, image, audio, box in _boxed_pairs(path):
        frame = parse_frame_name(image)
        if frame is None or frame[0] != audio:
            raise InputError(
                f"{place}: found picture {image!r} and sound {audio!r}, expected the picture "
                f"<video>_<number> of the sound <video>"
            )
        _once(place, f"{audio}_{frame[1]}", found)
        found[f"{audio}_{frame[1]}"] = (*frame, box)
    return list(found.values())


def read_flickr_boxes(path: Path) -> list[tuple[int, int, int, int]]:
    """The boxes (x0, y0, x1, y1) of one SoundNet-Flickr XML, all annotators', in the file's order.

    Integers on a 256-pixel scale: the last four values of each `bbox` element, wherever it lies.
    Raises `InputError` for what is not XML and for a `bbox` without four whole numbers.
    """
    boxes = []
    for element in read_xml(path).iter("bbox"):
        texts = [child.text or "" for child in element] or (element.text or "").split()
        try:
            x0, y0, x1, y1 = (int(text) for text in texts[-4:])
            float(max(abs(x0), abs(y0), abs(x1), abs(y1)))  # hundreds of digits are no coordinate
        except (ValueError, OverflowError) as error:
            raise InputError(
                f"{path}: found the bbox {str(texts[-4:])[:80]}, expected four whole numbers at "
                f"its end"
            ) from error
        boxes.append((x0, y0, x1, y1))
    return boxes


def read_mask(path: Path) -> np.ndarray:
    """A mask file (PNG) as a bool array (height, width): True where the object is.

    Any colour but black is the object, in bilevel, grey, palette and RGB files alike; an alpha
    channel says nothing. Raises `InputError` for a file that is missing or no picture.
    """
    try:
        # By content Pillow would also hand PostScript to an interpreter that runs it.
        with Image.open(path, formats=("PNG", "BMP", "GIF", "TIFF")) as image:
            if image.mode in ("P", "PA", "RGBA"):
                pixels = np.asarray(image.convert("RGB"))
            elif image.mode == "LA":
                pixels = np.asarray(image.convert("L"))
            else:
                pixels = np.asarray(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: expected a mask picture, found: {error}") from error
    return np.any(pixels.reshape(*pixels.shape[:2], -1), axis=2)


def read_scenes(path: Path) -> list[Scene]:
    """The toy corpus' `scenes.json`, in the file's order; boxes are fractions of the frame.

    Mask files are given relative to the file's folder and come back below it. Raises as
    `read_vggss` does, and for a mask path that leaves the folder.
    """

    def mask(entry: Any, place: str) -> Path:
        return _below(path.parent, entry, "mask", place)

    def distractor(entry: Any, place: str) -> Distractor:
        label = _field(entry, "class", str, place)
        sound = _name(entry, "sound", place, {})
        return Distractor(label, _boxes(entry, "bbox", place), mask(entry, place), sound)

    names: dict[str, str] = {}
    return [
        Scene(
            _name(entry, "file", place, names),
            _field(entry, "split", str, place),
            _field(entry, "class", str, place),
            _boxes(entry, "bbox", place),
            mask(entry, place),
            tuple(distractor(d, place) for d in _field(entry, "distractors", list, place)),
        )
        for place, entry in _entries(path)
    ]


def _below(folder: Path, entry: Any, key: str, place: str) -> Path:
    """The file below `folder` that an entry names under `key`."""
    relative = PurePosixPath(_field(entry, key, str, place))
    if relative.is_absolute() or ".." in relative.parts or not str(relative).isprintable():
        raise InputError(f"{place}: found the {key} {str(relative)[:80]!r}, expected a file below")
    return folder / relative


def read_conditions(path: Path) -> list[Conditioned]:
    """The toy corpus' `conditions.json`, in the file's order; boxes are fractions of the frame.
    Raises as `read_scenes` does."""

    def seen(entry: Any, place: str) -> SeenObject:
        return SeenObject(
            _field(entry, "class", str, place),
            _field(entry, "sounding", bool, place),
            _boxes(entry, "bbox", place),
            _below(path.parent, entry, "mask", place),
        )

    names: dict[str, str] = {}
    return [
        Conditioned(
            _name(entry, "file", place, names),
            _field(entry, "condition", str, place),
            tuple(seen(item, place) for item in _field(entry, "objects", list, place)),
            _field(entry, "unseen", (str, type(None)), place),
        )
        for place, entry in _entries(path)
    ]


def read_moving(path: Path) -> list[MovingScene]:
    """The toy corpus' `moving.json`, in the file's order. Raises as `read_scenes` does, and for
    turns that do not begin at 0, go back or name no object."""
    names: dict[str, str] = {}
    scenes = []
    for place, entry in _entries(path):
        labels = tuple(map(str, _field(entry, "objects", list, place)))
        turns = _field(entry, "turns", list, place)
        pairs = [turn for turn in turns if isinstance(turn, list) and len(turn) == 2]
        starts = [start for start, _ in pairs if isinstance(start, (int, float))]
        known = [item for _, item in pairs if item in range(1, len(labels) + 1)]
        if not (len(turns) == len(starts) == len(known)) or starts != sorted({0, *starts}):
            raise InputError(
                f"{place}: found the turns {str(turns)[:80]}, expected [second, object] from 0 on, "
                f"objects from 1 to {len(labels)}"
            )
        scenes.append(
            MovingScene(
                _name(entry, "file", place, names),
                float(_field(entry, "seconds", (int, float), place)),
                labels,
                tuple((float(start), item - 1) for start, item in pairs),
                _below(path.parent, entry, "masks", place),
            )
        )
    return scenes


def read_moments(path: Path, moments: int) -> np.ndarray:
    """What a moving clip shows at its moments: (moments, h, w) uint8, 0 the backdrop and n the n-th
    object. The file is a grey PNG of the moments below each other. Raises `InputError` for a file
    that is missing, no such picture or of another number of rows."""
    try:
        with Image.open(path, formats=("PNG",)) as image:
            mode, pixels = image.mode, np.asarray(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: expected a picture of moments, found: {error}") from error
    if mode != "L" or len(pixels) % moments:
        raise InputError(
            f"{path}: found {len(pixels)} rows of mode {mode}, expected grey and a multiple of "
            f"{moments} rows"
        )
    return pixels.reshape(moments, -1, pixels.shape[1])
