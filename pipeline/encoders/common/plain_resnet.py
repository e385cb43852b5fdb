"""The ResNet of most weight files, so that reading one of them does not take timm.

timm brings torchvision, which brings torch's compiler: two seconds of every command that embeds
pictures or makes object maps. A ResNet of basic blocks is the same arithmetic in the same order
here, so its features are timm's to the last bit; every other network is still made by timm.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.nn import functional

from pipeline.networks.resnet import ResNet

STEM = 64  # channels of the first convolution of every such network in timm
_STRIDES = (1, 2, 2, 2)
# What a file of basic blocks has to be called: timm's names of this network with this
# standardisation, and those of the project's own files, which timm does not know.
PLAIN = (
    *("resnet18", "resnet18.tv_in1k", "resnet34", "resnet34.tv_in1k"),
    *("toy", "pictures_alone", "vision"),
)


class PlainResNet(ResNet):
    """A ResNet of basic blocks without a classifier, which answers as one of timm's does."""

    pretrained_cfg: Mapping[str, Any] = {
        "mean": (0.485, 0.456, 0.406),
        "std": (0.229, 0.224, 0.225),
        "classifier": "fc",
    }

    def __init__(self, blocks: Sequence[int], channels: Sequence[int]) -> None:
        """`blocks` and `channels` of each of the four stages."""
        super().__init__(3, blocks, channels, _STRIDES, STEM)
        self.head_hidden_size = channels[-1]

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) to the mean of the last map, (B, channels[-1])."""
        return functional.adaptive_avg_pool2d(super().forward(images), 1).flatten(1)

    def forward_intermediates(self, images: Tensor, **_: object) -> list[Tensor]:
        """The last map alone, (B, channels[-1], H / 32, W / 32), whatever timm's options say."""
        return [super().forward(images)]
