"""HearTheFlow without flow: Fedorishin et al., Hear The Flow: Optical Flow-Based Self-Supervised
Visual Sound Source Localization, WACV 2023; code denfed/heartheflow @ 60ed54d.

An ImageNet ResNet-18 with all its strides (7 x 7) that never learns, a sound network from scratch,
no projections, and LVS's loss of their cosines: logits [S_ii, S_ik (k not i), b_i] / 0.07, S the
mean of the cosines weighted by sigmoid((c - 0.65) / 0.03), b_i that of the own pair weighted by
1 - sigmoid((c - 0.4) / 0.03); 0.4 is the code's 0.65 - 0.25.

The method itself adds to the frame's map an attention whose keys are the optical flow of the next
frame (model.py:128-146). No flow is stored here, so this is what is left without that attention,
and none of the paper's rows; a file of the authors', whose maps need the flow, is refused.

As in the code the frozen network stays in training mode: it is normalised by the statistics of the
batch, and its running statistics, by which it is tested, move. Of the code's rows -99 S_ii is left
out, as in `pipeline.methods.ssltie`: behind ReLUs no cosine is negative. Two things of the code are
not done: its training loader does not shuffle (datamodule.py:25-34), so that all epochs have the
same batches, and its checkpoint is the best by the test set.
"""

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Any, Literal

from pydantic import Field
from torch import Tensor

from pipeline.base.params import Positive, settings
from pipeline.clips import views
from pipeline.clips.spectrogram import SoundForm
from pipeline.errors import InputError
from pipeline.methods.common.cosine_pair import CosinePair, single
from pipeline.methods.common.published import read_two_resnets
from pipeline.methods.common.similarity import contrastive_loss
from pipeline.methods.common.two_resnets import Networks
from pipeline.methods.contract import Dice, Features, Input, Method, Moment, OwnTest, View


@settings
class HearTheFlowSettings(Networks):
    """What the method learns; the defaults are the code's. `temperature` divides the logits."""

    strides: list[Annotated[int, Field(ge=1, le=2)]] = field(default_factory=lambda: [1, 2, 2, 2])
    vision: Literal["scratch", "imagenet"] = "imagenet"
    temperature: Positive = 0.07


class HearTheFlow(CosinePair):
    """The frozen image network and the sound network."""

    Settings = HearTheFlowSettings
    title = "HearTheFlow without flow (WACV 2023)"
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
        self.imgnet.requires_grad_(False)

    def inputs(self) -> dict[str, Input]:
        """See `Method.inputs`."""
        return {"frames": Input("frame"), "sounds": Input("sound")}

    def views(self, inputs: Mapping[str, Tensor], dice: Dice) -> dict[str, View]:
        """v, cropped and flipped, which nothing that learns encodes, and a."""
        frames = inputs["frames"]
        draws = dice.uniform("frame", len(frames), views.DRAWS)
        return {
            "v": View("frame", views.light_view(frames, draws, self.side), momentum=True),
            "a": View("sound", self.stored_sounds(inputs["sounds"])),
        }

    def loss(
        self, features: Mapping[str, Features], dice: Dice, moment: Moment
    ) -> dict[str, Tensor]:
        """LVS's loss."""
        found, _ = contrastive_loss(
            [single(features["v"])],
            [single(features["a"])],
            tau=self.settings.temperature,
            pooling="trimap",
        )
        return {"contrastive": found}

    @classmethod
    def label(cls, settings: HearTheFlowSettings) -> str:
        """That there is no flow."""
        return "without flow"

    @classmethod
    def read_published(
        cls, state: Mapping[str, Tensor], settings: Any, form: SoundForm, name: str
    ) -> tuple[Method, list[str]]:
        """A file of the code's network without its flow: `imgnet.*`, `audnet.*`; see
        `Method.read_published`. Raises `InputError` for one with flow too."""
        flow = [key for key in state if key.startswith(("flowatt.", "flownet."))]
        if flow:
            raise InputError(f"{name}: holds {flow[0]}, expected a network that sees no flow")
        return read_two_resnets(lambda s: cls(s, form), state, settings, name, {})


METHOD = HearTheFlow
