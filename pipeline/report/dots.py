"""A figure of scores inside a table: in each cell a dot on a strip, its interval, and what it could
be.

A strip begins at 0 and ends where its column's head says, so that the dots of a column compare at a
glance and those of a row do not, unless all columns have one scale. The bar through a dot is its
95 % interval, the broken line the best of the baselines that have seen no training, and the end of
the shaded part the bound. The numbers stand beside the dots, so that the figure is read without
them as well.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from pipeline.report.templating import render

WIDTH, HEIGHT = 96, 18  # of a strip
_ALONE = 480  # its width where it is the only one of its row
_EDGE = 5  # beside the scale, so that no dot is cut


@dataclass(frozen=True)
class Value:
    """A score with the ends of its interval, the best baseline and the bound beside it (None where
    there is none)."""

    mean: float
    low: float
    high: float
    trivial: float | None = None
    bound: float | None = None


@dataclass(frozen=True)
class Column:
    """A column: its title, what stands below it in small letters, and a value for each row; `best`:
    whether the highest one is marked, where rows are of one kind."""

    title: str
    below: Sequence[str]
    values: Sequence[Value | None]
    best: bool = True


@dataclass(frozen=True)
class Strip:
    """A cell: its score and interval in words and where its dot, bar, baseline and bound stand, in
    pixels; `dot` is None where there is no score. `best`: no row of the column has more."""

    text: str = ""
    spread: str = ""
    dot: str | None = None
    bar: tuple[str, str] | None = None
    line: str | None = None
    bound: str | None = None
    best: bool = False


def dots(
    label: str,
    caption: str,
    first: str,
    rows: Sequence[str],
    columns: Sequence[Column],
    one_scale: bool = False,
) -> Markup:
    """The figure: `rows` are their names, `first` is what the column of names is called, and
    `label` what the figure is for who does not see it. `one_scale`: all columns end at the same
    number, where those beside each other are to be compared."""
    ends = [_end(column.values) for column in columns]
    ends = [max(ends)] * len(ends) if one_scale else ends
    width = _ALONE if len(columns) == 1 else WIDTH
    strips = [_strips(column, end, width) for column, end in zip(columns, ends, strict=True)]
    heads = [
        (column.title, [*column.below, f"to {end:g}"])
        for column, end in zip(columns, ends, strict=True)
    ]
    lines = [(name, [strip[place] for strip in strips]) for place, name in enumerate(rows)]
    size = {"width": width, "height": HEIGHT}
    return render(
        "dots", label=label, caption=caption, first=first, heads=heads, rows=lines, **size
    )


def _end(values: Sequence[Value | None]) -> float:
    """The end of a scale that holds all values and baselines: 1 to 10, or 10 to 100 by tens. A
    bound beyond it shades the whole strip."""
    known = [each for value in values if value for each in (value.high, value.trivial or 0.0)]
    largest = min(max([*known, 1.0]), 100.0)
    step = 10.0 ** math.floor(math.log10(largest))
    return round(min(step * math.ceil(largest / step - 1e-9), 100.0), 6)


def _strips(column: Column, end: float, width: int) -> list[Strip]:
    known = [value.mean for value in column.values if value]
    highest = max(known) if column.best and len(known) > 1 else None
    return [_strip(value, end, highest, width) for value in column.values]


def _strip(value: Value | None, end: float, highest: float | None, width: int) -> Strip:
    if value is None:
        return Strip()

    def place(score: float) -> str:
        share = min(max(score / end, 0.0), 1.0)
        return f"{_EDGE + share * (width - 2 * _EDGE):.1f}"

    spread = f"{value.low:.0f} to {value.high:.0f}" if value.low < value.high else ""
    return Strip(
        f"{value.mean:.1f}",
        spread,
        place(value.mean),
        (place(value.low), place(value.high)),
        None if value.trivial is None else place(value.trivial),
        None if value.bound is None else place(value.bound),
        value.mean == highest,
    )
