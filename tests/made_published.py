"""Weight files as the authors' training scripts leave them, and the maps of the networks in them.

The networks are built from torchvision's layers alone, by the names that each published code gives
them, and a map is the published formula written out: nothing of the pipeline is used, so that what
it makes of such a file can be held against it. Widths are those of the files where nothing else is
asked for; weights are random, running statistics too, so that an entry that goes astray shows.
"""

import argparse
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, ResNet
from torchvision.transforms.functional import normalize

FULL, NARROW = (64, 128, 256, 512), (4, 6, 8, 10)  # channels of the stages
METHODS = ("lvs", "ezvsl", "slavc", "fnac", "ssltie", "marginnce", "heartheflow")
SAME = ("ezvsl", "fnac", "marginnce")  # whose files hold the same names
TILED = 670  # steps of SSL-TIE's ten seconds of 16 kHz at hop 239: 160000 // 239 + 1


class Published(nn.Module):
    """The networks of a file; `side` of the frame and `strides` that the published code has."""

    strides = (1, 2, 2, 2)

    def v(self, frames: Tensor) -> Tensor:
        """Last maps of normalised frames."""
        return _positions(self.imgnet, self.imgnet.conv1, frames)

    def a(self, sounds: Tensor) -> Tensor:
        """Maxima of the last maps of spectrograms."""
        return _positions(self.audnet, self.audnet.conv1, sounds).amax(dim=(2, 3))

    def fed(self, sounds: Tensor) -> Tensor:
        """Stored log-spectrograms (n, steps, bins) as the network is fed them."""
        return sounds.transpose(1, 2)[:, None] / 12

    def cosines(self, v: Tensor, a: Tensor) -> Tensor:
        """The published map of each pair, in cosines."""
        return torch.cosine_similarity(v, a[:, :, None, None], dim=1)

    @torch.no_grad()
    def maps(self, frames: Tensor, sounds: Tensor) -> Tensor:
        """Maps of frames (n, side, side, 3) uint8 under stored sounds (n, steps, bins), (n, h, w)
        float64."""
        self.double().eval()
        mean, deviation = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
        pictures = normalize(frames.permute(0, 3, 1, 2).double() / 255, mean, deviation)
        return self.cosines(self.v(pictures), self.a(self.fed(sounds.double())))


class LVS(Published):
    """LVS's: a ResNet class that has three stems whatever it is fed."""

    strides = (1, 2, 2, 1)

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        for name in ("imgnet", "audnet"):
            network = _resnet(3, channels, self.strides)
            network.conv1_a = nn.Conv2d(1, channels[0], 7, 2, 3, bias=False)
            network.conv1_flow = nn.Conv2d(6, channels[0], 7, 2, 3, bias=False)
            network.fc = nn.Linear(channels[-1], 1000)
            self.add_module(name, network)

    def a(self, sounds: Tensor) -> Tensor:
        return _positions(self.audnet, self.audnet.conv1_a, sounds).amax(dim=(2, 3))


class SSLTIE(LVS):
    """SSL-TIE's: LVS's and three layers that no map comes from; sounds in dB, ten seconds."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__(channels)
        self.vision_fc1 = nn.Conv2d(2 * channels[-1], channels[-1], 1)
        self.conv3, self.norm3 = nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1)

    def fed(self, sounds: Tensor) -> Tensor:
        tiled = torch.cat([sounds] * (1 + TILED // sounds.shape[1]), dim=1)[:, :TILED]
        return tiled.transpose(1, 2)[:, None]


class EZVSL(Published):
    """EZ-VSL's, FNAC's and MarginNCE's: a projection of each side."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        width = channels[-1]
        self.imgnet, self.audnet = (_resnet(n, channels, self.strides) for n in (3, 1))
        self.img_proj, self.aud_proj = nn.Conv2d(width, width, 1), nn.Linear(width, width)

    def v(self, frames: Tensor) -> Tensor:
        return self.img_proj(super().v(frames))

    def a(self, sounds: Tensor) -> Tensor:
        return self.aud_proj(super().a(sounds))


class SLAVC(Published):
    """SLAVC's: two pairs of projections, and momentum copies of everything, which by default no
    map comes from."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        width = channels[-1]
        for prefix in ("", "momentum_"):
            self.add_module(f"{prefix}imgnet", _resnet(3, channels, self.strides))
            self.add_module(f"{prefix}audnet", _resnet(1, channels, self.strides))
            for space in "12":
                self.add_module(f"{prefix}img_proj{space}", nn.Conv2d(width, width, 1))
                self.add_module(f"{prefix}aud_proj{space}", nn.Linear(width, width))

    def cosines(self, v: Tensor, a: Tensor) -> Tensor:
        first = super().cosines(self.img_proj1(v), self.aud_proj1(a))
        return (first + super().cosines(self.img_proj2(v), self.aud_proj2(a))) / 2


class HearTheFlow(Published):
    """HearTheFlow's without its flow."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.imgnet, self.audnet = (_resnet(n, channels, self.strides) for n in (3, 1))


