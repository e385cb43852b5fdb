"""Projections of a frame's positions and of a sound into one space before they are compared: what
EZ-VSL (Mo and Morgado, ECCV 2022) brought, and what SLAVC, FNAC and MarginNCE took over.

A 1x1 convolution projects every position of the image network's last map, a linear layer the
sound's maximum, both with a bias and nothing behind them. Unlike p_v and p_a of the alignment
method, they stand before the localization cosine.
"""

from collections.abc import Mapping
from dataclasses import field, replace
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from pipeline.base.params import Count, Positive, settings
from pipeline.clips import views
from pipeline.clips.frames import Stored
from pipeline.clips.sound_form import SoundForm
from pipeline.errors import InputError
from pipeline.methods.common.dropout import draw_kept, drop
from pipeline.methods.common.published import first_words, read_two_resnets
from pipeline.methods.common.similarity import mean_vectors, s_l
from pipeline.methods.common.synthetic import append_synthetic
from pipeline.methods.common.two_resnets import Networks, TwoResNets, single
from pipeline.methods.contract import Dice, Features, Input, View

Dropout = Annotated[float, Field(ge=0, le=0.99)]  # something has to be left

_DEVIATION = 0.01  # of a linear layer's first weights (EZ-VSL, model.py:26-36)


@settings
class ProjectedNetworks(Networks):
    """Settings of methods with such projections, as EZ-VSL has them.

    The image network is ImageNet's and keeps all strides (7 x 7 at 224 px). `projection_width` is
    the channels of the common space, `temperature` the tau of the loss, `dropout` the share of the
    entries of the image network's map that a training view loses.
    """

    strides: list[Annotated[int, Field(ge=1, le=2)]] = field(default_factory=lambda: [1, 2, 2, 2])
    vision: Literal["scratch", "imagenet"] = "imagenet"
    projection_width: Count = 512
    temperature: Positive = 0.03
    dropout: Dropout = 0.0


@settings
class ProjectedPair(ProjectedNetworks):
    """Settings of methods with one such pair. `synthetic_negatives` adds silence and noise to the
    softmax over sounds, which are ours: see `pipeline.methods.common.synthetic`."""

    synthetic_negatives: bool = False


