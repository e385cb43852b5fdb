"""Figures 3, 4 and 5: samples side by side, one row of heat maps for each method or setting.

Pictures are embedded as they are and text stays text, which is why these are matplotlib's and not
Pillow's, whose PDF is one compressed photograph of the page. Equal inputs give equal bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath
from PIL import Image

from pipeline.base.files import atomic_file
from pipeline.report.figures import TRUE, outline, overlay
from pipeline.report.words import wrapped

_CELL = 224  # pixels of an embedded picture
_INCHES = 1.05  # its side on paper
_LABEL = 0.22  # inches beside and above the pictures, for one line of text
_LINE = 0.1  # and for each further one
_TITLE_SIZE, _NAME_SIZE = 5.5, 6.5  # points
_DOTS = 300
_FONT = FontProperties(family="DejaVu Sans")


@dataclass(frozen=True)
class Column:
    """A sample: its title, its frame (side, side, 3) uint8 and the mask (H, W) bool of what sounds,
    drawn as an outline; None where nothing in the frame does."""

    title: str
    frame: np.ndarray
    truth: np.ndarray | None


@dataclass(frozen=True)
class Row:
    """A method or a setting: its label and a raw map (h, w) for each column."""

    label: str
    maps: Sequence[np.ndarray]


def draw_rows(paths: Sequence[Path], columns: Sequence[Column], rows: Sequence[Row]) -> None:
    """Write a figure to `paths`, each a PDF or a PNG by its ending: the frames, and below them the
    maps of each row. Raises ValueError where there is nothing to draw, or a row lacks a map."""
    if not columns or not rows or any(len(row.maps) != len(columns) for row in rows):
        raise ValueError(f"{len(rows)} rows of maps for {len(columns)} samples cannot be drawn")
    titled = any(column.title for column in columns)
    titles = [_lines(column.title, _TITLE_SIZE) for column in columns]
    names = [_lines(label, _NAME_SIZE) for label in ["frame", *(row.label for row in rows)]]
    left = _LABEL + _LINE * (max(map(len, names)) - 1)
    above = _LABEL + _LINE * (max(map(len, titles)) - 1) if titled else 0.0
    width = left + _INCHES * len(columns)
    height = _INCHES * (len(rows) + 1) + above
    with matplotlib.rc_context({"pdf.fonttype": 42, "font.family": _FONT.get_family()}):
        figure = Figure(figsize=(width, height))
        axes = figure.subplots(len(rows) + 1, len(columns), squeeze=False)
        figure.subplots_adjust(
            left=left / width,
            right=1,
            bottom=0,
            top=1 - above / height,
            wspace=0.04,
            hspace=0.04,
        )
        for place, column in enumerate(columns):
            plain = Image.fromarray(column.frame).resize((_CELL, _CELL), Image.Resampling.BICUBIC)
            maps = [overlay(column.frame, row.maps[place], _CELL) for row in rows]
            for line, picture in enumerate([plain, *maps]):
                drawn = picture if column.truth is None else outline(picture, column.truth, TRUE)
                axes[line, place].imshow(np.asarray(drawn), interpolation="none")
                axes[line, place].set(xticks=[], yticks=[])
                axes[line, place].spines[:].set_visible(False)
            axes[0, place].set_title(
                "\n".join(titles[place]), fontsize=_TITLE_SIZE, pad=2, parse_math=False
            )
        for line, name in enumerate(names):
            axes[line, 0].set_ylabel(
                "\n".join(name), fontsize=_NAME_SIZE, labelpad=2, parse_math=False
            )
        for path in paths:
            pdf = path.suffix == ".pdf"
            unmarked = {"CreationDate": None, "Producer": None} if pdf else {"Software": None}
            with atomic_file(path) as file:
                figure.savefig(file, format=path.suffix[1:], dpi=_DOTS, metadata=unmarked)


def _lines(text: str, size: float) -> list[str]:
    """A label in lines that are no longer than a picture's side; letters of `size` points."""

    def measure(part: str) -> float:
        plain = part.replace("$", "S")  # a pair of dollar signs would begin a formula
        return float(TextPath((0, 0), plain, size=size, prop=_FONT).get_extents().width)

    return wrapped(text, 0.94 * _INCHES * 72, measure)
