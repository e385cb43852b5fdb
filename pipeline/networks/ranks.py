"""Training on several devices, at one place: negatives, batch statistics, gradients of all ranks.

Each rank encodes its own part of the batch. What must cross ranks is small (sounds of 512 numbers,
rows of similarities, a mean and a variance a channel), so gradients are summed in one call after
the backward pass instead of in buckets beside it: no wrapper around the networks, which run six
times a step, at the price of one exposed all-reduce of the weights (90 MB for two ResNet-18).

Every function is the identity where there is a single rank.
"""

from collections.abc import Iterable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


def count() -> int:
    """The number of ranks; 1 outside a process group."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """This process's rank; 0 outside a process group."""
    return dist.get_rank() if count() > 1 else 0


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, local: Tensor) -> Tensor:
        local = local.contiguous()
        parts = [torch.empty_like(local) for _ in range(count())]
        dist.all_gather(parts, local)
        return torch.cat(parts)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)  # every rank's loss depends on this rank's entries
        return total.chunk(count())[rank()]


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, local: Tensor) -> Tensor:
        total = local.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        dist.all_reduce(total)
        return total


def gather(local: Tensor) -> Tensor:
    """The ranks' tensors of equal shape, one behind the other along the first axis.

    Gradients flow back to the rank that gave the entry, summed over the ranks' losses.
    """
    return _Gather.apply(local) if count() > 1 else local


def all_values(value: Any) -> list[Any]:
    """All ranks' values in rank order; acts as a barrier."""
    if count() == 1:
        return [value]
    values: list[Any] = [None] * count()
    dist.all_gather_object(values, value)
    return values


def largest(value: int) -> int:
    """The largest of all ranks' values; acts as a barrier. It goes by the hosts, since a device
    would have to be waited for."""
    if count() == 1:
        return value
    found = torch.tensor(value)
    dist.all_reduce(found, dist.ReduceOp.MAX, group=_hosts())
    return int(found)


def _hosts() -> Any:
    """A group of all ranks whose tensors lie on the CPU; made once for each process group, by all
    of its ranks at the same place."""
    whole = dist.group.WORLD
    if dist.get_backend() == "gloo":
        return whole
    if whole not in _made:
        _made.clear()
        _made[whole] = dist.new_group(backend="gloo")
    return _made[whole]


_made: dict[Any, Any] = {}


def average(tensors: Iterable[Tensor]) -> None:
    """Replace each tensor by its mean over the ranks, in place and in one call."""
    if count() == 1:
        return
    tensors = list(tensors)
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    dist.all_reduce(flat)
    parts = torch.split(flat / count(), [tensor.numel() for tensor in tensors])
    for tensor, part in zip(tensors, parts, strict=True):
        tensor.copy_(part.view_as(tensor))


class SynchronizedBatchNorm(nn.BatchNorm2d):
    """Batch normalisation with the statistics of all ranks' entries, on any device.

    torch's own needs a GPU; this one is what the whole batch on one device would give.
    """

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or count() == 1:
            return super().forward(input)
        values = input.float()
        size = values.numel() // values.shape[1] * count()  # ranks hold equal parts
        mean = _Sum.apply(values.sum(dim=(0, 2, 3))) / size
        centred = values - mean[:, None, None]
        variance = _Sum.apply(centred.square().sum(dim=(0, 2, 3))) / size
        with torch.no_grad():
            assert self.running_mean is not None and self.running_var is not None
            assert self.momentum is not None and self.num_batches_tracked is not None
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (size / (size - 1)), self.momentum)
        scale = torch.rsqrt(variance + self.eps)
        if not self.affine:
            return (centred * scale[:, None, None]).to(input.dtype)
        normalised = centred * (self.weight * scale)[:, None, None] + self.bias[:, None, None]
        return normalised.to(input.dtype)


def synchronize_batch_norm(network: nn.Module) -> None:
    """Make every batch normalisation of `network` use the statistics of all ranks, in place.

    Names, weights and buffers stay what they are."""
    for module in network.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = SynchronizedBatchNorm


def leave_uncompiled(network: nn.Module) -> None:
    """Keep `torch.compile` out of what crosses ranks, in place: traced through, the gradient of a
    sum over ranks is zero without a word (torch 2.11)."""
    for module in network.modules():
        if isinstance(module, SynchronizedBatchNorm):
            module.forward = torch.compiler.disable(module.forward)  # type: ignore[method-assign]
