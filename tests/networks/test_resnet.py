"""The basic-block ResNet: its map's size, torchvision's features, how its weights are drawn, and
its shape read from a weight file's entries."""

import copy
import re

import pytest
import torch
from torch import nn
from torchvision.models import resnet18
from torchvision.models.resnet import BasicBlock as Published

from pipeline.base.code import code_of
from pipeline.errors import InputError
from pipeline.networks.resnet import BasicBlock, ResNet, initialise, shape_in

RESNET_18 = ((2, 2, 2, 2), (64, 128, 256, 512))


def _inputs(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("blocks", "channels", "strides", "side", "map_side"),
    [
        ((2, 2, 2, 2), (2, 3, 4, 5), (1, 2, 2, 1), 224, 14),
        ((2, 2, 2, 2), (2, 3, 4, 5), (1, 2, 2, 2), 224, 7),
        ((1, 1, 1, 1), (4, 6, 8, 10), (1, 2, 1, 1), 64, 8),
        ((1, 1, 1, 1), (4, 6, 8, 10), (1, 2, 1, 1), 70, 9),
    ],
)
def test_the_map_is_as_fine_as_the_strides_say(
    blocks: tuple[int, ...],
    channels: tuple[int, ...],
    strides: tuple[int, ...],
    side: int,
    map_side: int,
) -> None:
    network = ResNet(3, blocks, channels, strides).eval()
    with torch.no_grad():
        features = network(_inputs(0, 1, 3, side, side))
    assert features.shape == (1, channels[-1], map_side, map_side)
    assert network.map_size(side, side) == (map_side, map_side)
    assert float(features.min()) >= 0


def test_with_torchvision_s_strides_and_weights_the_features_are_torchvision_s() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        reference = resnet18(weights=None).eval()
    network = ResNet(3, *RESNET_18, (1, 2, 2, 2)).eval()
    state = {k: v for k, v in reference.state_dict().items() if not k.startswith("fc.")}
    network.load_state_dict(state)
    images = _inputs(1, 2, 3, 64, 64)
    reference.fc = nn.Identity()
    with torch.no_grad():
        torch.testing.assert_close(network(images).mean(dim=(2, 3)), reference(images))
    finer = ResNet(3, *RESNET_18, (1, 2, 2, 1))
    assert (network.layer4[0].conv1.stride, finer.layer4[0].conv1.stride) == ((2, 2), (1, 1))


def test_weights_are_drawn_as_the_field_draws_them() -> None:
    network = nn.Sequential(ResNet(3, *RESNET_18, (1, 2, 2, 1)), nn.Linear(512, 400))
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    initialise(network, torch.Generator().manual_seed(5))
    assert torch.equal(torch.random.get_rng_state(), before)
    first = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    initialise(network, torch.Generator().manual_seed(5))
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, first[name]), name
    layer = first["0.layer3.1.conv2.weight"]
    assert float(layer.std()) == pytest.approx((2 / (256 * 9)) ** 0.5, rel=0.01)
    norms = torch.cat([t for k, t in first.items() if "bn" in k and k.endswith("weight")])
    assert float(norms.mean()) == pytest.approx(1, abs=0.002)
    assert float(norms.std()) == pytest.approx(0.02, rel=0.05)
    for part in ("weight", "bias"):  # torch's own: uniform within 1 / sqrt(inputs)
        assert float(first[f"1.{part}"].abs().max()) == pytest.approx(512**-0.5, rel=0.01)


def test_a_stem_of_its_own_width() -> None:
    usual, wide = (ResNet(3, (1, 1), (4, 6), (1, 2), stem) for stem in (None, 8))
    assert usual.conv1.out_channels == 4 and wide.conv1.out_channels == wide.bn1.num_features == 8
    assert "layer1.0.downsample.0.weight" in wide.state_dict()
    assert "layer1.0.downsample.0.weight" not in usual.state_dict()
    pictures = torch.rand(2, 3, 32, 32)
    assert wide.eval()(pictures).shape == usual.eval()(pictures).shape == (2, 6, 4, 4)


def test_a_shape_is_read_from_the_entries() -> None:
    network = nn.ModuleDict({"imgnet": ResNet(3, (1, 3, 2), (4, 6, 8), (1, 2, 2))})
    state = network.state_dict()
    assert shape_in(state, "imgnet.", 3, "a.pth") == ([1, 3, 2], [4, 6, 8])
    with pytest.raises(InputError, match=r"^a\.pth: holds no imgnet\.layer4\.0\.conv1\.weight"):
        shape_in(state, "imgnet.", 4, "a.pth")
    with pytest.raises(InputError, match=r"audnet\.layer1"):
        shape_in(state, "audnet.", 3, "a.pth")


def test_a_block_is_torchvision_s_to_the_bit() -> None:
    for stride, width in ((1, 6), (2, 8)):
        shortcut = None
        if width != 6:
            shortcut = nn.Sequential(
                nn.Conv2d(6, width, 1, stride, bias=False), nn.BatchNorm2d(width)
            )
        own = BasicBlock(6, width, stride, shortcut)
        theirs = Published(6, width, stride, copy.deepcopy(shortcut))
        assert list(own.state_dict()) == list(theirs.state_dict())
        initialise(own, torch.Generator().manual_seed(0))
        theirs.load_state_dict(own.state_dict())
        images = _inputs(2, 3, 6, 9, 9)
        found = own(images)
        assert torch.equal(found, theirs(images))
        found.square().sum().backward()
        theirs(images).square().sum().backward()
        for (name, mine), other in zip(own.named_parameters(), theirs.parameters(), strict=True):
            assert torch.equal(mine.grad, other.grad), name  # type: ignore[arg-type]


def test_no_command_pays_for_the_import_of_torchvision() -> None:
    files = code_of("stages.retrieve", "pipeline.methods.alignment", "pipeline.methods.slavc")
    for file in files:
        assert not re.search(r"^ *(?:from|import) torchvision", file.read_text(), re.MULTILINE), (
            file
        )
