"""Two ResNets, one for the frame and one for the sound: what most methods are built on.

`imgnet` and `audnet` are the names of the published files. The sound's global maximum is its
feature; a method adds what it projects by, what it compares by and what it learns by.
"""

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from pipeline.base.params import Count, Positive, settings
from pipeline.clips import views
from pipeline.clips.sound_form import SoundForm
from pipeline.methods.common.similarity import localization_map
from pipeline.methods.contract import Features, Method, View
from pipeline.networks.resnet import ResNet, initialise
from pipeline.networks.weights import load_into


@settings
class Networks:
    """Settings that such methods share.

    `blocks`, `channels` and `strides` of each stage of both networks; `stem`, the channels of the
    image network's first convolution where they are not those of its first stage; `side` of the
    frame in pixels; `seconds` of the sound's window; `vision` says where the image network's
    weights begin: drawn, or those of `vision_model`, an ImageNet network of the same shape by
    timm's name.
    """

    blocks: list[Count] = field(default_factory=lambda: [2, 2, 2, 2])
    channels: list[Count] = field(default_factory=lambda: [64, 128, 256, 512])
    strides: list[Annotated[int, Field(ge=1, le=2)]] = field(default_factory=lambda: [1, 2, 2, 1])
    stem: Count | None = None
    side: Count = 224
    seconds: Positive = 3.0
    vision: Literal["scratch", "imagenet"] = "scratch"
    vision_model: str = "resnet18.tv_in1k"

    def __post_init__(self) -> None:
        if not len(self.blocks) == len(self.channels) == len(self.strides) > 0:
            raise ValueError(
                f"blocks, channels and strides hold {len(self.blocks)}, {len(self.channels)} and "
                f"{len(self.strides)} stages, expected the same number"
            )


class TwoResNets(Method):
    """The networks, plain and light views, the cosine map; the rest is a subclass' affair."""

    def __init__(self, settings: Networks, form: SoundForm) -> None:
        super().__init__(settings, form)
        shape = (settings.blocks, settings.channels, settings.strides)
        with torch.random.fork_rng(devices=[]):  # layers draw weights that are replaced below
            self.imgnet = ResNet(3, *shape, settings.stem)
            self.audnet = ResNet(1, *shape)

    @property
    def width(self) -> int:
        """Channels of both networks' last maps."""
        return int(self.settings.channels[-1])

    def begin(self, seed: int, start: Mapping[str, Tensor] | None) -> None:
        """Draw every weight from `seed`, then take the image network's from `start`, where there is
        one. Raises `InputError` where its shape is another."""
        if next(self.parameters()).is_meta:  # only its shapes are asked for
            return
        initialise(self, torch.Generator().manual_seed(seed))
        if start is not None:
            load_into(self.imgnet, start, f"vision_model {self.settings.vision_model}")

    def map_size(self) -> tuple[int, int]:
        """See `Method.map_size`."""
        return self.imgnet.map_size(self.side, self.side)

    def position_features(self, frames: Tensor) -> Tensor:
        """(B, 3, side, side) to v, (B, C, h, w)."""
        return self.imgnet(frames)

    def heard_features(self, sounds: Tensor) -> Tensor:
        """(B, 1, bins, steps) to a, (B, C): the global maximum of the last map (4.1)."""
        return self.audnet(sounds).amax(dim=(2, 3))

    def encode(self, view: View) -> Features:
        """v, (b, C, h, w), of a frame's positions; a, (b, C), of a sound."""
        if view.modality == "frame":
            return self.position_features(view.input)
        return self.heard_features(view.input)

    def plain_frames(self, frames: Tensor) -> Tensor:
        """Stored frames as tested ones: (B, H, W, 3) uint8 to (B, 3, side, side)."""
        return views.plain_view(frames, self.side)

    def stored_sounds(self, sounds: Tensor) -> Tensor:
        """Stored windows (B, steps, bins) to the network's input (B, 1, bins, steps)."""
        return views.spectrograms(sounds, self.form.divisor)

    def frame_features(self, frames: Tensor) -> Features:
        """v of tested frames."""
        return self.position_features(self.plain_frames(frames))

    def sound_features(self, sounds: Tensor) -> Features:
        """a of windows."""
        return self.heard_features(self.stored_sounds(sounds))

    def maps(self, v: Features, a: Features) -> Tensor:
        """The cosine of each position's feature with the sound's."""
        return localization_map(single(v), single(a))


def single(features: Features) -> Tensor:
    """The features of a method whose features are single tensors."""
    assert isinstance(features, Tensor)
    return features


def unused_entries(
    state: Mapping[str, Any], own: Mapping[str, Any], renamed: Mapping[str, str]
) -> list[str]:
    """The entries of a published file that a network has no use for, by the file's own names.

    `renamed` gives a network's entry the name that the file has for it."""
    used = {renamed.get(key, key) for key in own}
    return sorted(set(state).difference(used))
