"""Attention10k: Senocak et al., Learning to Localize Sound Source in Visual Scenes, CVPR 2018, as
the authors of DSOL made it trainable end to end ("compared model/attention_net.py" and
"location_attention_stage_one.py", DTaoo/Discriminative-Sounding-Objects-Localization @ 7f40207).

A sound asks, a frame's positions answer: with a the maximum of the sound network's map,
q = unit(relu(W relu(W a))), alpha = softmax over positions of unit(v) . q, without a temperature,
so that alpha varies at most e^2-fold; z = relu(W relu(W sum alpha unit(v))); and d = ||z - a||
is small for the sound's own frame and at least 10 for another clip's (`margin_loss`). The map is
alpha.

What the 2018 paper has otherwise is `attention10k_2018`: a frozen VGG-16 and frozen SoundNet
features of the waveform, on which the loss is a softmax of the distances. Batch 32, Adam at 1e-4
and weight decay 1e-4 are the variant's code's. It runs 2,000 epochs by default and keeps every
third; which one is scored is not said. The 100 of `paper.methods` are ours: as many as DMC's
simplified code has, by the same authors and on the same data. The code was written for MUSIC, and
scores that others print under the method's name come from neither file alone.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.base.params import Positive, settings
from pipeline.clips.sound_form import SoundForm
from pipeline.methods.common.pairs import PairedNetworks, PairedResNets, halves, margin_loss
from pipeline.methods.common.two_resnets import single
from pipeline.methods.contract import Dice, Features, Moment

_BLOCK_NUMBERS = 2**24  # of attended features held at a time: 64 MiB in float32


@settings
class AttentionSettings(PairedNetworks):
    """What the method learns by; the defaults are the variant's.

    `margin` is how far a frame of another clip has to be."""

    margin: Positive = 10.0


class Attention10k(PairedResNets):
    """The networks, and two layers behind each, by the published names."""

    Settings = AttentionSettings
    map_range = (0.0, 1.0)
    title = "Attention10k (CVPR 2018)"
    layers = frozenset({"fc_v_1", "fc_v_2", "fc_a_1", "fc_a_2"})
    settings: AttentionSettings

    def __init__(
        self,
        settings: AttentionSettings,
        form: SoundForm,
        *,
        seed: int = 0,
        start: Mapping[str, Tensor] | None = None,
    ) -> None:
        super().__init__(settings, form)
        with torch.random.fork_rng(devices=[]):
            self.fc_v_1, self.fc_v_2, self.fc_a_1, self.fc_a_2 = (
                nn.Linear(self.width, self.width) for _ in range(4)
            )
        self.begin(seed, start)

    def loss(
        self, features: Mapping[str, Features], dice: Dice, moment: Moment
    ) -> dict[str, Tensor]:
        """The margin loss of both frames' distances to the sound."""
        a = single(features["sounds"])
        own, other = (self.distances(v, a) for v in halves(features["frames"]))
        return {"contrastive": margin_loss(own, other, self.settings.margin)}

    def query(self, a: Tensor) -> Tensor:
        """q, (B, C) float32 of unit length."""
        hidden = self.fc_a_2(self.fc_a_1(a.float()).relu()).relu()
        return functional.normalize(hidden, dim=1)

    def attention(self, v: Tensor, q: Tensor) -> Tensor:
        """alpha of each pair, (B, h, w): frames (B, C, h, w) asked by q (B, C)."""
        cosines = torch.einsum("nchw,nc->nhw", functional.normalize(v.float(), dim=1), q)
        return cosines.flatten(1).softmax(dim=1).view_as(cosines)

    def distances(self, v: Tensor, a: Tensor) -> Tensor:
        """d^2 of each pair: (B, C, h, w), (B, C) to (B,)."""
        alpha = self.attention(v, self.query(a))
        attended = torch.einsum("nchw,nhw->nc", functional.normalize(v.float(), dim=1), alpha)
        return (self._answer(attended) - a.float()).square().sum(dim=1)

    def maps(self, v: Features, a: Features) -> Tensor:
        """alpha."""
        return self.attention(single(v), self.query(single(a)))

    def similarities(self, v: Features, a: Features) -> dict[str, Tensor]:
        """`s_D`, minus the distance that the training makes small for a pair."""
        frames = functional.normalize(single(v).float(), dim=1).flatten(2)
        a = single(a).float()
        block = max(1, _BLOCK_NUMBERS // (len(frames) * sum(frames.shape[1:])))
        rows = []
        for sounds in a.split(block):
            alpha = torch.einsum("ncp,mc->nmp", frames, self.query(sounds)).softmax(dim=2)
            answers = self._answer(torch.einsum("ncp,nmp->nmc", frames, alpha))
            rows.append(-(answers - sounds).norm(dim=2))
        return {"s_D": torch.cat(rows, dim=1)}

    def _answer(self, attended: Tensor) -> Tensor:
        """z."""
        return self.fc_v_2(self.fc_v_1(attended).relu()).relu()


METHOD = Attention10k
