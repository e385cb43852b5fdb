"""SSPL: the published loss, gradients and map without and with PCM, the frozen networks' weights,
and the contract of a method."""

from dataclasses import replace
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

from pipeline.clips.sound_form import VGGISH_FORM
from pipeline.errors import InputError
from pipeline.methods.common.predictive_coding import _doubled
from pipeline.methods.common.vgg import VGGish, convolutions
from pipeline.methods.contract import Dice, Moment, load_method
from pipeline.methods.sspl import METHOD
from pipeline.networks.weights import read_state
from pipeline.train.begin import begin

SMALL: dict[str, Any] = {
    "channels": [4, 6],
    "convolutions": [1, 2],
    "side": 28,
    "seconds": 0.15,
    "vision": "scratch",
    "sound_model": None,
    "sound_channels": [3, 4],
    "sound_convolutions": [1, 1],
    "sound_hidden": 7,
    "sound_width": 5,
    "example_steps": 6,
    "projection": 8,
    "prediction": 4,
}
PCM = {**SMALL, "pcm": True, "cycles": 2}
BOTH = pytest.mark.parametrize("settings", [SMALL, PCM], ids=["without", "with"])
NOW = Moment(0, 10, 0, 10)


class Golden:
    """The reference file, and a method with its layers."""

    def __init__(self, name: str, **changes: Any) -> None:
        self.file = np.load(Path(__file__).parent / f"goldens/{name}.npz")
        widths = {"channels": [4, 32], "sound_width": 16, "projection": 24, "prediction": 8}
        settings = METHOD.Settings(**{**SMALL, **widths, **changes})
        self.method = METHOD(settings, FORM, seed=1).train()
        self.own = self.method.state_dict(keep_vars=True)
        for name in self.file.files:
            if name.startswith("w_"):
                with torch.no_grad():
                    self.own[self.named(name[2:])].copy_(self.array(name))
        self.v1, self.v2 = (self.array(name).requires_grad_() for name in ("v1", "v2"))
        self.sound = self.array("sound").requires_grad_()

    @staticmethod
    def named(name: str) -> str:
        """The method's name of an entry of the file."""
        return name.replace("pc.", "pcm.", 1) if name.startswith("pc.") else name

    def array(self, name: str) -> Tensor:
        """An array of the file as a tensor."""
        return torch.from_numpy(self.file[name])

    def loss(self) -> Tensor:
        """The method's loss of the file's features."""
        features = {"v1": self.v1, "v2": self.v2, "a": self.sound}
        return self.method.loss(features, Dice(0, 0), NOW)["prediction"]


@pytest.mark.parametrize(
    ("name", "changes"), [("sspl", {}), ("sspl_pcm", {"pcm": True, "cycles": 4})]
)
def test_loss_and_gradients_are_the_published_code_s(name: str, changes: dict[str, Any]) -> None:
    golden = Golden(name, **changes)
    loss = golden.loss()
    assert float(loss.detach()) == pytest.approx(float(golden.file["loss"]), abs=1e-5)
    loss.backward()
    found = {"grad_v1": golden.v1.grad[:, ::8], "grad_sound": golden.sound.grad}
    found |= {
        key: golden.own[golden.named(key[7:])].grad
        for key in golden.file.files
        if key.startswith("grad_w_")
    }
    assert len(found) > 8
    for key, gradient in found.items():
        expected = golden.array(key)
        atol = 1e-5 * float(expected.abs().max())
        torch.testing.assert_close(gradient, expected, atol=atol, rtol=0, msg=key)


@torch.no_grad()
def test_attention_and_features_are_the_published_code_s() -> None:
    golden = Golden("sspl")
    f = golden.method.sound_vector(golden.sound)
    torch.testing.assert_close(f, golden.array("sound_feature"), atol=1e-5, rtol=0)
    maps = golden.method.maps(golden.v1, golden.sound)
    torch.testing.assert_close(maps, golden.array("similarity1"), atol=1e-5, rtol=0)
    feature = golden.method.attended(golden.v1, golden.sound)
    z = golden.method.head.project(feature)
    p = golden.method.head.predict(z)
    for found, name in ((feature, "feature1"), (z, "z1"), (p, "p1")):
        expected = golden.array(name)
        atol = 1e-5 * float(expected.abs().max())
        torch.testing.assert_close(found, expected, atol=atol, rtol=0, msg=name)
    means = golden.array("similarity1").mean(dim=(1, 2))
    found = golden.method.similarities(golden.v1, golden.sound)["s_mean"].diagonal()
    torch.testing.assert_close(found, means, atol=1e-5, rtol=0)


