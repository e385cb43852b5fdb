"""VGG's convolutions, and VGGish: frozen networks of methods that learn little of their own.

Names of layers are torchvision's and torchvggish's (harritaylor/torchvggish), so that their weight
files fit entry by entry.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def convolutions(
    inputs: int, channels: Sequence[int], counts: Sequence[int], *, last_pool: bool
) -> nn.Sequential:
    """VGG's stages: `counts` convolutions of 3 x 3 and ReLU of so many `channels`, then a maximum
    of 2 x 2. Without `last_pool` the last stage ends before its last ReLU, which is torchvision's
    `features[:29]` of a VGG-16."""
    layers: list[nn.Module] = []
    for width, count in zip(channels, counts, strict=True):
        for _ in range(count):
            layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU(inplace=True)]
            inputs = width
        layers.append(nn.MaxPool2d(2, 2))
    return nn.Sequential(*(layers if last_pool else layers[:-2]))


class VGGish(nn.Module):
    """Hershey et al., CNN Architectures for Large-Scale Audio Classification, ICASSP 2017, up to
    its 128 numbers behind a ReLU, without the whitening of the AudioSet release."""

    def __init__(
        self,
        channels: Sequence[int],
        counts: Sequence[int],
        *,
        steps: int,
        bins: int,
        hidden: int,
        width: int,
    ) -> None:
        """`steps` and `bins` of an example: 96 and 64 in the published network, whose `hidden`
        layers have 4096 numbers and whose `width` is 128."""
        super().__init__()
        self.features = convolutions(1, channels, counts, last_pool=True)
        cells = (steps >> len(channels)) * (bins >> len(channels))
        self.embeddings = nn.Sequential(
            nn.Linear(channels[-1] * cells, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, width),
            nn.ReLU(inplace=True),
        )

    def embed(self, examples: Tensor) -> Tensor:
        """(n, 1, steps, bins), time first, to (n, width)."""
        maps = self.features(examples)
        # The network is TensorFlow's, whose channels come last.
        return self.embeddings(maps.permute(0, 2, 3, 1).flatten(1))


@torch.no_grad()
def begin_as_torch(network: nn.Module, generator: torch.Generator) -> None:
    """Draw the weights of convolutions (transposed ones too) and linear layers from `generator` as
    torch draws them from its own; what else there is stays as it is."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.kaiming_uniform_(module.weight, a=5**0.5, generator=generator)
            if module.bias is not None:
                bound = module.weight[0].numel() ** -0.5
                nn.init.uniform_(module.bias, -bound, bound, generator=generator)
