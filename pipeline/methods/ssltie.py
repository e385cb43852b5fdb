"""SSL-TIE: Liu et al., Exploiting Transformation Invariance and Equivariance for Self-supervised
Sound Localisation, ACM MM 2022; code jinxiang-liu/SSL-TIE @ c49e6a9.

Two ResNets from scratch, a map of 14 x 14, no projections. A frame v under MoCo v2's augmentations
and T v, the same picture turned by up to 30 degrees, perhaps halved and mirrored
(`pipeline.methods.common.turning`), are each located under the sound a, whose spectrogram has
stripes of silence:

    L = 1/2 (CE(v, a) + CE(T v, a)) + mean((A(T v) - T(A(v)))^2)

CE is LVS's loss: over the logits [S_ii, S_ik (k not i), b_i] / 0.07 with S the mean of the cosines
weighted by sigmoid((c - 0.65) / 0.03) and b_i that of the own pair weighted by
1 - sigmoid((c - 0.4) / 0.03); A are the own pair's cosines, and gradients flow through both maps.

The code's rows also hold -99 S_ii, which is nothing where S_ii is above 0.05; behind ReLUs cosines
are never negative and it is left out. The code encodes the sound twice, which moves its batch
norms' running statistics twice and changes nothing else; here once. Audio mixing is counted among
the paper's augmentations, but the script that does it stops at once (main_audmix.py:635), so
whether the released weights had it is unknown: `audio_mix` is off. Stored are spectrograms, so it
adds powers where the code adds waveforms, and it draws among the `mix_k` nearest where the code
takes the nearest of 4,000 random clips, of 144,000 one of the nearest 36. The code does not leave
out the clip itself, which is its own nearest where it is one of the 4,000; here it never is.

The code repeats a waveform to 10 s (dataloader.py:223-251): files of 3 s in training on VGGSound,
the first 4 s of a clip in training on Flickr, and in a test whatever the file holds, up to 10 s.
Here all three hear the middle 3 s, and the steps of the spectrogram are repeated in place of the
samples, which differs where one repetition meets the next.
"""

import math
from collections.abc import Mapping
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from pipeline.base.params import Count, Natural, NotNegative, Positive, settings
from pipeline.clips import views
from pipeline.clips.sound_form import SoundForm
from pipeline.errors import InputError
from pipeline.methods.common.cosine_pair import CosinePair
from pipeline.methods.common.published import LVS_STEM, first_words, read_two_resnets, stem_of_lvs
from pipeline.methods.common.similarity import contrastive_loss, localization_map
from pipeline.methods.common.synthetic import append_synthetic
from pipeline.methods.common.turning import Turn, turn_maps, turn_pictures
from pipeline.methods.common.two_resnets import Networks, single
from pipeline.methods.contract import Dice, Features, Input, Moment, OwnTest, View

TEMPERATURE = 0.07
SMALL = 0.5  # the scale that half of the batches have
_OWN = "vision_fc1"  # a layer that of all files SSL-TIE's alone have


@settings
class SSLTIESettings(Networks):
    """What the method learns and how; the defaults are the code's.

    `seconds` of sound are repeated to `repeated_to` (its files are 3 s long). `largest_angle` in
    degrees. With probability `mask_share` a spectrogram has one stripe of fewer than `time_mask`
    steps and one of fewer than `frequency_mask` bins silenced. `equivariance` weighs that loss.
    `audio_mix`: in epoch t (from 1) a share of 0.1 + 0.01 t of the sounds becomes (1 - 0.01 t) own
    + 0.01 t that of one of the `mix_k` nearest sounds. `synthetic_negatives` adds silence and
    noise, which are ours: see `pipeline.methods.common.synthetic`.
    """

    repeated_to: Positive = 10.0
    smallest_crop: Annotated[float, Field(ge=0.01, le=1)] = 0.3
    largest_angle: Annotated[int, Field(ge=0, le=180)] = 30
    mask_share: Annotated[float, Field(ge=0, le=1)] = 0.8
    time_mask: Natural = 180
    frequency_mask: Natural = 35
    equivariance: NotNegative = 1.0
    audio_mix: bool = False
    mix_k: Count = 36
    synthetic_negatives: bool = False


