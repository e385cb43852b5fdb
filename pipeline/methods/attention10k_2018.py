"""Attention10k as of 2018: Senocak et al., Learning to Localize Sound Source in Visual Scenes, CVPR
2018, its unsupervised variant by the author's later code (ardasnck/
learning_to_localize_sound_source @ 89205e9; its README: slightly below the paper). The variant that
can be trained end to end is `attention10k`.

A frame of 320 px goes through a frozen ImageNet VGG-16 (20 x 20 before the last ReLU), a sound
through a frozen SoundNet, whose 1000 numbers of objects, averaged over time, are s. With
h = unit(W2 relu(W1 relu(s))), alpha = softmax over positions of relu(unit(v) . h), without a
temperature, so that alpha varies at most e-fold; z = W4 relu(W3 relu(sum alpha v)), raw v. Of the
own sound and of another clip's, d = ||z - s + 1e-6||, s not rectified; the loss is the mean over
the batch and both of (softmax(d own, d other) - (0, 1))^2. The map is alpha.

As in the code: Adam 1e-4, no decay, 30 clips a batch, 10 epochs; frames squashed, no augmentation.
The code takes a clip's first frame, here it is the decoded one; it keeps the epoch of the lowest
loss on the test list, here it is the last. Its term of annotated boxes is left out: that is another
method, with labels.

SoundNet's file is nowhere in timm or torchvision: a conversion of the authors' (see
`pipeline.methods.common.soundnet`) goes into the weights folder under the name `sound_model`. It
hears waveforms: the sound form is `quantity: waveform` at 22,050 Hz, and a window of less than
10 s is too short for it.
"""

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.base.params import Count, Positive, settings
from pipeline.clips import views
from pipeline.clips.sound_form import SoundForm
from pipeline.methods.common.soundnet import SAMPLE_RATE, SoundNet
from pipeline.methods.common.two_resnets import single
from pipeline.methods.common.vgg import begin_as_torch, convolutions
from pipeline.methods.contract import Dice, Features, Input, Method, Moment, View
from pipeline.networks.weights import load_into

_SMALL = 1e-6  # added to the difference before its length, by torch's pairwise distance
_BLOCK_NUMBERS = 2**24  # of attended features held at a time: 64 MiB in float32


@settings
class FrozenAttentionSettings:
    """What the method learns and how; the defaults are the code's.

    `channels` and `convolutions` of the image network's stages; `vision` is where its weights
    begin, and `vision_model` timm's name of it. `sound_model` is the name of a file of SoundNet's
    weights in the weights folder, none where null; `sound_channels`, `sound_kernels`,
    `sound_pools`, `sound_last` and `sound_width` are its shape.
    """

    channels: list[Count] = field(default_factory=lambda: [64, 128, 256, 512, 512])
    convolutions: list[Count] = field(default_factory=lambda: [2, 2, 3, 3, 3])
    side: Count = 320
    seconds: Positive = 10.0
    vision: Literal["scratch", "imagenet"] = "imagenet"
    vision_model: str = "vgg16.tv_in1k"
    sound_model: str | None = "soundnet"
    sound_channels: list[Count] = field(default_factory=lambda: [16, 32, 64, 128, 256, 512, 1024])
    sound_kernels: list[Count] = field(default_factory=lambda: [64, 32, 16, 8, 4, 4, 4])
    sound_pools: list[Count] = field(default_factory=lambda: [8, 8, 1, 1, 4, 1, 1])
    sound_last: Count = 8
    sound_width: Count = 1000

    def __post_init__(self) -> None:
        for first, *others in (
            ("channels", "convolutions"),
            ("sound_channels", "sound_kernels", "sound_pools"),
        ):
            for other in others:
                found = len(getattr(self, first)), len(getattr(self, other))
                if found[0] != found[1] or not found[0]:
                    raise ValueError(f"{first} and {other} hold {found[0]} and {found[1]} layers")


