"""The reference projections of the methods that have a linear layer for frames and one for sounds,
and what their tests share: 32 to 24 channels, by the goldens' names `w_v`, `b_v`, `w_a`, `b_a`."""

from typing import Any

import torch
from torch import Tensor, nn

# Of a method whose projections are the goldens'.
WIDTHS: dict[str, Any] = {
    "blocks": [1],
    "channels": [32],
    "strides": [2],
    "side": 56,
    "projection_width": 24,
}


def fill_projections(
    method: nn.Module, golden: dict[str, Tensor], *, prefix: str = "", space: str = ""
) -> None:
    """Give a method the golden's layers; SLAVC has four pairs, with `prefix` before a name of the
    method and of the golden, `space` behind it."""
    image, sound = _layers(method, prefix, space)
    with torch.no_grad():
        image.weight.copy_(golden[f"{prefix}w_v{space}"][:, :, None, None])
        image.bias.copy_(golden[f"{prefix}b_v{space}"])
        sound.weight.copy_(golden[f"{prefix}w_a{space}"])
        sound.bias.copy_(golden[f"{prefix}b_a{space}"])


def projection_gradients(method: nn.Module, space: str = "") -> dict[str, Tensor]:
    """The gradients of a pair of layers, by the golden's names and in its shapes."""
    image, sound = _layers(method, "", space)
    return {
        f"w_v{space}": image.weight.grad[:, :, 0, 0],
        f"b_v{space}": image.bias.grad,
        f"w_a{space}": sound.weight.grad,
        f"b_a{space}": sound.bias.grad,
    }


def _layers(method: nn.Module, prefix: str, space: str) -> tuple[Any, Any]:
    image, sound = (method.get_submodule(f"{prefix}{n}_proj{space}") for n in ("img", "aud"))
    return image, sound
