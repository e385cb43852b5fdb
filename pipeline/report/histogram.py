"""Histograms as inline SVG: how many samples lie where, stacked by the kind of failure."""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from pipeline.report.failures import KINDS
from pipeline.report.templating import render

_WIDTH, _HEIGHT = 360, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 10, 20, 36
BINS = 20


def histogram(
    title: str, x_label: str, values: np.ndarray, kinds: np.ndarray, span: tuple[float, float]
) -> Markup:
    """A figure of `values` (N,) in 20 bins over `span`, each bar divided by `kinds` (N,) uint8; a
    value that is NaN is in none."""
    low, high = span
    known = ~np.isnan(values)
    present = [kind for kind in range(len(KINDS)) if (kinds[known] == kind).any()]
    counts = [
        np.histogram(values[known & (kinds == kind)], bins=BINS, range=(low, high))[0]
        for kind in present
    ]
    highest = max(1, int(np.sum(counts, axis=0).max())) if counts else 1
    step = (_WIDTH - _LEFT - _RIGHT) / BINS
    scale = (_HEIGHT - _TOP - _BOTTOM) / highest
    bars, below = [], np.zeros(BINS)
    for kind, each in zip(present, counts, strict=True):
        for place, count in enumerate(each.tolist()):
            if count:
                top = _HEIGHT - _BOTTOM - (below[place] + count) * scale
                corner = (f"{_LEFT + place * step + 0.5:.1f}", f"{top:.1f}")
                bars.append((kind, *corner, f"{step - 1:.1f}", f"{count * scale:.1f}"))
        below += each
    axis = [(_LEFT + share * BINS * step, f"{low + share * (high - low):.3g}") for share in _SHARES]
    legend = [
        (kind, KINDS[kind], int(each.sum())) for kind, each in zip(present, counts, strict=True)
    ]
    return render(
        "histogram",
        title=title,
        x_label=x_label,
        bars=bars,
        axis=axis,
        highest=highest,
        legend=legend,
        width=_WIDTH,
        height=_HEIGHT,
        base=_HEIGHT - _BOTTOM,
        left=_LEFT,
        top=_TOP,
    )


_SHARES: Sequence[float] = (0, 0.25, 0.5, 0.75, 1)
