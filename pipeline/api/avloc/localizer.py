"""A trained localizer: the map of a clip, where its sound comes from, and how sure that is."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.base.files import atomic_file
from pipeline.errors import InputError
from pipeline.methods.common.anyone import open_anyones
from pipeline.methods.contract import Method, method_name
from pipeline.predict.media import localize_media
from pipeline.predict.places import place_in_words
from pipeline.predict.sureness import sureness
from pipeline.report.figures import overlay

Text = str | Path

_SIDE = 720  # pixels of a saved picture
_WEIGHTS = "weights.safetensors"
_FIRST = "alignment-full-0"  # the paper's method in its own form


@dataclass(frozen=True)
class Localization:
    """Where a clip's sound comes from.

    `map` (h, w) float32: the raw map, higher is louder. `frame` (side, side, 3) uint8: what the
    network saw. `place`: where the map is largest, as fractions from the left and the top edge.
    `words`: the same in words, such as 'left, middle'. `sureness`: 'sure', 'hardly sure' or 'not
    sure', by `margin`: how far the map's largest value is above those that the same picture gives
    under silence and under noise, in which there is nothing to be found.
    """

    map: np.ndarray
    frame: np.ndarray
    place: tuple[float, float]
    words: str
    sureness: str
    margin: float

    def save(self, path: Text) -> None:
        """Write the map over the frame as a PNG file. Raises `InputError` for another ending."""
        path = Path(path)
        if path.suffix.lower() != ".png":
            raise InputError(f"{path}: expected a name that ends in .png")
        with atomic_file(path) as file:
            overlay(self.frame, self.map, _SIDE).save(file, "PNG")

    def __str__(self) -> str:
        across, down = self.place
        return (
            f"sound: {self.words} ({100 * across:.0f} % from the left, {100 * down:.0f} % from "
            f"the top); {self.sureness}"
        )


class Localizer:
    """A method with its weights, as `load` gives it."""

    def __init__(self, method: Method, weights: Path) -> None:
        self.method, self.weights = method, weights

    def localize(
        self, video: Text | None = None, *, image: Text | None = None, audio: Text | None = None
    ) -> Localization:
        """The map of the middle frame of a clip under the middle of its sound.

            found = avloc.load("toy").localize("clip.mp4")
            print(found.words, found.sureness)
            found.save("map.png")

        video: any file that FFmpeg reads; `image` and `audio` stand in for its picture and its
        sound. Raises `InputError` naming a file that has no picture or sound, or cannot be decoded.
        """
        picture, sound = image or video, audio or video
        if picture is None or sound is None:
            raise InputError("localize: expected a video, or both image and audio")
        found = localize_media(self.method, Path(picture), Path(sound))
        across, down, words = place_in_words(found.map)
        margin = float(found.map.max()) - max(found.silence, found.noise)
        return Localization(found.map, found.frame, (across, down), words, sureness(margin), margin)

    def __repr__(self) -> str:
        return f"<avloc.Localizer {method_name(self.method)} of {self.weights}>"


def load(name: Text, *, method: str | None = None, data: Text = "data") -> Localizer:
    """A localizer by the name of its run, or of a weight file of avloc's or of its authors'.

        model = avloc.load("toy")                          # the toy's own run
        model = avloc.load("vggsound-144k/alignment-full-0")
        model = avloc.load("published.pth.tar", method="ezvsl")

    name: a file; or a run below `data`/runs, `<search>/<run>`; or a search, of which it is the
        run `alignment-full-0`, or the only one.
    method: whose file it is, where its entries fit several.

    Raises `InputError` with what there is.
    """
    weights = _weights(Path(name), Path(data))
    return Localizer(open_anyones(weights, method), weights)


def _weights(name: Path, data: Path) -> Path:
    if name.is_file():
        return name
    folder = data / "runs" / name
    inside = sorted(path.parent.name for path in folder.glob(f"*/{_WEIGHTS}"))
    if (folder / _WEIGHTS).is_file():
        return folder / _WEIGHTS
    if _FIRST in inside or len(inside) == 1:
        return folder / (_FIRST if _FIRST in inside else inside[0]) / _WEIGHTS
    known = inside or sorted(
        path.parent.relative_to(data / "runs").as_posix()
        for path in (data / "runs").glob(f"*/*/{_WEIGHTS}")
    )
    found = f"runs here: {', '.join(known)}" if known else f"there are no runs in {data / 'runs'}"
    raise InputError(f"{name}: expected a weight file or a run; {found}")
