"""Momentum copies: networks that follow trained ones and give targets without a gradient.

A copy is an ordinary part of the method, so checkpoints and weight files hold it. It follows in its
parameters alone. Its batch normalisation counts statistics of its own, and in training mode uses
those of the batch, as MoCo (He et al., CVPR 2020) and what descends from it do.
"""

from copy import deepcopy
from typing import TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


def momentum_copy(network: Network) -> Network:
    """A copy of a network, equal to it and never learning by itself. To be made when the network's
    own weights are there: it begins with them, and with their running statistics."""
    return deepcopy(network).requires_grad_(False)


@torch.no_grad()
def follow(copy: nn.Module, network: nn.Module, momentum: float) -> None:
    """Move each parameter of a `momentum_copy` to `momentum` of itself and 1 - `momentum` of the
    network's. Buffers, the running statistics among them, are left alone."""
    for own, followed in zip(copy.parameters(), network.parameters(), strict=True):
        own.lerp_(followed, 1 - momentum)
