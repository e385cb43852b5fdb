"""A made video for measuring; apart from what a machine without PyAV can make."""

from fractions import Fraction
from pathlib import Path

from pipeline.media.writing import write_video
from pipeline.speed.made import picture, sound


def clip(path: Path, *, seconds: float, width: int, height: int) -> Path:
    """An `.mp4` (H.264 at 30 frames/s and AAC at 16 kHz) of a picture that pans."""
    rate = 30
    count = round(seconds * rate)
    whole = picture(height, width + 2 * count)
    frames = (whole[:, 2 * n : 2 * n + width] for n in range(count))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, frames, sound(seconds), Fraction(rate))
    return path
