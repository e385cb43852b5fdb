"""Pictures and sounds inside a page: data URIs, so that one file opens anywhere without a network.

Pictures are WebP and sounds MP3, which every browser shows and plays: on the toy's page 2.4 KB a
frame of 176 pixels, and 13 KB a sound of 3 s, an eighth of its PCM.
"""

import base64
import io
from pathlib import Path

import av
import numpy as np
from PIL import Image

from pipeline.media.container import read_sound

_RATE = 16000
SECONDS = 30.0  # of a longer sound the middle is kept
_BITS = 32000  # a second
_QUALITY = 78


def picture_uri(picture: Image.Image) -> str:
    """A picture as a WebP data URI."""
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, format="WEBP", quality=_QUALITY, method=4)
    return data_uri("image/webp", buffer.getvalue())


def sound_uri(path: Path, longest: float = SECONDS) -> str:
    """The sound of a media file, mono at 16 kHz, as an MP3 data URI; of one longer than `longest` s
    its middle. Raises `MediaError`."""
    return samples_uri(read_sound(path, sample_rate=_RATE, max_seconds=longest).samples)


def samples_uri(samples: np.ndarray) -> str:
    """A sound (n,) float32 in [-1, 1] at 16 kHz as an MP3 data URI."""
    return data_uri("audio/mpeg", encode_mp3(samples, _RATE, _BITS))


def encode_mp3(samples: np.ndarray, sample_rate: int, bits: int) -> bytes:
    """Mono sound (n,) float32 in [-1, 1] as MP3 of `bits` a second; equal samples give equal
    bytes."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp3", options={"id3v2_version": "0"}) as container:
        stream = container.add_stream("libmp3lame", rate=sample_rate, layout="mono")
        stream.bit_rate = bits
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples[None], dtype=np.float32), format="fltp", layout="mono"
        )
        frame.sample_rate = sample_rate
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def data_uri(kind: str, content: bytes) -> str:
    """`content` of the media type `kind` as an address that holds it."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
