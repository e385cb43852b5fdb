"""What three methods of one group share (Attention10k as DSOL's authors have it, DMC's simplified
form, DSOL itself): a sound is shown its own frame and another clip's, a right and a wrong pair.

Pictures are as those methods' loader makes them (DTaoo/Simplified_DMC @ 312b252,
data/MUSIC_dataset.py). The code puts both frames of a sound into one batch, so its batch norms see
them together, as here; it encodes each sound twice, which is the same but for the running
statistics, and here once. Its sounds are one second, 64 mel bands of the magnitude by librosa
(Slaney's triangles, window 160, hop 80, dB cut at 80 below the loudest); of a sound form there is
the same but with HTK's triangles and a fixed floor. Its samples are the seconds of a video: of the
second that is heard it draws a frame at random, anew each time, and the other frame from any second
of another video. Here a clip is one sample, with its decoded frame and the middle second of its
sound, and the other clip's frame is that clip's decoded one.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from pipeline.base.params import Positive, settings
from pipeline.clips import views
from pipeline.clips.colours import brighten, saturate
from pipeline.clips.frames import Stored
from pipeline.clips.sound_form import SoundForm
from pipeline.methods.common.published import first_words, read_two_resnets
from pipeline.methods.common.two_resnets import Networks, TwoResNets, single
from pipeline.methods.contract import Dice, Features, Input, View

_SCALE = 256 / 224  # frames are resized to 256 px before the crop of 224 px
_JITTER = (0.7, 1.3)  # of the brightness and of the colour
# Of all three methods.
_LAYERS = frozenset({"fc_v_1", "fc_v_2", "fc_a_1", "fc_a_2", "conv_v_1", "conv_v_2", "conv_av"})
_NEAR = 1e-9  # added to the squared distance before its root


@settings
class PairedNetworks(Networks):
    """Settings of such methods: ImageNet's network for the frame, a second of sound."""

    seconds: Positive = 1.0
    vision: Literal["scratch", "imagenet"] = "imagenet"


class PairedResNets(TwoResNets):
    """Two networks whose view `frames` holds b own frames and behind them b other ones."""

    # The layers behind the networks, by the published code's names.
    layers: ClassVar[frozenset[str]] = frozenset()
    settings: PairedNetworks

    def inputs(self) -> dict[str, Input]:
        """See `Method.inputs`."""
        return {
            "frames": Input("frame"),
            "other_frames": Input("frame", "other"),
            "sounds": Input("sound"),
        }

    def views(self, inputs: Mapping[str, Any], dice: Dice) -> dict[str, View]:
        """`frames`, (2 b, 3, side, side), and `sounds`."""
        pictures = [
            paired_view(inputs[name], dice.uniform(name, len(inputs[name]), views.DRAWS), self.side)
            for name in ("frames", "other_frames")
        ]
        return {
            "frames": View("frame", torch.cat(pictures)),
            "sounds": View("sound", self.stored_sounds(inputs["sounds"])),
        }

    def encode(self, view: View) -> Tensor:
        """What `seen` makes of frames and `heard` of sounds."""
        return self.seen(view.input) if view.modality == "frame" else self.heard(view.input)

    def seen(self, frames: Tensor) -> Tensor:
        """(B, 3, side, side) to v, (B, C, h, w)."""
        return self.position_features(frames)

    def heard(self, sounds: Tensor) -> Tensor:
        """(B, 1, bins, steps) to a, (B, C)."""
        return self.heard_features(sounds)

    def frame_features(self, frames: Tensor) -> Features:
        """Of tested frames."""
        return self.seen(self.plain_frames(frames))

    def sound_features(self, sounds: Tensor) -> Features:
        """Of windows."""
        return self.heard(self.stored_sounds(sounds))

    @classmethod
    def read_published(
        cls, state: Mapping[str, Tensor], settings: Any, form: SoundForm, name: str
    ) -> tuple["PairedResNets", list[str]]:
        """A file that the published code leaves behind (`visual_net.*`, `audio_net.*` with a stem
        `conv1_a` for sounds, and the layers behind them by the names here); see
        `Method.read_published`. The authors' own files are not public."""
        renamed = {}
        for theirs, own in (("visual_net.", "imgnet."), ("audio_net.", "audnet.")):
            for key in state:
                if key.startswith(theirs):
                    renamed[own + key.removeprefix(theirs)] = key
        if "audio_net.conv1_a.weight" in state:
            renamed["audnet.conv1.weight"] = "audio_net.conv1_a.weight"
        make: Any = cls
        return read_two_resnets(lambda s: make(s, form), state, settings, name, renamed)

    @classmethod
    def is_published(cls, state: Mapping[str, Tensor]) -> bool:
        """The networks by the published code's names, and of the layers that the group puts behind
        them this method's own. See `Method.is_published`."""
        words = first_words(state)
        return {"visual_net", "audio_net"} <= words and words & _LAYERS == cls.layers


def paired_view(frames: Stored, draws: Tensor, side: int) -> Tensor:
    """A random crop and flip, brightness and colour by factors in 0.7 to 1.3.

    frames: (B, H, W, 3) uint8 or kept ones; draws: (B, >= 5) uniform; returns normalised
    (B, 3, side, side) float32. The code changes the colours first, which differs only where they
    are cut off."""
    draws = draws.to(frames.device)
    pictures = views.light_crop(frames, draws, side, scale=_SCALE)
    low, high = _JITTER
    factors = low + (high - low) * draws[:, 3:5]
    pictures = saturate(brighten(pictures, factors[:, 0]), factors[:, 1])
    return views.normalise(pictures)


def halves(frames: Features) -> tuple[Tensor, Tensor]:
    """The own frames' features and the other ones'."""
    own, other = single(frames).chunk(2)
    return own, other


def margin_loss(own: Tensor, other: Tensor, margin: float) -> Tensor:
    """The contrastive loss of Hadsell et al. (CVPR 2006), the mean over right and wrong pairs of
    1/2 d^2 and 1/2 max(0, `margin` - sqrt(d^2 + 1e-9))^2. own, other: (b,) squared distances."""
    missing = (margin - (other + _NEAR).sqrt()).clamp_min(0)
    return (own + missing.square()).mean() / 4
