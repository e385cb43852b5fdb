"""What a network computes and keeps for a clip, from its shapes alone: nothing is computed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from pipeline.methods.contract import Dice, Input, Method
from pipeline.speed.method import LATE, parts_of

_CLIPS = 2  # that are walked through; one would be no batch to some methods
_BORDER = 1.1  # a stored frame's side by the network's


@dataclass(frozen=True)
class Shapes:
    """Of one clip of a training step: floating-point `operations` (forward, and twice that back
    where something is learnt), bytes of float32 `activations` kept for the backward pass, of all
    views and of the `largest_view`, and bytes of the views themselves, `inputs`. Of the method:
    bytes of its `weights` with and of those `learnt`, and the `map_cells` of a map."""

    operations: float
    forward: float
    activations: float
    largest_view: float
    inputs: float
    weights: float
    learnt: float
    map_cells: int


def made_batch(method: Method, clips: int) -> dict[str, Tensor]:
    """A batch of made clips as a method wants it, random bytes in the stored shapes."""
    generator = torch.Generator().manual_seed(0)
    side = round(_BORDER * method.side)

    def stored(wanted: Input) -> Tensor:
        if wanted.part == "kin":
            return torch.eye(clips)
        if wanted.part == "sound":
            steps = method.form.steps(wanted.seconds or method.settings.seconds)
            return torch.randn(clips, steps, method.form.bins, generator=generator).half()
        channels = 3 if wanted.part == "frame" else 2
        size = (clips, side, side, channels)
        drawn = torch.randint(0, 256, size, generator=generator, dtype=torch.uint8)
        return drawn.half() if wanted.flow == "signed" and wanted.part == "flow" else drawn

    return {name: stored(wanted) for name, wanted in method.inputs().items()}


def shapes_of(method: Method) -> Shapes:
    """The shapes of a method's training step and maps. The method is moved to no device
    afterwards: it is used up."""
    views = method.train().views(made_batch(method, _CLIPS), Dice(0, LATE.step))
    weights, learnt = _bytes(method.state_dict()), _bytes(_learnt(method))
    cells = method.map_size()
    method.to("meta")
    own = {p.untyped_storage()._cdata for p in method.parameters()}
    operations = forward = 0.0
    kept = []
    for view in views.values():
        noise = None if view.noise is None else view.noise.to("meta")
        walked = view._replace(input=view.input.to("meta"), noise=noise)
        held: dict[int, Tensor] = {}  # the tensors stay, so that no storage's number comes twice

        def keep(tensor: Tensor, held: dict[int, Tensor] = held) -> Tensor:
            place = tensor.untyped_storage()._cdata
            if place not in own:
                held[place] = tensor
            return tensor

        with (
            FlopCounterMode(display=False) as counter,
            torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
            torch.set_grad_enabled(not view.momentum),
        ):
            found = parts_of(method.encode(walked))
        count = float(counter.get_total_flops())
        forward += count
        operations += count * (3 if any(part.requires_grad for part in found) else 1)
        kept.append(sum(tensor.untyped_storage().nbytes() for tensor in held.values()) / _CLIPS)
    return Shapes(
        operations / _CLIPS,
        forward / _CLIPS,
        sum(kept),
        max(kept),
        sum(view.input.nbytes for view in views.values()) / _CLIPS,
        weights,
        learnt,
        cells[0] * cells[1],
    )


def forward_operations(network: nn.Module, stored: Tensor) -> float:
    """Floating-point operations of a network's forward pass of a clip; `stored` (b, ...) says the
    shape of what is stored of b clips."""
    network.to("meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(stored.to("meta"))
    return float(counter.get_total_flops()) / len(stored)


def _learnt(method: Method) -> dict[str, Tensor]:
    return {name: p for name, p in method.named_parameters() if p.requires_grad}


def _bytes(tensors: Mapping[str, Any]) -> float:
    return float(sum(tensor.numel() * tensor.element_size() for tensor in tensors.values()))
