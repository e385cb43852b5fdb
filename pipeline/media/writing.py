"""Writing media: H.264 + AAC clips through PyAV, pictures, WAV files and MP3.

Every encoder runs on one thread and the container carries no version or date, so equal input gives
equal bytes whatever the number of worker processes. The fastest x264 preset is used at a good
quality: files are a few times larger than they need be, which 96x72 pixels afford.
"""

import io
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image
from scipy.io import wavfile

SAMPLE_RATE = 16000  # Hz, of the clips and WAV files written here


def write_video(
    path: Path, frames: Iterable[np.ndarray], sound: np.ndarray, rate: Fraction
) -> None:
    """Write an `.mp4` of `frames` ((height, width, 3) uint8 RGB, even sizes) at `rate` per second
    with `sound` ((samples,) float32 within -1 to 1, 16 kHz mono) as its AAC stream."""
    with av.open(str(path), "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        video = container.add_stream(
            "libx264", rate=rate, options={"preset": "ultrafast", "crf": "22", "threads": "1"}
        )
        video.pix_fmt = "yuv420p"
        # The default coder searches ten times as long for nothing that is heard at this rate.
        audio = container.add_stream(
            "aac", rate=SAMPLE_RATE, layout="mono", options={"aac_coder": "fast"}
        )
        audio.bit_rate = 48_000
        for codec in (video.codec_context, audio.codec_context):
            codec.flags |= int(av.codec.context.Flags.bitexact)
        for number, picture in enumerate(frames):
            if number == 0:
                video.height, video.width = picture.shape[:2]
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            # Here, since the encoder would start threads of its own for every frame.
            frame = frame.reformat(format="yuv420p", threads=1)
            frame.pts, frame.time_base = number, 1 / rate
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        samples = av.AudioFrame.from_ndarray(sound[None], format="fltp", layout="mono")
        samples.sample_rate = SAMPLE_RATE
        # With a time given the container can tell players to skip the encoder's 64 ms of priming.
        samples.pts, samples.time_base = 0, Fraction(1, SAMPLE_RATE)
        container.mux(audio.encode(samples))
        container.mux(audio.encode(None))


def write_picture(path: Path, picture: np.ndarray) -> None:
    """Write an RGB (h, w, 3) uint8 picture or an (h, w) bool mask (as 0 and 255) as the file type
    that `path` ends in; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = picture.astype(np.uint8) * 255 if picture.dtype == bool else picture
    Image.fromarray(pixels).save(path, quality=95)  # a PNG has no use for the quality


def write_wav(path: Path, sound: np.ndarray) -> None:
    """Write `sound` ((samples,) float within -1 to 1) as 16 kHz mono 16-bit PCM."""
    path.parent.mkdir(parents=True, exist_ok=True)
    wavfile.write(path, SAMPLE_RATE, np.rint(np.clip(sound, -1, 1) * 32767).astype(np.int16))


def encode_mp3(samples: np.ndarray, sample_rate: int, bits: int) -> bytes:
    """Mono sound (n,) float32 in [-1, 1] as MP3 of `bits` a second; equal samples give equal
    bytes. LAME at its fastest, which takes less than half the time of its default: a report has
    hundreds of sounds, and none is listened to for its quality."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp3", options={"id3v2_version": "0"}) as container:
        stream = container.add_stream(
            "libmp3lame",
            rate=sample_rate,
            layout="mono",
            options={"compression_level": "9", "reservoir": "0"},
        )
        stream.bit_rate = bits
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples[None], dtype=np.float32), format="fltp", layout="mono"
        )
        frame.sample_rate = sample_rate
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()
