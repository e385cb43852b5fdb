"""SSPL's networks, attention and loss, which its two files share: without and with the predictive
coding module (PCM). The formula stands in `pipeline/methods/sspl.py`.
"""

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.base.params import Count, NotNegative, Positive, settings
from pipeline.clips import views
from pipeline.clips.sound_form import SoundForm
from pipeline.errors import InputError
from pipeline.methods.common.predictive_coding import SIDES, PredictiveCoding
from pipeline.methods.common.published import first_words
from pipeline.methods.common.similarity import localization_map, s_l
from pipeline.methods.common.simsiam import SimSiam
from pipeline.methods.common.two_resnets import single, unused_entries
from pipeline.methods.common.vgg import VGGish, begin_as_torch, convolutions
from pipeline.methods.contract import Dice, Features, Input, Method, Moment, View
from pipeline.networks.weights import check_fit, load_into

_SMALL = 1e-10  # added to a map's range


@settings
class SSPLSettings:
    """What the method learns and how; the defaults are the code's without PCM.

    `channels` and `convolutions` of the image network's stages; `vision` is where its weights
    begin, and `vision_model` timm's name of it. `sound_model` is the name of a file of VGGish's
    weights in the weights folder, none where null; `sound_channels`, `sound_convolutions`,
    `sound_hidden` and `sound_width` are its shape, `example_steps` the time steps that it hears at
    once. `pcm` turns the predictive coding module of so many `cycles` on. `projection` and
    `prediction` are the widths of SimSiam's head, which learns `head_rate` times as fast as all
    else.
    """

    channels: list[Count] = field(default_factory=lambda: [64, 128, 256, 512, 512])
    convolutions: list[Count] = field(default_factory=lambda: [2, 2, 3, 3, 3])
    side: Count = 224
    seconds: Positive = 3.0
    vision: Literal["scratch", "imagenet"] = "imagenet"
    vision_model: str = "vgg16.tv_in1k"
    sound_model: str | None = "vggish"
    sound_channels: list[Count] = field(default_factory=lambda: [64, 128, 256, 512])
    sound_convolutions: list[Count] = field(default_factory=lambda: [1, 1, 2, 2])
    sound_hidden: Count = 4096
    sound_width: Count = 128
    example_steps: Count = 96
    pcm: bool = False
    cycles: Count = 4
    projection: Count = 2048
    prediction: Count = 512
    head_rate: NotNegative = 4.0

    def __post_init__(self) -> None:
        for one, other in (
            ("channels", "convolutions"),
            ("sound_channels", "sound_convolutions"),
        ):
            found = len(getattr(self, one)), len(getattr(self, other))
            if found[0] != found[1] or not found[0]:
                raise ValueError(f"{one} and {other} hold {found[0]} and {found[1]} stages")
        if self.pcm and self._map_side != SIDES[-1]:
            raise ValueError(
                f"pcm needs a map of {SIDES[-1]} x {SIDES[-1]}, but side and channels give "
                f"{self._map_side} x {self._map_side}"
            )

    @property
    def _map_side(self) -> int:
        return self.side >> (len(self.channels) - 1)


