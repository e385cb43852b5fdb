"""HearTheFlow: Fedorishin et al., Hear The Flow: Optical Flow-Based Self-Supervised Visual Sound
Source Localization, WACV 2023; code denfed/heartheflow @ 60ed54d.

An ImageNet ResNet-18 with all its strides (7 x 7) that never learns gives v, a sound network from
scratch a, and a third network, ImageNet's but for its stem of two channels, f of the optical flow
from the frame to the next. The flow tells each place p of the frame which places q to attend to:

    A(p, q) = softmax_q(query(v)(p) . key(f)(q) / sqrt(C / 8))
    v'(p) = v(p) + sum_q A(p, q) value(v)(q)

query, key and value being 1x1 convolutions, the first two from C to C / 8 channels. The loss is
LVS's of the cosines of v' and a: logits [S_ii, S_ik (k not i), b_i] / 0.07, S the mean of the
cosines c weighted by sigmoid((c - 0.65) / 0.03), b_i that of the own pair weighted by
1 - sigmoid((c - 0.4) / 0.03); 0.4 is the code's 0.65 - 0.25. The map is c (model.py:50-146).

`flow` says what of the flow is seen. In the code it is `bytes`: both components are written as
8-bit pictures, so they are rounded and motion to the left and up is lost, and divided by 255; in a
mirrored frame they keep their values. `signed` is ours: sign and fractions stay, and mirroring
turns the sign. With `none`, the default, so that files of that network stay readable, no attention
is left, and none of the paper's rows. `keys: pooled` is the code's variant without the third
network, whose keys are the flow itself, its maximum over each place. A picture alone, and a clip of
one frame, have a flow of zeros.

As in the code the frozen network stays in training mode: it is normalised by the statistics of the
batch, and its running statistics, by which it is tested, move. Each row also holds -99 S_ii among
its negatives, as in the code (`own_negative`): what the flow adds to v can be negative, so S_ii can
be too, and then such a pair is pulled together 99-fold; without flow, v lies behind a ReLU and the
column adds nothing. Three things of the code are not done: JPEG's losses of the flow, its training
loader that does not shuffle (datamodule.py:25-34), so that all epochs have the same batches, and
its checkpoint, which is the best by the test set.
"""

import math
from collections.abc import Mapping
from dataclasses import field, replace
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from pipeline.base.params import Positive, settings
from pipeline.clips import views
from pipeline.clips.flow import FlowForm
from pipeline.clips.sound_form import SoundForm
from pipeline.methods.common.contrast import choose_sound, trimap_rows
from pipeline.methods.common.cosine_pair import CosinePair
from pipeline.methods.common.published import first_words, read_two_resnets
from pipeline.methods.common.synthetic import all_sounds, append_synthetic
from pipeline.methods.common.two_resnets import Networks, single
from pipeline.methods.contract import Dice, Features, Input, Method, Moment, OwnTest, View
from pipeline.networks.resnet import ResNet, initialise
from pipeline.networks.weights import load_into

_REDUCTION = 8  # of the channels, for queries and keys


@settings
class HearTheFlowSettings(Networks):
    """What the method learns; the defaults are the code's but for `flow`. `temperature` divides the
    logits; `flow`, `keys` and `own_negative` are explained above. `synthetic_negatives` adds
    silence and noise to the softmax over sounds: see `pipeline.methods.common.synthetic`."""

    strides: list[Annotated[int, Field(ge=1, le=2)]] = field(default_factory=lambda: [1, 2, 2, 2])
    vision: Literal["scratch", "imagenet"] = "imagenet"
    temperature: Positive = 0.07
    flow: Literal["none", "bytes", "signed"] = "none"
    keys: Literal["network", "pooled"] = "network"
    own_negative: bool = True
    synthetic_negatives: bool = False


