"""Pictures and sounds of a corpus' clips inside a page, as `data:` addresses.

A decoded corpus holds spectrograms and no waveform, so a sound is read from the clip's own file by
the reader that decoded it, and kept as a small MP3, which every browser plays. A file that has gone
since is said beside the picture, since a report must outlive its videos. Sounds that will be wanted
can be read meanwhile by threads, since FFmpeg leaves Python free while it works.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.benchmarks import NOISE, SILENCE
from pipeline.clips.decoded import DecodedCorpus
from pipeline.execution.cores import usable_cores
from pipeline.media.errors import MediaError
from pipeline.report.figures import SCORED, TRUE, outline, overlay
from pipeline.report.players import picture_uri, sound_uri

_SIDE = 176  # stored pixels of a picture in a case
_SMALL = 96  # and in a row of answers or of many maps
_THUMBNAIL = 55  # WebP's quality of a frame of which there are thousands
_SECONDS = 5.0  # kept around the middle, which the network hears 2 or 3 of
_MADE = {SILENCE: "silence, made", NOISE: "noise, made"}


@dataclass(frozen=True)
class Picture:
    """A picture of a page: its data URI, what it shows in words, its pixels, and the shape of the
    video, 'width/height', where it is known."""

    uri: str
    words: str
    side: int
    shape: str | None


@dataclass(frozen=True)
class Player:
    """A sound of a page: its data URI and name, or (`uri` None) why it cannot be played; and the
    `key` by which the page's script finds it."""

    uri: str | None
    words: str
    key: str = ""


class Clips:
    """The clips of a decoded corpus and their files below `root`."""

    def __init__(self, corpus: DecodedCorpus, root: Path) -> None:
        self.corpus = corpus
        self._root = root
        self._sounds: dict[str, Player] = {}
        self._coming: dict[str, Future[Player]] = {}
        self._threads = ThreadPoolExecutor(usable_cores(), "sound")

    def frame(self, clip: str, small: bool = False, truth: np.ndarray | None = None) -> Picture:
        """The clip's frame, with what is not 0 in `truth` (H, W) outlined in white."""
        side = _SMALL if small else _SIDE
        picture = Image.fromarray(self._pixels(clip))
        picture = picture.resize((side, side), Image.Resampling.BICUBIC)
        if truth is not None:
            picture = outline(picture, truth > 0, TRUE, 2)
        return self._picture(picture, clip, "frame")

    def heat(
        self,
        clip: str,
        heat: np.ndarray,
        truth: np.ndarray,
        small: bool = False,
        region: np.ndarray | None = None,
    ) -> Picture:
        """The frame under the raw map `heat` (h, w), with what is not 0 in `truth` (H, W) outlined
        in white, and what is scored, the bool `region` (H, W), in blue."""
        picture = overlay(self._pixels(clip), np.asarray(heat), _SMALL if small else _SIDE)
        if region is not None:
            picture = outline(picture, region, SCORED, 2)
        drawn = outline(picture, truth > 0, TRUE, 1 if small else 2)
        return self._picture(drawn, clip, "heat map")

    def player(self, clip: str) -> Player:
        """The clip's sound, or why there is none."""
        if clip not in self._sounds:
            coming = self._coming.pop(clip, None)
            self._sounds[clip] = self._player(clip) if coming is None else coming.result()
        return self._sounds[clip]

    def read_ahead(self, clip: str) -> None:
        """Begin to read the sound of a clip for which `player` will be asked."""
        if clip not in self._sounds and clip not in self._coming:
            self._coming[clip] = self._threads.submit(self._player, clip)

    @property
    def played(self) -> list[str]:
        """The clips whose sound was asked for."""
        return list(self._sounds)

    def thumbnail(self, clip: str, side: int) -> str:
        """The clip's frame, at most `side` pixels a side, as the Base64 of a small WebP."""
        pixels = self._pixels(clip)
        side = min(side, len(pixels))
        picture = Image.fromarray(pixels).resize((side, side), Image.Resampling.LANCZOS)
        return picture_uri(picture, _THUMBNAIL).partition(",")[2]

    def shape(self, clip: str) -> float:
        """The width of the clip's picture, as it is shown, over its height."""
        width, height = self._size(clip) or (1, 1)
        return float(width / height)

    def _player(self, clip: str) -> Player:
        if clip in _MADE:
            return Player(None, _MADE[clip])
        path = self.corpus.clips["sound_path"][self.corpus.row(clip)].as_py()
        try:
            if path is None:
                raise MediaError("no sound", "the corpus has none for this clip")
            uri = sound_uri(self._root / path, _SECONDS)
            return Player(uri, f"sound of {clip}", f"{self.corpus.folder.name}/{clip}")
        except MediaError as error:
            return Player(None, f"cannot be played: {error}")

    def _pixels(self, clip: str) -> np.ndarray:
        return self.corpus.square(self.corpus.row(clip))

    def _picture(self, picture: Image.Image, clip: str, what: str) -> Picture:
        size = self._size(clip)
        shape = f"{size[0]}/{size[1]}" if size else None
        return Picture(picture_uri(picture), f"{what} of {clip}", picture.width, shape)

    def _size(self, clip: str) -> tuple[int, int] | None:
        # Squashed to a square, a frame is shown in the video's own shape again; its middle is one.
        row = self.corpus.row(clip)
        width, height = (self.corpus.clips[name][row].as_py() for name in ("width", "height"))
        whole = width and height and self.corpus.aspect != "cropped"
        return (width, height) if whole else None
