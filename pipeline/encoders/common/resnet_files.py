"""What the entries of a ResNet's weight file tell of its shape."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from pipeline.errors import InputError
from pipeline.execution.progress import console


def stages_of(
    state: Mapping[str, Tensor], prefix: str, source: Path
) -> tuple[list[int], list[int], bool]:
    """Blocks and output channels of every stage of a ResNet's entries; whether of bottlenecks."""
    bottleneck = f"{prefix}layer1.0.conv3.weight" in state
    last = "conv3" if bottleneck else "conv2"
    blocks: list[int] = []
    widths: list[int] = []
    while f"{prefix}layer{len(blocks) + 1}.0.{last}.weight" in state:
        stage = f"{prefix}layer{len(blocks) + 1}"
        count = 1
        while f"{stage}.{count}.{last}.weight" in state:
            count += 1
        blocks.append(count)
        widths.append(length_of(state, f"{stage}.0.{last}.weight", source))
    if not blocks:
        raise InputError(f"{source}: misses {prefix}layer1.0.{last}.weight, expected a ResNet's")
    return blocks, widths, bottleneck


def length_of(state: Mapping[str, Tensor], key: str, source: Path) -> int:
    """The output channels that a layer's weights tell."""
    if not state[key].ndim:
        raise InputError(f"{source}: {key}: found a single number, expected a layer's weights")
    return len(state[key])


def tell_unused(source: Path, unused: list[str]) -> None:
    """Tell on the console which entries of a weight file have no use."""
    if unused:
        console.print(f"{source.name}: entries without use: {', '.join(unused)}")
