"""The scores of anyone's maps once more, by class and by the size of what sounds."""

from typing import NamedTuple

import numpy as np

from pipeline.benchmarks.tasks.parts import SIZE_BANDS, size_bands
from pipeline.errors import InputError
from pipeline.report.anyones.score import Scored
from pipeline.report.anyones.statistics import Estimate, estimates


class Part(NamedTuple):
    """Some of the samples: what they have in common, how many they are, and their scores."""

    name: str
    samples: int
    estimates: dict[str, Estimate]


def by_class(scored: Scored) -> list[Part]:
    """The scores of each class with their intervals, the best first by the first score; classes of
    one score by name. Raises `InputError` where the benchmark names no class."""
    labels = np.array(scored.task.labels)
    if not len(labels):
        raise InputError(f"{_name(scored)}: names no classes, so there are none to go by")
    parts = [_part(scored, str(label), labels == label) for label in np.unique(labels)]
    return sorted(parts, key=lambda part: -next(iter(part.estimates.values())).value)


def by_size(scored: Scored) -> list[Part]:
    """The scores of each band of size that has samples, by the share of the frame that the truth
    takes. Of detection LocAcc alone, since negatives have no size. Raises `InputError` for
    retrieval."""
    area = scored.area
    parts = []
    for name, members in size_bands(area).items():
        low, high = (100 * end for end in SIZE_BANDS[name])
        words = f"{low:.0f} to {min(high, 100):.0f} % of the frame"
        if members.any():
            parts.append(_part(scored, words, members))
    return parts


def _part(scored: Scored, name: str, members: np.ndarray) -> Part:
    # Without confidences there is no curve, for which negatives would be needed.
    columns = {k: v for k, v in scored.columns.items() if not k.startswith("confidence")}
    return Part(name, int(members.sum()), estimates(scored.kind, columns, members))


def _name(scored: Scored) -> str:
    return f"benchmark {scored.benchmark}" if scored.benchmark else "a truth of one's own"
