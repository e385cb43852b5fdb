"""A basic-block ResNet without a head, the stride of every stage spelled out.

Names are torchvision's (as in every published file of the field), and so are the bits of what comes
out. Its own block is not imported, since that takes two seconds of every command. The last stage of
the paper's networks keeps its resolution without dilating, so that 224 px give a 14 x 14 map, at
four times the work of that stage: 3.05 instead of 1.81 billion multiply-adds a frame.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from pipeline.errors import InputError


class BasicBlock(nn.Module):
    """Two 3x3 convolutions of `width` channels beside a shortcut, `downsample` where the shape
    changes."""

    def __init__(
        self, inputs: int, width: int, stride: int = 1, downsample: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = downsample

    def forward(self, features: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, width, H / stride, W / stride)."""
        shortcut = features if self.downsample is None else self.downsample(features)
        found: Tensor = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(features)))))
        found += shortcut
        activated: Tensor = self.relu(found)
        return activated


class ResNet(nn.Module):
    """A 7x7 stem of stride 2, a max-pool of stride 2, then stages of basic blocks."""

    def __init__(
        self,
        inputs: int,
        blocks: Sequence[int],
        channels: Sequence[int],
        strides: Sequence[int],
        stem: int | None = None,
    ) -> None:
        """`stem`: the channels of the first convolution, those of the first stage by default."""
        super().__init__()
        self.strides = tuple(strides)
        width = stem or channels[0]
        self.conv1 = nn.Conv2d(inputs, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.stages: list[str] = []
        for number, stage in enumerate(zip(blocks, channels, strides, strict=True), start=1):
            count, out, stride = stage
            shortcut = None
            if stride != 1 or out != width:
                shortcut = nn.Sequential(
                    nn.Conv2d(width, out, 1, stride=stride, bias=False), nn.BatchNorm2d(out)
                )
            layers = [BasicBlock(width, out, stride, shortcut)]
            layers += [BasicBlock(out, out) for _ in range(count - 1)]
            self.stages.append(f"layer{number}")
            self.add_module(self.stages[-1], nn.Sequential(*layers))
            width = out

    def forward(self, images: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, channels[-1], h, w), not negative."""
        features = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        for stage in self.stages:
            features = self.get_submodule(stage)(features)
        return features

    def map_size(self, height: int, width: int) -> tuple[int, int]:
        """(h, w) of the map that an input of the given size ends in."""
        for stride in (2, 2, *self.strides):
            height, width = -(-height // stride), -(-width // stride)
        return height, width


def initialise(network: nn.Module, generator: torch.Generator) -> None:
    """From scratch, in place, as the field does (4.1): Kaiming-normal (fan-out) convolutions,
    batch-norm weights N(1, 0.02), linear layers as torch makes them; every number from
    `generator`."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(
                module.weight, mode="fan_out", nonlinearity="relu", generator=generator
            )
            if module.bias is not None:  # torch's own, from the given generator
                _uniform(module.bias, math.prod(module.weight.shape[1:]), generator)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02, generator=generator)
        elif isinstance(module, nn.Linear):
            nn.init.kaiming_uniform_(module.weight, a=math.sqrt(5), generator=generator)
            if module.bias is not None:
                _uniform(module.bias, module.in_features, generator)


def _uniform(bias: Tensor, inputs: int, generator: torch.Generator) -> None:
    bound = 1 / math.sqrt(inputs)
    nn.init.uniform_(bias, -bound, bound, generator=generator)


def shape_in(
    entries: Mapping[str, Tensor], prefix: str, stages: int, name: str
) -> tuple[list[int], list[int]]:
    """Blocks and channels of a basic-block ResNet's stages, as the names and shapes of the entries
    of a weight file tell them; the strides stand in no file.

    `prefix` is what stands before 'layer1' ('imgnet.'), `name` the file's, for errors. Raises
    `InputError` where a stage is missing."""
    blocks, channels = [], []
    for stage in range(1, stages + 1):
        count = 0
        while f"{prefix}layer{stage}.{count}.conv1.weight" in entries:
            count += 1
        if not count:
            raise InputError(
                f"{name}: holds no {prefix}layer{stage}.0.conv1.weight, expected a ResNet's "
                f"{prefix}* entries"
            )
        blocks.append(count)
        first = entries[f"{prefix}layer{stage}.0.conv1.weight"]
        channels.append(len(first) if first.ndim else 0)  # a single number fits no layer either
    return blocks, channels
