"""Attention10k as of 2018: the loss, gradients and attention of the author's code, SoundNet's
layers and its waveform, and the contract of a method."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from contract_checks import (
    FORM,
    backward,
    check_answers,
    check_cached_gradients,
    check_compile,
    check_kill_and_resume,
    check_ranks,
    check_side_by_side,
    check_step,
    made_batch,
    maker,
)
from torch import Tensor
from torchvision.models import vgg16

from pipeline.clips.sound_form import SoundForm
from pipeline.clips.spectrogram import to_spectrogram
from pipeline.methods.attention10k_2018 import METHOD
from pipeline.methods.common.soundnet import SoundNet
from pipeline.methods.contract import Dice, Moment

GOLDEN = np.load(Path(__file__).parent / "goldens/attention10k_2018.npz")
WAVEFORM = SoundForm(22050, 490, 490, quantity="waveform")
NOW = Moment(0, 10, 0, 10)
SMALL: dict[str, Any] = {
    "channels": [4, 6],
    "convolutions": [1, 2],
    "side": 16,
    "seconds": 0.15,
    "vision": "scratch",
    "sound_model": None,
    "sound_channels": [3, 4],
    "sound_kernels": [8, 4],
    "sound_pools": [2, 1],
    "sound_last": 2,
    "sound_width": 5,
}
MAKE = maker("attention10k_2018", SMALL)
NAMES = {"v": "v", "s": "sound", "other": "other_sound"}  # here and in the golden


def _array(name: str) -> Tensor:
    return torch.from_numpy(GOLDEN[name])


def _method() -> METHOD:
    """A method of the golden's widths with its layers."""
    settings = METHOD.Settings(**{**SMALL, "channels": [4, 32], "sound_width": 24})
    method = METHOD(settings, FORM)
    parameters = dict(method.named_parameters())
    with torch.no_grad():
        for name in GOLDEN.files:
            if name.startswith("w_"):
                parameters[name[2:]].copy_(_array(name))
    return method


def _leaves() -> dict[str, Tensor]:
    """The golden's features by the method's names."""
    return {own: _array(name).requires_grad_() for own, name in NAMES.items()}


def _gradients(method: METHOD, features: dict[str, Tensor]) -> dict[str, Tensor | None]:
    """The gradients of leaves and layers, by the golden's names."""
    parameters = dict(method.named_parameters())
    found = {f"grad_{name}": features[own].grad for own, name in NAMES.items()}
    weights = [name for name in GOLDEN.files if name.startswith("grad_w_")]
    return found | {name: parameters[name[7:]].grad for name in weights}


def test_loss_and_gradients_are_the_published_code_s() -> None:
    method, features = _method(), _leaves()
    loss = method.loss(features, Dice(0, 0), NOW)["contrastive"]
    assert float(loss.detach()) == pytest.approx(float(GOLDEN["loss"]), abs=1e-6)
    loss.backward()
    found = _gradients(method, features)
    assert len(found) == 3 + 8
    for name, gradient in found.items():
        expected = _array(name)
        assert gradient is not None
        atol = 1e-5 * max(1e-3, float(expected.abs().max()))
        torch.testing.assert_close(gradient, expected, atol=atol, rtol=0, msg=name)


@torch.no_grad()
def test_attention_and_answers_are_the_published_code_s() -> None:
    method = _method()
    v, s = _array("v"), _array("sound")
    torch.testing.assert_close(method.maps(v, s), _array("attention"), atol=1e-6, rtol=0)
    torch.testing.assert_close(method.answer(v, s), _array("z"), atol=1e-5, rtol=0)
    found = method.similarities(v, s)["s_D"]
    assert found.shape == (6, 6)
    distances = (_array("z") - s + 1e-6).norm(dim=1)
    torch.testing.assert_close(-found.diagonal(), distances, atol=1e-5, rtol=0)
    crossed = method.answer(v.roll(1, 0), s)  # sound m of frame m - 1
    expected = (crossed - s + 1e-6).norm(dim=1)
    got = -found[(torch.arange(6) - 1) % 6, torch.arange(6)]
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)


@torch.no_grad()
def test_similarities_in_blocks_are_those_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    method = _method()
    whole = method.similarities(_array("v"), _array("sound"))["s_D"]
    monkeypatch.setattr("pipeline.methods.attention10k_2018._BLOCK_NUMBERS", 1)
    torch.testing.assert_close(method.similarities(_array("v"), _array("sound"))["s_D"], whole)


