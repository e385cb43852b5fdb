"""MarginNCE: Park, Senocak, Chung, MarginNCE: Robust Sound Localization with a Negative Margin,
ICASSP 2023.

EZ-VSL's networks, and a margin that makes pairs count as more alike than they are, so that a pair
whose sound is not in the picture pulls less. With S(n, m) the similarity of frame n and sound m,

    loss = -mean_n log e^((S(n, n) - margin) / tau) /
           (e^((S(n, n) - margin) / tau) + sum over m != n of e^(S(n, m) / tau)),   margin = -0.2

No training code is public: this is the published equation. The authors' file is known from
kaistmm/SSLalignment @ e7ae3c5 (test.py:96-97,166-169), which reads it into EZ-VSL's class with
tau 0.03, so networks and projections are certain. Unknown, and so settings: how S pools the cosines
of the projected positions (`max`, EZ-VSL's; `masked`, the mean weighted by LVS's soft mask, whose
framework the paper is said to be), tau (0.03 or 0.07), and whether the equation's index is a frame,
a sound, or each in turn. The margin is recalled from the paper, the recipe is EZ-VSL's.

16 kHz is an inference: that code cuts out 200 steps of hop 238 (datasets.py:37-61,327-330), which
are 3 s at this rate. Its test form is the one below: bilinear with corners, 0.4 with an object map.
Lines that it has commented out (test.py:689-701) resize bicubically without corners, for MarginNCE
and FNAC, and may be the form of the original's own scores.
"""

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.base.params import settings
from pipeline.methods.common.contrast import choose_frame, choose_sound, own_places
from pipeline.methods.common.projected import ProjectedPair, ProjectedResNets
from pipeline.methods.common.similarity import s_l
from pipeline.methods.common.synthetic import all_sounds
from pipeline.methods.common.two_resnets import single
from pipeline.methods.contract import Dice, Features, Moment, OwnTest


@settings
class MarginNCESettings(ProjectedPair):
    """What the method learns and how.

    `margin` is taken off the own pair's similarity before it is divided by `temperature`. `pooling`
    gives S. `anchor` is the equation's index: a `frame` chooses among sounds, a `sound` among
    frames, or `both` add up.
    """

    margin: float = -0.2
    pooling: Literal["max", "masked"] = "max"
    anchor: Literal["frame", "sound", "both"] = "frame"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.synthetic_negatives and self.anchor == "sound":
            raise ValueError("synthetic_negatives are sounds to choose among, but anchor is sound")


class MarginNCE(ProjectedResNets):
    """EZ-VSL's networks, learning with a negative margin."""

    Settings = MarginNCESettings
    title = "MarginNCE (ICASSP 2023)"
    # As kaistmm/SSLalignment @ e7ae3c5 scores its weights.
    test_form = OwnTest("corners", share=0.4)
    settings: MarginNCESettings

    def loss(
        self, features: Mapping[str, Features], dice: Dice, moment: Moment
    ) -> dict[str, Tensor]:
        """The equation, from the anchor's side or both."""
        settings, v = self.settings, single(features["v"])
        _, everyone = all_sounds(single(features["a"]), len(v))
        similarities = s_l(v, everyone, settings.pooling)
        own = functional.one_hot(own_places(similarities), similarities.shape[1])
        widened = similarities - settings.margin * own
        directions = {"frame": [choose_sound], "sound": [choose_frame]}
        chosen = directions.get(settings.anchor, [choose_sound, choose_frame])
        losses = [choose(widened, settings.temperature) for choose in chosen]
        return {"contrastive": torch.stack(losses).sum()}

    def similarities(self, v: Features, a: Features) -> dict[str, Tensor]:
        """`s_L`, S as in training, without the margin; `s_mean`, the mean of the cosines over the
        positions."""
        v, a = single(v), single(a)
        return {"s_L": s_l(v, a, self.settings.pooling), "s_mean": s_l(v, a, "mean")}

    @classmethod
    def label(cls, settings: Any) -> str:
        """Margin, pooling and anchor, and `ProjectedResNets.label`."""
        own = f"margin {settings.margin:g}, pooling {settings.pooling}, anchor {settings.anchor}"
        return f"{own}, {super().label(settings)}"


METHOD = MarginNCE
