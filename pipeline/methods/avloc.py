"""avloc: our own method, from scratch, without labels and without pretrained vision.

The networks, the views and the two similarities are those of `pipeline.methods.alignment` (Senocak
et al., ICCV 2023), and so is what a step costs; what differs is which pairs the loss calls positive
and which negative. Each difference is a setting, and with all of them off the loss is that paper's:

- `concept`: v_conc is the frame of a neighbour in sound space, where theirs is that of a neighbour
  in image space. What sounds alike is of one class more often than what looks alike, since a
  picture shows silent things as well.
- `sound_kin`: clips of a batch of which one is among the so many nearest of the other in sound
  space are further positives of each other under s_A. In a batch of B clips of C classes each clip
  has about B / C that it should not be told from, and the softmax of Eq. 5 tells it from them all
  the same.
- `image_kin`: clips of which one is among the so many nearest of the other in image space are no
  negatives of each other under s_L: a frame that shows a dog silently is near to frames of barking
  dogs, and their sounds are right for a place of it.
- `tested_scale`, `mirrored`: a tested frame is enlarged, which makes its map as much finer, and is
  seen a second time in a mirror; of the two maps the mean counts, so that a place that one view
  finds by chance stands back. The crops of training enlarge what they show, so that a tested frame
  shows things smaller than they were learnt (Touvron et al., Fixing the train-test resolution
  discrepancy, NeurIPS 2019). A tested frame costs 2 x `tested_scale` squared passes instead of one;
  training is as before.
- `symmetric`: the loss over the frames as well as over the sounds (the remark to their Eq. 2).
- `synthetic_negatives`: silence and noise as sounds that no frame shows
  (`pipeline.methods.common.synthetic`).

With c = e^(s(v_i, a_p) / tau) for a positive p, and n the sum of e^(s(v_i, a_j) / tau) over the j
that are neither clip i nor its kin, and over silence and noise,

    L_i = - sum over v in V, a in A, s in {s_L, s_A} of the mean over p of log c / (c + n),

where p is clip i and, under s_A, its kin in sound space; half of it, and half of the same over the
frames, where it is symmetric. What each difference brings is measured on the toy alone
(pipeline/toy/README.md); on real data it is unproved.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from pipeline.base.params import Natural, settings
from pipeline.clips import views
from pipeline.methods.common.aligned import Aligned, AlignmentSettings
from pipeline.methods.common.similarity import Kin, localization_map, pooled_products, s_a
from pipeline.methods.common.two_resnets import single
from pipeline.methods.contract import Dice, Features, Input, View


@settings
class AvlocSettings(AlignmentSettings):
    """Those of `AlignmentSettings`, other defaults, and more.

    `concept`: in which space the neighbours lie whose frames are v_conc. `sound_kin`: how many
    nearest in sound space are positives of each other under s_A, with `sound_kin_in_s_l` under s_L
    too; `image_kin`: how many nearest in image space are no negatives under s_L. 0 for none;
    neighbours must be stored for as many. `tested_scale`: a tested frame's side by `side`, and
    `mirrored` whether it is seen in a mirror too."""

    concept: Literal["image", "sound"] = "sound"
    sound_kin: Natural = 1000
    sound_kin_in_s_l: bool = False
    image_kin: Natural = 0
    tested_scale: Annotated[float, Field(ge=1, le=4)] = 1.25
    mirrored: bool = True
    pooling: Literal["mean", "masked", "trimap", "top", "softmax", "max"] = "top"
    projection_layers: Natural = 2


class Avloc(Aligned):
    """The paper's networks with other positives and negatives."""

    Settings = AvlocSettings
    title = "avloc (this project)"
    settings: AvlocSettings

    def inputs(self) -> dict[str, Input]:
        """See `Method.inputs`."""
        found = super().inputs()
        if self.settings.semantic and self.settings.concept == "sound":
            found["conceptual_frames"] = Input("frame", "sound_neighbour", k=self.settings.k)
        for name, of, k in self._kinds():
            found[name] = Input("kin", of, k=k)
        return found

    def views(self, inputs: Mapping[str, Any], dice: Dice) -> dict[str, View]:
        """Those of `Aligned.views`, and the batch's kin."""
        found = super().views(inputs, dice)
        return {**found, **{name: View("kin", inputs[name]) for name, *_ in self._kinds()}}

    def encode(self, view: View) -> Features:
        """As `TwoResNets.encode`; kin as they are."""
        return view.input if view.modality == "kin" else super().encode(view)

    def kin(self, features: Mapping[str, Features]) -> tuple[Kin | None, Kin | None]:
        """See the module's text."""
        masks = {name: single(features[name]).detach() > 0 for name, *_ in self._kinds()}
        sounds, images = (masks.get(name) for name in ("sound_kin", "image_kin"))
        in_s_a = None if sounds is None else Kin(sounds, positive=True)
        if in_s_a is not None and self.settings.sound_kin_in_s_l:
            return in_s_a, in_s_a
        return None if images is None else Kin(images), in_s_a

    def _kinds(self) -> Iterator[tuple[str, Literal["sound_neighbour", "image_neighbour"], int]]:
        """The inputs of kin that are on: name, whose neighbours, and how many."""
        if self.settings.sound_kin:
            yield "sound_kin", "sound_neighbour", self.settings.sound_kin
        if self.settings.image_kin:
            yield "image_kin", "image_neighbour", self.settings.image_kin

    def map_size(self) -> tuple[int, int]:
        """See `Method.map_size`; of an enlarged frame."""
        return self.imgnet.map_size(self._tested_side, self._tested_side)

    @property
    def _tested_side(self) -> int:
        return round(self.side * self.settings.tested_scale)

    def frame_features(self, frames: Tensor) -> Features:
        """v of tested frames, enlarged, and of their mirror images, turned back."""
        seen = views.plain_view(frames, self._tested_side)
        if not self.settings.mirrored:
            return (self.position_features(seen),)
        turned = self.position_features(seen.flip(3)).flip(3)
        return self.position_features(seen), turned

    def maps(self, v: Features, a: Features) -> Tensor:
        """The mean over the views of a frame of the cosine of each v^xy with a."""
        return torch.stack([localization_map(x, single(a)) for x in v]).mean(dim=0)

    def similarities(self, v: Features, a: Features) -> dict[str, Tensor]:
        """Those of `Aligned.similarities`: s_A's mean over the views, s_L of the mean map."""
        settings, a, found = self.settings, single(a), {}
        if self.image_projection is not None:
            heard = self.audio_embedding(a)
            each = [s_a(self.image_embedding(x), heard) for x in v]
            found["s_A"] = torch.stack(each).mean(dim=0)
        unit = torch.stack([functional.normalize(x.float(), dim=1) for x in v]).mean(dim=0)
        found["s_L"] = pooled_products(
            unit,
            functional.normalize(a.float(), dim=1),
            self.tested_pooling,
            share=settings.pooling_share,
            temperature=settings.pooling_temperature,
        )
        return found

    def vectors(self, modality: Literal["frame", "sound"], features: Features) -> dict[str, Tensor]:
        """Those of `Aligned.vectors`, of a frame the mean over its views."""
        if modality == "sound":
            return super().vectors(modality, features)
        each = [super(Avloc, self).vectors(modality, x) for x in features]
        return {name: torch.stack([found[name] for found in each]).mean(dim=0) for name in each[0]}

    @classmethod
    def label(cls, settings: AlignmentSettings) -> str:
        """The alignment's words, and what differs from it."""
        assert isinstance(settings, AvlocSettings)
        words = [f"v_conc by {settings.concept}"] if settings.semantic else []
        both = " in both" if settings.sound_kin_in_s_l else ""
        words += [f"{settings.sound_kin} kin by sound{both}"] if settings.sound_kin else []
        words += [f"{settings.image_kin} kin by image"] if settings.image_kin else []
        words += ["symmetric"] if settings.symmetric else []
        words += ["mirrored"] if settings.mirrored else []
        if settings.tested_scale != 1:
            words.append(f"tested at {settings.tested_scale:g} x")
        return ", ".join([*words, super().label(settings)])

    @classmethod
    def is_published(cls, state: Mapping[str, Tensor]) -> bool:
        """No file of it is published."""
        return False


METHOD = Avloc
