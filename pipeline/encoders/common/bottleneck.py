"""The block of the deeper ResNets, of which some sound networks are, by torchvision's names.

It stands here for the reason that the basic block has a place of its own in
`pipeline.networks.resnet`: torchvision's takes two seconds to import.
"""

from torch import Tensor, nn

_EXPANSION = 4  # times as many channels come out as are convolved


class Bottleneck(nn.Module):
    """A 3x3 convolution between two of 1x1, all beside a shortcut, `downsample` where the shape
    changes; the stride is the middle one's."""

    def __init__(
        self, inputs: int, width: int, stride: int = 1, downsample: nn.Module | None = None
    ) -> None:
        """`width` is the number of channels that come out, four times that of the convolution."""
        super().__init__()
        inner = width // _EXPANSION
        self.conv1 = nn.Conv2d(inputs, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, inner * _EXPANSION, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(inner * _EXPANSION)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample

    def forward(self, features: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, width, H / stride, W / stride)."""
        shortcut = features if self.downsample is None else self.downsample(features)
        found = self.relu(self.bn1(self.conv1(features)))
        found = self.relu(self.bn2(self.conv2(found)))
        found = self.bn3(self.conv3(found))
        found += shortcut
        activated: Tensor = self.relu(found)
        return activated
