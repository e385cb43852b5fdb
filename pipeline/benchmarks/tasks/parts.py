"""Parts of a benchmark's samples: the same scores once more over fewer of them.

Names of metrics are `<metric>[@<part>][:low|:high]`; evaluation puts a baseline's name behind a dot
after all of it. `samples@<part>` is the number of samples of a part; an empty part has no metrics.
A part says what a whole set cannot: the median threshold lights half of the frame, so a small
region cannot be met by it whatever the method (an IoU of 0.5 needs a quarter of the frame).
"""

from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.benchmarks.metrics.bootstrap import with_intervals
from pipeline.benchmarks.metrics.localization import (
    IOU_COLUMNS,
    IOU_THRESHOLD,
    localization_metrics,
)

Parts = Mapping[str, np.ndarray]

# Sizes of what is true, in shares of the frame: at least the first and below the second.
SIZE_BANDS = {
    "area-0-5": (0.0, 0.05),
    "area-5-15": (0.05, 0.15),
    "area-15-30": (0.15, 0.30),
    "area-30-100": (0.30, 2.0),
}


def size_bands(area: np.ndarray) -> dict[str, np.ndarray]:
    """Which samples are in each of `SIZE_BANDS`, by the shares of the frame `area` (N,) that their
    true regions take: bool (N,). A sample without truth is in the first."""
    return {name: (area >= low) & (area < high) for name, (low, high) in SIZE_BANDS.items()}


def select_parts(parts: Parts, rows: Sequence[int]) -> dict[str, np.ndarray]:
    """The parts of some of the samples, in the given order."""
    chosen = np.array(rows, dtype=np.int64)
    return {name: members[chosen] for name, members in parts.items()}


def localization_scores(columns: Mapping[str, np.ndarray], part: str = "") -> dict[str, float]:
    """cIoU with its interval and AUC of each column of `localize`, names ending in `part`."""
    hits = {
        f"cIoU{suffix}": columns[name] >= IOU_THRESHOLD
        for name, suffix in IOU_COLUMNS.items()
        if name in columns
    }
    return with_intervals(localization_metrics(columns), hits, part)


def localization_parts(columns: Mapping[str, np.ndarray], parts: Parts) -> dict[str, float]:
    """`localization_scores` of every part that has samples, with their number."""
    metrics: dict[str, float] = {}
    for name, members in parts.items():
        if members.any():
            chosen = {column: values[members] for column, values in columns.items()}
            metrics.update(localization_scores(chosen, f"@{name}"))
            metrics[f"samples@{name}"] = int(members.sum())
    return metrics
