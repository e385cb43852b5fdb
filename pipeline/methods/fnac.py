"""FNAC: Sun et al., Learning Audio-Visual Source Localization via False Negative Aware Contrastive
Learning, CVPR 2023.

EZ-VSL's networks, with element-wise dropout of 0.9 on the image network's map before its projection
and masks on the training spectrograms. With x_n^p the projected positions of frame n and y_m the
projected sound m, both of unit length, and C their cosine, X(n, m) = max_p C(n, m, p) / tau and
EZ-VSL's L_c = CE(X) + CE(X^T), tau = 0.03. Clips that sound or look alike are told by adjacencies,
softmaxes over the rows of

    P_X of X,   P_a of y y^T / tau,   P_v of z z^T / tau,   P_f of f f^T / tau

where z_n is the mean of x_n^p over the positions and f_n the same sum over those alone where the
own map C(n, n, p) / tau, from its least to its largest value, is above 0.6 (divided by all
positions; neither is of unit length again). From the sixth epoch on, nothing of it detached,

    loss = L_c + 100 (mean |P_a - P_X| + mean |P_a - P_f| + mean |P_v - P_X|)

the terms being FNS-1, TNE and FNS-2, means over all entries. Before, it is L_c alone.

From OpenNLPLab/FNAC_AVL @ 0a0ca78: model.py:22-100 (networks, loss), datasets.py:37-38,73-74,
317-322 (masks), train.py:237-240 (warm-up), train_*.sh (batch 256 on one GPU, 30 epochs, Adam at
1e-4, weight decay 1e-4, for lists of 10,000 and heard classes; whether the 144k had the same epochs
is not said). Text and code differ in one thing, and the code is taken: the text sums the distances
of a row's entries where the code takes their mean, a factor of the batch in what 100 means. The
means depend on the batch for the same reason: all ranks' clips are in the adjacencies.

Like EZ-VSL's, the code hears a file at its own rate, which is said nowhere: 3 s are 200 steps at 16
kHz and 276 at 22,050 Hz. That ours is 16 kHz is an inference from kaistmm/SSLalignment @ e7ae3c5,
which reads the authors' checkpoint and tests it on files that its other loaders take for 16 kHz.

The masks put 0 on a band of up to 9 frequencies and one of up to 9 time steps of a log-spectrogram.
The code's slips, part of the published method, can be mended (`masks: mended`): the band's place is
drawn from the other axis' length, and the 0 stands for a power of 1, which is loud and not silent.
The authors' `best.pth` is the best epoch on Flickr-SoundNet's test set; here it is the last one.
"""

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.base.params import Natural, NotNegative, settings
from pipeline.methods.common.contrast import choose_frame, choose_sound
from pipeline.methods.common.projected import Dropout, ProjectedPair, ProjectedResNets
from pipeline.methods.common.similarity import localization_map, s_l
from pipeline.methods.common.synthetic import all_sounds
from pipeline.methods.common.two_resnets import single
from pipeline.methods.contract import Dice, Features, Moment, OwnTest, View
from pipeline.networks import ranks

_FOREGROUND = 0.6  # of the way from a map's least to its largest value (model.py:63)
_STEADY = 1e-5  # added to that way's length
_WIDEST = 10  # frequencies or time steps, one more than a mask can have


@settings
class FNACSettings(ProjectedPair):
    """What the method learns and how; the defaults are the published scripts'.

    `warm_up`: epochs of L_c alone. `weight` of the three further terms, which are means over
    entries of about 1 / B: 100 at 256 clips is 20 at 50. `masks` on the
    spectrograms: as `released`, `mended` (a band's place drawn from its own axis, and silence in
    it) or `none`.
    """

    dropout: Dropout = 0.9
    warm_up: Natural = 5
    weight: NotNegative = 100.0
    masks: Literal["released", "mended", "none"] = "released"


