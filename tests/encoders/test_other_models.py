"""Image networks by timm's names that are not ImageNet's ResNets: those trained without labels."""

from pathlib import Path

import pytest
import timm
import torch

from pipeline.encoders import imagenet as encoders
from pipeline.encoders.imagenet import image_encoder, image_network_state, load_image_encoder
from pipeline.errors import InputError
from pipeline.networks.resnet import ResNet
from pipeline.networks.weights import save_safetensors, save_torch


def test_dino_s_features_are_timm_s_at_another_side(tmp_path: Path) -> None:
    """A ViT that is built for 224 px sees 96 px, its places interpolated by timm."""
    name = "vit_small_patch16_224.dino"
    torch.manual_seed(0)
    network = timm.create_model(name, num_classes=0, dynamic_img_size=True).eval()
    save_safetensors(tmp_path / f"{name}.safetensors", network.state_dict())
    frames = torch.randint(0, 256, (2, 96, 96, 3), dtype=torch.uint8)
    encoder = load_image_encoder(tmp_path, name, 96)
    assert encoder.features == 384
    with torch.inference_mode():
        torch.testing.assert_close(encoder(frames), network(encoder.normalised(frames)))
        assert encoder.object_map(frames).shape == (2, 6, 6)


def test_a_side_that_a_network_cannot_take_is_one_line() -> None:
    with pytest.raises(InputError, match=r"has patches of 14 px, found a side of 225 px, expected"):
        image_encoder("vit_small_patch14_dinov2.lvd142m", side=225)
    with pytest.raises(InputError, match=r"'mixer_s16_224': takes frames of 224 px"):
        image_encoder("mixer_s16_224", side=256)


def test_off_the_network_dino_s_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*arguments: object, **options: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(encoders, "urlopen", unreachable)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(InputError) as caught:
        load_image_encoder(tmp_path, "vit_small_patch16_224.dino", 224)
    said = str(caught.value)
    assert "could not be fetched (no network); place model.safetensors of" in said
    assert str(tmp_path / "vit_small_patch16_224.dino.safetensors") in said and "\n" not in said


def test_a_method_begins_with_a_network_that_timm_cannot_build(tmp_path: Path) -> None:
    """timm's ResNets have stems of 64 channels, a toy's localizer has 16."""
    network = ResNet(3, (1, 1), (16, 24), (1, 2))
    save_torch(tmp_path / "vision.pth", network.state_dict())
    state = image_network_state(tmp_path, "vision")
    assert state["conv1.weight"].shape == (16, 3, 7, 7)
    assert all(torch.equal(state[key], tensor) for key, tensor in network.state_dict().items())
