"""HardPos: Senocak, Ryu, Kim, Kweon, Learning Sound Localization Better from Semantically Similar
Samples, ICASSP 2022 (arXiv 2202.03007).

LVS's networks, and positives beyond the own pair: of each clip a clip that looks alike and one that
sounds alike, drawn anew from its nearest k. With the cosines C(m, n, p) of sound m at position p of
frame n and P(m, n) their mean weighted by LVS's soft mask s((C - 0.65) / 0.03),

    P_i = e^P(i, i) + e^P(j, i) + e^P(i, k) + e^P(j, k)
    N_i = sum over l != i of e^(mean_p C(i, l, p))
    loss = -mean_i log P_i / (P_i + N_i)

where j is clip i's neighbour by sound (its sound is heard) and k the one by image (its frame is
seen), and every exponent is divided by `temperature`. It is anchored on a sound and compares
frames; unlike LVS's there is no background. The map is C(i, i, p).

No code and no weights are public: this is the published equation. It has no temperature, so tau is
1; all code related to it divides cosines by 0.07. Unknown, and so ours: the thresholds (LVS's), k
(that of `pipeline.methods.alignment`), the recipe (LVS's family), and whether N_i leaves out
neighbours that happen to be in the batch (it does not). The paper mines neighbours by a trained
network of its own; here they are the study's, as for any other method.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from pipeline.base.params import Count, Positive, settings
from pipeline.clips import views
from pipeline.methods.common.contrast import own_places
from pipeline.methods.common.cosine_pair import CosinePair
from pipeline.methods.common.similarity import trimap_foreground
from pipeline.methods.common.two_resnets import Networks, single
from pipeline.methods.contract import Dice, Features, Input, Moment, View
from pipeline.networks import ranks


@settings
class HardPosSettings(Networks):
    """What the method learns and how: hard positives from the nearest `k`; `temperature` is tau, 1
    as the text has it."""

    k: Count = 1000
    temperature: Positive = 1.0


class HardPos(CosinePair):
    """The image network and the sound network, learning from hard positives."""

    Settings = HardPosSettings
    title = "HardPos (ICASSP 2022)"
    settings: HardPosSettings

    def inputs(self) -> dict[str, Input]:
        """See `Method.inputs`."""
        k = self.settings.k
        return {
            "frames": Input("frame"),
            "sounds": Input("sound"),
            "hard_frames": Input("frame", "image_neighbour", k=k),
            "hard_sounds": Input("sound", "sound_neighbour", k=k),
        }

    def views(self, inputs: Mapping[str, Any], dice: Dice) -> dict[str, View]:
        """v and v_hard (b, 3, side, side), cropped and flipped; a and a_hard (b, 1, bins,
        steps)."""
        made = {}
        for name, key in (("v", "frames"), ("v_hard", "hard_frames")):
            draws = dice.uniform(key, len(inputs[key]), views.DRAWS)
            made[name] = View("frame", views.light_view(inputs[key], draws, self.side))
        for name, key in (("a", "sounds"), ("a_hard", "hard_sounds")):
            made[name] = View("sound", self.stored_sounds(inputs[key]))
        return made

    def loss(
        self, features: Mapping[str, Features], dice: Dice, moment: Moment
    ) -> dict[str, Tensor]:
        """The four positives of each clip against the other clips' frames for its sound."""
        v, v_hard, a, a_hard = (single(features[n]) for n in ("v", "v_hard", "a", "a_hard"))
        pairs = ((v, a), (v, a_hard), (v_hard, a), (v_hard, a_hard))
        positives = torch.stack([trimap_foreground(*pair) for pair in pairs], dim=1)
        # The mean over positions of the cosines is one product with the mean of the unit features,
        # so only that crosses the ranks.
        unit = torch.nn.functional.normalize(v.float(), dim=1).mean(dim=(2, 3))
        means = torch.nn.functional.normalize(a.float(), dim=1) @ ranks.gather(unit).T
        own = torch.nn.functional.one_hot(own_places(means), means.shape[1]).bool()
        negatives = means.masked_fill(own, -torch.inf)
        tau = self.settings.temperature
        everything = torch.cat([positives, negatives], dim=1) / tau
        loss = everything.logsumexp(dim=1) - (positives / tau).logsumexp(dim=1)
        return {"contrastive": loss.mean()}

    @classmethod
    def label(cls, settings: HardPosSettings) -> str:
        """k, and tau where it is not the text's."""
        tau = "" if settings.temperature == 1 else f", tau {settings.temperature:g}"
        return f"k {settings.k}{tau}"


METHOD = HardPos