KINDS: Mapping[str, type[Published]] = {
    "lvs": LVS,
    "ezvsl": EZVSL,
    "slavc": SLAVC,
    "fnac": EZVSL,
    "ssltie": SSLTIE,
    "marginnce": EZVSL,
    "heartheflow": HearTheFlow,
}


def made_networks(name: str, channels: Sequence[int] = NARROW, seed: int = 0) -> Published:
    """The networks of a method's file, every number in them random."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        networks = KINDS[name](channels)
        for module in networks.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, 0.0, 0.2)
                module.running_mean.normal_(0.0, 0.2)
                module.running_var.uniform_(0.5, 1.5)
                module.num_batches_tracked.fill_(1000)
    return networks


def save_published(folder: Path, name: str, networks: Published) -> Path:
    """Write a file as the method's script does, the optimiser after a step beside the weights."""
    # Before anything: the maps of the networks are taken in float64.
    state = {
        key: tensor.float() if tensor.is_floating_point() else tensor
        for key, tensor in networks.state_dict().items()
    }
    parallel = {f"module.{key}": tensor for key, tensor in state.items()}
    optimiser = _stepped(networks)
    best = {"best_cIoU": np.float64(0.39), "best_Auc": 0.41}
    contents: dict[str, tuple[str, dict[str, Any]]] = {
        "lvs": (
            "lvs_soundnet.pth.tar",
            {"epoch": 17, "model_state_dict": parallel, "optimizer_state_dict": optimiser},
        ),
        "ezvsl": ("best.pth", {"model": parallel, "optimizer": optimiser, "epoch": 20, **best}),
        "slavc": (
            "latest.pth",
            {
                "model": parallel,
                "optimizer": optimiser,
                "epoch": 20,
                "best_Precision": np.float64(0.4),
                "best_AP": np.float64(0.3),
                "best_F1": 0.5,
            },
        ),
        # Of one GPU, so without DataParallel's prefix.
        "fnac": ("best.pth", {"model": state, "optimizer": optimiser, "epoch": 30, **best}),
        "ssltie": (
            "epoch90.pth.tar",
            {
                "epoch": 90,
                "state_dict": state,
                "best_miou": np.float64(0.38),
                "optimizer": optimiser,
                "iteration": 404_000,
            },
        ),
        "marginnce": ("margin.pth", {"model": parallel, "epoch": 20}),
        "heartheflow": (
            "best.ckpt",
            {
                "epoch": 11,
                "global_step": 12_345,
                "pytorch-lightning_version": "1.6.5",
                "state_dict": {f"model.{key}": tensor for key, tensor in state.items()},
                "callbacks": {
                    "ModelCheckpoint{'monitor': 'val/cIoU', 'mode': 'max'}": {
                        "best_model_score": torch.tensor(0.39),
                        "best_model_path": "logs/flickr/best.ckpt",
                    }
                },
                "optimizer_states": [optimiser],
                "lr_schedulers": [],
                "hparams_name": "kwargs",
                "hyper_parameters": {
                    "args": argparse.Namespace(lr=0.001, flowtype="cnn", gt_all={"a": [[0.1]]})
                },
            },
        ),
    }
    file, content = contents[name]
    path = folder / name / file
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, path)
    return path


def _resnet(inputs: int, channels: Sequence[int], strides: Sequence[int]) -> ResNet:
    """torchvision's ResNet-18 without pooling and head, of other widths and last stride."""
    network = ResNet(BasicBlock, [1, 1, 1, 1])
    network.conv1 = nn.Conv2d(inputs, channels[0], 7, 2, 3, bias=False)
    network.bn1 = nn.BatchNorm2d(channels[0])
    network.inplanes = channels[0]
    make = partial(network._make_layer, BasicBlock)
    for stage, (width, stride) in enumerate(zip(channels, strides, strict=True), start=1):
        network.add_module(f"layer{stage}", make(width, 2, stride=stride))
    network.avgpool, network.fc = nn.Identity(), nn.Identity()
    return network


def _positions(network: ResNet, stem: nn.Conv2d, inputs: Tensor) -> Tensor:
    features = network.maxpool(network.relu(network.bn1(stem(inputs))))
    for stage in (network.layer1, network.layer2, network.layer3, network.layer4):
        features = stage(features)
    return features


def _stepped(networks: nn.Module) -> dict[str, Any]:
    """The state of Adam behind a step, of a copy of the first parameters alone where networks are
    large."""
    parameters = [p.detach().float().clone().requires_grad_() for p in networks.parameters()][:20]
    optimiser = torch.optim.Adam(parameters, 1e-4)
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    optimiser.step()
    return optimiser.state_dict()
