"""HearTheFlow: the published attention and loss, flow as it is stored and cut, an image network
that never learns, and the contract of a method."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from contract_checks import (
    FORM,
    SMALL,
    backward,
    check_answers,
    check_cached_gradients,
    check_compile,
    check_kill_and_resume,
    check_ranks,
    check_step,
    made_batch,
    maker,
    small_corpus,
)
from golden_numbers import assert_golden, read_golden
from torch import Tensor
from torch.nn import functional

from pipeline.clips import views
from pipeline.errors import InputError
from pipeline.media.flow import as_bytes
from pipeline.methods.contract import Dice, Moment, View
from pipeline.methods.heartheflow import METHOD, HearTheFlow
from pipeline.networks.resnet import ResNet
from pipeline.networks.weights import read_state
from pipeline.predict.predictor import Predictor

NOW = Moment(0, 1, 0, 1)
# Without flow, with it in both forms, and with keys that are the flow itself.
VARIANTS: dict[str, dict[str, Any]] = {
    "none": {**SMALL},
    "bytes": {**SMALL, "flow": "bytes"},
    "signed": {**SMALL, "flow": "signed"},
    "pooled": {**SMALL, "flow": "bytes", "keys": "pooled"},
    "negatives": {**SMALL, "flow": "signed", "synthetic_negatives": True},
}
MAKE = maker("heartheflow")
SIGNED = maker("heartheflow", VARIANTS["signed"])


@pytest.fixture(params=VARIANTS)
def make(request: pytest.FixtureRequest) -> Callable[[], Any]:
    return maker("heartheflow", VARIANTS[request.param])


# --- the published numbers -----------------------------------------------------------------------


class Golden:
    """The reference arrays of flow with a network ("cnn") or pooled ("maxpool"), a method with
    their layers, and leaves: `v`, `flow` and `sounds` before its pooling."""

    def __init__(self, variant: str) -> None:
        golden = read_golden("heartheflow")
        self.named = {key.removeprefix(f"{variant}_"): array for key, array in golden.items()}
        pooled = variant == "maxpool"
        widths = {"channels": [6, self.named["v"].shape[1]]}
        keys = {"flow": "bytes", "keys": "pooled" if pooled else "network"}
        self.method: Any = maker("heartheflow", {**SMALL, **widths, **keys})()
        self.layers = dict(self.method.flowatt.named_parameters())
        with torch.no_grad():
            for name, parameter in self.layers.items():
                parameter.copy_(self.named[f"w_{name}"])
        leaves = (self.named[name].clone().requires_grad_() for name in ("v", "flow", "a"))
        self.v, self.flow, self.sounds = leaves
        self.keys = functional.adaptive_max_pool2d(self.flow, 7) if pooled else self.flow
        self.a = functional.adaptive_max_pool2d(self.sounds, 1).flatten(1)

    def loss(self) -> Tensor:
        """The method's loss of the file's features."""
        features = {"v": self.v, "flow": self.keys, "a": self.a}
        return self.method.loss(features, Dice(0, 0), NOW)["contrastive"]

    def gradients(self) -> dict[str, Tensor | None]:
        """The gradients of leaves and layers, by the file's names."""
        leaves = {"v": self.v.grad, "flow": self.flow.grad, "a": self.sounds.grad}
        return leaves | {f"w_{name}": layer.grad for name, layer in self.layers.items()}

    def maps(self) -> Tensor:
        """The method's maps of the file's features."""
        return self.method.maps(self.method.attended(self.v, self.keys), self.a)


@pytest.mark.parametrize("variant", ["cnn", "maxpool"])
def test_loss_gradients_and_map_are_the_published_ones(variant: str) -> None:
    golden = Golden(variant)
    loss = golden.loss()
    assert_golden(loss, golden.named["loss"])
    loss.backward()
    for name, gradient in golden.gradients().items():
        assert_golden(gradient, golden.named[f"grad_{name}"])
    assert_golden(golden.maps(), golden.named["A"])


def test_an_8_bit_picture_of_flow_is_the_published_one() -> None:
    golden = read_golden("heartheflow")
    np.testing.assert_array_equal(as_bytes(golden["flow_field"].numpy()), golden["flow_stored"])


@pytest.mark.parametrize("case", ["relu", "quirk"])
def test_without_flow_it_is_lvs_s_published_loss(case: str) -> None:
    # In the case `quirk` a frame's cosines with its own sound are negative, as what flow adds to it
    # can make them: its -99 is part of the loss.
    golden = read_golden("lvs")
    v, a = (golden[f"{case}_{name}"].clone().requires_grad_() for name in ("v", "a"))
    loss = MAKE().loss({"v": v, "a": a}, Dice(0, 0), NOW)["contrastive"]
    assert_golden(loss, golden[f"{case}_loss"])
    loss.backward()
    for name, found in (("v", v.grad), ("a", a.grad)):
        assert_golden(found, golden[f"{case}_grad_{name}"])
    assert_golden(MAKE().maps(v.detach(), a.detach()), golden[f"{case}_map"])


