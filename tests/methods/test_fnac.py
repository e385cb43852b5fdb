"""FNAC, against what the authors' own functions give, and under all that the loop does."""

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
    made_batch,
    maker,
)
from golden_numbers import assert_golden, read_golden
from projection_goldens import WIDTHS, fill_projections, projection_gradients
from torch import Tensor

from pipeline.methods.common.dropout import drop
from pipeline.methods.common.files import open_weights
from pipeline.methods.contract import Dice, Moment
from pipeline.methods.fnac import FNAC, FNACSettings, mask_bands
from pipeline.networks.weights import save_torch

# The terms beside L_c from the first step on, and half the map dropped, which is small here.
ALL_ON = {**SMALL, "warm_up": 0, "dropout": 0.5, "synthetic_negatives": True}
make = maker("fnac", ALL_ON)
GOLDEN_DROPOUT = 0.6  # a share of its own, so that enough of the map is left to compare
LATER = Moment(50, 300, 5, 30)  # the sixth epoch


def _of_golden(golden: dict[str, Tensor]) -> FNAC:
    """A method with the golden's projections, 32 to 24 channels."""
    method = FNAC(FNACSettings(**WIDTHS), FORM)
    fill_projections(method, golden)
    return method


def _losses(
    golden: dict[str, Tensor], case: str, moment: Moment
) -> tuple[FNAC, dict[str, Tensor], dict[str, Tensor]]:
    """The method, its losses for a case of the golden, and what they are differentiated by."""
    method = _of_golden(golden)
    leaves = {name: golden[name].clone().requires_grad_() for name in ("v", "a")}
    kept = golden["dropout_dropout_mask"] if case == "dropout" else None
    x = method.img_proj(drop(leaves["v"], kept, GOLDEN_DROPOUT))
    features = {"v": x, "a": method.aud_proj(leaves["a"])}
    return method, method.loss(features, Dice(0, 0), moment), leaves


def test_losses_are_the_published_code_s() -> None:
    golden = read_golden("fnac")
    _, losses, _ = _losses(golden, "dropout", LATER)
    assert_golden(losses["contrastive"], golden["dropout_loss_contrastive"])
    for name in ("fns1", "tne", "fns2"):
        assert_golden(losses[name], 100 * golden[f"dropout_loss_{name}"])
    assert_golden(torch.stack(list(losses.values())).sum(), golden["dropout_loss"])


@pytest.mark.parametrize("case", ["plain", "dropout"])
def test_gradients_are_the_published_code_s(case: str) -> None:
    golden = read_golden("fnac")
    method, losses, leaves = _losses(golden, case, LATER)
    loss = torch.stack(list(losses.values())).sum()
    assert_golden(loss, golden[f"{case}_loss"])
    loss.backward()
    found = {name: leaf.grad for name, leaf in leaves.items()} | projection_gradients(method)
    compared = [name for name in found if f"{case}_grad_{name}" in golden]
    assert {"v", "a", "w_v"} <= set(compared)
    for name in compared:
        assert_golden(found[name], golden[f"{case}_grad_{name}"])


@pytest.mark.parametrize(("part", "leaf"), [("fns1", "a"), ("tne", "v"), ("fns2", "v")])
def test_each_term_has_its_own_gradient(part: str, leaf: str) -> None:
    golden = read_golden("fnac")
    _, losses, leaves = _losses(golden, "dropout", LATER)
    losses[part].backward()
    assert_golden(leaves[leaf].grad, 100 * golden[f"dropout_grad_{part}_{leaf}"])


def test_the_first_five_epochs_are_contrastive_alone() -> None:
    golden = read_golden("fnac")
    _, losses, leaves = _losses(golden, "dropout", Moment(49, 300, 4, 30))
    assert [float(losses[name].detach()) for name in ("fns1", "tne", "fns2")] == [0, 0, 0]
    torch.stack(list(losses.values())).sum().backward()
    for name, leaf in leaves.items():
        assert_golden(leaf.grad, golden[f"dropout_grad_warmup_{name}"])
    assert_golden(losses["contrastive"], golden["dropout_loss_warmup"])


def test_map_and_similarities_are_the_published_code_s() -> None:
    golden = read_golden("fnac")
    method = _of_golden(golden)
    kept = golden["dropout_dropout_mask"]
    x, y = method.img_proj(drop(golden["v"], kept, GOLDEN_DROPOUT)), method.aud_proj(golden["a"])
    assert_golden(method.maps(x, y), golden["dropout_map"])
    assert_golden(method.similarities(x, y)["s_L"], golden["dropout_similarities"])


def test_silence_and_noise_are_no_part_of_the_adjacencies() -> None:
    golden = read_golden("fnac")
    method = _of_golden(golden)
    x, y = method.img_proj(golden["v"]), method.aud_proj(golden["a"])
    silent = torch.randn(2, 24, generator=torch.Generator().manual_seed(0))
    without = method.loss({"v": x, "a": y}, Dice(0, 0), LATER)
    found = method.loss({"v": x, "a": torch.cat([y, silent])}, Dice(0, 0), LATER)
    assert float(found["contrastive"].detach()) > float(without["contrastive"].detach())
    for name in ("fns1", "tne", "fns2"):
        assert torch.equal(found[name], without[name])


