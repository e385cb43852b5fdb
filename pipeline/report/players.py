"""Pictures and sounds inside a page: data URIs, so that one file opens anywhere without a network.

Sounds are MP3, which every browser plays and which takes a tenth of the PCM: 60 KB for 10 s.
"""

import base64
import io
from pathlib import Path

import av
import numpy as np
from PIL import Image

from pipeline.media import read_sound

_RATE = 16000
_SECONDS = 30.0  # of a longer sound the middle is kept
_BITS = 48000  # a second


def picture_uri(picture: Image.Image) -> str:
    """A picture as a JPEG data URI."""
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "JPEG", quality=85)
    return _uri("image/jpeg", buffer.getvalue())


def sound_uri(path: Path) -> str:
    """The sound of a media file, mono at 16 kHz, as an MP3 data URI. Raises `MediaError`."""
    return samples_uri(read_sound(path, sample_rate=_RATE, max_seconds=_SECONDS).samples)


def samples_uri(samples: np.ndarray) -> str:
    """A sound (n,) float32 in [-1, 1] at 16 kHz as an MP3 data URI."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=_RATE, layout="mono")
        stream.bit_rate = _BITS
        whole = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples, dtype=np.float32)[None], format="fltp", layout="mono"
        )
        whole.sample_rate = _RATE
        resampler = av.AudioResampler(
            stream.codec_context.format.name, "mono", _RATE, frame_size=576
        )
        for frame in [*resampler.resample(whole), *resampler.resample(None)]:
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return _uri("audio/mpeg", buffer.getvalue())


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
