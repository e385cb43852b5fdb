"""Two ResNets whose last maps are compared as they are, by their cosine: LVS and its kin."""

from collections.abc import Mapping
from typing import Literal

from torch import Tensor

from pipeline.clips.sound_form import SoundForm
from pipeline.methods.common.similarity import mean_vectors, s_l
from pipeline.methods.common.two_resnets import Networks, TwoResNets, single
from pipeline.methods.contract import Features


class CosinePair(TwoResNets):
    """v is the frame's last map, (b, C, h, w), a the maximum of the sound's, (b, C)."""

    def __init__(
        self,
        settings: Networks,
        form: SoundForm,
        *,
        seed: int = 0,
        start: Mapping[str, Tensor] | None = None,
    ) -> None:
        super().__init__(settings, form)
        self.begin(seed, start)

    def similarities(self, v: Features, a: Features) -> dict[str, Tensor]:
        """`s_L`, the mean of the cosines weighted by LVS's soft mask, as in training; `s_mean`,
        their plain mean over the positions."""
        v, a = single(v), single(a)
        return {"s_L": s_l(v, a, "masked"), "s_mean": s_l(v, a, "mean")}

    def vectors(self, modality: Literal["frame", "sound"], features: Features) -> dict[str, Tensor]:
        """Those of `s_mean`."""
        return {"s_mean": mean_vectors(modality, single(features))}