def test_bands_are_filled_where_they_are_drawn() -> None:
    sounds = torch.ones(3, 8, 20)  # 8 steps, 20 bins
    draws = torch.tensor(
        [
            [0.5, 0.35, 0.25, 0.25],  # 3 bins from 10 on, 2 steps from 2 on
            [0.95, 0.99, 0.0, 0.05],  # 9 bins from 19 on, of which there is one; no steps
            [0.0, 0.0, 0.99, 0.99],  # no bins; 9 steps from 7 on, of which there is one
        ]
    )
    expected = torch.ones(3, 8, 20)
    expected[0, :, 10:13] = expected[0, 2:4] = -2
    expected[1, :, 19:] = -2
    expected[2, 7:] = -2
    assert torch.equal(mask_bands(sounds, draws, -2.0, exchanged=False), expected)
    # Exchanged, bins begin where one of 8 was drawn and steps where one of 20 was.
    expected = torch.ones(3, 8, 20)
    expected[0, :, 4:7] = expected[0, 5:7] = 0
    expected[1, :, 7:16] = 0
    assert torch.equal(mask_bands(sounds, draws, 0.0, exchanged=True), expected)


def test_masks_have_the_widths_and_places_of_the_published_code() -> None:
    draws = Dice(1, 0).uniform("masks", 4000, 4)
    masked = mask_bands(torch.ones(4000, 30, 60), draws, 0.0, exchanged=True) == 0
    bands = masked.all(dim=1)  # (clips, bins): what is masked at every step
    widths = bands.sum(dim=1).bincount()
    assert len(widths) == 10 and float(widths.min()) > 300  # 0 to 9, as often
    assert not bands[:, 30 + 8 :].any()  # rows from T + 8 on are never masked
    bands = masked.all(dim=2)
    outside = float((~bands.any(dim=1)).float().mean())
    assert outside == pytest.approx(1 - 0.9 * 0.5, abs=0.03)  # half of the places are outside


@pytest.mark.parametrize(("masks", "filling"), [("released", 0.0), ("mended", -16.1181)])
def test_the_sounds_are_masked_before_they_are_divided(masks: str, filling: float) -> None:
    method = FNAC(FNACSettings(**SMALL, masks=masks, synthetic_negatives=True), FORM)
    plain = FNAC(FNACSettings(**SMALL, masks="none", synthetic_negatives=True), FORM)
    batch = made_batch(method)
    found = method.views(batch, Dice(2, 0))["a"].input
    without = plain.views(batch, Dice(2, 0))["a"].input
    changed = found != without
    assert 0.1 < float(changed.float().mean()) < 0.8
    torch.testing.assert_close(
        found[changed], torch.full_like(found[changed], filling / 12), atol=1e-3, rtol=0
    )
    assert not changed[16:].any() and len(found) == 20  # silence and noise stay what they are
    assert torch.equal(method.views(batch, Dice(2, 0))["a"].input, found)


def test_a_published_file_gives_the_published_maps(tmp_path: Path) -> None:
    settings = {**SMALL, "blocks": [1, 2], "channels": [5, 7]}
    made = FNAC(FNACSettings(**settings, projection_width=9), FORM, seed=4).eval()
    path = tmp_path / "best.pth"
    adam = {"state": {}, "param_groups": [{"lr": 1e-4}]}
    save_torch(path, {"model": made.state_dict(), "optimizer": adam, "epoch": 8, "best_Auc": 0.3})
    found = open_weights(path, "fnac", FNACSettings(**SMALL), FORM)
    assert isinstance(found, FNAC) and found.settings.projection_width == 9
    assert found.settings.dropout == 0.9 and not found.training
    frames = torch.randint(0, 256, (2, 40, 40, 3), dtype=torch.uint8)
    sounds = torch.randn(2, 12, 16)
    with torch.no_grad():
        maps = [m.maps(m.frame_features(frames), m.sound_features(sounds)) for m in (found, made)]
    assert torch.equal(*maps)


def test_the_published_networks() -> None:
    method = FNAC(FNACSettings(), FORM)
    assert method.map_size() == (7, 7) and method.settings.vision == "imagenet"
    assert (method.settings.temperature, method.settings.dropout) == (0.03, 0.9)


def test_the_variants_are_told_apart() -> None:
    assert FNAC.label(FNACSettings()) == "ImageNet vision, dropout 0.9"
    assert FNAC.label(FNACSettings(masks="none")) == "ImageNet vision, dropout 0.9, masks none"


def test_a_step() -> None:
    check_step(make)
    check_step(maker("fnac"))  # in its warm-up
    assert FIRST.epoch < FNACSettings().warm_up


def test_cached_gradients() -> None:
    check_cached_gradients(make)


def test_compile() -> None:
    check_compile(make)


def test_kill_and_resume(tmp_path: Path) -> None:
    # The second epoch, behind the kill, is the first after the warm-up.
    check_kill_and_resume(maker("fnac", {**ALL_ON, "warm_up": 1}), tmp_path)


def test_ranks(tmp_path: Path) -> None:
    check_ranks("fnac", ALL_ON, tmp_path)


def test_answers(tmp_path: Path) -> None:
    check_answers(make, tmp_path)
