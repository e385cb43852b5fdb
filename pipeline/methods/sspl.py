"""SSPL without PCM: Song et al., Self-Supervised Predictive Learning: A Negative-Free Method for
Sound Source Localization in Visual Scenes, CVPR 2022; code zjsong/SSPL @ d1af4c7. With its
predictive coding module (PCM) it is `sspl_pcm`.

Two crops of a frame go through a frozen ImageNet VGG-16 (14 x 14 before the last ReLU), the seconds
of a sound through a frozen VGGish; what learns is two linear layers behind VGGish, the PCM, and the
head. With f the mean over the seconds of the layers' output, c(p) = unit(v(p)) . unit(f) and
alpha = (c - min c) / (max c - min c + 1e-10), a view's feature is sum alpha(p) v(p), and the loss
is SimSiam's of both views' (`pipeline.methods.common.simsiam`): there are no negatives. With PCM, v
is first moved towards the sound (`pipeline.methods.common.predictive_coding`). The map is c of a
tested frame.

As in the code: AdamW with weight decay 1e-4, none on PCM's scalars; without PCM a rate of 5e-4 for
the sound's layers and four times that for the head, 100 epochs; with it 2e-5 for PCM and sound and
2.5 times that for the head, 20 epochs; 256 clips a batch, batch norms synchronized. The README
calls the rates decisive and stops early, by the test set's score; here it is the last epoch. The
paper's scores cut maps at 0.5 of their range, those of nearly all other methods at the median: the
benchmarks give both (`cIoU_half`).

The authors' weights are four files (frame, sound, PCM, head), each of one network. `read_published`
takes them joined, their entries behind `frame.`, `sound.`, `pcm.` and `head.`.
"""

from pipeline.methods.common.attended import AttendedSound, SSPLSettings
from pipeline.methods.contract import OwnTest


class SSPL(AttendedSound):
    """See the module's head."""

    Settings = SSPLSettings
    title = "SSPL (CVPR 2022)"
    # main.py:326 and test.py:241, without object guidance.
    test_form = OwnTest("half-pixel", "half", inclusive=True)


METHOD = SSPL
