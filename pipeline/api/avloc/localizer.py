"""A trained localizer: the map of a clip, where its sound comes from, and how sure that is."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline.base.files import atomic_file
from pipeline.errors import InputError
from pipeline.execution.checkpoints import CHECKPOINTS, checked_file
from pipeline.execution.outputs import check_ending
from pipeline.methods.common.anyone import open_anyones
from pipeline.methods.contract import Method, method_name
from pipeline.predict.inputs import Asked, asked_clips
from pipeline.predict.media import Found, describe
from pipeline.predict.places import peak, place_in_words
from pipeline.report.asked_clip import draw_clip, facts

Text = str | Path

_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
_WEIGHTS = "weights.safetensors"
_FIRST = "alignment-full-0"  # the paper's method in its own form


class Localization:
    """Where a clip's sound comes from; printed as the line that `avloc localize` prints."""

    def __init__(self, asked: Asked, found: Found, picture: Image.Image) -> None:
        self._asked, self._found = asked, found
        self.picture = picture
        """The clip's picture, beside it the map over it, with a caption: a Pillow image."""

    @property
    def map(self) -> np.ndarray:
        """The raw map, (h, w) float32, higher is louder."""
        return self._found.map

    @property
    def place(self) -> tuple[float, float] | None:
        """Where the map is largest, as fractions from the left and the top edge of the picture;
        None where the clip is silent."""
        return None if self._found.silent else peak(self._found.map)

    @property
    def words(self) -> str:
        """The same in words, such as 'left, middle'; or that the clip is silent."""
        return self._found.silent or place_in_words(self._found.map)[2]

    @property
    def sureness(self) -> str:
        """'sure', 'hardly sure', 'not sure' or 'silent'; what these are worth, measured, stands in
        `pipeline/predict/README.md`."""
        return self._found.word

    @property
    def margin(self) -> float:
        """By how much the map's largest value is above those that the same picture gives under
        silence and under noise, in which there is nothing to be found."""
        return self._found.margin

    def facts(self) -> dict[str, Any]:
        """What `avloc localize --json` writes of the clip."""
        return facts(self._asked, self._found)

    def save(self, path: Text) -> None:
        """Write `picture` as PNG or JPEG, by the ending. Raises `InputError` for another one."""
        path = Path(path)
        check_ending(path, tuple(_FORMATS), "a picture")
        with atomic_file(path) as file:
            self.picture.save(file, _FORMATS[path.suffix.lower()])

    def __str__(self) -> str:
        return describe(self._found)


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
        given = [None if path is None else Path(path) for path in (image, audio)]
        asked, *others = asked_clips([] if video is None else [str(video)], *given)
        if others:
            raise InputError(f"{video}: found {len(others) + 1} clips, expected one file")
        return Localization(asked, *draw_clip(self.method, asked))

    def __repr__(self) -> str:
        return f"<avloc.Localizer {method_name(self.method)} of {self.weights}>"


def load(name: Text, *, method: str | None = None, data: Text = "data") -> Localizer:
    """A localizer by the name of its run, or of a weight file of avloc's or of its authors'.

        model = avloc.load("toy")                          # the toy's own run
        model = avloc.load("vggsound-144k/alignment-full-0")
        model = avloc.load("slavc-vggsound-144k")          # of `avloc weights list`
        model = avloc.load("published.pth.tar", method="ezvsl")

    name: a file; or a run below `data`/runs, `<search>/<run>`; or a search, of which it is the
        run `alignment-full-0`, or the only one; or a name of `avloc weights list`, whose file
        `avloc weights fetch` brings.
    method: whose file it is, where its entries fit several.

    Raises `InputError` with what there is.
    """
    if str(name) in CHECKPOINTS and not Path(name).exists():
        weights = checked_file(Path(data) / "weights" / "published", str(name))
        method = method or CHECKPOINTS[str(name)].method
    else:
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
    raise InputError(
        f"{name}: expected a weight file, a run or a name of `avloc weights list`; {found}"
    )