class SSLTIE(CosinePair):
    """The two networks, whose cosines are the map."""

    Settings = SSLTIESettings
    parts = ("contrastive", "equivariance")
    title = "SSL-TIE (ACM MM 2022)"
    # main.py:501-578, without object guidance.
    test_form = OwnTest("half-pixel")
    settings: SSLTIESettings

    def inputs(self) -> dict[str, Input]:
        """See `Method.inputs`."""
        found = {"frames": Input("frame"), "sounds": Input("sound")}
        if self.settings.audio_mix:
            k = self.settings.mix_k
            found["mixed_sounds"] = Input("sound", "sound_neighbour", k=k)
        return found

    def views(self, inputs: Mapping[str, Any], dice: Dice) -> dict[str, View]:
        """v, its turned picture and a, with the synthetic negatives behind it where they are on."""
        frames, sounds = inputs["frames"], inputs["sounds"]
        pictures = views.simclr_view(
            frames,
            dice.uniform("picture", len(frames), views.DRAWS),
            self.side,
            order=torch.randperm(4, generator=dice.generator("order")).tolist(),
            area=(self.settings.smallest_crop, 1.0),
            strength=0.5,  # MoCo v2's jitter: 0.4, 0.4, 0.4 and 0.1 of the hue
        )
        turn = self._turn(dice, len(frames))
        turned = turn_pictures(pictures, turn, self.side, round(turn.scale * self.side))
        if self.settings.audio_mix:
            sounds = self._mixed(sounds, inputs["mixed_sounds"], dice)
        clips = len(sounds)
        if self.settings.synthetic_negatives:
            sounds = append_synthetic(sounds, self.form, dice)
        stored = self.stored_sounds(sounds)
        heard = torch.cat([self._masked(stored[:clips], dice), stored[clips:]])
        return {"v": View("frame", pictures), "turned": View("frame", turned),
                "a": View("sound", heard)}  # fmt: skip

    def loss(
        self, features: Mapping[str, Features], dice: Dice, moment: Moment
    ) -> dict[str, Tensor]:
        """LVS's loss of both pictures, halved, and how far the map of the turned picture is from
        the turned map."""
        v, turned, a = (single(features[name]) for name in ("v", "turned", "a"))
        a, silent = a[: len(v)], a[len(v) :]
        negatives = (silent, None) if len(silent) else None
        contrastive = [
            contrastive_loss([frames], [a], tau=TEMPERATURE, pooling="trimap", negatives=negatives)[
                0
            ]
            for frames in (v, turned)
        ]
        found = localization_map(turned, a)
        turn = self._turn(dice, len(v))
        expected = turn_maps(localization_map(v, a), turn, self.side, found.shape[-1])
        return {
            "contrastive": (contrastive[0] + contrastive[1]) / 2,
            "equivariance": self.settings.equivariance * (found - expected).square().mean(),
        }

    def stored_sounds(self, sounds: Tensor) -> Tensor:
        """Stored windows (B, steps, bins), repeated, to the network's (B, 1, bins, steps)."""
        steps = self.form.steps(self.settings.repeated_to)
        if sounds.shape[1] < steps:
            places = torch.arange(steps, device=sounds.device) % sounds.shape[1]
            sounds = sounds[:, places]
        return super().stored_sounds(sounds)

    @classmethod
    def label(cls, settings: SSLTIESettings) -> str:
        """Whether sounds are mixed, and what is ours."""
        words = [f"audio mix, k {settings.mix_k}"] if settings.audio_mix else []
        words += ["silence and noise"] if settings.synthetic_negatives else []
        return ", ".join(words)

    @classmethod
    def read_published(
        cls, state: Mapping[str, Tensor], settings: Any, form: SoundForm, name: str
    ) -> tuple["SSLTIE", list[str]]:
        """The authors' file, see `Method.read_published`: `imgnet.*`, `audnet.*` with LVS's stem,
        and `conv3`, `norm3` and `vision_fc1`, which no map needs but which tell it from LVS's."""
        if not cls.is_published(state):
            raise InputError(f"{name}: holds no {_OWN}.weight, expected SSL-TIE's entries")
        stem = stem_of_lvs(state, name)
        return read_two_resnets(lambda s: cls(s, form), state, settings, name, stem)

    @classmethod
    def is_published(cls, state: Mapping[str, Tensor]) -> bool:
        """LVS's networks and a layer that its code makes and never runs. See
        `Method.is_published`."""
        return LVS_STEM in state and {"imgnet", "audnet", _OWN} <= first_words(state)

    def _turn(self, dice: Dice, clips: int) -> Turn:
        """The step's transform: drawn once for the pictures and once more, the same, for the
        maps."""
        largest = self.settings.largest_angle
        angles = (dice.uniform("angle", clips) * (2 * largest + 1)).long() - largest
        small, mirrored = (torch.rand(2, generator=dice.generator("turn")) < 0.5).tolist()
        return Turn(angles, SMALL if small else 1.0, mirrored)

    def _masked(self, sounds: Tensor, dice: Dice) -> Tensor:
        """(b, 1, bins, steps) with the stripes of silence."""
        draws = dice.uniform("stripes", len(sounds), 5).to(sounds.device)
        chosen = (draws[:, 0] < self.settings.mask_share)[:, None]
        masks = []
        for axis, limit, draw in (
            (2, self.settings.frequency_mask, draws[:, 1:3]),
            (3, self.settings.time_mask, draws[:, 3:5]),
        ):
            length = sounds.shape[axis]
            width = draw[:, :1] * min(limit, length)
            first = (draw[:, 1:] * (length - width)).floor()
            places = torch.arange(length, device=sounds.device)
            masks.append(chosen & (places >= first) & (places < first + width.floor()))
        masked = masks[0][:, None, :, None] | masks[1][:, None, None, :]
        return sounds.masked_fill(masked, self.form.silence / self.form.divisor)

    def _mixed(self, sounds: Tensor, others: Tensor, dice: Dice) -> Tensor:
        """Stored sounds, some of them with the other clip's added. The sum of two waves that are
        unlike has the sum of their powers; where a form stores magnitudes, those are added."""
        share = min(1.0, 0.01 * (dice.epoch + 1))  # more of the other one from epoch to epoch
        chosen = dice.uniform("mix", len(sounds)).to(sounds.device) < 0.1 + share
        unit = 1.0 if self.form.scale == "log" else 10 / math.log(10)
        power = 1 if self.form.quantity == "magnitude" else 2
        own = sounds.float() / unit + power * _log(1 - share)
        mixed = unit * torch.logaddexp(own, others.float() / unit + power * _log(share))
        mixed = mixed.clamp_min(self.form.silence).to(sounds.dtype)
        return torch.where(chosen[:, None, None], mixed, sounds)


METHOD = SSLTIE


def _log(factor: float) -> float:
    return math.log(factor) if factor > 0 else -math.inf