def test_the_own_negative_can_be_left_out() -> None:
    features = {name: read_golden("lvs")[f"quirk_{name}"] for name in ("v", "a")}
    without = maker("heartheflow", {**SMALL, "own_negative": False})()
    loss = without.loss(features, Dice(0, 0), NOW)["contrastive"]
    with_it = MAKE().loss(features, Dice(0, 0), NOW)["contrastive"]
    assert float(with_it) > 20 * float(loss)


# --- networks, views, answers --------------------------------------------------------------------


def test_the_image_network_never_learns_and_is_normalised_by_the_batch(
    make: Callable[[], Any],
) -> None:
    method = make()
    before = {name: tensor.clone() for name, tensor in method.imgnet.state_dict().items()}
    _, gradients, _ = backward(method)
    learning = {name.split(".")[0] for name in gradients}
    expected = {"audnet"}
    if method.settings.flow != "none":
        expected |= {"flowatt"} | ({"flownet"} if method.settings.keys == "network" else set())
    assert learning == expected
    for name, tensor in method.imgnet.state_dict().items():
        still = torch.equal(tensor, before[name])
        assert still == (not name.endswith(("running_mean", "running_var", "tracked"))), name
    view = method.views(made_batch(method), Dice(0, 0))["v"]
    pre_relu: list[Tensor] = []
    method.imgnet.bn1.register_forward_hook(lambda *given: pre_relu.append(given[2].clone()))
    method.encode(view)
    shift = method.imgnet.bn1.bias
    torch.testing.assert_close(pre_relu[0].mean(dim=(0, 2, 3)), shift, atol=1e-5, rtol=0)


def test_the_flow_s_network_begins_as_the_image_s_but_for_its_stem() -> None:
    settings = METHOD.Settings(**{**VARIANTS["signed"], "vision": "imagenet"})
    start = ResNet(3, settings.blocks, settings.channels, settings.strides).state_dict()
    method = HearTheFlow(settings, FORM, seed=2, start=start)
    assert method.flownet is not None and method.flowatt is not None
    for name, tensor in method.flownet.state_dict().items():
        assert name == "conv1.weight" or torch.equal(tensor, start[name]), name
    # torch's own: uniform within one over the root of what a number is the sum of.
    for layer, inputs in ((method.flownet.conv1, 2 * 49), (method.flowatt.value_conv, 8)):
        largest = float(layer.weight.detach().abs().max())
        assert 0.9 * inputs**-0.5 < largest <= inputs**-0.5
    again = HearTheFlow(settings, FORM, seed=2, start=start).state_dict()
    assert all(torch.equal(tensor, again[name]) for name, tensor in method.state_dict().items())
    other = HearTheFlow(settings, FORM, seed=3, start=start)
    assert other.flowatt is not None
    assert not torch.equal(other.flowatt.key_conv.weight, method.flowatt.key_conv.weight)


def test_flow_is_cut_and_mirrored_as_its_frame() -> None:
    generator = torch.Generator().manual_seed(0)
    draws = torch.rand(6, views.DRAWS, generator=generator)
    draws[:, 2] = torch.tensor([0.1, 0.9] * 3)  # every other one is mirrored
    frames = torch.randint(0, 256, (6, 36, 36, 3), generator=generator, dtype=torch.uint8)
    pictures = views.light_crop(frames, draws, 32)
    found = views.light_flow(frames[..., :2], draws, 32)
    torch.testing.assert_close(found, pictures[:, :2])
    signed = views.light_flow(frames[..., :2].half() - 128, draws, 32)
    moved = pictures[:, :2] - 128 / 255
    sign = torch.tensor([-1.0, 1.0] * 3)[:, None, None]
    torch.testing.assert_close(signed[:, 0], sign * moved[:, 0])
    torch.testing.assert_close(signed[:, 1], moved[:, 1])
    whole = views.plain_flow(frames[..., :2], 36)
    torch.testing.assert_close(whole, frames[..., :2].permute(0, 3, 1, 2) / 255)
    smaller = views.plain_flow(frames[..., :2], 18)
    expected = views.plain_view(frames, 18)
    mean, deviation = (
        torch.tensor(n[:2])[:, None, None] for n in (views.IMAGENET_MEAN, views.IMAGENET_DEVIATION)
    )
    torch.testing.assert_close(smaller, expected[:, :2] * deviation + mean)


def test_the_training_sees_the_flow_of_its_frame(tmp_path: Path) -> None:
    method = SIGNED()
    batch = made_batch(method)
    assert batch["flow"].dtype == torch.float16
    found = method.views(batch, Dice(4, 7))
    assert found["v"].momentum and not found["flow"].momentum
    draws = Dice(4, 7).uniform("frame", len(batch["frames"]), views.DRAWS)
    torch.testing.assert_close(found["flow"].input, views.light_flow(batch["flow"], draws, 32))
    features = method.encode(View("flow", found["flow"].input))
    assert features.shape == (len(batch["flow"]), 8, *method.map_size())


