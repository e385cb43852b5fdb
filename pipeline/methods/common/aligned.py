"""The networks, views, similarities and loss of Senocak et al. (ICCV 2023), of which more than one
method here is made. Formulas and sources: `pipeline.methods.alignment`; bare sections are its.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from pipeline.base.params import Count, Natural, Positive, settings
from pipeline.clips import views
from pipeline.clips.sound_form import SoundForm
from pipeline.errors import InputError
from pipeline.methods.common.published import LVS_STEM, first_words, read_two_resnets
from pipeline.methods.common.similarity import (
    Kin,
    contrastive_loss,
    mean_vectors,
    s_a,
    s_l,
)
from pipeline.methods.common.synthetic import append_synthetic
from pipeline.methods.common.two_resnets import Networks, TwoResNets, single
from pipeline.methods.contract import Dice, Features, Input, Moment, View

FRAMES = ("v", "v_aug", "v_conc")
SOUNDS = ("a", "a_aug", "a_conc")


@settings
class AlignmentSettings(Networks):
    """What the method learns and how; the defaults are the text's.

    `projection_layers` of p_v and p_a (Eq. 4), which read v pooled by `projection_pooling`.
    `pooling`, `pooling_share` and `pooling_temperature` are those of s_L: see
    `pipeline.methods.common.similarity.s_l`. `semantic` adds v_conc and a_conc, clips among the `k`
    nearest, `multi_view` v_aug and a_aug, `feature_alignment` s_A. `symmetric` adds the loss over
    frames and halves the sum (Eq. 2's remark). `temperature` is tau. `augmentation` makes v_aug:
    SimCLR's, of `simclr_strength` and with crops of `simclr_smallest_crop` of the frame and more,
    or what the authors' code does. `synthetic_negatives` adds silence and noise, which are ours:
    see `pipeline.methods.common.synthetic`.
    """

    projection_layers: Natural = 1
    projection_pooling: Literal["mean", "max"] = "mean"
    pooling: Literal["mean", "masked", "trimap", "top", "softmax", "max"] = "mean"
    pooling_share: Annotated[float, Field(ge=1e-6, le=1)] = 0.25
    pooling_temperature: Positive = 0.1
    semantic: bool = True
    multi_view: bool = True
    feature_alignment: bool = True
    symmetric: bool = False
    k: Count = 1000
    temperature: Positive = 0.07
    augmentation: Literal["simclr", "released"] = "simclr"
    simclr_strength: Annotated[float, Field(ge=0, le=1.25)] = 1.0
    simclr_smallest_crop: Annotated[float, Field(ge=0.01, le=1)] = 0.08
    synthetic_negatives: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.feature_alignment and not self.projection_layers:
            raise ValueError("feature_alignment needs projections, but projection_layers is 0")


class Aligned(TwoResNets):
    """The image network, the sound network and the projections p_v, p_a of Eq. 4."""

    Settings = AlignmentSettings
    parts = ("localization", "alignment")
    title = "Cross-Modal Alignment (ICCV 2023)"
    settings: AlignmentSettings

    def __init__(
        self,
        settings: AlignmentSettings,
        form: SoundForm,
        *,
        seed: int = 0,
        start: Mapping[str, Tensor] | None = None,
    ) -> None:
        super().__init__(settings, form)
        # Without s_A nothing trains p_v and p_a, and nothing may use them.
        depth = settings.projection_layers if settings.feature_alignment else 0
        with torch.random.fork_rng(devices=[]):
            self.image_projection = _projection(self.width, depth) if depth else None
            self.audio_projection = _projection(self.width, depth) if depth else None
        self.begin(seed, start)

    def inputs(self) -> dict[str, Input]:
        """See `Method.inputs`."""
        found = {"frames": Input("frame"), "sounds": Input("sound")}
        if self.settings.multi_view:
            found["shifted_sounds"] = Input("sound", window="random")
        if self.settings.semantic:
            k = self.settings.k
            found["conceptual_frames"] = Input("frame", "image_neighbour", k=k)
            found["conceptual_sounds"] = Input("sound", "sound_neighbour", k=k)
        return found

    def views(self, inputs: Mapping[str, Any], dice: Dice) -> dict[str, View]:
        """v, v_aug, v_conc and a, a_aug, a_conc of 3.3, those that are on; behind a the synthetic
        negatives, where they are on."""
        settings, side = self.settings, self.side
        frames = inputs["frames"]
        generator = dice.generator()
        draws = [
            dice.part(views.draw(generator, len(frames) * dice.ranks)) for _ in range(len(FRAMES))
        ]
        order = torch.randperm(4, generator=generator).tolist()
        made = {"v": views.light_view(frames, draws[0], side)}
        if settings.multi_view and settings.augmentation == "simclr":
            made["v_aug"] = views.simclr_view(
                frames,
                draws[1],
                side,
                order=order,
                area=(settings.simclr_smallest_crop, 1.0),
                strength=settings.simclr_strength,
            )
        elif settings.multi_view:
            turns = dice.uniform("released", len(frames), views.RELEASED_DRAWS)
            made["v_aug"] = views.released_view(frames, turns, side, order=order)
        if settings.semantic:
            made["v_conc"] = views.light_view(inputs["conceptual_frames"], draws[2], side)
        seen = {name: View("frame", made[name]) for name in FRAMES if name in made}
        keys = ("sounds", "shifted_sounds", "conceptual_sounds")
        heard = {
            name: View("sound", self.stored_sounds(inputs[key]))
            for name, key in zip(SOUNDS, keys, strict=True)
            if key in inputs
        }
        if settings.synthetic_negatives:
            sounds = append_synthetic(inputs["sounds"], self.form, dice)
            heard["a"] = View("sound", self.stored_sounds(sounds))
        return {**seen, **heard}

    def loss(
        self, features: Mapping[str, Features], dice: Dice, moment: Moment
    ) -> dict[str, Tensor]:
        """Eq. 5, its terms of s_L and of s_A."""
        settings = self.settings
        v = [single(features[name]) for name in FRAMES if name in features]
        a = [single(features[name]) for name in SOUNDS if name in features]
        aligned = settings.feature_alignment
        a[0], silent = a[0][: len(v[0])], a[0][len(v[0]) :]
        negatives = None
        if len(silent):
            negatives = (silent, self.audio_embedding(silent) if aligned else None)
        localization, alignment = contrastive_loss(
            v,
            a,
            [self.image_embedding(x) for x in v] if aligned else None,
            [self.audio_embedding(x) for x in a] if aligned else None,
            tau=settings.temperature,
            symmetric=settings.symmetric,
            pooling=settings.pooling,
            share=settings.pooling_share,
            temperature=settings.pooling_temperature,
            negatives=negatives,
            kin=self.kin(features),
        )
        return {"localization": localization, "alignment": alignment}

    def kin(self, features: Mapping[str, Features]) -> tuple[Kin | None, Kin | None]:
        """The batch's kin under s_L and under s_A; in the paper there are none."""
        return None, None

    def image_embedding(self, v: Tensor) -> Tensor:
        """p_v of the pooled v (Eq. 4), L2-normalised: (B, C, h, w) to (B, C) float32.

        Raises ValueError where the method has no projections."""
        pooled = v.float()
        if self.settings.projection_pooling == "max":
            pooled = pooled.amax(dim=(2, 3))
        else:
            pooled = pooled.mean(dim=(2, 3))
        return _embedding(pooled, self.image_projection)

    def audio_embedding(self, a: Tensor) -> Tensor:
        """p_a(a) of Eq. 4, L2-normalised: (B, C) to (B, C) float32.

        Raises ValueError where the method has no projections."""
        return _embedding(a.float(), self.audio_projection)

    @property
    def tested_pooling(self) -> str:
        """The pooling of s_L where pairs are asked about: the tri-map's background is a negative
        of the training alone."""
        return "masked" if self.settings.pooling == "trimap" else self.settings.pooling

    def similarities(self, v: Features, a: Features) -> dict[str, Tensor]:
        """s_A where there are projections, and s_L with the method's own pooling."""
        settings, v, a = self.settings, single(v), single(a)
        found = {}
        if self.image_projection is not None:
            found["s_A"] = s_a(self.image_embedding(v), self.audio_embedding(a))
        found["s_L"] = s_l(
            v,
            a,
            self.tested_pooling,
            share=settings.pooling_share,
            temperature=settings.pooling_temperature,
        )
        return found

    def vectors(self, modality: Literal["frame", "sound"], features: Features) -> dict[str, Tensor]:
        """Those of s_A where there are projections, and of s_L where it is a plain mean."""
        features, found = single(features), {}
        if self.image_projection is not None:
            embedding = self.image_embedding if modality == "frame" else self.audio_embedding
            found["s_A"] = embedding(features)
        if self.settings.pooling == "mean":
            found["s_L"] = mean_vectors(modality, features)
        return found

    @classmethod
    def label(cls, settings: AlignmentSettings) -> str:
        """k, pooling, and what is off, as the paper's Tables 8 and 9 tell variants apart."""
        words = [f"k {settings.k}"] if settings.semantic else []
        words.append(f"pooling {settings.pooling}")
        words += ["ImageNet vision"] if settings.vision == "imagenet" else []
        words += ["silence and noise"] if settings.synthetic_negatives else []
        off = [
            name
            for name, on in (
                ("semantic", settings.semantic),
                ("multi-view", settings.multi_view),
                ("feature alignment", settings.feature_alignment),
            )
            if not on
        ]
        return ", ".join(words) + (f"; off: {', '.join(off)}" if off else "")

    @classmethod
    def read_published(
        cls, state: Mapping[str, Tensor], settings: Any, form: SoundForm, name: str
    ) -> tuple["Aligned", list[str]]:
        """A published localizer (`imgnet.*`, `audnet.*`, of later files `img_proj.*` and
        `aud_proj.*`), in evaluation mode.

        Widths and depths are read from the entries; strides and inputs are in no file, so they come
        from `settings`. The sound network's stem is `audnet.conv1_a` (its `conv1` is unused, as are
        both `conv1_flow` and `fc` and the image network's `conv1_a`). Without projections the
        method has maps and s_L, and no s_A."""
        renamed: dict[str, str] = {}
        if LVS_STEM in state:
            renamed["audnet.conv1.weight"] = LVS_STEM
        projected = [name for name in _PUBLISHED_PROJECTIONS if f"{name}.weight" in state]
        if len(projected) == 1:
            raise InputError(f"{name}: holds {projected[0]}.weight, expected p_v and p_a")
        if projected:
            for theirs, own in _PUBLISHED_PROJECTIONS.items():
                for part in ("weight", "bias"):
                    if f"{theirs}.{part}" not in state:
                        raise InputError(f"{name}: holds no {theirs}.{part}, expected p_v and p_a")
                    renamed[f"{own}.0.{part}"] = f"{theirs}.{part}"
        aligned = {
            "feature_alignment": bool(projected),
            "projection_layers": 1 if projected else 0,
        }
        return read_two_resnets(
            lambda found: cls(replace(found, **aligned), form), state, settings, name, renamed
        )

    @classmethod
    def is_published(cls, state: Mapping[str, Tensor]) -> bool:
        """LVS's networks, with both projections, which are linear, or as its earlier files with
        none. See `Method.is_published`."""
        projected = [name for name in _PUBLISHED_PROJECTIONS if f"{name}.weight" in state]
        linear = all(state[f"{name}.weight"].ndim == 2 for name in projected)
        parts = {"imgnet", "audnet", *projected}
        return LVS_STEM in state and linear and first_words(state) == parts and len(projected) != 1


# The names of p_v and p_a in the authors' later files, and here.
_PUBLISHED_PROJECTIONS = {"img_proj": "image_projection", "aud_proj": "audio_projection"}


def _projection(width: int, depth: int) -> nn.Sequential:
    """`depth` linear layers of one width with ReLU between them."""
    layers: list[nn.Module] = [nn.Linear(width, width)]
    for _ in range(depth - 1):
        layers += [nn.ReLU(inplace=True), nn.Linear(width, width)]
    return nn.Sequential(*layers)


def _embedding(features: Tensor, projection: nn.Module | None) -> Tensor:
    if projection is None:
        raise ValueError("this localizer has no projections p_v, p_a, and so no s_A")
    return nn.functional.normalize(projection(features), dim=1)
