"""Sounds by a network that no label has taught: `encoders: {audio: sounds_alone}` of a study.

It is the sound half of the journal's variant of the paper's method, whose neighbours come from
self-supervised encoders (Senocak et al., TPAMI 47(9), 2025; which sound encoder they took is not
said). Here it is a ResNet of basic blocks on the log-spectrogram, standardised per clip; its
feature is the mean of its last map. On the toy `pipeline.toy.alone` trains it, on another corpus
`avloc learn-sounds`.

The weights are the file `<embed.sound_model>` in the weights folder, entries by torchvision's names
(`conv1.weight`, `layer1.0.conv1.weight`). A file's own shapes decide depth and widths; the first
stage keeps the resolution and every other one halves it. A head that the file still carries has no
use.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from pipeline.encoders.common.contract import Encoder
from pipeline.encoders.common.resnet_files import stages_of, tell_unused
from pipeline.encoders.common.settings import Embed
from pipeline.encoders.common.sounds import standardised
from pipeline.errors import InputError
from pipeline.networks.resnet import ResNet
from pipeline.networks.weights import SUFFIXES, check_fit, file_of_name, load_into, read_state


class SoundEncoder(Encoder):
    """A ResNet on one channel; `features` is D, the channels of its last stage."""

    modality = "audio"

    def __init__(self, blocks: Sequence[int], widths: Sequence[int]) -> None:
        super().__init__()
        self.network = ResNet(1, blocks, widths, [1] + [2] * (len(widths) - 1))
        self.features = widths[-1]

    def forward(self, spectrograms: Tensor) -> Tensor:
        """(B, time steps, bands) to pooled features, (B, D) float32."""
        return self.network(standardised(spectrograms)).mean(dim=(2, 3))


def sound_encoder(weights: Path) -> SoundEncoder:
    """The network in a weight file, in evaluation mode on the CPU. Raises `InputError` where the
    file is damaged or no such network's."""
    state = read_state(weights)
    blocks, widths, bottleneck = stages_of(state, "", weights)
    if bottleneck:
        raise InputError(f"{weights}: holds layer1.0.conv3.weight, expected basic blocks")
    with torch.device("meta"):
        claimed = SoundEncoder(blocks, widths)
    check_fit(claimed.network, state, str(weights))
    encoder = SoundEncoder(blocks, widths)
    tell_unused(weights, load_into(encoder.network, state, str(weights)))
    return encoder.eval()


def load(folder: Path, settings: Embed) -> SoundEncoder:
    """See `pipeline.encoders.common.contract`."""
    found = file_of_name(folder, settings.sound_model)
    if found is None:
        raise InputError(
            f"{folder}: holds no {settings.sound_model} ending in {', '.join(SUFFIXES)}, expected "
            f"weights of a sound network trained without labels; `avloc learn-sounds` makes them"
        )
    return sound_encoder(found)
