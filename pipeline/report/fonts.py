"""The letters of drawn pictures: DejaVu Sans, which matplotlib brings on every machine, so that
equal words give equal bytes."""

from functools import lru_cache
from pathlib import Path

import matplotlib
from PIL import ImageFont


@lru_cache(maxsize=32)
def font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, `size` pixels high."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts/ttf" / name, size)