class FNAC(ProjectedResNets):
    """EZ-VSL's networks, learning which negatives are false."""

    Settings = FNACSettings
    parts = ("contrastive", "fns1", "tne", "fns2")
    title = "FNAC (CVPR 2023)"
    # The first of the two forms that test.py prints.
    test_form = OwnTest("corners", inclusive=True, share=0.4)
    settings: FNACSettings

    def views(self, inputs: Mapping[str, Any], dice: Dice) -> dict[str, View]:
        """v and a as EZ-VSL's, the clips' own sounds masked."""
        sounds, masks = inputs["sounds"], self.settings.masks
        if masks != "none":
            draws = dice.uniform("masks", len(sounds), 4).to(sounds.device)
            mended = masks == "mended"
            filling = self.form.silence if mended else 0.0
            sounds = mask_bands(sounds, draws, filling, exchanged=not mended)
        return super().views({**inputs, "sounds": sounds}, dice)

    def loss(
        self, features: Mapping[str, Features], dice: Dice, moment: Moment
    ) -> dict[str, Tensor]:
        """L_c and, after the warm-up, the three weighted distances of adjacencies."""
        settings, tau = self.settings, self.settings.temperature
        x = functional.normalize(single(features["v"]).float(), dim=1)
        y, everyone = all_sounds(single(features["a"]).float(), len(x))
        similarities = s_l(x, everyone, "max")
        contrastive = choose_sound(similarities, tau) + choose_frame(similarities, tau)
        if moment.epoch < settings.warm_up:
            none = torch.zeros_like(contrastive)
            return {"contrastive": contrastive, "fns1": none, "tne": none, "fns2": none}
        clips = len(x) * ranks.count()
        crossed = torch.softmax(similarities[:, :clips] / tau, dim=1)
        y = functional.normalize(y, dim=1)
        heard = _adjacency(y, tau)
        seen = _adjacency(x.mean(dim=(2, 3)), tau)
        in_front = _adjacency(foreground(x, y, tau), tau)
        distances = {
            "fns1": (heard - crossed).abs().mean(),
            "tne": (heard - in_front).abs().mean(),
            "fns2": (seen - crossed).abs().mean(),
        }
        weighted = {name: settings.weight * part for name, part in distances.items()}
        return {"contrastive": contrastive, **weighted}

    @classmethod
    def label(cls, settings: Any) -> str:
        """See `ProjectedResNets.label`, and what the masks are where they are not the code's."""
        words = super().label(settings)
        return words if settings.masks == "released" else f"{words}, masks {settings.masks}"


METHOD = FNAC


def foreground(x: Tensor, y: Tensor, tau: float) -> Tensor:
    """f: of each frame the sum of the positions that its own map says are foreground, over the
    number of all positions. x: (b, D, h, w), y: (b, D), of unit length; returns (b, D). The choice
    of positions has no gradient."""
    with torch.no_grad():
        maps = localization_map(x, y) / tau
        least, largest = maps.amin(dim=(1, 2), keepdim=True), maps.amax(dim=(1, 2), keepdim=True)
        chosen = (maps - least) / (largest - least + _STEADY) > _FOREGROUND
    return (x * chosen[:, None]).mean(dim=(2, 3))


def mask_bands(sounds: Tensor, draws: Tensor, filling: float, *, exchanged: bool) -> Tensor:
    """One band of frequencies and one of time steps of each spectrogram filled with one value.

    sounds: (b, steps, bins); draws: (b, 4) in [0, 1), the place and the width of the first and of
    the second band. A band is 0 to 9 wide and begins anywhere on its axis, or, where the axes are
    `exchanged`, at a number drawn for the other axis, so that it may lie outside; it is cut off at
    the end of the spectrogram."""
    steps, bins = sounds.shape[1:]
    lengths = (steps, bins) if exchanged else (bins, steps)
    inside = []
    for axis, length in enumerate((bins, steps)):
        start = (draws[:, 2 * axis, None] * lengths[axis]).floor()
        width = (draws[:, 2 * axis + 1, None] * _WIDEST).floor()
        places = torch.arange(length, device=sounds.device)
        inside.append((places >= start) & (places < start + width))
    return sounds.masked_fill(inside[0][:, None, :] | inside[1][:, :, None], filling)


def _adjacency(own: Tensor, tau: float) -> Tensor:
    """Softmax of each of this rank's features' products with all ranks': (b, D) to (b, B)."""
    return torch.softmax(own @ ranks.gather(own).T / tau, dim=1)
