"""The methods that the paper's tables print: which of ours each is, and which epoch is printed.

A row of ours stands below the printed one of the same method. The epochs are read off each method's
own code, as `pipeline/methods/DECISIONS.md` ('The epoch that is reported') has them; of a method
whose training nobody published the table says just that.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.report.runs import PAPER, Run

BEST, LAST, UNKNOWN = "best on a test set", "last", "not said"
LOWEST = "lowest loss on a test list"


@dataclass(frozen=True)
class Printed:
    """A printed method: the file of `pipeline/methods/` that is it, None where none is, and `kept`,
    the epoch that its numbers are of. Of several printed rows of one method `settings` are those
    that tell them apart, and `released` says that the row is of the file that its authors gave
    away (True) or of a training anew (False)."""

    method: str | None
    kept: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    released: bool | None = None

    def is_of(self, run: Run) -> bool:
        """Whether a run of ours is this method."""
        if run.method != self.method or self.released not in (None, run.seed is None):
            return False
        return all(run.settings.get(name, False) == value for name, value in self.settings.items())


# By the names of `paper_numbers`. Attention's authors keep what has the lowest loss on the test
# list; EZ-VSL, SSL-TIE, SSPL and HearTheFlow the best cIoU on a test set, the paper's own code that
# on VGG-SS's. DMC's files of every third epoch and DSOL's scores do not say which one is meant.
PRINTED: dict[str, Printed] = {
    "Attention (CVPR 2018)": Printed("attention10k", LOWEST),
    "Attention10k (CVPR 2018)": Printed("attention10k", LOWEST),
    "DMC (CVPR 2019)": Printed("dmc", UNKNOWN),
    "CoarseToFine (ECCV 2020)": Printed(None, UNKNOWN),
    "DSOL (NeurIPS 2020)": Printed("dsol", UNKNOWN),
    "LCBM (WACV 2022)": Printed(None, UNKNOWN),
    "LVS, released model (CVPR 2021)": Printed("lvs", UNKNOWN, released=True),
    "LVS (CVPR 2021)": Printed("lvs", UNKNOWN, released=False),
    "HardPos (ICASSP 2022)": Printed("hardpos", UNKNOWN),
    "SSPL without PCM (CVPR 2022)": Printed("sspl", BEST, {"pcm": False}),
    "SSPL with PCM (CVPR 2022)": Printed("sspl", BEST, {"pcm": True}),
    "EZ-VSL (ECCV 2022)": Printed("ezvsl", BEST),
    "SSL-TIE (ACM MM 2022)": Printed("ssltie", BEST),
    "SLAVC (NeurIPS 2022)": Printed("slavc", LAST),
    "HearTheFlow (WACV 2023)": Printed("heartheflow", BEST),
    "OGL alone (ECCV 2022)": Printed(None, "nothing is trained"),
    "the paper's model": Printed(PAPER, BEST),
}
