"""The published VGGSound network: features of sounds for neighbours (3.3).

They are the average-pooled last map of the spectrogram standardised per clip with the biased
deviation (over n, as NumPy's `std` in the published code), not divided by 12. A file's own shapes
decide how deep and wide the network is built.
"""

from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from pipeline.encoders.common.bottleneck import Bottleneck
from pipeline.encoders.common.contract import Encoder
from pipeline.encoders.common.resnet_files import length_of, stages_of, tell_unused
from pipeline.encoders.common.settings import Embed
from pipeline.encoders.common.sounds import standardised
from pipeline.errors import InputError
from pipeline.networks.resnet import BasicBlock
from pipeline.networks.weights import check_fit, load_into, read_state

AUDIO_WEIGHTS = "H.pth.tar"
_AUDIO_ADDRESS = "https://github.com/hche11/VGGSound"


class AudioEncoder(Encoder):
    """The published VGGSound network: torchvision's ResNet on one channel, with its classifier.

    `features` is D, the number of features of a sound."""

    modality = "audio"

    def __init__(
        self,
        blocks: Sequence[int],
        widths: Sequence[int],
        *,
        stem: int,
        classes: int,
        bottleneck: bool = False,
    ) -> None:
        """`blocks` and `widths` (output channels) of every stage, `stem` channels of `conv1`."""
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            conv1=nn.Conv2d(1, stem, 7, stride=2, padding=3, bias=False),
            bn1=nn.BatchNorm2d(stem),
            relu=nn.ReLU(inplace=True),
            maxpool=nn.MaxPool2d(3, stride=2, padding=1),
        )
        kind: type[Bottleneck] | type[BasicBlock] = Bottleneck if bottleneck else BasicBlock
        inputs = stem
        for number, (count, width) in enumerate(zip(blocks, widths, strict=True), start=1):
            stage = []
            for block in range(count):
                stride = 2 if number > 1 and block == 0 else 1
                shortcut = None
                if stride != 1 or inputs != width:
                    shortcut = nn.Sequential(
                        nn.Conv2d(inputs, width, 1, stride=stride, bias=False),
                        nn.BatchNorm2d(width),
                    )
                stage.append(kind(inputs, width, stride, shortcut))
                inputs = width
            layers[f"layer{number}"] = nn.Sequential(*stage)
        layers["avgpool"] = nn.AdaptiveAvgPool2d(1)
        layers["flatten"] = nn.Flatten()
        layers["fc"] = nn.Linear(inputs, classes)
        self.audnet = nn.Sequential(layers)
        self.features = inputs

    def forward(self, spectrograms: Tensor) -> Tensor:
        """(B, time steps, bands) of log(S + 1e-7) to pooled features, (B, D) float32."""
        return self.audnet[:-1](standardised(spectrograms))

    def classify(self, spectrograms: Tensor) -> Tensor:
        """(B, time steps, bands) of log(S + 1e-7) to class scores, (B, classes) float32."""
        return self.audnet(standardised(spectrograms))


def audio_encoder(weights: Path) -> AudioEncoder:
    """The VGGSound network in `weights`, in evaluation mode on the CPU.

    Depth, widths and the number of classes are read from the file (the published one: 18 layers,
    512 features, 309 classes). Raises `InputError` where the file is missing or does not fit.
    """
    if not weights.is_file():
        raise InputError(
            f"{weights}: not found; the VGGSound audio network (ResNet-18, average pooling) comes "
            f"from {_AUDIO_ADDRESS} and is placed there under that name"
        )
    state = read_state(weights)
    blocks, widths, bottleneck = stages_of(state, "audnet.", weights)
    sizes = []
    for key in ("audnet.conv1.weight", "audnet.fc.weight"):
        if key not in state:
            raise InputError(f"{weights}: misses {key}, expected the average-pooling network")
        sizes.append(length_of(state, key, weights))
    made = partial(
        AudioEncoder, blocks, widths, stem=sizes[0], classes=sizes[1], bottleneck=bottleneck
    )
    with torch.device("meta"):
        claimed = made()
    check_fit(claimed, state, str(weights))
    encoder = made()
    tell_unused(weights, load_into(encoder, state, str(weights)))
    return encoder.eval()


def load(folder: Path, settings: Embed) -> AudioEncoder:
    """See `pipeline.encoders.common.contract`."""
    return audio_encoder(folder / AUDIO_WEIGHTS)