class FlowAttention(nn.Module):
    """What a frame's map attends to by the flow, by the names of the published file."""

    def __init__(self, channels: int, flow_channels: int) -> None:
        super().__init__()
        inner = max(1, channels // _REDUCTION)
        self.query_conv = nn.Conv2d(channels, inner, 1)
        self.key_conv = nn.Conv2d(flow_channels, inner, 1)
        self.value_conv = nn.Conv2d(channels, channels, 1)

    def forward(self, v: Tensor, flow: Tensor) -> Tensor:
        """v (B, C, h, w) and the flow's map (B, C', h, w) to what is added to v, (B, C, h, w)."""
        queries, keys = self.query_conv(v).flatten(2), self.key_conv(flow).flatten(2)
        energies = queries.transpose(1, 2) @ keys / math.sqrt(queries.shape[1])
        attention = torch.softmax(energies, dim=2)
        values = self.value_conv(v).flatten(2)
        return (values @ attention.transpose(1, 2)).unflatten(2, v.shape[2:])


class HearTheFlow(CosinePair):
    """The frozen image network, the sound network, and the flow's network and attention."""

    Settings = HearTheFlowSettings
    title = "HearTheFlow (WACV 2023)"
    # test.py, without object guidance.
    test_form = OwnTest("bicubic")
    settings: HearTheFlowSettings

    def __init__(
        self,
        settings: HearTheFlowSettings,
        form: SoundForm,
        *,
        seed: int = 0,
        start: Mapping[str, Tensor] | None = None,
    ) -> None:
        super().__init__(settings, form, seed=seed, start=start)
        self.flownet: ResNet | None = None
        self.flowatt: FlowAttention | None = None
        if settings.flow != "none":
            pooled = settings.keys == "pooled"
            shape = (settings.blocks, settings.channels, settings.strides)
            with torch.random.fork_rng(devices=[]):  # layers draw weights that are replaced below
                self.flownet = None if pooled else ResNet(2, *shape, settings.stem)
                self.flowatt = FlowAttention(self.width, 2 if pooled else self.width)
            self._begin_flow(self.flownet, self.flowatt, seed, start)
        self.imgnet.requires_grad_(False)

    def inputs(self) -> dict[str, Input]:
        """See `Method.inputs`."""
        found = {"frames": Input("frame"), "sounds": Input("sound")}
        if self.settings.flow != "none":
            found["flow"] = Input("flow", flow=self.settings.flow)
        return found

    def views(self, inputs: Mapping[str, Any], dice: Dice) -> dict[str, View]:
        """v, cropped and flipped, which nothing that learns encodes, its flow, cut alike, which a
        network encodes unless it is pooled, and a, with the synthetic negatives behind it where
        they are on."""
        frames, sounds = inputs["frames"], inputs["sounds"]
        if self.settings.synthetic_negatives:
            sounds = append_synthetic(sounds, self.form, dice)
        draws = dice.uniform("frame", len(frames), views.DRAWS)
        found = {
            "v": View("frame", views.light_view(frames, draws, self.side), momentum=True),
            "a": View("sound", self.stored_sounds(sounds)),
        }
        if self.settings.flow != "none":
            flow = views.light_flow(inputs["flow"], draws, self.side)
            found["flow"] = View("flow", flow, momentum=self.settings.keys == "pooled")
        return found

    def encode(self, view: View) -> Features:
        """v of a frame, before its attention, f of its flow, a of a sound."""
        return self.flow_features(view.input) if view.modality == "flow" else super().encode(view)

    def flow_features(self, flow: Tensor) -> Tensor:
        """(B, 2, side, side) to the map of the keys, (B, C', h, w)."""
        if self.flownet is None:
            return functional.adaptive_max_pool2d(flow, self.map_size())
        features: Tensor = self.flownet(flow)
        return features

    def loss(
        self, features: Mapping[str, Features], dice: Dice, moment: Moment
    ) -> dict[str, Tensor]:
        """LVS's loss of v' and a."""
        v = single(features["v"])
        own, everyone = all_sounds(single(features["a"]), len(v))
        if "flow" in features:
            v = self.attended(v.float(), single(features["flow"]).float())
        rows = trimap_rows(v, own, everyone, own_negative=self.settings.own_negative)
        return {"contrastive": choose_sound(rows, self.settings.temperature)}

    def attended(self, v: Tensor, flow: Tensor) -> Tensor:
        """v and f to v', (B, C, h, w)."""
        assert self.flowatt is not None  # there is no f where there is no attention
        added: Tensor = self.flowatt(v, flow)
        return v + added

    def frame_features(self, frames: Tensor) -> Features:
        """v' of tested frames in which nothing moves; without flow, v."""
        if self.settings.flow == "none":
            return super().frame_features(frames)
        return self.moving_features(frames, frames.new_zeros((*frames.shape[:3], 2)))

    def moving_features(self, frames: Tensor, flow: Tensor) -> Tensor:
        """v' of tested frames."""
        v = single(super().frame_features(frames))
        return self.attended(v, self.flow_features(views.plain_flow(flow, self.side)))

    @classmethod
    def label(cls, settings: HearTheFlowSettings) -> str:
        """What of the flow is seen, and what is ours."""
        seen = {"none": "without flow", "bytes": "flow in 8 bits", "signed": "signed flow"}
        keys = ", pooled" if settings.flow != "none" and settings.keys == "pooled" else ""
        words = "" if settings.own_negative or settings.flow == "none" else ", no own negative"
        words += ", silence and noise" if settings.synthetic_negatives else ""
        return seen[settings.flow] + keys + words

    @classmethod
    def read_published(
        cls, state: Mapping[str, Tensor], settings: Any, form: SoundForm, name: str
    ) -> tuple[Method, list[str]]:
        """The authors' file (`imgnet.*`, `audnet.*`, `flownet.*`, `flowatt.*`), see
        `Method.read_published`. Whether it has flow, and whether that has a network, its entries
        tell; flow is in 8 bits unless the settings say signed."""
        seen: FlowForm = "signed" if settings.flow == "signed" else "bytes"
        if "flowatt.key_conv.weight" not in state:
            found = replace(settings, flow="none")
        else:
            keys = "network" if "flownet.conv1.weight" in state else "pooled"
            found = replace(settings, flow=seen, keys=keys)
        return read_two_resnets(lambda s: cls(s, form), state, found, name, {})

    def _begin_flow(
        self,
        network: ResNet | None,
        attention: FlowAttention,
        seed: int,
        start: Mapping[str, Tensor] | None,
    ) -> None:
        """The flow's network begins as the image's but for its stem, which like the attention has
        torch's own distribution (model.py:38-44); every number comes from `seed`."""
        if attention.query_conv.weight.is_meta:  # only its shapes are asked for
            return
        generator = torch.Generator().manual_seed(seed)
        layers = [attention.query_conv, attention.key_conv, attention.value_conv]
        if network is not None:
            initialise(network, generator)
            layers = [network.conv1, *layers]
        for layer in layers:
            bound = 1 / math.sqrt(math.prod(layer.weight.shape[1:]))
            for parameter in layer.parameters():
                nn.init.uniform_(parameter, -bound, bound, generator=generator)
        if network is not None and start is not None:
            entries = {**start, "conv1.weight": network.conv1.weight.detach().clone()}
            load_into(network, entries, f"vision_model {self.settings.vision_model}")

    @classmethod
    def is_published(cls, state: Mapping[str, Tensor]) -> bool:
        """The networks and the attention to the flow. See `Method.is_published`."""
        return {"imgnet", "audnet", "flowatt"} <= first_words(state)


METHOD = HearTheFlow
