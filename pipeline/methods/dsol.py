"""DSOL: Hu et al., Discriminative Sounding Objects Localization via Self-supervised Audiovisual
Matching, NeurIPS 2020: its first stage, which localizes
(music-exp/model/location_model.py and training_stage_one.py,
DTaoo/Discriminative-Sounding-Objects-Localization @ 7f40207).

Frames' positions and sounds are projected by two layers each to 128 channels; the map is
sigmoid(w cosine), w one learned number, 5 at the start; the score of a frame and a sound is the
map's maximum, and the loss the binary cross-entropy of the score of the sound's own frame (1) and
of another clip's (0).

Left out is what the code does between epochs (k-means of the positions where the map exceeds 0.05,
into the 11 instruments of MUSIC, three epochs of classifying them) and the second stage, which
needs made mixtures of scenes of known classes. So this is the localizer alone and none of the
paper's rows; the code's main passes an argument that its network does not take, so the released
form ran with another.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.base.params import Count, settings
from pipeline.clips.sound_form import SoundForm
from pipeline.methods.common.pairs import PairedNetworks, PairedResNets, halves
from pipeline.methods.common.similarity import localization_map, s_l
from pipeline.methods.common.two_resnets import single
from pipeline.methods.contract import Dice, Features, Moment

START = 5.0  # of w


@settings
class DSOLSettings(PairedNetworks):
    """What the method learns by; the defaults are the code's.

    `projection_width` is the channels of the common space."""

    projection_width: Count = 128


class DSOL(PairedResNets):
    """The networks and their projections, by the published names."""

    Settings = DSOLSettings
    parts = ("matching",)
    map_range = (0.0, 1.0)
    title = "DSOL, stage one (NeurIPS 2020)"
    layers = frozenset({"conv_v_1", "conv_v_2", "fc_a_1", "fc_a_2", "conv_av"})
    settings: DSOLSettings

    def __init__(
        self,
        settings: DSOLSettings,
        form: SoundForm,
        *,
        seed: int = 0,
        start: Mapping[str, Tensor] | None = None,
    ) -> None:
        super().__init__(settings, form)
        width = settings.projection_width
        with torch.random.fork_rng(devices=[]):
            self.conv_v_1 = nn.Conv2d(self.width, width, 1)
            self.conv_v_2 = nn.Conv2d(width, width, 1)
            self.fc_a_1 = nn.Linear(self.width, width)
            self.fc_a_2 = nn.Linear(width, width)
            self.conv_av = nn.Conv2d(1, 1, 1, bias=False)
        self.begin(seed, start)
        nn.init.constant_(self.conv_av.weight, START)

    def seen(self, frames: Tensor) -> Tensor:
        """(B, 3, side, side) to projected positions, (B, D, h, w)."""
        return self.projected_positions(self.position_features(frames))

    def heard(self, sounds: Tensor) -> Tensor:
        """(B, 1, bins, steps) to projected sounds, (B, D)."""
        return self.projected_sounds(self.heard_features(sounds))

    def projected_positions(self, v: Tensor) -> Tensor:
        """(B, C, h, w) to (B, D, h, w)."""
        return self.conv_v_2(self.conv_v_1(v).relu())

    def projected_sounds(self, a: Tensor) -> Tensor:
        """(B, C) to (B, D)."""
        return self.fc_a_2(self.fc_a_1(a).relu())

    def loss(
        self, features: Mapping[str, Features], dice: Dice, moment: Moment
    ) -> dict[str, Tensor]:
        """The mean binary cross-entropy over right and wrong pairs."""
        a = single(features["sounds"])
        losses = []
        for v, right in zip(halves(features["frames"]), (1.0, 0.0), strict=True):
            logits = (self._w() * localization_map(v, a)).flatten(1).amax(dim=1)
            targets = torch.full_like(logits, right)
            losses.append(functional.binary_cross_entropy_with_logits(logits, targets))
        return {"matching": (losses[0] + losses[1]) / 2}

    def maps(self, v: Features, a: Features) -> Tensor:
        """sigmoid(w cosine)."""
        return (self._w() * localization_map(single(v), single(a))).sigmoid()

    def similarities(self, v: Features, a: Features) -> dict[str, Tensor]:
        """`s_L`, the score of training: the maximum of the map."""
        # The largest of w cosine, whichever sign w has come to have.
        w = self._w()
        return {"s_L": (w.abs() * s_l(single(v), w.sign() * single(a), "max")).sigmoid()}

    def _w(self) -> Tensor:
        return self.conv_av.weight.float().view(())


METHOD = DSOL
