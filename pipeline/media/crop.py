"""Where the edges of a picture lie once its aspect is kept, and the middle square of it.

A module of its own, without any other: who scores what a cropped frame shows needs these numbers
and nothing that opens media.
"""


def kept_size(width: int, height: int, side: int) -> tuple[int, int]:
    """Width and height in pixels of a picture whose shorter edge becomes `side`; the longer one is
    rounded down, as torchvision's Resize does."""
    shorter = min(width, height)
    return side * width // shorter, side * height // shorter


def centre_crop(width: int, height: int, side: int) -> tuple[int, int]:
    """Left and upper edge of the middle `side` x `side` pixels of a picture; halves become the even
    number, as torchvision's CenterCrop rounds."""
    return round((width - side) / 2), round((height - side) / 2)


def seen_part(width: int, height: int, side: int) -> tuple[float, float, float, float]:
    """What of a picture of `width` x `height` pixels is seen once it is resized to the shorter edge
    `side` and the middle is cut out: left, upper, right and lower edge as shares of its width and
    height."""
    across, down = kept_size(width, height, side)
    left, top = centre_crop(across, down, side)
    return left / across, top / down, (left + side) / across, (top + side) / down
