"""Line charts as inline SVG, in colours of the page's style sheet, so that they follow its theme.

Laid out here in some sixty lines instead of by matplotlib, whose SVG is a hundred times as long and
has one theme. Lines differ by dashes as well as by colour.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from pipeline.report.templating import render

_WIDTH, _HEIGHT = 360, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 10, 20, 36
_POINTS = 200  # of a line; more cannot be told apart at this width
STYLES = 6  # what the style sheet has colours and dashes for


@dataclass(frozen=True)
class Line:
    """A line of a chart: its name, and its points; those that are not finite are not drawn."""

    label: str
    x: Sequence[float]
    y: Sequence[float]

    @property
    def points(self) -> list[tuple[float, float]]:
        """The finite points."""
        pairs = zip(self.x, self.y, strict=True)
        return [(x, y) for x, y in pairs if math.isfinite(x) and math.isfinite(y)]


def chart(
    title: str,
    lines: Sequence[Line],
    x_label: str,
    y_label: str,
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
) -> Markup:
    """A figure with a line chart and its legend. Ranges are those of the points by default.

    Raises ValueError for more lines than the style sheet tells apart.
    """
    if len(lines) > STYLES:
        raise ValueError(f"{title}: {len(lines)} lines, expected at most {STYLES}")
    places = [point for line in lines for point in line.points]
    xs = x_range or _range([x for x, _ in places])
    ys = y_range or _range([y for _, y in places])
    grid: list[tuple[str, ...]] = []
    texts: list[tuple[str, str, str, str]] = []  # x, y, anchor, text

    def write(x: float, y: float, anchor: str, text: str) -> None:
        texts.append((f"{x:.1f}", f"{y:.1f}", anchor, text))

    for value in _ticks(*xs):
        x = _place(value, xs, _LEFT, _WIDTH - _RIGHT)
        grid.append(_numbers(x, _TOP, x, _HEIGHT - _BOTTOM))
        write(x, _HEIGHT - _BOTTOM + 14, "middle", f"{value:g}")
    for value in _ticks(*ys):
        y = _place(value, ys, _HEIGHT - _BOTTOM, _TOP)
        grid.append(_numbers(_LEFT, y, _WIDTH - _RIGHT, y))
        write(_LEFT - 5, y + 4, "end", f"{value:g}")
    write((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 5, "middle", x_label)
    write(4, 10, "start", y_label)
    drawn = []
    for line in lines:
        points = " ".join(
            f"{_place(x, xs, _LEFT, _WIDTH - _RIGHT):.1f},"
            f"{_place(y, ys, _HEIGHT - _BOTTOM, _TOP):.1f}"
            for x, y in _thinned(line.points)
        )
        drawn.append({"label": line.label, "points": points})
    size = {"width": _WIDTH, "height": _HEIGHT}
    return render("chart", title=title, grid=grid, texts=texts, lines=drawn, **size)


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    step = max(1, math.ceil(len(points) / _POINTS))
    kept = points[::step]
    return kept if not points or kept[-1] == points[-1] else [*kept, points[-1]]


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values, default=0.0), max(values, default=1.0)
    margin = 0.05 * (high - low) or 0.5
    return low - margin, high + margin


def _place(value: float, span: tuple[float, float], start: float, stop: float) -> float:
    return start + (value - span[0]) / (span[1] - span[0]) * (stop - start)


def _ticks(low: float, high: float) -> list[float]:
    """Some four to eight round numbers of a range."""
    rough = (high - low) / 6
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(count * step, 12) for count in range(first, last + 1)]


def _numbers(*places: float) -> tuple[str, ...]:
    return tuple(f"{place:.1f}" for place in places)
