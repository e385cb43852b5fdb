"""The networks of neighbours and of object maps, as far as their shapes tell what they cost."""

from dataclasses import dataclass
from typing import Any

import timm
import torch
from torch import nn

from pipeline.base.study import Study
from pipeline.encoders.common.settings import Embed
from pipeline.encoders.imagenet import ImageEncoder
from pipeline.encoders.vggsound import AudioEncoder
from pipeline.speed.planning.shapes import forward_operations
from pipeline.toy.encoders import BLOCKS, CHANNELS

_PUBLISHED = (2, 2, 2, 2), (64, 128, 256, 512)  # blocks and widths of VGGSound's ResNet-18
_CLASSES = 309
_MAPS = 8  # of the largest maps of a forward pass that are held at once, by a share of the input


@dataclass(frozen=True)
class Network:
    """An encoder: `label` says which, `size` the shape of what is stored of a clip, `operations` of
    a clip, the number of `features`, and bytes of a clip `stored` and `held` in a forward pass."""

    label: str
    size: tuple[int, ...]
    operations: float
    features: int
    stored: float
    held: float


def network(
    embed: Embed, study: Study, modality: str, steps: int, bins: int = 1, side: int | None = None
) -> Network:
    """The image or sound encoder of a study; of frames of `side` pixels, by default those of
    `embed`, or of sounds of (steps, bins)."""
    side = side or embed.side
    size = (side, side, 3) if modality == "image" else (steps, bins)
    made = built(study, modality, embed.image_model, side)
    name = embed.image_model if modality == "image" else study.encoders.audio
    features = int(made.features)  # type: ignore[arg-type]
    dtype = torch.uint8 if modality == "image" else torch.float32
    operations = forward_operations(made, torch.zeros(2, *size, dtype=dtype))
    numbers = 1.0
    for each in size:
        numbers *= each
    stored = numbers * (1 if modality == "image" else 2)
    shape = " x ".join(map(str, size[:2]))
    return Network(f"{name}, {shape}", size, operations, features, stored, 4 * numbers * _MAPS)


def built(study: Study, modality: str, model: str, side: int) -> nn.Module:
    """The encoder with weights drawn at random, in evaluation mode: the toy's narrow ones, or a
    network of timm's and VGGSound's."""
    toy = study.settings == "toy"
    if modality == "audio":
        blocks, widths = (BLOCKS, CHANNELS) if toy else _PUBLISHED
        return AudioEncoder(blocks, widths, stem=widths[0], classes=_CLASSES).eval()
    if not toy and timm.is_model(model):
        return ImageEncoder(timm.create_model(model, num_classes=0), side).eval()
    narrow: dict[str, Any] = {"layers": BLOCKS, "channels": CHANNELS} if toy else {}
    return ImageEncoder(timm.create_model("resnet18", num_classes=0, **narrow), side).eval()
