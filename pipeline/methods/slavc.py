"""SLAVC: Mo and Morgado, A Closer Look at Weakly-Supervised Audio-Visual Source Localization,
NeurIPS 2022.

Two pairs of projections give two cosines of image n's position p with sound m: C_1 tells which
sounds could come from there (correspondence), C_2 where a sound comes from (localization), and

    L(n, m) = log sum_p softmax_m(C_1(n, m, p) / tau) softmax_p(C_2(n, m, p) / tau),  tau = 0.03.

The networks and the projections have momentum copies, which move by a thousandth to them before
each step and give targets without a gradient:

    loss = CE(L(images, copies' sounds)) + CE(L(copies' images, sounds)).

Both terms run over sounds for a given image, so that the image side learns by the first alone and
the sound side by the second. Nine tenths of the image network's map are dropped before the
projections, entry by entry, by other masks in the copies, which run in training mode with batch
statistics of their own.

From stoneMo/SLAVC @ 05b429c: model.py:13-57 (networks), :66-69, :124-134 (copies), :138-158 (loss,
map), scripts/train_vggsound144k.sh (batch 128, 20 epochs, Adam at 1e-4 without weight decay,
dropout 0.9, momentum 0.999). The text multiplies the two probabilities position by position, its
figure sums and takes a maximum; the code's sum over positions is taken. The name of the code's
second term, a2i, promises a softmax over images, which it does not have; the code is taken. The
code names no rate of sound: that it was 22,050 Hz is the inference that `ezvsl` explains. Unlike
the code, the negatives are all ranks'; how many devices the authors had is not known. Whether the
tables are of the networks or of their copies is not said: the published commands test the networks.
Their tables with an object map mix 0.9 of (map + 1) / 2 and 0.1 of the object map / 2.5, neither
stretched.
"""

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from pipeline.base.params import Share, settings
from pipeline.clips.sound_form import SoundForm
from pipeline.methods.common.dropout import draw_kept, drop
from pipeline.methods.common.momentum import follow, momentum_copy
from pipeline.methods.common.projected import (
    Dropout,
    ProjectedNetworks,
    begin_small,
    light_frames,
    projections,
    read_resnets,
)
from pipeline.methods.common.published import first_words
from pipeline.methods.common.similarity import localization_map, mean_vectors, pair_losses, s_l
from pipeline.methods.common.synthetic import all_sounds, append_synthetic
from pipeline.methods.common.two_resnets import TwoResNets
from pipeline.methods.contract import Dice, Features, Input, Moment, OwnTest, View

_COPIED = ("imgnet", "img_proj1", "img_proj2", "audnet", "aud_proj1", "aud_proj2")
_BLOCK_COSINES = 2**24  # cosines of a space held at a time: 64 MiB


@settings
class SLAVCSettings(ProjectedNetworks):
    """`momentum` is the share of itself that a copy keeps in a step. With `momentum_at_test` the
    copies answer in place of the networks. `synthetic_negatives` adds silence and noise to both
    softmaxes over sounds, which are ours: see `pipeline.methods.common.synthetic`."""

    dropout: Dropout = 0.9
    momentum: Share = 0.999
    momentum_at_test: bool = False
    synthetic_negatives: bool = False


