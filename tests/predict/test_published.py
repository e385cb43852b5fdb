"""Localizer files of others: what they are fed, what they hold beside, and what is refused."""

from pathlib import Path

import pytest
import torch

from pipeline.errors import InputError
from pipeline.methods.localizer import Architecture, Localizer, Usage, save_localizer
from pipeline.networks.weights import save_safetensors, save_torch
from pipeline.predict.published import open_localizer

SMALL = Architecture((1, 1, 1, 1), (4, 6, 8, 10), (1, 2, 1, 1), 1)
FORM = {"side": 70, "sample_rate": 16000, "window": 64, "hop": 32, "bands": 0}
FED = {
    "strides": SMALL.strides,
    "side": 64,
    "window_seconds": 0.5,
    "pooling": "top",
    "share": 0.3,
    "temperature": 0.2,
}


def published(localizer: Localizer) -> dict[str, torch.Tensor]:
    """The entries of a published file, with some that no network of it runs."""
    entries = {
        key.replace("audnet.conv1.", "audnet.conv1_a."): tensor
        for key, tensor in localizer.state_dict().items()
        if key.startswith(("imgnet.", "audnet."))
    }
    entries["audnet.conv1.weight"] = torch.ones(4, 3, 7, 7)
    entries["imgnet.fc.weight"] = torch.ones(5, 10)
    for name, layer in (("p", localizer.image_projection), ("q", localizer.audio_projection)):
        entries[f"{name}.weight"], entries[f"{name}.bias"] = layer[0].weight, layer[0].bias
    return {key: tensor.detach().clone() for key, tensor in entries.items()}


@pytest.mark.parametrize("suffix", [".pth.tar", ".safetensors"])
def test_a_published_file_is_fed_what_is_asked_for(tmp_path: Path, suffix: str) -> None:
    made, path = Localizer(SMALL, seed=4), tmp_path / f"ours{suffix}"
    if suffix == ".pth.tar":
        save_torch(path, {"model_state_dict": published(made), "epoch": 49})
    else:
        save_safetensors(path, published(made))
    found, unused = open_localizer(path, FORM, **FED)
    assert found.usage == Usage(64, 249, 16000, 64, 32, 0, "top", 0.3, 0.2)
    assert found.architecture.projection_layers == 0 and not found.training
    rest = ["audnet.conv1.weight", "imgnet.fc.weight"]
    assert unused == sorted([*rest, "p.bias", "p.weight", "q.bias", "q.weight"])
    sounds = torch.randn(2, 1, 33, 40, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(found.encode_sounds(sounds), made.eval().encode_sounds(sounds))
    aligned, unused = open_localizer(path, FORM, **FED, projections=("p", "q"))
    assert unused == rest
    assert torch.equal(aligned.state_dict()["image_projection.0.bias"], published(made)["p.bias"])


def test_a_file_of_our_own_says_itself_what_it_is_fed(tmp_path: Path) -> None:
    usage = Usage(side=32, steps=20, window=64, hop=32, pooling="mean")
    path = tmp_path / "weights.safetensors"
    save_localizer(path, Localizer(SMALL, seed=4, usage=usage))
    found, unused = open_localizer(path, FORM, **FED)
    assert (found.usage, found.architecture, unused) == (usage, SMALL, [])
    for key, other in (("hop", 16), ("bands", 64), ("window", 512), ("sample_rate", 8000)):
        with pytest.raises(InputError, match=f"the {key} .*, but the corpus is decoded with"):
            open_localizer(path, {**FORM, key: other}, **FED)


def test_a_missing_layer_is_named(tmp_path: Path) -> None:
    entries = published(Localizer(SMALL))
    del entries["imgnet.layer3.0.conv2.weight"]
    save_torch(tmp_path / "ours.pth.tar", {"model_state_dict": entries})
    with pytest.raises(InputError, match=r"ours\.pth\.tar: misses imgnet\.layer3\.0\.conv2"):
        open_localizer(tmp_path / "ours.pth.tar", FORM, **FED)
