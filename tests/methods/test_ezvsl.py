"""EZ-VSL, against what the authors' own functions give, and under all that the loop does."""

from pathlib import Path

import pytest
import torch
from contract_checks import (
    FIRST,
    FORM,
    SMALL,
    check_answers,
    check_cached_gradients,
    check_compile,
    check_kill_and_resume,
    check_ranks,
    check_step,
    maker,
)
from golden_numbers import assert_golden, read_golden
from projection_goldens import WIDTHS, fill_projections, projection_gradients
from torch import Tensor

from pipeline.errors import InputError
from pipeline.methods.common.files import open_weights
from pipeline.methods.contract import Dice
from pipeline.methods.ezvsl import EZVSL, EZVSLSettings
from pipeline.networks.weights import save_torch

make = maker("ezvsl")


def _of_golden(golden: dict[str, Tensor]) -> EZVSL:
    """A method with the golden's projections, 32 to 24 channels."""
    method = EZVSL(EZVSLSettings(**WIDTHS), FORM)
    fill_projections(method, golden)
    return method


def test_loss_gradients_and_map_are_the_published_code_s() -> None:
    golden = read_golden("ezvsl")
    method = _of_golden(golden)
    assert method.settings.temperature == pytest.approx(float(golden["tau"]))
    v, a = golden["v"].requires_grad_(), golden["a"].requires_grad_()
    features = {"v": method.img_proj(v), "a": method.aud_proj(a)}
    loss = method.loss(features, Dice(0, 0), FIRST)["contrastive"]
    assert_golden(loss, golden["loss"])
    assert_golden(loss, golden["loss_image_rows"] + golden["loss_sound_rows"])
    loss.backward()
    for name, gradient in {"v": v.grad, "a": a.grad, **projection_gradients(method)}.items():
        assert_golden(gradient, golden[f"grad_{name}"])
    assert_golden(method.maps(features["v"], features["a"]), golden["map"])
    found = method.similarities(features["v"], features["a"])
    assert_golden(found["s_L"], golden["similarities"])
    assert_golden(found["s_mean"].diagonal(), golden["map"].mean(dim=(1, 2)))


def test_the_published_networks() -> None:
    method = EZVSL(EZVSLSettings(), FORM)
    assert method.map_size() == (7, 7)
    assert method.img_proj.weight.shape == (512, 512, 1, 1)
    assert method.settings.vision == "imagenet"
    assert float(method.aud_proj.weight.detach().std()) == pytest.approx(0.01, rel=0.01)
    kaiming = (2 / 512) ** 0.5  # fan-out of a 1x1 convolution to 512 channels
    assert float(method.img_proj.weight.detach().std()) == pytest.approx(kaiming, rel=0.01)
    assert float(method.img_proj.bias.detach().abs().max()) <= 512**-0.5


def test_weights_are_the_seed_s() -> None:
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first = make().state_dict()
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(2)
    for name, tensor in make().state_dict().items():
        assert torch.equal(tensor, first[name]), name
    kind = type(make())
    other = kind(kind.Settings(**SMALL), FORM, seed=2).state_dict()
    assert not torch.equal(other["aud_proj.weight"], first["aud_proj.weight"])


def test_the_image_network_begins_with_what_it_is_given() -> None:
    settings = EZVSLSettings(**SMALL)
    given = EZVSL(settings, FORM, seed=8).imgnet.state_dict()
    begun = EZVSL(settings, FORM, seed=1, start=given)
    assert torch.equal(begun.imgnet.conv1.weight, given["conv1.weight"])
    assert torch.equal(begun.audnet.conv1.weight, make().state_dict()["audnet.conv1.weight"])


def _published(method: EZVSL) -> dict[str, Tensor]:
    """A file's entries: as DataParallel names them."""
    return {f"module.{name}": tensor for name, tensor in method.state_dict().items()}


def test_a_published_file_gives_the_published_maps(tmp_path: Path) -> None:
    settings = {**SMALL, "blocks": [1, 2], "channels": [5, 7]}
    made = EZVSL(EZVSLSettings(**settings, projection_width=9), FORM, seed=4).eval()
    path = tmp_path / "best.pth"
    save_torch(path, {"model": _published(made), "epoch": 20, "best_cIoU": 0.3})
    found = open_weights(path, "ezvsl", EZVSLSettings(**SMALL), FORM)
    assert isinstance(found, EZVSL) and not found.training
    assert (found.settings.blocks, found.settings.channels) == ([1, 2], [5, 7])
    assert found.settings.projection_width == 9
    frames = torch.randint(0, 256, (2, 40, 40, 3), dtype=torch.uint8)
    sounds = torch.randn(2, 12, 16)
    with torch.no_grad():
        maps = [m.maps(m.frame_features(frames), m.sound_features(sounds)) for m in (found, made)]
    assert torch.equal(*maps)


@pytest.mark.parametrize("entry", ["img_proj.weight", "aud_proj.bias", "audnet.conv1.weight"])
def test_a_published_file_without_a_layer_is_refused_by_name(tmp_path: Path, entry: str) -> None:
    entries = _published(make())
    del entries[f"module.{entry}"]
    save_torch(tmp_path / "best.pth", {"model": entries})
    with pytest.raises(InputError, match=rf"best\.pth: .*{entry}"):
        open_weights(tmp_path / "best.pth", "ezvsl", EZVSLSettings(**SMALL), FORM)


def test_the_variants_are_told_apart() -> None:
    assert EZVSL.label(EZVSLSettings()) == "ImageNet vision"
    changed = EZVSLSettings(vision="scratch", synthetic_negatives=True)
    assert EZVSL.label(changed) == "vision from scratch, silence and noise"


def test_silence_and_noise_are_further_columns_for_frames_alone() -> None:
    golden = read_golden("ezvsl")
    method, silent = _of_golden(golden), torch.randn(2, 24)
    x, y = method.img_proj(golden["v"]), method.aud_proj(golden["a"])
    found = method.loss({"v": x, "a": torch.cat([y, silent])}, Dice(0, 0), FIRST)["contrastive"]
    rows = method.similarities(x, torch.cat([y, silent]))["s_L"] / method.settings.temperature
    own = torch.arange(6)
    expected = torch.nn.functional.cross_entropy(rows, own) + golden["loss_sound_rows"]
    assert_golden(found, expected.detach())
    assert float(found.detach()) > float(golden["loss"])


def test_a_step() -> None:
    check_step(make)


def test_cached_gradients() -> None:
    check_cached_gradients(make)


def test_compile() -> None:
    check_compile(make)


def test_kill_and_resume(tmp_path: Path) -> None:
    check_kill_and_resume(make, tmp_path)


@pytest.mark.parametrize("synthetic", [False, True])
def test_ranks(tmp_path: Path, synthetic: bool) -> None:
    check_ranks("ezvsl", {**SMALL, "synthetic_negatives": synthetic}, tmp_path)


def test_answers(tmp_path: Path) -> None:
    check_answers(make, tmp_path)