class SLAVC(TwoResNets):
    """Two networks, two pairs of projections, and a momentum copy of each, by the published
    names. Features are pairs: of the first space, correspondence, and the second, localization."""

    Settings = SLAVCSettings
    # What the image side and what the sound side learns by.
    parts = ("image_side", "sound_side")
    title = "SLAVC (NeurIPS 2022)"
    # test.py with the alpha of its scripts and `--relative_prediction`.
    test_form = OwnTest("bicubic-corners", inclusive=True, share=0.9, scaled=False)
    settings: SLAVCSettings

    def __init__(
        self,
        settings: SLAVCSettings,
        form: SoundForm,
        *,
        seed: int = 0,
        start: Mapping[str, Tensor] | None = None,
    ) -> None:
        super().__init__(settings, form)
        width, projected = self.width, settings.projection_width
        self.img_proj1, self.aud_proj1 = projections(width, projected)
        self.img_proj2, self.aud_proj2 = projections(width, projected)
        self.begin(seed, start)
        begin_small([self.aud_proj1, self.aud_proj2], seed)
        for name in _COPIED:
            self.add_module(f"momentum_{name}", momentum_copy(self.get_submodule(name)))

    def inputs(self) -> dict[str, Input]:
        """See `Method.inputs`."""
        return {"frames": Input("frame"), "sounds": Input("sound")}

    def views(self, inputs: Mapping[str, Any], dice: Dice) -> dict[str, View]:
        """v, a random crop and flip of the frame, and a, the sound's middle, with the synthetic
        negatives behind it where they are on; each once more for the copies, with a dropout mask of
        its own."""
        shape, share = (self.width, *self.map_size()), self.settings.dropout
        stored = inputs["frames"]
        frames = light_frames(stored, dice, self.side)
        heard = inputs["sounds"]
        if self.settings.synthetic_negatives:
            heard = append_synthetic(heard, self.form, dice)
        sounds = self.stored_sounds(heard)
        kept, copies_kept = (
            draw_kept(dice, name, stored, shape, share)
            for name in ("dropout", "dropout of the copies")
        )
        return {
            "v": View("frame", frames, kept),
            "a": View("sound", sounds),
            "momentum_v": View("frame", frames, copies_kept, momentum=True),
            "momentum_a": View("sound", sounds, momentum=True),
        }

    def before_step(self, moment: Moment) -> None:
        """Let the copies follow, the first time before any step."""
        for name in _COPIED:
            copy, network = self.get_submodule(f"momentum_{name}"), self.get_submodule(name)
            follow(copy, network, self.settings.momentum)

    def encode(self, view: View) -> tuple[Tensor, Tensor]:
        """Both spaces' (b, D, h, w) of a frame's positions, (b, D) of a sound."""
        prefix = "momentum_" if view.momentum else ""
        if view.modality == "frame":
            features = self.get_submodule(f"{prefix}imgnet")(view.input)
            features = drop(features, view.noise, self.settings.dropout)
            layer = f"{prefix}img_proj"
        else:
            features = self.get_submodule(f"{prefix}audnet")(view.input).amax(dim=(2, 3))
            layer = f"{prefix}aud_proj"
        return self.get_submodule(f"{layer}1")(features), self.get_submodule(f"{layer}2")(features)

    def loss(
        self, features: Mapping[str, Features], dice: Dice, moment: Moment
    ) -> dict[str, Tensor]:
        """CE of L of the images with all ranks' copies' sounds, and of the copies' images with all
        ranks' sounds."""
        return {
            part: self._crossed(features[images], features[sounds])
            for part, images, sounds in zip(
                self.parts, ("v", "momentum_v"), ("momentum_a", "a"), strict=True
            )
        }

    def _crossed(self, images: Features, sounds: Features) -> Tensor:
        everyone = tuple(all_sounds(y, len(images[0]))[1] for y in sounds)
        found = log_probabilities(images, everyone, self.settings.temperature)
        return pair_losses(found[None, None], tau=1.0).sum()

    def frame_features(self, frames: Tensor) -> Features:
        """Both spaces of tested frames, of the copies where `momentum_at_test` says so."""
        tested = View("frame", self.plain_frames(frames), momentum=self.settings.momentum_at_test)
        return self.encode(tested)

    def sound_features(self, sounds: Tensor) -> Features:
        """Both spaces of windows, of the copies where `momentum_at_test` says so."""
        tested = View("sound", self.stored_sounds(sounds), momentum=self.settings.momentum_at_test)
        return self.encode(tested)

    def maps(self, v: Features, a: Features) -> Tensor:
        """(C_1 + C_2) / 2 of each pair."""
        first, second = (localization_map(x, y) for x, y in zip(v, a, strict=True))
        return (first + second) / 2

    def similarities(self, v: Features, a: Features) -> dict[str, Tensor]:
        """`s_mean`, the mean of the map's positions, a function of the pair alone; and `s_L`, the
        training's L, which says how much more a frame belongs to a sound than to the other sounds
        that are asked about with it."""
        first, second = (s_l(x, y, "mean") for x, y in zip(v, a, strict=True))
        likely = log_probabilities(v, a, self.settings.temperature)
        return {"s_mean": (first + second) / 2, "s_L": likely}

    def vectors(self, modality: Literal["frame", "sound"], features: Features) -> dict[str, Tensor]:
        """Those of `s_mean`, of both spaces one behind the other."""
        spaces = [mean_vectors(modality, each) for each in features]
        return {"s_mean": torch.cat(spaces, dim=1) / 2**0.5}

    @classmethod
    def label(cls, settings: SLAVCSettings) -> str:
        """How the image network begins, what is dropped of its map, and which networks answer."""
        words = ["ImageNet vision" if settings.vision == "imagenet" else "vision from scratch"]
        words += [f"dropout {settings.dropout:g}"] if settings.dropout else []
        words += ["momentum copies tested"] if settings.momentum_at_test else []
        words += ["silence and noise"] if settings.synthetic_negatives else []
        return ", ".join(words)

    @classmethod
    def read_published(
        cls, state: Mapping[str, Tensor], settings: Any, form: SoundForm, name: str
    ) -> tuple["SLAVC", list[str]]:
        """A published file: `imgnet.*`, `audnet.*`, `img_proj1.*`, `img_proj2.*`, `aud_proj1.*`,
        `aud_proj2.*`, and all of them once more behind `momentum_`. See `read_resnets`."""
        return read_resnets(cls, state, settings, form, name, "img_proj1")

    @classmethod
    def is_published(cls, state: Mapping[str, Tensor]) -> bool:
        """The networks and two pairs of projections. See `Method.is_published`."""
        return {"imgnet", "audnet", "img_proj1", "img_proj2"} <= first_words(state)


def log_probabilities(v: Features, a: Features, tau: float) -> Tensor:
    """L of every image with every sound: v two (N, D, h, w), a two (M, D), both of any length;
    (N, M) float32. The softmax of the first space is over the M sounds.

    Rows are independent of each other, so they are made in blocks that the backward pass makes
    again, for memory that stays linear in N."""
    heard = [_unit(y) for y in a]
    rows = max(1, _BLOCK_COSINES // max(1, v[0][0, 0].numel() * len(heard[0])))

    def of_block(*images: Tensor) -> Tensor:
        first, second = (
            torch.einsum("ndp,md->nmp", _unit(x).flatten(2), y) / tau
            for x, y in zip(images, heard, strict=True)
        )
        return torch.logsumexp(first.log_softmax(dim=1) + second.log_softmax(dim=2), dim=2)

    again = torch.is_grad_enabled() and rows < len(v[0])
    return torch.cat(
        [
            checkpoint(of_block, *block, use_reentrant=False, preserve_rng_state=False)
            if again
            else of_block(*block)
            for block in zip(*(x.split(rows) for x in v), strict=True)
        ]
    )


def _unit(features: Tensor) -> Tensor:
    return torch.nn.functional.normalize(features.float(), dim=1)


METHOD = SLAVC
