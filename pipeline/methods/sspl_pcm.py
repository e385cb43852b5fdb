"""SSPL with its predictive coding module (PCM), a row of its own in the tables: Song et al., CVPR
2022; code zjsong/SSPL @ d1af4c7, sspl_w_pcm. All of it stands in `sspl`; what differs is the module
and the head's rate.
"""

from pipeline.base.params import NotNegative, settings
from pipeline.methods.common.attended import AttendedSound, SSPLSettings
from pipeline.methods.contract import OwnTest


@settings
class PCMSettings(SSPLSettings):
    """`SSPLSettings`, whose defaults are the code's with PCM."""

    pcm: bool = True
    head_rate: NotNegative = 2.5


class SSPLWithPCM(AttendedSound):
    """See the module's head."""

    Settings = PCMSettings
    title = "SSPL with PCM (CVPR 2022)"
    # As in `sspl`.
    test_form = OwnTest("half-pixel", "half", inclusive=True)


METHOD = SSPLWithPCM
