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
from PIL import Image

from pipeline.base.files import atomic_file
from pipeline.report.figures import outline, overlay

_CELL = 224  # pixels of an embedded picture
_INCHES = 1.05  # its side on paper
_LABEL = 0.22  # inches beside and above the pictures
_DOTS = 300
_TRUE = (255, 255, 255)


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
    width = _LABEL + _INCHES * len(columns)
    height = _INCHES * (len(rows) + 1) + (_LABEL if titled else 0)
    with matplotlib.rc_context({"pdf.fonttype": 42, "font.family": "DejaVu Sans"}):
        figure = Figure(figsize=(width, height))
        axes = figure.subplots(len(rows) + 1, len(columns), squeeze=False)
        figure.subplots_adjust(
            left=_LABEL / width,
            right=1,
            bottom=0,
            top=1 - (_LABEL / height if titled else 0),
            wspace=0.04,
            hspace=0.04,
        )
        for place, column in enumerate(columns):
            plain = Image.fromarray(column.frame).resize((_CELL, _CELL), Image.Resampling.BICUBIC)
            maps = [overlay(column.frame, row.maps[place], _CELL) for row in rows]
            for line, picture in enumerate([plain, *maps]):
                drawn = picture if column.truth is None else outline(picture, column.truth, _TRUE)
                axes[line, place].imshow(np.asarray(drawn), interpolation="none")
                axes[line, place].set(xticks=[], yticks=[])
                axes[line, place].spines[:].set_visible(False)
            axes[0, place].set_title(_cut(column.title), fontsize=5.5, pad=2)
        for line, label in enumerate(["frame", *(row.label for row in rows)]):
            axes[line, 0].set_ylabel(label, fontsize=6.5, labelpad=2)
        for path in paths:
            pdf = path.suffix == ".pdf"
            unmarked = {"CreationDate": None, "Producer": None} if pdf else {"Software": None}
            with atomic_file(path) as file:
                figure.savefig(file, format=path.suffix[1:], dpi=_DOTS, metadata=unmarked)


def _cut(title: str, longest: int = 26) -> str:
    return title if len(title) <= longest else f"{title[: longest - 1]}…"
