"""Somebody's own boxes, as a JSON text or as numbers, in fractions of the frame.

Pixels, and width and height in place of the lower right corner, give a score like any other, and a
wrong one; so both are refused by what can be seen of them. A little beyond the frame is taken, as
the field's own lists have it, and is cut off where boxes are painted.
"""

import json
from typing import Any

import numpy as np

from pipeline.errors import InputError
from pipeline.report.anyones.arrays import REAL, Arrays

Boxes = list[list[list[float]]]

_SLACK = 0.01  # of the frame: what rounding puts beyond its edge
_PIXELS = 1.5  # what no fraction reaches
_ORDER = "[x0, y0, x1, y1]"


def read_boxes(arrays: Arrays, count: int) -> Boxes:
    """The boxes under `boxes`, a list for each of `count` samples, empty for a negative.

    A JSON text (a text, or its UTF-8 bytes as uint8): per sample a list of [x0, y0, x1, y1] in
    fractions of the frame. Or numbers (N, k, 4), of which rows of NaN and rows of zeros are no box.
    Raises `InputError` for anything else, for boxes outside of 0 to 1 and for corners in the wrong
    order.
    """
    expected = f"a JSON text, a list of {count} lists of boxes {_ORDER}, or numbers ({count}, k, 4)"
    values = arrays.read("boxes", "US" + REAL, expected, (0, 1, 3))
    boxes = _of_numbers(arrays, values, count, expected) if values.ndim == 3 else None
    if boxes is None:
        boxes = _of_text(arrays, values, count, expected)
    for number, entry in enumerate(boxes):
        for box in entry:
            _check(arrays, number, box)
    return boxes


def _of_numbers(arrays: Arrays, values: np.ndarray, count: int, expected: str) -> Boxes:
    if values.dtype.kind not in "fiu" or len(values) != count or values.shape[2] != 4:
        raise arrays.fail("boxes", f"{values.dtype} {values.shape}", expected)
    kept = ~np.isnan(values.astype(np.float64)).all(axis=2) & (values != 0).any(axis=2)
    boxes = [
        entry[rows].astype(np.float64).tolist() for entry, rows in zip(values, kept, strict=True)
    ]
    for number, entry in enumerate(boxes):
        if not np.isfinite(entry).all():
            raise arrays.fail(f"boxes, entry {number}", f"{str(entry)[:80]}", "boxes of numbers")
    return boxes


def _of_text(arrays: Arrays, values: np.ndarray, count: int, expected: str) -> Boxes:
    if values.dtype.kind == "u" and values.dtype.itemsize == 1:
        text = arrays.text("boxes", values.tobytes())
    elif values.dtype.kind in "US" and values.size == 1:
        text = arrays.text("boxes", values.item())
    else:
        raise arrays.fail("boxes", f"{values.dtype} {values.shape}", expected)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{arrays.place}: boxes: expected JSON, found: {error}") from error
    if not isinstance(content, list) or len(content) != count:
        found = f"{len(content)} entries" if isinstance(content, list) else type(content)
        raise arrays.fail("boxes", f"{found}", expected)
    for number, entry in enumerate(content):
        if not isinstance(entry, list) or not all(_is_box(box) for box in entry):
            raise arrays.fail(f"boxes, entry {number}", f"{str(entry)[:80]}", "boxes of numbers")
    return content


def _is_box(box: Any) -> bool:
    if not isinstance(box, list) or len(box) != 4:
        return False
    return all(
        isinstance(edge, int | float) and not isinstance(edge, bool) and abs(edge) < 1e300
        for edge in box
    )


def _check(arrays: Arrays, number: int, box: list[float]) -> None:
    found, key = str(list(box))[:80], f"boxes, entry {number}"
    if max(box) > _PIXELS:
        expected = f"{_ORDER} in fractions of the frame, 0 to 1: divide by its width and height"
        raise arrays.fail(key, f"{found}, which looks like pixels", expected)
    if max(box) > 1 + _SLACK or min(box) < -_SLACK:
        raise arrays.fail(key, found, f"{_ORDER} in fractions of the frame, 0 to 1")
    if box[2] < box[0] or box[3] < box[1]:
        raise arrays.fail(key, found, f"{_ORDER} with x0 <= x1 and y0 <= y1, no width and height")