def test_the_frozen_networks_are_vgg_16_and_soundnet_by_their_names() -> None:
    """On torch's meta device: shapes and names alone. 10 s give SoundNet's head one answer."""
    with torch.device("meta"):
        method = METHOD(METHOD.Settings(), WAVEFORM)
        reference = vgg16(weights=None).features[:29].state_dict()
    assert method.map_size() == (20, 20)
    own = method.state_dict()
    for name, tensor in reference.items():
        assert own[f"frame.{name}"].shape == tensor.shape
    kernels = (64, 32, 16, 8, 4, 4, 4)
    widths = (1, 16, 32, 64, 128, 256, 512, 1024)
    for number, kernel in enumerate(kernels, start=1):
        shape = (widths[number], widths[number - 1], kernel, 1)
        assert own[f"sound.conv{number}.weight"].shape == shape
        assert own[f"sound.batchnorm{number}.weight"].shape == shape[:1]
    assert own["sound.conv8_objs.weight"].shape == (1000, 1024, 8, 1)
    assert own["sound_fc1.weight"].shape == (1000, 1000)
    assert own["vision_fc2.weight"].shape == (1000, 512)
    assert WAVEFORM.steps(10.0) * WAVEFORM.bins == 220500
    assert method.sound.length(220500) == 1 and method.sound.length(22050 * 20) > 1
    with pytest.raises(ValueError, match="a window of 5 s has 110250 samples, too few for one an"):
        METHOD(METHOD.Settings(**{**SMALL, "sound_channels": list(widths[1:]), "seconds": 5.0,
               "sound_kernels": list(kernels), "sound_pools": [8, 8, 1, 1, 4, 1, 1],
               "sound_last": 8}), WAVEFORM)  # fmt: skip
    with pytest.raises(ValueError, match="soundnet hears waveforms at 22050 Hz, found density at"):
        METHOD(METHOD.Settings(**{**SMALL, "sound_model": "soundnet"}), FORM)
    with pytest.raises(ValueError, match="sound_channels and sound_pools hold 2 and 1 layers"):
        METHOD.Settings(**{**SMALL, "sound_pools": [1]})


def test_soundnet_is_its_layers_one_after_the_other() -> None:
    network = SoundNet([3, 4], [8, 4], [2, 1], 2, 5).eval()
    waves = torch.rand(2, 200, generator=torch.Generator().manual_seed(0)) * 2 - 1
    x = 256 * waves[:, None]
    with torch.no_grad():
        for number, padding in ((1, 4), (2, 2)):
            layer = network.get_submodule(f"conv{number}")
            x = torch.conv1d(x, layer.weight[..., 0], layer.bias, stride=2, padding=padding)
            norm = network.get_submodule(f"batchnorm{number}")
            x = (x - norm.running_mean[:, None]) / (norm.running_var[:, None] + 1e-5) ** 0.5
            x = torch.relu(x * norm.weight[:, None] + norm.bias[:, None])
            x = torch.max_pool1d(x, 2) if number == 1 else x
        head = network.conv8_objs
        x = torch.conv1d(x, head.weight[..., 0], head.bias, stride=2)
        assert x.shape[2] == network.length(200)
        torch.testing.assert_close(network(waves), x.mean(dim=2), rtol=1e-4, atol=1e-4)


def test_a_waveform_is_stored_as_it_is() -> None:
    samples = torch.rand(2 * 490 + 100, generator=torch.Generator().manual_seed(0)) * 2 - 1
    found = to_spectrogram(samples, WAVEFORM)
    assert found.shape == (490, 2) == (WAVEFORM.bins, WAVEFORM.length(len(samples)))
    assert torch.equal(found.T.flatten(), samples[:980])
    assert WAVEFORM.silence == 0.0 and WAVEFORM.divisor == 1.0
    assert WAVEFORM.samples(3) == 1470
    with pytest.raises(ValueError, match="hop is 100, expected a waveform's window, 490"):
        SoundForm(22050, 490, 100, quantity="waveform")
    with pytest.raises(ValueError, match="bands, centred, stretched and points are for spectro"):
        SoundForm(22050, 490, 490, bands=3, quantity="waveform")


def test_what_is_frozen_stays_and_is_never_in_training() -> None:
    method = MAKE()
    before = {name: x.clone() for name, x in method.state_dict().items()}
    backward(method)
    assert method.training and not method.sound.training and not method.frame.training
    for name, tensor in method.state_dict().items():
        if name.startswith(("frame.", "sound.")):
            assert torch.equal(tensor, before[name]), name
    begun = METHOD(
        method.settings,
        FORM,
        seed=5,
        start={f"features.{key}": x for key, x in method.frame.state_dict().items()},
        sound_start={**method.sound.state_dict(), "conv8_scns.bias": torch.zeros(401)},
    )
    for name, tensor in begun.state_dict().items():
        if name.startswith(("frame.", "sound.")):
            assert torch.equal(tensor, before[name]), name


def test_the_views_are_the_squashed_frame_and_two_sounds_without_gradients() -> None:
    method = MAKE()
    batch = made_batch(method)
    views = method.views(batch, Dice(0, 0))
    assert list(views) == ["v", "s", "other"] and all(v.momentum for v in views.values())
    assert torch.equal(views["v"].input, method.views(batch, Dice(0, 1))["v"].input)
    assert not torch.equal(views["s"].input, views["other"].input)


def test_a_step() -> None:
    check_step(MAKE)


def test_cached_gradients() -> None:
    check_cached_gradients(MAKE)
    check_side_by_side(MAKE)


def test_compiled() -> None:
    check_compile(MAKE)


def test_kill_and_resume(tmp_path: Path) -> None:
    check_kill_and_resume(MAKE, tmp_path)


def test_two_ranks(tmp_path: Path) -> None:
    check_ranks("attention10k_2018", SMALL, tmp_path)


def test_answers(tmp_path: Path) -> None:
    check_answers(MAKE, tmp_path)