class FrozenAttention(Method):
    """The frozen networks, and two layers behind each, by the names of the author's code."""

    Settings = FrozenAttentionSettings
    map_range = (0.0, 1.0)
    title = "Attention10k, frozen (CVPR 2018)"
    settings: FrozenAttentionSettings

    def __init__(
        self,
        settings: FrozenAttentionSettings,
        form: SoundForm,
        *,
        seed: int = 0,
        start: Mapping[str, Tensor] | None = None,
        sound_start: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Raises ValueError where SoundNet's weights are asked for and the form is no waveform of
        its rate, and for a window that is too short for it."""
        super().__init__(settings, form)
        if settings.sound_model and (form.quantity, form.sample_rate) != ("waveform", SAMPLE_RATE):
            raise ValueError(
                f"sound_model {settings.sound_model} hears waveforms at {SAMPLE_RATE} Hz, found "
                f"{form.quantity} at {form.sample_rate} Hz"
            )
        width, heard = settings.channels[-1], settings.sound_width
        with torch.random.fork_rng(devices=[]):  # layers draw weights that are replaced below
            self.frame = convolutions(3, settings.channels, settings.convolutions, last_pool=False)
            self.sound = SoundNet(
                settings.sound_channels,
                settings.sound_kernels,
                settings.sound_pools,
                settings.sound_last,
                heard,
            )
            self.sound_fc1, self.sound_fc2 = nn.Linear(heard, heard), nn.Linear(heard, width)
            self.vision_fc1, self.vision_fc2 = nn.Linear(width, width), nn.Linear(width, heard)
        samples = self.steps * form.bins
        if not self.sound.length(samples):
            raise ValueError(
                f"a window of {settings.seconds:g} s has {samples} samples, too few for one answer "
                f"of the sound network"
            )
        for frozen in (self.frame, self.sound):
            frozen.requires_grad_(False)
        if next(self.parameters()).is_meta:  # only its shapes are asked for
            return
        begin_as_torch(self, torch.Generator().manual_seed(seed))
        if start is not None:
            found = {key.removeprefix("features."): x for key, x in start.items()}
            load_into(self.frame, found, f"vision_model {settings.vision_model}")
        if sound_start is not None:
            load_into(self.sound, sound_start, f"sound_model {settings.sound_model}")

    def train(self, mode: bool = True) -> "FrozenAttention":
        """The frozen networks stay as they are tested: SoundNet's batch norms would learn."""
        super().train(mode)
        self.frame.eval()
        self.sound.eval()
        return self

    def inputs(self) -> dict[str, Input]:
        """See `Method.inputs`."""
        return {
            "frames": Input("frame"),
            "sounds": Input("sound"),
            "other_sounds": Input("sound", "other"),
        }

    def views(self, inputs: Mapping[str, Any], dice: Dice) -> dict[str, View]:
        """`v`, and `s` and `other`. Nothing that encodes them learns, so none has a gradient."""
        seen = views.plain_view(inputs["frames"], self.side)
        heard = {"s": inputs["sounds"], "other": inputs["other_sounds"]}
        return {
            "v": View("frame", seen, momentum=True),
            **{name: View("sound", x.float(), momentum=True) for name, x in heard.items()},
        }

    def encode(self, view: View) -> Tensor:
        """v, (b, C, h, w), of a frame; s, (b, D), of a sound."""
        return self.frame(view.input) if view.modality == "frame" else self._heard(view.input)

    def loss(
        self, features: Mapping[str, Features], dice: Dice, moment: Moment
    ) -> dict[str, Tensor]:
        """How far the own sound is from being the only near one."""
        v, s, other = (single(features[name]).float() for name in ("v", "s", "other"))
        z = self.answer(v, s)
        distances = torch.stack([(z - each + _SMALL).norm(dim=1) for each in (s, other)], dim=1)
        target = distances.new_tensor([0.0, 1.0])
        return {"contrastive": (distances.softmax(dim=1) - target).square().mean()}

    def query(self, s: Tensor) -> Tensor:
        """h, (B, C) float32 of unit length."""
        return functional.normalize(self.sound_fc2(self.sound_fc1(s.float().relu()).relu()), dim=1)

    def attention(self, v: Tensor, h: Tensor) -> Tensor:
        """alpha of each pair, (B, h, w): frames (B, C, h, w) asked by h (B, C)."""
        cosines = torch.einsum("nchw,nc->nhw", functional.normalize(v.float(), dim=1), h).relu()
        return cosines.flatten(1).softmax(dim=1).view_as(cosines)

    def answer(self, v: Tensor, s: Tensor) -> Tensor:
        """z of each pair, (B, D)."""
        alpha = self.attention(v, self.query(s))
        return self._answered(torch.einsum("nchw,nhw->nc", v.float(), alpha))

    def frame_features(self, frames: Tensor) -> Tensor:
        """v of tested frames."""
        return self.frame(views.plain_view(frames, self.side))

    def sound_features(self, sounds: Tensor) -> Tensor:
        """s of windows."""
        return self._heard(sounds.float())

    def maps(self, v: Features, a: Features) -> Tensor:
        """alpha."""
        return self.attention(single(v), self.query(single(a)))

    def similarities(self, v: Features, a: Features) -> dict[str, Tensor]:
        """`s_D`, minus the distance that the training makes small for a pair."""
        raw, s = single(v).float().flatten(2), single(a).float()
        unit = functional.normalize(raw, dim=1)
        block = max(1, _BLOCK_NUMBERS // (len(raw) * sum(raw.shape[1:])))
        columns = []
        for sounds in s.split(block):
            alpha = torch.einsum("ncp,mc->nmp", unit, self.query(sounds)).relu().softmax(dim=2)
            z = self._answered(torch.einsum("ncp,nmp->nmc", raw, alpha))
            columns.append(-(z - sounds + _SMALL).norm(dim=2))
        return {"s_D": torch.cat(columns, dim=1)}

    def map_size(self) -> tuple[int, int]:
        """See `Method.map_size`."""
        side = self.side >> (len(self.settings.channels) - 1)
        return side, side

    def _heard(self, stored: Tensor) -> Tensor:
        """Stored windows (b, steps, samples of a step) to s."""
        return self.sound(stored.flatten(1))

    def _answered(self, attended: Tensor) -> Tensor:
        return self.vision_fc2(self.vision_fc1(attended.relu()).relu())


METHOD = FrozenAttention
