"""LVS: Chen et al., Localizing Visual Sounds the Hard Way, CVPR 2021.

Two ResNet-18 from scratch and no projection. C(n, m, p) is the cosine of position p of frame n with
sound m. With soft masks of it, s() the logistic function, the method pools a foreground

    S(n, m) = sum_p s((C - 0.65) / 0.03) C / sum_p s((C - 0.65) / 0.03)

and of each pair's own map a background G(n), with the weights 1 - s((C - 0.4) / 0.03), which is a
hard negative. The loss is the cross-entropy of S(n, n) against S(n, m) of the batch's other sounds
and G(n), all over 0.07; nothing is detached, the masks have a gradient too. The map is C(n, n, p).

Networks and logits are those of hche11/Localizing-Visual-Sounds-the-Hard-Way @ 8fe8cbb (model.py),
the cross-entropy that of the code derived from it (jinxiang-liu/SSL-TIE @ c49e6a9, main.py). LVS's
own training code is not public: epochs and choice of the checkpoint are unknown. Adam's 1e-4,
weight decay 1e-4, batch 256 and the 80 epochs of params.yaml are those of the derived code.

Text and code differ, and the code is taken here: the text anchors on a sound and compares images,
the code anchors on a frame and compares sounds; the text's easy negatives are plain means over all
positions inside the background's exponent, the code's are pooled as positives are, a logit each;
the text has no temperature. The code's test feeds ten seconds at hop 238; the alignment paper's
authors test its file on three at 159 (kaistmm/SSLalignment @ e7ae3c5, datasets_lvs.py), as here.
One thing of the code is off: a frame's row holds its own sound a second time, times -99. That
stands for "not its own negative" and adds nothing while S(n, n) > 0.05, as nearly always with
features behind a ReLU; a negative S(n, n), though, becomes a logit of hundreds, and the loss of
that one pair, which is pulled together, drowns the batch's. `own_negative` puts it back.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from pipeline.base.params import Positive, settings
from pipeline.clips import views
from pipeline.clips.sound_form import SoundForm
from pipeline.methods.common.contrast import choose_sound, trimap_rows
from pipeline.methods.common.cosine_pair import CosinePair
from pipeline.methods.common.published import LVS_STEM, first_words, read_two_resnets, stem_of_lvs
from pipeline.methods.common.synthetic import all_sounds, append_synthetic
from pipeline.methods.common.two_resnets import Networks, single
from pipeline.methods.contract import Dice, Features, Input, Method, Moment, OwnTest, View


@settings
class LVSSettings(Networks):
    """What the method learns and how; the defaults are the published code's but for `own_negative`.

    `temperature` divides the similarities. `background` adds G(n), `own_negative` the code's
    -99 S(n, n). `synthetic_negatives` adds silence and noise, which are ours:
    see `pipeline.methods.common.synthetic`.
    """

    temperature: Positive = 0.07
    background: bool = True
    own_negative: bool = False
    synthetic_negatives: bool = False


class LVS(CosinePair):
    """The image network and the sound network, compared by the tri-map."""

    Settings = LVSSettings
    title = "LVS (CVPR 2021)"
    # test.py:80-88, of all sets, without object guidance.
    test_form = OwnTest("half-pixel")
    settings: LVSSettings

    def inputs(self) -> dict[str, Input]:
        """See `Method.inputs`."""
        return {"frames": Input("frame"), "sounds": Input("sound")}

    def views(self, inputs: Mapping[str, Any], dice: Dice) -> dict[str, View]:
        """v (b, 3, side, side), cropped and flipped; a (b, 1, bins, steps), with the synthetic
        negatives behind it where they are on."""
        frames, sounds = inputs["frames"], inputs["sounds"]
        draws = dice.uniform("frame", len(frames), views.DRAWS)
        if self.settings.synthetic_negatives:
            sounds = append_synthetic(sounds, self.form, dice)
        return {
            "v": View("frame", views.light_view(frames, draws, self.side)),
            "a": View("sound", self.stored_sounds(sounds)),
        }

    def loss(
        self, features: Mapping[str, Features], dice: Dice, moment: Moment
    ) -> dict[str, Tensor]:
        """The tri-map's cross-entropy over the sounds."""
        settings = self.settings
        v = single(features["v"])
        a, everyone = all_sounds(single(features["a"]), len(v))
        rows = trimap_rows(
            v,
            a,
            everyone,
            background=settings.background,
            own_negative=settings.own_negative,
        )
        return {"contrastive": choose_sound(rows, settings.temperature)}

    @classmethod
    def label(cls, settings: LVSSettings) -> str:
        """What differs from the published method."""
        words = [] if settings.background else ["no background"]
        words += ["own negative"] if settings.own_negative else []
        words += ["silence and noise"] if settings.synthetic_negatives else []
        return ", ".join(words)

    @classmethod
    def read_published(
        cls, state: Mapping[str, Tensor], settings: Any, form: SoundForm, name: str
    ) -> tuple[Method, list[str]]:
        """The authors' file (`imgnet.*`, `audnet.*`), see `Method.read_published`. The stem of the
        sound network is `audnet.conv1_a`; its `conv1`, the image network's `conv1_a`, the
        `conv1_flow` and the `fc` of both have no use."""
        stem = stem_of_lvs(state, name)
        return read_two_resnets(lambda s: cls(s, form), state, settings, name, stem)

    @classmethod
    def is_published(cls, state: Mapping[str, Tensor]) -> bool:
        """The networks alone, with the stem for sounds. See `Method.is_published`."""
        return LVS_STEM in state and first_words(state) == {"imgnet", "audnet"}


METHOD = LVS
