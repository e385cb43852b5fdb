"""Test clips beyond the plain scenes: what people and maps are asked under, and clips that move.

Sounds laid over and sources out of view are as frequent in VGG-SS as here (`avloc corpus
statistics`). Nothing here is trained on. Seeds of their own, and names drawn after all others,
leave the other clips of a corpus what they are, byte for byte; and these are the same, but for
their names, however many others there are.
"""

from collections.abc import Iterator

import numpy as np

from pipeline.toy.classes import CLASSES
from pipeline.toy.samples import SamplePlan

# The sound of what is seen under that of something that is not; two objects that sound together;
# and a sound of nothing in the picture.
CONDITIONS = ("laid-over", "several", "absent")
MOVING = "moving"
_FIRST_SEED = 9  # behind those of the other splits and small sets


def plan_conditions(names: Iterator[str], seed: int, count: int) -> dict[str, list[SamplePlan]]:
    """`count` clips of each of `CONDITIONS`; every second has one silent object more than it needs,
    so that a map of all objects is no right answer to all of them."""
    rng = np.random.default_rng([seed, 104])
    plans: dict[str, list[SamplePlan]] = {}
    for number, condition in enumerate(CONDITIONS, _FIRST_SEED):
        plans[condition] = []
        for index in range(count):
            first, second, third = map(int, rng.choice(len(CLASSES), 3, replace=False))
            more = (third,) if index % 2 else ()
            sounding, silent, unseen = {
                "laid-over": ((first,), more, second),
                "several": ((first, second), more, None),
                "absent": ((), (first, *more), second),
            }[condition]
            plans[condition].append(
                SamplePlan(
                    "clip",
                    f"{next(names)}_{rng.integers(600):06d}",
                    condition,
                    sounding,
                    silent,
                    (seed, number, index),
                    masks=True,
                    unseen=unseen,
                )
            )
    return plans


def plan_moving(names: Iterator[str], seed: int, count: int) -> list[SamplePlan]:
    """`count` moving clips of two objects: in every second one both sound, one after the other."""
    rng = np.random.default_rng([seed, 105])
    plans = []
    for index in range(count):
        first, second = map(int, rng.choice(len(CLASSES), 2, replace=False))
        sounding, silent = ((first, second), ()) if index % 2 else ((first,), (second,))
        name = f"{next(names)}_{rng.integers(600):06d}"
        place = (seed, _FIRST_SEED + len(CONDITIONS), index)
        plans.append(SamplePlan(MOVING, name, MOVING, sounding, silent, place))
    return plans