class AttendedSound(Method):
    """The frozen networks and what learns behind them, by the names of the published files."""

    parts = ("prediction",)
    settings: SSPLSettings

    def __init__(
        self,
        settings: SSPLSettings,
        form: SoundForm,
        *,
        seed: int = 0,
        start: Mapping[str, Tensor] | None = None,
        sound_start: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Raises ValueError where a window holds no example that VGGish hears."""
        super().__init__(settings, form)
        if self._examples < 1:
            raise ValueError(
                f"a window has {self.steps} time steps, expected at least example_steps, "
                f"{settings.example_steps}"
            )
        width = settings.channels[-1]
        with torch.random.fork_rng(devices=[]):  # layers draw weights that are replaced below
            layers = convolutions(3, settings.channels, settings.convolutions, last_pool=False)
            self.frame = nn.ModuleDict({"feat_extractor": layers})
            self.sound = _Sound(settings, form.bins)
            self.pcm = (
                PredictiveCoding(width, settings.sound_width, settings.cycles)
                if settings.pcm
                else None
            )
            self.head = SimSiam(width, settings.projection, settings.prediction)
        for frozen in (self.frame, self.sound.features, self.sound.embeddings):
            frozen.requires_grad_(False)
        if next(self.parameters()).is_meta:  # only its shapes are asked for
            return
        begin_as_torch(self, torch.Generator().manual_seed(seed))
        if start is not None:
            found = {k.removeprefix("features."): x for k, x in start.items()}
            load_into(layers, found, f"vision_model {settings.vision_model}")
        if sound_start is not None:
            name = f"sound_model {settings.sound_model}"
            for part in ("features", "embeddings"):
                found = {k.removeprefix(f"{part}."): x for k, x in sound_start.items()}
                load_into(self.sound.get_submodule(part), found, name)

    @property
    def _examples(self) -> int:
        """How many examples of VGGish's a window holds; what is left is not heard."""
        return self.steps // self.settings.example_steps

    def inputs(self) -> dict[str, Input]:
        """See `Method.inputs`."""
        return {"frames": Input("frame"), "sounds": Input("sound")}

    def views(self, inputs: Mapping[str, Any], dice: Dice) -> dict[str, View]:
        """Two light views v1, v2 and a. Nothing that encodes them learns, so none has a
        gradient."""
        frames = inputs["frames"]
        made = {
            name: views.light_view(frames, dice.uniform(name, len(frames), views.DRAWS), self.side)
            for name in ("v1", "v2")
        }
        seen = {name: View("frame", view, momentum=True) for name, view in made.items()}
        return {**seen, "a": View("sound", self._stored(inputs["sounds"]), momentum=True)}

    def encode(self, view: View) -> Tensor:
        """v, (b, C, h, w), of a frame; VGGish's numbers of each second, (b, seconds, D), of a
        sound."""
        return self._seen(view.input) if view.modality == "frame" else self._heard(view.input)

    def loss(
        self, features: Mapping[str, Features], dice: Dice, moment: Moment
    ) -> dict[str, Tensor]:
        """SimSiam's loss of what both views show where the sound is."""
        sounds = single(features["a"])
        first, second = (self.attended(single(features[v]), sounds) for v in ("v1", "v2"))
        return {"prediction": self.head.loss(first, second)}

    def attended(self, v: Tensor, sounds: Tensor) -> Tensor:
        """A view's feature, (b, C): the sum of its positions' by alpha."""
        moved = self.moved(v, sounds)
        cosines = localization_map(moved, self.sound_vector(sounds)).flatten(1)
        least, largest = cosines.amin(dim=1, keepdim=True), cosines.amax(dim=1, keepdim=True)
        alpha = (cosines - least) / (largest - least + _SMALL)
        return torch.einsum("ncp,np->nc", moved.flatten(2), alpha)

    def moved(self, v: Tensor, sounds: Tensor) -> Tensor:
        """v as PCM moves it towards each one's sound, or as it is without PCM; float32."""
        if self.pcm is None:
            return v.float()
        return self.pcm(v.float(), functional.normalize(sounds.float().mean(dim=1), dim=1))

    def sound_vector(self, sounds: Tensor) -> Tensor:
        """f, (b, seconds, D) to (b, C)."""
        return self.sound.fc(sounds.float()).mean(dim=1)

    def parameter_groups(self, rate: float) -> list[dict[str, Any]]:
        """Sound and PCM at `rate`, PCM's scalars without decay, the head at its own rate: all by
        AdamW's decoupled decay."""
        scalars = [] if self.pcm is None else [*self.pcm.a0, *self.pcm.b0]
        apart = {id(parameter) for parameter in scalars}
        slow = list(self.sound.fc.parameters())
        if self.pcm is not None:
            slow += [p for p in self.pcm.parameters() if id(p) not in apart]
        groups: list[dict[str, Any]] = [
            {"params": slow, "lr": rate},
            {"params": list(self.head.parameters()), "lr": rate * self.settings.head_rate},
        ]
        if scalars:
            groups.append({"params": scalars, "lr": rate, "weight_decay": 0.0})
        return [{**group, "decoupled_weight_decay": True} for group in groups]

    def frame_features(self, frames: Tensor) -> Tensor:
        """v of tested frames."""
        return self._seen(views.plain_view(frames, self.side))

    def sound_features(self, sounds: Tensor) -> Tensor:
        """VGGish's numbers of windows."""
        return self._heard(self._stored(sounds))

    def maps(self, v: Features, a: Features) -> Tensor:
        """c."""
        sounds = single(a)
        return localization_map(self.moved(single(v), sounds), self.sound_vector(sounds))

    def similarities(self, v: Features, a: Features) -> dict[str, Tensor]:
        """`s_mean`, the mean of c: the method compares no pairs, so this is not its own. With PCM
        every pair takes a pass of its own."""
        frames, sounds = single(v), single(a)
        if self.pcm is None:
            return {"s_mean": s_l(frames, self.sound_vector(sounds))}
        columns = []
        for sound in sounds.split(1):
            each = sound.expand(len(frames), *sound.shape[1:])
            columns.append(self.maps(frames, each).mean(dim=(1, 2)))
        return {"s_mean": torch.stack(columns, dim=1)}

    def map_size(self) -> tuple[int, int]:
        """See `Method.map_size`."""
        side = self.side >> (len(self.settings.channels) - 1)
        return side, side

    @classmethod
    def label(cls, settings: SSPLSettings) -> str:
        """Whether PCM is on."""
        return "with PCM" if settings.pcm else "without PCM"

    @classmethod
    def read_published(
        cls, state: Mapping[str, Tensor], settings: Any, form: SoundForm, name: str
    ) -> tuple["AttendedSound", list[str]]:
        """The authors' four files joined, as the head of `sspl` says; see
        `Method.read_published`. With `pcm.` entries it is the variant with PCM."""
        entries = {key.replace(".module.", "."): tensor for key, tensor in state.items()}
        kinds = first_words(entries)
        if not {"frame", "sound", "head"} <= kinds:
            raise InputError(
                f"{name}: holds entries of {', '.join(sorted(kinds))}, expected SSPL's files "
                f"joined, their entries behind frame., sound., pcm. and head."
            )
        given = {field: getattr(settings, field) for field in settings.__dataclass_fields__}
        changed = cls.Settings(**{**given, "pcm": "pcm" in kinds})
        with torch.device("meta"):
            claimed = cls(changed, form)
        check_fit(claimed, entries, name)
        method = cls(changed, form)
        load_into(method, entries, name)
        return method.eval(), unused_entries(entries, method.state_dict(), {})

    @classmethod
    def is_published(cls, state: Mapping[str, Tensor]) -> bool:
        """The authors' files joined, with PCM's or without. See `Method.is_published`."""
        words = first_words(state)
        return {"frame", "sound", "head"} <= words and ("pcm" in words) == cls.Settings().pcm

    def _seen(self, frames: Tensor) -> Tensor:
        return self.frame["feat_extractor"](frames)

    def _heard(self, examples: Tensor) -> Tensor:
        return self.sound.embed(examples.flatten(0, 1)[:, None]).unflatten(0, examples.shape[:2])

    def _stored(self, sounds: Tensor) -> Tensor:
        """Windows (b, steps, bins) to examples (b, examples, steps of one, bins)."""
        heard = sounds[:, : self._examples * self.settings.example_steps].float()
        return (heard / self.form.divisor).unflatten(1, (self._examples, -1))


class _Sound(VGGish):
    """VGGish and the two layers that learn behind it."""

    def __init__(self, settings: SSPLSettings, bins: int) -> None:
        super().__init__(
            settings.sound_channels,
            settings.sound_convolutions,
            steps=settings.example_steps,
            bins=bins,
            hidden=settings.sound_hidden,
            width=settings.sound_width,
        )
        width = settings.channels[-1]
        self.fc = nn.Sequential(
            nn.Linear(settings.sound_width, width), nn.ReLU(inplace=True), nn.Linear(width, width)
        )
