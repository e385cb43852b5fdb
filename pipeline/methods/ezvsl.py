"""EZ-VSL: Mo and Morgado, Localizing Visual Sounds the Easy Way, ECCV 2022.

A sound and an image belong together where the image's best position says so. With x_n^p the
projected positions of image n, y_m the projected sound m and C their cosine,

    S(n, m) = max_p C(n, m, p),    loss = CE(S / tau) + CE(S^T / tau),    tau = 0.03,

CE being the mean over rows of the cross-entropy with the diagonal: over sounds and over images, a
sum and not its half. Nothing is detached; the maximum passes its gradient to one position.

From stoneMo/EZ-VSL @ 95ff5bf: model.py:13-44 (networks, loss), datasets.py:152-161 (views),
train.py:31-36 and scripts/ (batch 128, Adam at 1e-4 without weight decay, 20 epochs, 100 for lists
of 10,000). The text's loss is the code's. The spectrogram is the code's too: windows of 512
samples, hop 238, 257 bins. The code resamples nothing and names no rate: a file is heard at its
own. That the authors' files had 22,050 Hz, which our form has, is an inference: their papers give
22,050 Hz and 257 x 276 (recalled, not looked up), 3 s are 276 steps at that rate, and it is the
default of librosa, by which a commented-out line of an earlier version loads sounds. At that rate a
window is 23 ms, where the text has 50 ms (recalled as well).

Unlike the code, the negatives are all ranks'; how many devices, and so how many negatives, the
authors had is not known. Their `best.pth` is the epoch with the best score on a test set; here it
is the last epoch. Their tables with an object map mix 0.4 of the min-max map and 0.6 of the object
map.
"""

from collections.abc import Mapping

from torch import Tensor

from pipeline.base.params import settings
from pipeline.methods.common.contrast import choose_frame, choose_sound
from pipeline.methods.common.projected import ProjectedPair, ProjectedResNets
from pipeline.methods.common.similarity import s_l
from pipeline.methods.common.synthetic import all_sounds
from pipeline.methods.common.two_resnets import single
from pipeline.methods.contract import Dice, Features, Moment, OwnTest


@settings
class EZVSLSettings(ProjectedPair):
    """EZ-VSL's defaults are those of `ProjectedPair`: nothing is dropped."""


class EZVSL(ProjectedResNets):
    """Two networks, a pair of projections, and the best position's cosine."""

    Settings = EZVSLSettings
    title = "EZ-VSL (ECCV 2022)"
    # test.py:105-128.
    test_form = OwnTest("corners", inclusive=True, share=0.4)

    def loss(
        self, features: Mapping[str, Features], dice: Dice, moment: Moment
    ) -> dict[str, Tensor]:
        """CE(S / tau) + CE(S^T / tau)."""
        v = single(features["v"])
        _, everyone = all_sounds(single(features["a"]), len(v))
        similarities, tau = s_l(v, everyone, "max"), self.settings.temperature
        chosen = choose_sound(similarities, tau) + choose_frame(similarities, tau)
        return {"contrastive": chosen}


METHOD = EZVSL