@torch.no_grad()
def test_the_moved_map_is_the_published_code_s() -> None:
    golden = Golden("sspl_pcm", pcm=True, cycles=4)
    moved = golden.method.moved(golden.v1, golden.sound)[:, ::8]
    expected = golden.array("feature_map1")
    torch.testing.assert_close(moved, expected, atol=1e-5 * float(expected.abs().max()), rtol=0)
    maps = golden.method.maps(golden.v1, golden.sound)
    torch.testing.assert_close(maps, golden.array("similarity1"), atol=1e-5, rtol=0)


def test_doubling_is_torch_s_with_aligned_corners() -> None:
    maps = torch.randn(2, 3, 7, 7, generator=torch.Generator().manual_seed(0))
    expected = torch.nn.functional.interpolate(maps, (14, 14), mode="bilinear", align_corners=True)
    torch.testing.assert_close(_doubled(maps), expected)


def test_with_pcm_similarities_are_means_of_the_pairs_maps() -> None:
    method = maker("sspl", PCM)().eval()
    generator = torch.Generator().manual_seed(0)
    v = torch.randn(3, 6, 14, 14, generator=generator)
    sounds = torch.rand(2, 2, 5, generator=generator)
    with torch.no_grad():
        found = method.similarities(v, sounds)["s_mean"]
        pairs = method.maps(v.repeat_interleave(2, 0), sounds.repeat(3, 1, 1))
    torch.testing.assert_close(found, pairs.mean(dim=(1, 2)).view(3, 2))


def test_the_frozen_networks_are_vgg_16_and_vggish_by_their_names() -> None:
    """On torch's meta device: shapes and names alone."""
    with torch.device("meta"):
        method = METHOD(METHOD.Settings(), VGGISH_FORM)
        reference = vgg16(weights=None).features[:29].state_dict()
    assert method.map_size() == (14, 14)
    own = method.state_dict()
    for name, tensor in reference.items():
        assert own[f"frame.feat_extractor.{name}"].shape == tensor.shape
    shapes = {name[6:]: tuple(t.shape) for name, t in own.items() if name.startswith("sound.")}
    convolution = {
        0: (64, 1),
        3: (128, 64),
        6: (256, 128),
        8: (256, 256),
        11: (512, 256),
        13: (512, 512),
    }
    for place, (out, inputs) in convolution.items():
        assert shapes[f"features.{place}.weight"] == (out, inputs, 3, 3)
    assert shapes["embeddings.0.weight"] == (4096, 512 * 6 * 4)
    assert shapes["embeddings.4.weight"] == (128, 4096)
    assert shapes["fc.0.weight"] == (512, 128) and shapes["fc.2.weight"] == (512, 512)
    assert VGGISH_FORM.steps(3.0) // 96 == 3


def test_vggish_orders_a_map_as_tensorflow_does() -> None:
    network = VGGish([2, 3], [1, 1], steps=8, bins=12, hidden=4, width=2)
    examples = torch.rand(2, 1, 8, 12, generator=torch.Generator().manual_seed(0))
    maps = network.features(examples)
    assert maps.shape == (2, 3, 2, 3)
    expected = [
        [maps[n, c, y, x].item() for y in range(2) for x in range(3) for c in range(3)]
        for n in range(2)
    ]
    heard: list[Tensor] = []
    network.embeddings.register_forward_pre_hook(lambda _, given: heard.append(given[0]))
    network.embed(examples)
    torch.testing.assert_close(heard[0], torch.tensor(expected))


def test_the_last_stage_ends_before_its_relu() -> None:
    layers = convolutions(3, [4, 6], [1, 2], last_pool=False)
    assert [type(layer).__name__ for layer in layers] == [
        "Conv2d", "ReLU", "MaxPool2d", "Conv2d", "ReLU", "Conv2d",
    ]  # fmt: skip


