"""Of which kind a failure is: what a map did with a sample that its benchmark does not count.

A sample is right where the IoU at the benchmark's own cut is at least 0.5. The kinds of the others
follow in this order from what stage evaluate wrote, its table of samples and its raw maps:

- **too small for the threshold**: the cut is the map's median, which lights half of the frame, the
  truth takes less than a quarter of it, so that no map at all reaches an IoU of 0.5, and the same
  map cut at the true area does reach it. The protocol's failure and not the model's.
- **too wide**: the map's maximum lies in what sounds, or cut at the true area it would be right;
  its region is another one than the truth, nearly always a wider one.
- **nothing found**: no place stands out: at least half of the map's cells lie at or above half of
  its range, as in a constant map, or nothing lies above the cut at all.
- **wrong object**: some place stands out, and it lies beside what sounds.

Where nothing sounds in the frame there is nothing to be right about. Under negative sounds the
benchmark's universal threshold tells **lights up in vain** from **rightly dark**, elsewhere the
sample is of the kind **nothing sounds**. The price of kinds that follow from numbers alone: what
the wrong object is, if it is any, nobody says.
"""

from collections.abc import Sequence

import numpy as np

from pipeline.benchmarks.metrics.localization import IOU_THRESHOLD

RIGHT, TOO_SMALL, TOO_WIDE, NOTHING_FOUND, WRONG_OBJECT = 0, 1, 2, 3, 4
NOTHING_SOUNDS, IN_VAIN, DARK = 5, 6, 7
# What each kind is called, in the order of the numbers.
KINDS: Sequence[str] = (
    "right",
    "too small for the threshold",
    "too wide",
    "nothing found",
    "wrong object",
    "nothing sounds",
    "lights up in vain",
    "rightly dark",
)
FAILURES = (WRONG_OBJECT, TOO_WIDE, NOTHING_FOUND, TOO_SMALL)  # of samples with a truth
# What a page says of each, in the words of a reader.
MEANINGS = {
    RIGHT: "the IoU with what sounds is at least 0.5",
    TOO_SMALL: "below a quarter of the frame, so a map cut at its median cannot reach 0.5; cut at "
    "the true area it does",
    TOO_WIDE: "the maximum lies in what sounds, but the region goes beyond it",
    NOTHING_FOUND: "no place stands out: half of the map or more is at least half as hot as its "
    "maximum",
    WRONG_OBJECT: "a place stands out, and it lies beside what sounds",
}
REACHABLE = 0.25  # of the frame: from here on a map cut at its median can reach an IoU of 0.5
_FLAT = 0.5  # share of cells at or above half of the range


def kinds(
    iou: np.ndarray,
    adaptive: np.ndarray,
    area: np.ndarray,
    points: np.ndarray,
    flat: np.ndarray,
    by_median: bool,
) -> np.ndarray:
    """The kind of each of N samples with a truth, (N,) uint8, as the module says.

    `iou` (N,) at the benchmark's cut, which is the median where `by_median`; `adaptive` (N,) at
    the true area; `area` (N,) the truth's share of the frame; `points` and `flat` (N,) bool:
    whether the maximum lies in what sounds, and whether no place stands out (`is_flat`)."""
    small = by_median & (area < REACHABLE) & (adaptive >= IOU_THRESHOLD)
    wide = points | (adaptive >= IOU_THRESHOLD)
    conditions = [iou >= IOU_THRESHOLD, small, wide, flat]
    chosen = np.select(conditions, [RIGHT, TOO_SMALL, TOO_WIDE, NOTHING_FOUND], WRONG_OBJECT)
    return chosen.astype(np.uint8)


def is_flat(maps: np.ndarray) -> np.ndarray:
    """Whether no place of a map stands out, bool (N,), of raw maps (N, h, w): at least half of its
    cells lie at or above half of its range."""
    flat = maps.reshape(len(maps), -1)
    low, high = flat.min(axis=1), flat.max(axis=1)
    share: np.ndarray = (flat >= ((low + high) / 2)[:, None]).mean(axis=1)
    return share >= _FLAT
