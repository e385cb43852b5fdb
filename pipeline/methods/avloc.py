"""avloc: our own method, from scratch, without labels and without pretrained vision.

The networks, the views and the two similarities are those of `pipeline.methods.alignment` (Senocak
et al., ICCV 2023), and so is what a step costs; what differs is which pairs the loss calls positive
and which negative. Each difference is a setting, and with all of them off the loss is that paper's:

- `concept`: v_conc is the frame of a neighbour in sound space, where theirs is that of a neighbour
  in image space. What sounds alike is of one class more often than what looks alike, since a
  picture shows silent things as well.
- `kin`: clips of a batch of which one is among the `kin` nearest of the other in sound space are no
  negatives of each other, or are further positives (`kin_are`). In a batch of B clips of C classes
  each clip has about B / C that it should not be told from, and the softmax of Eq. 5 tells it from
  them all the same.
- `symmetric`: the loss over the frames as well as over the sounds (the remark to their Eq. 2).
- `synthetic_negatives`: silence and noise as sounds that no frame shows
  (`pipeline.methods.common.synthetic`).

With c = e^(s(v_i, a_p) / tau) for a positive p, and n the sum of e^(s(v_i, a_j) / tau) over the j
that are neither clip i nor its kin, and over silence and noise,

    L_i = - sum over v in V, a in A, s in {s_L, s_A} of the mean over p of log c / (c + n),

where p is clip i and, as positives, its kin; half of it, and half of the same over the frames,
where it is symmetric. What each difference brings is measured on the toy alone
(pipeline/toy/README.md); on real data it is unproved.
"""

from collections.abc import Mapping
from typing import Any, Literal

from torch import Tensor

from pipeline.base.params import Natural, settings
from pipeline.methods.alignment import Alignment, AlignmentSettings
from pipeline.methods.common.cosine_pair import single
from pipeline.methods.contract import Dice, Features, Input, View


@settings
class AvlocSettings(AlignmentSettings):
    """Those of `AlignmentSettings`, other defaults, and two more.

    `concept`: in which space the neighbours lie whose frames are v_conc. `kin`: how many nearest in
    sound space are no negatives, 0 for none, and `kin_are` whether they are positives in place;
    neighbours must be stored for as many."""

    concept: Literal["image", "sound"] = "sound"
    kin: Natural = 1000
    kin_are: Literal["left out", "positives"] = "positives"
    symmetric: bool = True
    synthetic_negatives: bool = True
    pooling: Literal["mean", "masked", "trimap", "top", "softmax", "max"] = "top"
    projection_layers: Natural = 2


class Avloc(Alignment):
    """The paper's networks with other positives and negatives."""

    Settings = AvlocSettings
    title = "avloc (this project)"
    settings: AvlocSettings

    def inputs(self) -> dict[str, Input]:
        """See `Method.inputs`."""
        found = super().inputs()
        if self.settings.semantic and self.settings.concept == "sound":
            found["conceptual_frames"] = Input("frame", "sound_neighbour", k=self.settings.k)
        if self.settings.kin:
            found["kin"] = Input("kin", "sound_neighbour", k=self.settings.kin)
        return found

    def views(self, inputs: Mapping[str, Any], dice: Dice) -> dict[str, View]:
        """Those of `Alignment.views`, and the batch's kin."""
        found = super().views(inputs, dice)
        if "kin" in inputs:
            found["kin"] = View("kin", inputs["kin"])
        return found

    def encode(self, view: View) -> Tensor:
        """As `Alignment.encode`; kin as they are."""
        return view.input if view.modality == "kin" else super().encode(view)

    def kinship(self, features: Mapping[str, Features]) -> dict[str, Any]:
        """The batch's kin, (b, B) bool, and what they are."""
        if not self.settings.kin:
            return {}
        kin = single(features["kin"]).detach() > 0
        return {"kin": kin, "kin_positive": self.settings.kin_are == "positives"}

    @classmethod
    def label(cls, settings: AlignmentSettings) -> str:
        """The alignment's words, and what differs from it."""
        assert isinstance(settings, AvlocSettings)
        words = [f"v_conc by {settings.concept}"] if settings.semantic else []
        words += [f"{settings.kin} kin {settings.kin_are}"] if settings.kin else []
        words += ["symmetric"] if settings.symmetric else []
        return ", ".join([*words, super().label(settings)])

    @classmethod
    def is_published(cls, state: Mapping[str, Tensor]) -> bool:
        """No file of it is published."""
        return False


METHOD = Avloc
