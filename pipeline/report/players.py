"""Pictures and sounds inside a page: data URIs, so that one file opens anywhere without a network.

Pictures are WebP and sounds MP3, which every browser shows and plays: on the toy's page 2.4 KB a
frame of 176 pixels, and 13 KB a sound of 3 s, an eighth of its PCM.
"""

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.media.file import read_sound
from pipeline.media.writing import encode_mp3

_RATE = 16000
SECONDS = 30.0  # of a longer sound the middle is kept
_BITS = 32000  # a second
_QUALITY = 78


def picture_uri(picture: Image.Image, quality: int = _QUALITY) -> str:
    """A picture as a WebP data URI."""
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, format="WEBP", quality=quality, method=4)
    return data_uri("image/webp", buffer.getvalue())


def sound_uri(path: Path, longest: float = SECONDS) -> str:
    """The sound of a media file, mono at 16 kHz, as an MP3 data URI; of one longer than `longest` s
    its middle. Raises `MediaError`."""
    return samples_uri(read_sound(path, sample_rate=_RATE, max_seconds=longest).samples)


def samples_uri(samples: np.ndarray) -> str:
    """A sound (n,) float32 in [-1, 1] at 16 kHz as an MP3 data URI."""
    return data_uri("audio/mpeg", encode_mp3(samples, _RATE, _BITS))


def data_uri(kind: str, content: bytes) -> str:
    """`content` of the media type `kind` as an address that holds it."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