def test_what_is_frozen_stays_as_the_files_have_it(tmp_path: Path) -> None:
    other = METHOD(METHOD.Settings(**SMALL), FORM, seed=9).state_dict()
    image = {k.replace("frame.feat_extractor.", "features."): v for k, v in other.items()}
    sound = {k.removeprefix("sound."): v for k, v in other.items() if k.startswith("sound.")}
    method = METHOD(METHOD.Settings(**SMALL), FORM, seed=1, start=image, sound_start=sound)
    backward(method)
    frozen = [name for name in other if name.startswith(("frame.", "sound.features", "sound.emb"))]
    for name in frozen:
        assert torch.equal(method.state_dict()[name], other[name]), name
    assert not torch.equal(method.state_dict()["sound.fc.0.weight"], other["sound.fc.0.weight"])
    torch.save(sound, tmp_path / "ish.pth")
    settings = METHOD.Settings(**{**SMALL, "sound_model": "ish"})
    begun = begin("sspl", settings, FORM, 1, tmp_path).state_dict()
    assert torch.equal(begun["sound.embeddings.4.bias"], other["sound.embeddings.4.bias"])
    with pytest.raises(InputError, match=r"holds no other ending in \.pth"):
        begin("sspl", replace(settings, sound_model="other"), FORM, 1, tmp_path)
    del sound["embeddings.0.bias"]
    torch.save(sound, tmp_path / "ish.pth")
    with pytest.raises(InputError, match=r"sound_model ish: misses 0\.bias"):
        begin("sspl", settings, FORM, 1, tmp_path)


def test_each_part_has_its_rate_and_decay() -> None:
    method = maker("sspl", PCM)()
    slow, head, scalars = method.parameter_groups(2e-5)
    assert (slow["lr"], head["lr"], scalars["lr"]) == (2e-5, 8e-5, 2e-5)
    assert scalars["weight_decay"] == 0.0 and "weight_decay" not in slow
    assert len(scalars["params"]) == 6
    counted = [p for group in (slow, head, scalars) for p in group["params"]]
    assert {id(p) for p in counted} == {id(p) for p in method.parameters() if p.requires_grad}
    # Decoupled: Adam with these groups is AdamW.
    weights = []
    for kind in (torch.optim.Adam, torch.optim.AdamW):
        method = maker("sspl", SMALL)()
        groups = method.parameter_groups(1e-2)
        if kind is torch.optim.AdamW:
            groups = [{"params": g["params"], "lr": g["lr"]} for g in groups]
        optimiser = kind(groups, lr=1e-2, weight_decay=0.1)
        for parameter in method.parameters():
            parameter.grad = torch.ones_like(parameter) if parameter.requires_grad else None
        optimiser.step()
        weights.append(method.sound.fc[0].weight)
    assert torch.equal(*weights)


def test_views_have_no_gradient_and_sounds_are_cut_into_examples() -> None:
    method = maker("sspl", SMALL)()
    batch = made_batch(method)
    views = method.views(batch, Dice(0, 0))
    assert all(view.momentum for view in views.values())
    assert not torch.equal(views["v1"].input, views["v2"].input)
    heard = views["a"].input
    assert heard.shape == (len(batch["sounds"]), 2, 6, 16)
    assert torch.equal(heard[3, 1], batch["sounds"][3, 6:12].float() / FORM.divisor)


def test_settings_that_fit_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match=r"pcm needs a map of 14 x 14, .* 16 x 16"):
        METHOD.Settings(**{**PCM, "side": 32})
    with pytest.raises(ValueError, match="channels and convolutions hold 2 and 1 stages"):
        METHOD.Settings(**{**SMALL, "convolutions": [1]})
    with pytest.raises(ValueError, match="12 time steps, expected at least example_steps, 96"):
        METHOD(METHOD.Settings(**{**SMALL, "example_steps": 96}), FORM)


