"""The two networks, their map's size, and the weight files that they are saved to and read from."""

from pathlib import Path

import pytest
import torch
from pipeline.methods.localizer import (
    Architecture,
    Localizer,
    load_localizer,
    localization_map,
    save_localizer,
)
from torch.nn.functional import cosine_similarity
from torchvision.models import resnet18

from pipeline.errors import InputError

SMALL = Architecture((1, 1, 1, 1), (4, 6, 8, 10), (1, 2, 1, 1), 1)


def _inputs(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("shape", "side", "map_side"),
    [(Architecture(channels=(2, 3, 4, 5)), 224, 14), (SMALL, 64, 8), (SMALL, 70, 9)],
)
def test_the_map_is_as_fine_as_the_strides_say(
    shape: Architecture, side: int, map_side: int
) -> None:
    localizer = Localizer(shape).eval()
    with torch.no_grad():
        v = localizer.encode_frames(_inputs(0, 1, 3, side, side))
    assert v.shape == (1, shape.channels[-1], map_side, map_side)
    assert localizer.map_size(side, side) == (map_side, map_side)


def test_the_paper_s_networks_are_resnet_18_with_a_finer_last_stage() -> None:
    """With torchvision's strides and weights the features are torchvision's own."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        reference = resnet18(weights=None).eval()
    localizer = Localizer(Architecture(strides=(1, 2, 2, 2))).eval()
    state = {k: v for k, v in reference.state_dict().items() if not k.startswith("fc.")}
    localizer.imgnet.load_state_dict(state)
    frames = _inputs(1, 2, 3, 64, 64)
    reference.fc = torch.nn.Identity()
    with torch.no_grad():
        pooled = localizer.encode_frames(frames).mean(dim=(2, 3))
        torch.testing.assert_close(pooled, reference(frames))
    assert localizer.imgnet.layer4[0].conv1.stride == (2, 2)
    assert Localizer().imgnet.layer4[0].conv1.stride == (1, 1)


def test_sounds_end_in_their_global_maximum() -> None:
    localizer = Localizer(SMALL).eval()
    sounds = _inputs(0, 2, 1, 32, 50)
    with torch.no_grad():
        expected = localizer.audnet(sounds).flatten(2).max(dim=2).values
        torch.testing.assert_close(localizer.encode_sounds(sounds), expected)


def test_the_map_is_the_cosine_of_each_position_without_projections() -> None:
    v, a = _inputs(0, 3, 10, 4, 5), _inputs(1, 3, 10)
    expected = cosine_similarity(v, a[:, :, None, None], dim=1)
    torch.testing.assert_close(localization_map(v, a), expected)


def test_embeddings_are_the_projected_averages() -> None:
    localizer = Localizer(SMALL)
    v, a = _inputs(0, 3, 10, 4, 4), _inputs(1, 3, 10)
    layer = localizer.image_projection[0]
    expected = v.mean(dim=(2, 3)) @ layer.weight.T + layer.bias
    expected = expected / expected.norm(dim=1, keepdim=True)
    torch.testing.assert_close(localizer.image_embedding(v), expected)
    assert localizer.audio_embedding(a).norm(dim=1).tolist() == pytest.approx([1, 1, 1])
    with pytest.raises(ValueError, match="s_A"):
        Localizer(Architecture((1,), (4,), (1,), 0)).image_embedding(v)


def test_weights_are_the_seed_s_and_drawn_as_the_method_says() -> None:
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first = Localizer(seed=5).state_dict()
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(2)
    for key, tensor in Localizer(seed=5).state_dict().items():
        assert torch.equal(tensor, first[key]), key
    layer = first["imgnet.layer3.1.conv2.weight"]
    assert float(layer.std()) == pytest.approx((2 / (256 * 9)) ** 0.5, rel=0.01)
    norms = torch.cat([t for k, t in first.items() if "bn" in k and k.endswith("weight")])
    assert float(norms.mean()) == pytest.approx(1, abs=0.002)
    assert float(norms.std()) == pytest.approx(0.02, rel=0.05)


def test_saved_weights_carry_their_architecture(tmp_path: Path) -> None:
    localizer = Localizer(SMALL, seed=3)
    save_localizer(tmp_path / "one.safetensors", localizer)
    save_localizer(tmp_path / "two.safetensors", Localizer(SMALL, seed=3))
    assert (tmp_path / "one.safetensors").read_bytes() == (
        tmp_path / "two.safetensors"
    ).read_bytes()
    loaded = load_localizer(tmp_path / "one.safetensors")
    assert loaded.architecture == SMALL and not loaded.training
    for key, tensor in localizer.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], tensor), key


def _published(localizer: Localizer, prefix: str = "") -> dict[str, torch.Tensor]:
    """The entries of a published file, with the layers that no network of them runs."""
    entries = {}
    for key, tensor in localizer.state_dict().items():
        if key.startswith(("imgnet.", "audnet.")):
            entries[key.replace("audnet.conv1.", "audnet.conv1_a.")] = tensor
    width = localizer.architecture.channels[0]
    for net in ("imgnet", "audnet"):
        entries[f"{net}.conv1_flow.weight"] = torch.ones(width, 6, 7, 7)
        entries[f"{net}.fc.weight"] = torch.ones(1000, 10)
        entries[f"{net}.fc.bias"] = torch.ones(1000)
    entries["imgnet.conv1_a.weight"] = torch.ones(width, 1, 7, 7)
    entries["audnet.conv1.weight"] = torch.ones(width, 3, 7, 7)
    entries["proj_v.weight"] = localizer.image_projection[0].weight.detach()
    entries["proj_v.bias"] = localizer.image_projection[0].bias.detach()
    entries["proj_a.weight"] = localizer.audio_projection[0].weight.detach()
    entries["proj_a.bias"] = localizer.audio_projection[0].bias.detach()
    return {prefix + key: tensor for key, tensor in entries.items()}


@pytest.mark.parametrize("prefix", ["", "module."])
def test_published_files_load(tmp_path: Path, prefix: str) -> None:
    made = Localizer(SMALL, seed=4).eval()
    path = tmp_path / "ours.pth.tar"
    torch.save({"model_state_dict": _published(made, prefix), "epoch": 49}, path)
    frames, sounds = _inputs(0, 2, 3, 64, 64), _inputs(1, 2, 1, 33, 40)
    loaded = load_localizer(path, SMALL.strides)
    assert loaded.image_projection is None
    with_projections = load_localizer(path, SMALL.strides, ("proj_v", "proj_a"))
    with torch.no_grad():
        v, a = made.encode_frames(frames), made.encode_sounds(sounds)
        assert torch.equal(loaded.encode_frames(frames), v)
        assert torch.equal(loaded.encode_sounds(sounds), a)
        assert torch.equal(with_projections.audio_embedding(a), made.audio_embedding(a))
        assert torch.equal(with_projections.image_embedding(v), made.image_embedding(v))


def test_a_published_file_without_a_layer_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "ours.pth.tar"
    entries = _published(Localizer(SMALL))
    del entries["audnet.layer2.0.bn1.running_var"]
    torch.save({"model_state_dict": entries}, path)
    with pytest.raises(InputError, match=r"ours\.pth\.tar.*audnet\.layer2\.0\.bn1\.running_var"):
        load_localizer(path, SMALL.strides)
    torch.save({"model_state_dict": {"conv1.weight": torch.ones(2)}}, path)
    with pytest.raises(InputError, match=r"imgnet\.layer1"):
        load_localizer(path, SMALL.strides)
    torch.save({"model_state_dict": _published(Localizer(SMALL))}, path)
    with pytest.raises(InputError, match=r"head\.weight"):
        load_localizer(path, SMALL.strides, ("head", "proj_a"))