def test_maps_depend_on_the_flow_and_a_picture_alone_does_not_move(tmp_path: Path) -> None:
    method = SIGNED().eval()
    corpus = small_corpus(tmp_path)
    assert method.flow_form == "signed" and MAKE().flow_form is None
    pairs = [(clip, clip) for clip in corpus.clip_ids[:5]]
    maps = Predictor(method, corpus, batch=2, device=torch.device("cpu")).maps(pairs)
    rows = corpus.rows([clip for clip, _ in pairs])
    frames = torch.from_numpy(np.stack([corpus.frame(row) for row in rows]))
    flow = torch.from_numpy(np.stack([corpus.flow(row, "signed") for row in rows]))
    sounds = torch.from_numpy(np.stack([corpus.middle_window(row, method.steps) for row in rows]))
    with torch.no_grad():
        a = method.sound_features(sounds)
        expected = method.maps(method.moving_features(frames, flow), a)
        alone = method.maps(method.frame_features(frames), a)
        still = method.maps(method.moving_features(frames, torch.zeros_like(flow)), a)
    np.testing.assert_allclose(maps, expected, atol=1e-6)
    assert torch.equal(alone, still) and not torch.allclose(alone, expected, atol=1e-5)


def test_a_corpus_without_flow_is_refused_before_the_first_step(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no flow in the form 'signed'"):
        corpus = small_corpus(tmp_path)
        for path in (tmp_path / "spectrograms/flow/shards").glob("signed_*.npy"):
            path.unlink()
        Predictor(SIGNED(), corpus, device=torch.device("cpu")).maps([("clip00", "clip00")])


# --- published files -----------------------------------------------------------------------------


def test_the_authors_files_are_read_with_flow_and_without(
    make: Callable[[], Any], tmp_path: Path
) -> None:
    made = make().eval()
    path = tmp_path / "best.pth"
    torch.save({"model_state_dict": made.state_dict()}, path)
    # Whatever the settings say of flow, the file tells what it holds.
    for asked in ("none", "bytes", "signed"):
        settings = METHOD.Settings(**{**SMALL, "flow": asked})
        read, unused = METHOD.read_published(read_state(path), settings, FORM, str(path))
        assert unused == [] and not read.training
        seen = {"none": "none", "bytes": "bytes", "signed": "bytes"}[made.settings.flow]
        seen = "signed" if seen != "none" and asked == "signed" else seen
        assert (read.settings.flow, read.settings.keys) == (seen, made.settings.keys)
        state = read.state_dict()
        assert state.keys() == made.state_dict().keys()
        assert all(torch.equal(state[name], tensor) for name, tensor in made.state_dict().items())


def test_a_file_that_lacks_a_layer_is_refused() -> None:
    state = SIGNED().state_dict()
    del state["flowatt.value_conv.bias"]
    with pytest.raises(InputError, match=r"best\.pth: misses flowatt\.value_conv\.bias of"):
        METHOD.read_published(state, METHOD.Settings(**SMALL), FORM, "best.pth")


def test_the_published_shape_and_labels() -> None:
    with torch.device("meta"):
        method = METHOD(METHOD.Settings(flow="bytes"), FORM)
    assert method.map_size() == (7, 7)
    shapes = {name: tuple(tensor.shape) for name, tensor in method.named_parameters()}
    assert (
        shapes["flowatt.query_conv.weight"] == shapes["flowatt.key_conv.weight"] == (64, 512, 1, 1)
    )
    assert shapes["flowatt.value_conv.weight"] == (512, 512, 1, 1)
    assert shapes["flownet.conv1.weight"] == (64, 2, 7, 7)
    labels = [METHOD.label(METHOD.Settings(**settings)) for settings in VARIANTS.values()]
    assert labels == [
        "without flow",
        "flow in 8 bits",
        "signed flow",
        "flow in 8 bits, pooled",
        "signed flow, silence and noise",
    ]


# --- the contract --------------------------------------------------------------------------------


def test_a_step(make: Callable[[], Any]) -> None:
    check_step(make)


def test_cached_gradients(make: Callable[[], Any]) -> None:
    check_cached_gradients(make)


def test_compiled() -> None:
    check_compile(SIGNED)


def test_kill_and_resume(tmp_path: Path) -> None:
    check_kill_and_resume(SIGNED, tmp_path)


def test_two_ranks(tmp_path: Path) -> None:
    check_ranks("heartheflow", VARIANTS["bytes"], tmp_path)


def test_answers(make: Callable[[], Any], tmp_path: Path) -> None:
    check_answers(make, tmp_path)


def test_with_silence_and_noise_the_loss_is_lvs_s_with_them() -> None:
    generator = torch.Generator().manual_seed(0)
    v = torch.randn(8, 8, 4, 4, generator=generator).relu()
    features = {"v": v, "a": torch.randn(10, 8, generator=generator).relu()}  # of which 2 are made
    changes = {**SMALL, "synthetic_negatives": True}
    ours, expected = (
        maker(name, changes)().loss(features, Dice(0, 0), NOW)["contrastive"]
        for name in ("heartheflow", "lvs")
    )
    torch.testing.assert_close(ours, expected)
    alone = {**features, "a": features["a"][:8]}
    assert float(MAKE().loss(alone, Dice(0, 0), NOW)["contrastive"]) < float(ours)
