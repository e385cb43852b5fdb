"""Weight files: our own say what they are and what they are fed; others' are fed as one says."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from contract_checks import FORM, SMALL, maker

from pipeline.clips.sound_form import SoundForm
from pipeline.errors import InputError
from pipeline.methods.alignment import Alignment
from pipeline.methods.common.files import is_own, load_weights, open_weights, save_weights
from pipeline.networks.weights import read_metadata, read_state, save_safetensors, save_torch

make = maker("alignment", {**SMALL, "k": 3, "pooling": "top", "pooling_share": 0.3})


def test_saved_weights_carry_method_settings_and_form(tmp_path: Path) -> None:
    method = make()
    save_weights(tmp_path / "one.safetensors", method)
    save_weights(tmp_path / "two.safetensors", make())
    one, two = ((tmp_path / f"{name}.safetensors").read_bytes() for name in ("one", "two"))
    assert one == two
    assert is_own(tmp_path / "one.safetensors")
    loaded = load_weights(tmp_path / "one.safetensors")
    assert isinstance(loaded, Alignment) and not loaded.training
    assert (loaded.settings, loaded.form) == (method.settings, FORM)
    for key, tensor in method.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], tensor), key


def _changed(path: Path, **changes: Any) -> Path:
    """The file with other metadata; a value of None takes an entry away."""
    metadata = {**read_metadata(path), **changes}
    left = {name: value for name, value in metadata.items() if value is not None}
    save_safetensors(path.with_name("changed.safetensors"), read_state(path), left)
    return path.with_name("changed.safetensors")


def test_a_setting_that_a_file_does_not_name_takes_its_default(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_weights(path, make())
    said = json.loads(read_metadata(path)["settings"])
    del said["simclr_strength"], said["pooling"]
    loaded = load_weights(_changed(path, settings=json.dumps(said)))
    assert (loaded.settings.pooling, loaded.settings.simclr_strength) == ("mean", 1.0)
    assert loaded.settings.pooling_share == 0.3


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"method": None}, "found no method in the file's metadata"),
        ({"method": "nothing"}, "method 'nothing': expected one of"),
        ({"settings": "{"}, "its metadata cannot be read"),
        ({"settings": '{"blocks": [5000]}'}, "found 5000 in its settings"),
        ({"settings": '{"nothing": 1}'}, "nothing"),
        ({"form": '{"window": 1}'}, "window"),
    ],
)
def test_metadata_that_is_not_ours_is_refused(
    tmp_path: Path, changes: dict[str, str | None], expected: str
) -> None:
    path = tmp_path / "weights.safetensors"
    save_weights(path, make())
    with pytest.raises(InputError, match=expected):
        load_weights(_changed(path, **changes))


def test_an_own_file_is_opened_as_it_says_and_only_for_its_form(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_weights(path, make())
    others = Alignment.Settings(pooling="mean")
    found = open_weights(path, "alignment", others, FORM)
    assert found.settings == make().settings
    for change in ({"hop": 16}, {"bands": 8}, {"window": 400}, {"sample_rate": 8000}):
        form = SoundForm(**{"bands": 16, **change})
        with pytest.raises(InputError, match=r"weights\.safetensors: is for sounds of the form"):
            open_weights(path, "alignment", others, form)


def test_a_published_file_is_no_own_one(tmp_path: Path) -> None:
    save_torch(tmp_path / "ours.pth.tar", {"model_state_dict": {"a": torch.ones(2)}})
    save_safetensors(tmp_path / "ours.safetensors", {"a": torch.ones(2)})
    for name in ("ours.pth.tar", "ours.safetensors"):
        assert not is_own(tmp_path / name)
        with pytest.raises(InputError, match=f"{name}: found no method in the file's metadata"):
            load_weights(tmp_path / name)