class ProjectedResNets(TwoResNets):
    """Two networks and a pair of projections, by the names of the published files. A subclass gives
    the loss; the features are the projected ones, before unit length."""

    settings: ProjectedPair

    def __init__(
        self,
        settings: ProjectedPair,
        form: SoundForm,
        *,
        seed: int = 0,
        start: Mapping[str, Tensor] | None = None,
    ) -> None:
        super().__init__(settings, form)
        self.img_proj, self.aud_proj = projections(self.width, settings.projection_width)
        self.begin(seed, start)

    def begin(self, seed: int, start: Mapping[str, Tensor] | None) -> None:
        """See `TwoResNets.begin`; the sound's projection begins small."""
        super().begin(seed, start)
        begin_small([self.aud_proj], seed)

    def inputs(self) -> dict[str, Input]:
        """See `Method.inputs`."""
        return {"frames": Input("frame"), "sounds": Input("sound")}

    def views(self, inputs: Mapping[str, Any], dice: Dice) -> dict[str, View]:
        """v, a random crop and flip of the frame, and a, the sound's middle, with the synthetic
        negatives behind it where they are on."""
        frames, sounds = inputs["frames"], inputs["sounds"]
        if self.settings.synthetic_negatives:
            sounds = append_synthetic(sounds, self.form, dice)
        shape, share = (self.width, *self.map_size()), self.settings.dropout
        kept = draw_kept(dice, "dropout", frames, shape, share)
        return {
            "v": View("frame", light_frames(frames, dice, self.side), kept),
            "a": View("sound", self.stored_sounds(sounds)),
        }

    def encode(self, view: View) -> Tensor:
        """x, (b, D, h, w), of a frame's positions; y, (b, D), of a sound."""
        if view.modality == "frame":
            v = drop(self.position_features(view.input), view.noise, self.settings.dropout)
            return self.img_proj(v)
        return self.aud_proj(self.heard_features(view.input))

    def frame_features(self, frames: Tensor) -> Tensor:
        """x of tested frames."""
        return self.img_proj(self.position_features(self.plain_frames(frames)))

    def sound_features(self, sounds: Tensor) -> Tensor:
        """y of windows."""
        return self.aud_proj(self.heard_features(self.stored_sounds(sounds)))

    def similarities(self, v: Features, a: Features) -> dict[str, Tensor]:
        """`s_L`, the largest cosine of a frame's positions with a sound, and `s_mean`, their mean,
        by which the retrieval of other work scores."""
        v, a = single(v), single(a)
        return {"s_L": s_l(v, a, "max"), "s_mean": s_l(v, a, "mean")}

    def vectors(self, modality: Literal["frame", "sound"], features: Features) -> dict[str, Tensor]:
        """Those of `s_mean`."""
        return {"s_mean": mean_vectors(modality, single(features))}

    @classmethod
    def label(cls, settings: ProjectedPair) -> str:
        """How the image network begins, what is dropped of its map, and what is ours."""
        words = ["ImageNet vision" if settings.vision == "imagenet" else "vision from scratch"]
        words += [f"dropout {settings.dropout:g}"] if settings.dropout else []
        words += ["silence and noise"] if settings.synthetic_negatives else []
        return ", ".join(words)

    @classmethod
    def read_published(
        cls, state: Mapping[str, Tensor], settings: Any, form: SoundForm, name: str
    ) -> tuple["ProjectedResNets", list[str]]:
        """A file of EZ-VSL's form: `imgnet.*`, `audnet.*` (its stem for one channel), `img_proj.*`
        and `aud_proj.*`, in evaluation mode. See `read_resnets`."""
        return read_resnets(cls, state, settings, form, name, "img_proj")

    @classmethod
    def is_published(cls, state: Mapping[str, Tensor]) -> bool:
        """The networks and one pair of projections, that of positions a convolution: of EZ-VSL's
        form, which FNAC and MarginNCE share. See `Method.is_published`."""
        weight = state.get("img_proj.weight")
        parts = {"imgnet", "audnet", "img_proj", "aud_proj"}
        return weight is not None and weight.ndim == 4 and first_words(state) == parts


def light_frames(frames: Stored, dice: Dice, side: int) -> Tensor:
    """The light view of stored frames, by the step's numbers named 'frames': (b, 3, side, side)
    float32."""
    return views.light_view(frames, dice.uniform("frames", len(frames), views.DRAWS), side)


def projections(width: int, projected: int) -> tuple[nn.Conv2d, nn.Linear]:
    """The projections of positions, (B, width, h, w), and of sounds, (B, width), to `projected`
    channels. Their weights are those of no seed until a method begins."""
    with torch.random.fork_rng(devices=[]):
        return nn.Conv2d(width, projected, 1), nn.Linear(width, projected)


def begin_small(layers: list[nn.Linear], seed: int) -> None:
    """Draw the weights of sounds' projections from a normal distribution of deviation 0.01, as the
    published code does; biases stay as `pipeline.networks.resnet.initialise` drew them."""
    generator = Dice(seed, 0).generator("projections of sounds")
    for layer in layers:
        if not layer.weight.is_meta:
            # Theirs is cut off at 2, two hundred deviations away.
            nn.init.normal_(layer.weight, 0.0, _DEVIATION, generator=generator)


def read_resnets(
    kind: Any, state: Mapping[str, Tensor], settings: Any, form: SoundForm, name: str, layer: str
) -> tuple[Any, list[str]]:
    """The method `kind` with the weights of a published file that names every entry as it does, in
    evaluation mode, and the entries without use.

    The width of the projection `layer` is read from the entries too. Raises `InputError` as
    `read_two_resnets` does."""
    weight = state.get(f"{layer}.weight")
    if weight is None or weight.ndim != 4:
        raise InputError(f"{name}: holds no convolution {layer}.weight, expected a projection")
    width = len(weight)
    return read_two_resnets(
        lambda found: kind(replace(found, projection_width=width), form), state, settings, name, {}
    )
