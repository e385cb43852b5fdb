"""Picture files: JPEG, PNG, BMP, WebP, TIFF."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from pipeline.media.container import MAX_PIXELS
from pipeline.media.errors import MediaError, decoding, reason

PICTURE_FILES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})

# Pillow goes by content, too, and hands a script in PostScript to an interpreter that runs it.
_FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF")
_RANGES = (1, 2**8 - 1, 2**16 - 1)  # white, of pixels that are not bytes


def open_picture(path: Path) -> Image.Image:
    """A picture file's picture, RGB, turned upright by its EXIF orientation.

    Grey levels of more than 8 bits are scaled, not cut: of 16-bit files by 65,535; of 32-bit
    integers and floats by the first of 1 (floats only), 255 and 65,535 that none exceeds.
    Raises `MediaError`: "unreadable" or "too large".
    """
    with decoding("unreadable"):
        try:
            with Image.open(path, formats=_FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise MediaError(
                        "too large", f"the picture has {image.width} x {image.height} pixels"
                    )
                return _bytes(ImageOps.exif_transpose(image)).convert("RGB")
        except UnidentifiedImageError as error:  # its message holds the path
            raise MediaError("unreadable", "not a picture") from error
        except Image.DecompressionBombError as error:
            raise MediaError("too large", reason(error)) from error
        except (OSError, SyntaxError) as error:
            raise MediaError("unreadable", reason(error)) from error


def _bytes(image: Image.Image) -> Image.Image:
    """`image`, or where its grey levels are no bytes the picture with bytes for them."""
    if image.mode not in ("F", "I") and not image.mode.startswith("I;16"):
        return image
    levels = np.asarray(image).astype(np.float64)
    if not np.isfinite(levels).all():
        raise MediaError("unreadable", "the picture holds values that are not numbers")
    if image.mode.startswith("I;16"):
        white = _RANGES[-1]
    else:
        ranges = _RANGES if image.mode == "F" else _RANGES[1:]
        white = next((white for white in ranges if levels.max() <= white), 0)
        if not white:
            raise MediaError(
                "unreadable", f"the picture has grey levels up to {levels.max():g}, above 65535"
            )
    return Image.fromarray(np.rint(np.clip(levels / white, 0, 1) * 255).astype(np.uint8))
