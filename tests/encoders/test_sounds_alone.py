"""The sound encoder that no label has taught, and its weight file."""

from pathlib import Path

import pytest
import torch
from torchvision.models import resnet18
from torchvision.models.resnet import ResNet as Published

from pipeline.encoders.common.contract import load_encoder
from pipeline.encoders.common.settings import Embed
from pipeline.encoders.sounds_alone import SoundEncoder, sound_encoder
from pipeline.errors import InputError
from pipeline.networks.weights import save_torch

SETTINGS = Embed("toy", 64, 3.0, 4, 1, sound_model="mine")


def _published() -> Published:
    torch.manual_seed(2)
    network = resnet18(num_classes=5)
    network.conv1 = torch.nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
    return network.eval()


def test_features_are_the_mean_of_the_last_map_of_a_resnet(tmp_path: Path) -> None:
    network = _published()
    save_torch(tmp_path / "mine.pth", network.state_dict())
    encoder = load_encoder("sounds_alone", tmp_path, SETTINGS)
    assert encoder.modality == "audio" and encoder.features == 512 and not encoder.training
    sounds = torch.randn(2, 90, 64, generator=torch.Generator().manual_seed(0)) * 3 - 8
    mean = sounds.mean(dim=(1, 2), keepdim=True)
    deviation = sounds.std(dim=(1, 2), keepdim=True, correction=0)
    pooled: list[torch.Tensor] = []
    network.avgpool.register_forward_hook(lambda _, __, output: pooled.append(output.flatten(1)))
    with torch.inference_mode():
        network(((sounds - mean) / (deviation + 1e-9)).transpose(1, 2)[:, None])
        torch.testing.assert_close(encoder(sounds), pooled[0], rtol=1e-3, atol=1e-4)


def test_a_narrow_file_of_three_stages_is_read(tmp_path: Path) -> None:
    small = SoundEncoder((1, 2, 1), (4, 6, 10)).eval()
    save_torch(tmp_path / "x.pth", small.network.state_dict())
    sounds = torch.randn(3, 40, 16)
    with torch.inference_mode():
        torch.testing.assert_close(sound_encoder(tmp_path / "x.pth")(sounds), small(sounds))


def test_what_is_missing_is_named_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no mine ending in \.pth.*; .avloc learn-sounds"):
        load_encoder("sounds_alone", tmp_path, SETTINGS)
    save_torch(tmp_path / "mine.pth", {"layer1.0.conv3.weight": torch.ones(4, 4, 1, 1)})
    with pytest.raises(InputError, match=r"mine\.pth: holds layer1\.0\.conv3\.weight, expected b"):
        load_encoder("sounds_alone", tmp_path, SETTINGS)
    state = SoundEncoder((1,), (4,)).network.state_dict()
    del state["bn1.weight"]
    save_torch(tmp_path / "mine.pth", state)
    with pytest.raises(InputError, match=r"mine\.pth: misses bn1\.weight"):
        load_encoder("sounds_alone", tmp_path, SETTINGS)
    (tmp_path / "mine.pt").write_bytes(b"x")
    with pytest.raises(InputError, match=r"holds mine\.pth, mine\.pt, expected one file"):
        load_encoder("sounds_alone", tmp_path, SETTINGS)
