"""How sure a map is: by how much its largest value is above what the same picture gives under
digital silence and under white noise, in which there is nothing to be found.

Maps are cosines, or lie in 0 to 1; the margin is a plain difference of both. What the words are
worth, measured, stands in README.md beside this file; `avloc sureness` measures it.
"""

from typing import Literal

import numpy as np

Word = Literal["sure", "hardly sure", "not sure"]
WORDS: tuple[Word, ...] = ("sure", "hardly sure", "not sure")

CLEAR = 0.1  # what a map's maximum must be above silence and noise to be called sure


def sureness(margin: float) -> Word:
    """The word for a margin: `CLEAR` or more is sure, none or less is not sure."""
    return "sure" if margin >= CLEAR else "hardly sure" if margin > 0 else "not sure"


def strength(margin: float | np.ndarray) -> np.ndarray:
    """How strongly a map of a margin is drawn, 0 to 1 float64 of the same shape: 1 from `CLEAR`
    on, a half at no margin, 0 at `CLEAR` below it."""
    return np.clip((np.asarray(margin, np.float64) / CLEAR + 1) / 2, 0, 1)
