"""MarginNCE, against its published equation written out, and under all that the loop does."""

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
from projection_goldens import WIDTHS, fill_projections
from torch import Tensor

from pipeline.base.params import bound
from pipeline.errors import InputError
from pipeline.methods.common.files import open_weights
from pipeline.methods.contract import Dice
from pipeline.methods.ezvsl import EZVSL, EZVSLSettings
from pipeline.methods.marginnce import MarginNCE, MarginNCESettings
from pipeline.networks.weights import save_torch

ALL_ON = {**SMALL, "anchor": "both", "pooling": "masked", "synthetic_negatives": True}
make = maker("marginnce", ALL_ON)
ROWS = {"frame": "loss_image_rows", "sound": "loss_sound_rows", "both": "loss_sum"}
GRADIENTS = {"frame": "rows", "both": "sum"}
POOLINGS = {"max": "max", "masked": "mask"}  # here and in the golden


def _of_golden(golden: dict[str, Tensor], **changes: str | float) -> MarginNCE:
    """A method with the golden's projections, 32 to 24 channels."""
    method = MarginNCE(MarginNCESettings(**WIDTHS, **changes), FORM)
    fill_projections(method, golden)
    return method


@pytest.mark.parametrize("pooling", list(POOLINGS))
@pytest.mark.parametrize("tau", [0.03, 0.07])
@pytest.mark.parametrize("anchor", list(ROWS))
def test_loss_and_gradients_are_the_equation_s(pooling: str, tau: float, anchor: str) -> None:
    golden, case = read_golden("marginnce"), f"{POOLINGS[pooling]}_tau{tau}"
    method = _of_golden(golden, pooling=pooling, temperature=tau, anchor=anchor)
    assert method.settings.margin == pytest.approx(float(golden["margin"]))
    leaves = {name: golden[name].requires_grad_() for name in ("v", "a")}
    features = {"v": method.img_proj(leaves["v"]), "a": method.aud_proj(leaves["a"])}
    loss = method.loss(features, Dice(0, 0), FIRST)["contrastive"]
    assert_golden(loss, golden[f"{case}_{ROWS[anchor]}"])
    loss.backward()
    for name, leaf in leaves.items():
        expected = golden.get(f"{case}_grad_{GRADIENTS.get(anchor)}_{name}")
        if expected is not None:
            assert_golden(leaf.grad, expected)


def test_the_golden_has_gradients_of_frames_and_sounds() -> None:
    golden = read_golden("marginnce")
    assert {"max_tau0.03_grad_rows_v", "mask_tau0.03_grad_rows_v", "max_tau0.07_grad_sum_v"} <= (
        golden.keys()
    )
    for pooling in POOLINGS.values():
        for tau in (0.03, 0.07):
            for direction in GRADIENTS.values():
                assert f"{pooling}_tau{tau}_grad_{direction}_a" in golden


@pytest.mark.parametrize("pooling", list(POOLINGS))
def test_map_and_similarities_are_the_equation_s(pooling: str) -> None:
    golden = read_golden("marginnce")
    method = _of_golden(golden, pooling=pooling)
    x, y = method.img_proj(golden["v"]), method.aud_proj(golden["a"])
    assert_golden(method.maps(x, y), golden["map"])
    found = method.similarities(x, y)
    assert_golden(found["s_L"], golden[f"{POOLINGS[pooling]}_similarities"])
    assert_golden(found["s_mean"].diagonal(), golden["map"].mean(dim=(1, 2)))


def test_without_a_margin_both_directions_are_ez_vsl_s() -> None:
    golden = read_golden("marginnce")
    method = _of_golden(golden, margin=0.0, anchor="both")
    x, y = method.img_proj(golden["v"]), method.aud_proj(golden["a"])
    other = EZVSL(EZVSLSettings(**SMALL), FORM)
    features = {"v": x, "a": y}
    found, expected = (m.loss(features, Dice(0, 0), FIRST)["contrastive"] for m in (method, other))
    assert torch.equal(found, expected)


def test_silence_and_noise_are_further_sounds_without_a_margin() -> None:
    golden = read_golden("marginnce")
    method = _of_golden(golden)
    x, y = method.img_proj(golden["v"]), method.aud_proj(golden["a"])
    silent = torch.randn(2, 24, generator=torch.Generator().manual_seed(0))
    found = method.loss({"v": x, "a": torch.cat([y, silent])}, Dice(0, 0), FIRST)["contrastive"]
    rows = method.similarities(x, torch.cat([y, silent]))["s_L"].detach()
    rows = rows.double()
    rows[torch.arange(6), torch.arange(6)] += 0.2
    rows = rows / 0.03
    assert_golden(found, (rows.logsumexp(dim=1) - rows.diagonal()).mean())


def test_sounds_that_choose_have_no_use_for_silence() -> None:
    said = {**SMALL, "anchor": "sound", "synthetic_negatives": True}
    with pytest.raises(InputError, match=r"params\.yaml: here.*anchor is sound"):
        bound(MarginNCESettings, said, "params.yaml: here")


def test_a_published_file_gives_the_published_maps(tmp_path: Path) -> None:
    # The file is one of EZ-VSL's class.
    settings = {**SMALL, "blocks": [1, 2], "channels": [5, 7]}
    made = EZVSL(EZVSLSettings(**settings, projection_width=9), FORM, seed=4).eval()
    entries = {f"module.{name}": tensor for name, tensor in made.state_dict().items()}
    save_torch(tmp_path / "best.pth", {"model": entries})
    found = open_weights(tmp_path / "best.pth", "marginnce", MarginNCESettings(**SMALL), FORM)
    assert isinstance(found, MarginNCE) and found.settings.projection_width == 9
    frames = torch.randint(0, 256, (2, 40, 40, 3), dtype=torch.uint8)
    sounds = torch.randn(2, 12, 16)
    with torch.no_grad():
        maps = [m.maps(m.frame_features(frames), m.sound_features(sounds)) for m in (found, made)]
    assert torch.equal(*maps)


def test_the_variants_are_told_apart() -> None:
    words = "margin -0.2, pooling max, anchor frame, ImageNet vision"
    assert MarginNCE.label(MarginNCESettings()) == words


def test_a_step() -> None:
    check_step(make)


def test_cached_gradients() -> None:
    check_cached_gradients(make)


def test_compile() -> None:
    check_compile(make)


def test_kill_and_resume(tmp_path: Path) -> None:
    check_kill_and_resume(make, tmp_path)


@pytest.mark.parametrize("pooling", list(POOLINGS))
def test_ranks(tmp_path: Path, pooling: str) -> None:
    check_ranks("marginnce", {**ALL_ON, "pooling": pooling}, tmp_path)


def test_answers(tmp_path: Path) -> None:
    check_answers(make, tmp_path)