@BOTH
def test_the_published_files_joined_give_the_method(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    made = METHOD(METHOD.Settings(**settings), FORM, seed=4).eval()
    joined = {}
    for name, tensor in made.state_dict().items():
        kind, rest = name.split(".", 1)
        joined[f"{kind}.module.{rest}" if kind != "frame" else name] = tensor
    path = tmp_path / "sspl.pth"
    torch.save(joined, path)
    # Of the other variant: the file says which it is.
    other = METHOD.Settings(**(PCM if settings is SMALL else {**SMALL, "cycles": 2}))
    read, unused = METHOD.read_published(read_state(path), other, FORM, str(path))
    assert unused == [] and (read.pcm is None) == (settings is SMALL)
    for name, tensor in made.state_dict().items():
        assert torch.equal(read.state_dict()[name], tensor), name
    torch.save({"fc.0.weight": torch.ones(1)}, path)
    with pytest.raises(InputError, match=r"sspl.pth: holds entries of fc, expected SSPL's files"):
        METHOD.read_published(read_state(path), other, FORM, str(path))


@BOTH
def test_a_step(settings: dict[str, Any]) -> None:
    check_step(maker("sspl", settings))


@BOTH
def test_cached_gradients(settings: dict[str, Any]) -> None:
    check_cached_gradients(maker("sspl", settings))
    check_side_by_side(maker("sspl", settings))


def test_compiled() -> None:
    check_compile(maker("sspl", PCM))


@BOTH
def test_kill_and_resume(settings: dict[str, Any], tmp_path: Path) -> None:
    check_kill_and_resume(maker("sspl", settings), tmp_path)


@BOTH
def test_two_ranks(settings: dict[str, Any], tmp_path: Path) -> None:
    check_ranks("sspl", settings, tmp_path)


@BOTH
def test_answers(settings: dict[str, Any], tmp_path: Path) -> None:
    check_answers(maker("sspl", settings), tmp_path)


def test_with_pcm_it_is_a_method_of_its_own(tmp_path: Path) -> None:
    """Another row with the code's rates; the rest is the same class."""
    own = load_method("sspl_pcm")
    assert own.Settings().pcm and own.Settings().head_rate == 2.5
    assert not METHOD.Settings().pcm and METHOD.Settings().head_rate == 4.0
    assert METHOD.label(METHOD.Settings()) == "without PCM"
    assert own.label(own.Settings()) == "with PCM"
    settings = {**PCM, "head_rate": 2.5}
    first, second = (maker(name, settings)().state_dict() for name in ("sspl", "sspl_pcm"))
    assert all(torch.equal(first[name], second[name]) for name in first)
    check_answers(maker("sspl_pcm", PCM), tmp_path)
    made = own(own.Settings(**PCM), FORM, seed=4).eval()
    read, unused = own.read_published(made.state_dict(), own.Settings(**PCM), FORM, "x.pth")
    assert type(read) is own and unused == []


def test_vggish_is_fetched_once_and_off_the_network_its_place_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hub").mkdir()
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path / "hub"))
    made = METHOD(METHOD.Settings(**SMALL), FORM, seed=9).sound
    state = {k: x for k, x in made.state_dict().items() if not k.startswith("fc.")}
    torch.save(state, tmp_path / "published.pth")

    def unreachable(*arguments: Any, **options: Any) -> Any:
        raise OSError("no network")

    monkeypatch.setattr("pipeline.networks.fetching.urlopen", unreachable)
    settings = METHOD.Settings(**{**SMALL, "sound_model": "vggish"})
    with pytest.raises(InputError) as caught:
        begin("sspl", settings, FORM, 1, tmp_path)
    said = str(caught.value)
    assert said.startswith("sound model 'vggish': its weights could not be fetched (no network)")
    assert "torchvggish/releases" in said and said.endswith(f"as {tmp_path / 'vggish.pth'}")
    asked: list[str] = []

    def page(address: str, timeout: float) -> Any:
        asked.append(address)
        return (tmp_path / "published.pth").open("rb")

    monkeypatch.setattr("pipeline.networks.fetching.urlopen", page)
    for _ in range(2):
        begun = begin("sspl", settings, FORM, 1, tmp_path).state_dict()
        assert torch.equal(begun["sound.embeddings.4.bias"], state["embeddings.4.bias"])
    assert len(asked) == 1 and asked[0].endswith("vggish-10086976.pth")


def test_weights_are_the_seed_s() -> None:
    torch.manual_seed(0)
    first = maker("sspl", PCM)().state_dict()
    torch.manual_seed(1)
    again = maker("sspl", PCM)().state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    other = METHOD(METHOD.Settings(**PCM), FORM, seed=2).state_dict()
    name = "pcm.ErrorProcess.1.weight"
    assert not torch.equal(first[name], other[name])
