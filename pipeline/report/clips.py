"""Pictures and sounds of a corpus' clips inside a page, as `data:` addresses.

A decoded corpus holds spectrograms and no waveform, so a sound is read from the clip's own file by
the reader that decoded it, and kept as a small MP3, which every browser plays. A file that has gone
since is said beside the picture, since a report must outlive its videos.
"""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.benchmarks import NOISE, SILENCE
from pipeline.clips.decoded import DecodedCorpus
from pipeline.media.errors import MediaError
from pipeline.media.file import read_sound
from pipeline.media.writing import encode_mp3
from pipeline.report.figures import outline, overlay
from pipeline.report.markup import Markup, element
from pipeline.report.players import data_uri

_SIDE = 176  # stored pixels of a picture in a case
_SMALL = 96  # and in a row of answers
_QUALITY = 78
_RATE = 16000
_BITS = 32000  # a second of sound
_SECONDS = 5.0  # kept around the middle, which the network hears 2 or 3 of
_MADE = {SILENCE: "silence, made", NOISE: "noise, made"}
_TRUE = (255, 255, 255)


class Clips:
    """The clips of a decoded corpus and their files below `root`."""

    def __init__(self, corpus: DecodedCorpus, root: Path) -> None:
        self.corpus = corpus
        self._root = root
        self._sounds: dict[str, Markup] = {}

    def frame(self, clip: str, small: bool = False) -> Markup:
        """The clip's frame as an `img`."""
        side = _SMALL if small else _SIDE
        picture = Image.fromarray(self._pixels(clip))
        return self._image(picture.resize((side, side), Image.Resampling.BICUBIC), clip, "frame")

    def heat(self, clip: str, heat: np.ndarray, truth: np.ndarray) -> Markup:
        """The frame under the raw map `heat` (h, w), with what is not 0 in `truth` (H, W) outlined
        in white, as an `img`."""
        picture = overlay(self._pixels(clip), np.asarray(heat), _SIDE)
        return self._image(outline(picture, truth > 0, _TRUE), clip, "heat map")

    def player(self, clip: str) -> Markup:
        """A player for the clip's sound, or a line that says why there is none."""
        if clip not in self._sounds:
            self._sounds[clip] = self._player(clip)
        return self._sounds[clip]

    def _player(self, clip: str) -> Markup:
        if clip in _MADE:
            return element("p", _MADE[clip], class_="silent")
        path = self.corpus.clips["sound_path"][self.corpus.row(clip)].as_py()
        try:
            if path is None:
                raise MediaError("no sound", "the corpus has none for this clip")
            sound = read_sound(self._root / path, sample_rate=_RATE, max_seconds=_SECONDS)
        except MediaError as error:
            return element("p", f"cannot be played: {error}", class_="silent")
        address = data_uri("audio/mpeg", encode_mp3(sound.samples, _RATE, _BITS))
        return element(
            "audio", controls=True, preload="none", src=address, aria_label=f"sound of {clip}"
        )

    def _pixels(self, clip: str) -> np.ndarray:
        return self.corpus.frame(self.corpus.row(clip))

    def _image(self, picture: Image.Image, clip: str, what: str) -> Markup:
        row = self.corpus.row(clip)
        # Stored frames are squashed to a square; shown they have the video's own shape again.
        width, height = (self.corpus.clips[name][row].as_py() for name in ("width", "height"))
        buffer = io.BytesIO()
        picture.save(buffer, format="WEBP", quality=_QUALITY, method=4)
        return element(
            "img",
            src=data_uri("image/webp", buffer.getvalue()),
            alt=f"{what} of {clip}",
            width=picture.width,
            height=picture.height,
            loading="lazy",
            decoding="async",
            style=f"aspect-ratio:{width}/{height}" if width and height else None,
        )
