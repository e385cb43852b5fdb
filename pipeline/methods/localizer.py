"""The localizer: two ResNets that put a frame's positions and a sound into one space (4.1).

Both networks are torchvision's basic-block ResNet with its own names (`imgnet.*`, `audnet.*`, as
in the published files), but with the stride of every stage spelled out: the last stage of the
paper's keeps its resolution without dilating, so that 224 px give a 14 x 14 map. The price of the
finer map is four times the work of the last stage: 3.05 instead of 1.81 billion multiply-adds a
frame.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.resnet import BasicBlock

from pipeline.errors import InputError
from pipeline.methods.common.similarity import POOLINGS
from pipeline.networks.weights import (
    check_fit,
    load_into,
    read_metadata,
    read_state,
    save_safetensors,
)


@dataclass(frozen=True)
class Architecture:
    """Blocks, channels and stride of each stage of both networks; layers of p_v and p_a.

    The defaults are the paper's. Zero projection layers leave p_v and p_a out (no s_A).
    """

    blocks: tuple[int, ...] = (2, 2, 2, 2)
    channels: tuple[int, ...] = (64, 128, 256, 512)
    strides: tuple[int, ...] = (1, 2, 2, 1)
    projection_layers: int = 1


@dataclass(frozen=True)
class Usage:
    """What a localizer is fed and how its s_L pools; the defaults are the paper's.

    Frames of `side` pixels; of a sound `steps` time steps of the log-spectrogram that
    `pipeline.clips.spectrogram.log_spectrogram` makes with `sample_rate`, `window`, `hop` and
    `bands`; `pooling`, `share` and `temperature` are `pipeline.methods.common.similarity.s_l`'s.
    """

    side: int = 224
    steps: int = 299
    sample_rate: int = 16000
    window: int = 512
    hop: int = 159
    bands: int = 0
    pooling: str = "mean"
    share: float = 0.25
    temperature: float = 0.1


class ResNet(nn.Module):
    """A 7x7 stem of stride 2, a max-pool of stride 2, then stages of basic blocks; no head."""

    def __init__(
        self, inputs: int, blocks: Sequence[int], channels: Sequence[int], strides: Sequence[int]
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, channels[0], 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(channels[0])
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.stages: list[str] = []
        width = channels[0]
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


class Localizer(nn.Module):
    """The image network, the sound network and the projections p_v, p_a of Eq. 4."""

    def __init__(
        self,
        architecture: Architecture | None = None,
        *,
        seed: int = 0,
        usage: Usage | None = None,
    ) -> None:
        """Made from scratch: Kaiming-normal (fan-out) convolutions, batch-norm weights N(1, 0.02).

        The same `seed` gives the same weights, whatever torch's global generator did before.
        """
        super().__init__()
        self.usage = usage or Usage()
        self.architecture = shape = architecture or Architecture()
        with torch.random.fork_rng(devices=[]):  # layers draw weights that are replaced below
            self.imgnet = ResNet(3, shape.blocks, shape.channels, shape.strides)
            self.audnet = ResNet(1, shape.blocks, shape.channels, shape.strides)
            width, depth = shape.channels[-1], shape.projection_layers
            self.image_projection = _projection(width, depth) if depth else None
            self.audio_projection = _projection(width, depth) if depth else None
        generator = torch.Generator().manual_seed(seed)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(
                    module.weight, mode="fan_out", nonlinearity="relu", generator=generator
                )
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.weight, 1.0, 0.02, generator=generator)
            elif isinstance(module, nn.Linear):  # as torch makes them, from the given generator
                nn.init.kaiming_uniform_(module.weight, a=math.sqrt(5), generator=generator)
                bound = 1 / math.sqrt(module.in_features)
                nn.init.uniform_(module.bias, -bound, bound, generator=generator)

    def encode_frames(self, frames: Tensor) -> Tensor:
        """v: (B, 3, side, side) normalised frames to (B, C, h, w) features of the positions."""
        return self.imgnet(frames)

    def encode_sounds(self, sounds: Tensor) -> Tensor:
        """a: (B, 1, bands, steps) log-spectrograms divided by 12 to (B, C): the global maximum of
        the last map (4.1)."""
        return self.audnet(sounds).amax(dim=(2, 3))

    def image_embedding(self, v: Tensor) -> Tensor:
        """p_v(avg(v)) of Eq. 4, L2-normalised: (B, C, h, w) to (B, C) float32.

        Raises ValueError where the localizer has no projections."""
        return _embedding(v.float().mean(dim=(2, 3)), self.image_projection)

    def audio_embedding(self, a: Tensor) -> Tensor:
        """p_a(a) of Eq. 4, L2-normalised: (B, C) to (B, C) float32.

        Raises ValueError where the localizer has no projections."""
        return _embedding(a.float(), self.audio_projection)

    def map_size(self, height: int, width: int) -> tuple[int, int]:
        """(h, w) of the map that an input of the given size ends in."""
        for stride in (2, 2, *self.architecture.strides):
            height, width = -(-height // stride), -(-width // stride)
        return height, width


def localization_map(v: Tensor, a: Tensor) -> Tensor:
    """Cosine of each v^xy with a, pair by pair: (B, C, h, w), (B, C) to (B, h, w) float32."""
    v, a = functional.normalize(v.float(), dim=1), functional.normalize(a.float(), dim=1)
    return torch.einsum("bchw,bc->bhw", v, a)


def _projection(width: int, depth: int) -> nn.Sequential:
    """`depth` linear layers of one width with ReLU between them."""
    layers: list[nn.Module] = [nn.Linear(width, width)]
    for _ in range(depth - 1):
        layers += [nn.ReLU(inplace=True), nn.Linear(width, width)]
    return nn.Sequential(*layers)


def _embedding(features: Tensor, projection: nn.Module | None) -> Tensor:
    if projection is None:
        raise ValueError("this localizer has no projections p_v, p_a, and so no s_A")
    return functional.normalize(projection(features), dim=1)


def save_localizer(path: Path, localizer: Localizer) -> None:
    """Write the weights and, as one JSON entry of the metadata, architecture and usage as one
    safetensors file, atomically; equal localizers give equal bytes."""
    entry = {"architecture": asdict(localizer.architecture), "usage": asdict(localizer.usage)}
    text = json.dumps(entry, sort_keys=True)
    save_safetensors(path, localizer.state_dict(), {"localizer": text})


def load_localizer(
    path: Path,
    strides: Sequence[int] = Architecture().strides,
    projections: tuple[str, str] | None = None,
) -> Localizer:
    """The localizer in a file, in evaluation mode on the CPU: one of `save_localizer`'s, or a
    published `.pth.tar` (see `from_published`, which the other arguments are for).

    Raises `InputError` naming the file and the entry that is missing or does not fit."""
    state = read_state(path)
    text = read_metadata(path).get("localizer") if path.suffix == ".safetensors" else None
    if text is None:
        return from_published(state, str(path), strides, projections)
    try:
        entry = json.loads(text)
        shape, said = entry["architecture"], entry["usage"]
        architecture = Architecture(
            blocks=tuple(int(n) for n in shape["blocks"]),
            channels=tuple(int(n) for n in shape["channels"]),
            strides=tuple(int(n) for n in shape["strides"]),
            projection_layers=int(shape["projection_layers"]),
        )
        usage = Usage(**{k: type(v)(said[k]) for k, v in asdict(Usage()).items()})
        _check_claims(architecture, usage, state)
        _check_entries(architecture, state, str(path))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise InputError(f"{path}: its localizer entry cannot be built: {error!r}") from error
    localizer = Localizer(architecture, usage=usage)
    load_into(localizer, state, str(path))
    return localizer.eval()


def _check_claims(shape: Architecture, usage: Usage, state: Mapping[str, Tensor]) -> None:
    """Raise ValueError for numbers that no localizer of so many entries can have."""
    stages = (shape.blocks, shape.channels, shape.strides)
    if len({len(numbers) for numbers in stages}) != 1 or not all(map(all, stages)):
        raise ValueError(f"found the stages {stages}, expected as many of each, none of them 0")
    counts = (*shape.blocks, *shape.channels, *shape.strides, shape.projection_layers)
    lengths = (usage.side, usage.steps, usage.sample_rate, usage.window, usage.hop)
    if min(counts) < 0 or usage.bands < 0 or min(lengths) < 1:
        raise ValueError("found a negative number, expected a length or a count")
    if sum(shape.blocks) + shape.projection_layers > len(state):
        raise ValueError(f"found more layers than the file's {len(state)} entries")
    if usage.pooling not in POOLINGS:
        raise ValueError(f"found the pooling {usage.pooling!r}, expected one of {POOLINGS}")


def _check_entries(shape: Architecture, entries: Mapping[str, Tensor], name: str) -> None:
    """Raise `InputError` where the entries do not fit, before a network takes memory."""
    form = (shape.blocks, shape.channels, shape.strides)
    with torch.device("meta"):
        claimed = nn.ModuleDict({"imgnet": ResNet(3, *form), "audnet": ResNet(1, *form)})
    check_fit(claimed, entries, name)


def from_published(
    state: Mapping[str, Tensor],
    name: str,
    strides: Sequence[int] = Architecture().strides,
    projections: tuple[str, str] | None = None,
) -> Localizer:
    """A localizer from the entries of a published file (`imgnet.*`, `audnet.*`, as
    `pipeline.networks.weights.read_state` gives them), in evaluation mode.

    Widths and depths are read from the entries; the strides of the stages are in no file, so they
    are given. The sound network's stem is `audnet.conv1_a` (its `conv1` is unused, as are both
    `conv1_flow` and `fc` and the image network's `conv1_a`). What the entries of p_v and p_a are
    called is documented nowhere: `projections` names their prefixes (single linear layers);
    without it the localizer has maps and s_L, and no s_A. `name` is the file's, for errors.

    Raises `InputError` where a layer is missing or does not fit.
    """
    entries = dict(state)
    if "audnet.conv1_a.weight" in entries:
        entries["audnet.conv1.weight"] = entries["audnet.conv1_a.weight"]
    for prefix, own in zip(
        projections or (), ("image_projection", "audio_projection"), strict=False
    ):
        for part in ("weight", "bias"):
            if f"{prefix}.{part}" not in entries:
                raise InputError(f"{name}: holds no {prefix}.{part}, named as a projection's entry")
            entries[f"{own}.0.{part}"] = entries[f"{prefix}.{part}"]
    shape = _published_shape(entries, name, strides, 1 if projections else 0)
    _check_entries(shape, entries, name)
    localizer = Localizer(shape)
    load_into(localizer, entries, name)
    return localizer.eval()


def _published_shape(
    entries: Mapping[str, Tensor], name: str, strides: Sequence[int], projection_layers: int
) -> Architecture:
    """Blocks and channels of each stage as the names and shapes of the entries tell them."""
    blocks, channels = [], []
    for stage in range(1, len(strides) + 1):
        count = 0
        while f"imgnet.layer{stage}.{count}.conv1.weight" in entries:
            count += 1
        if not count:
            raise InputError(
                f"{name}: holds no imgnet.layer{stage}.0.conv1.weight, expected a localizer's "
                f"imgnet.* and audnet.* entries"
            )
        blocks.append(count)
        first = entries[f"imgnet.layer{stage}.0.conv1.weight"]
        channels.append(len(first) if first.ndim else 0)  # a single number fits no layer either
    return Architecture(tuple(blocks), tuple(channels), tuple(strides), projection_layers)
