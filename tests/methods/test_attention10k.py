"""Attention10k: the loss, gradients and attention of DSOL's authors' code, the views that three
methods of theirs share, and the contract of a method."""

from pathlib import Path

import pytest
import torch
from contract_checks import (
    BATCH,
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
from pair_goldens import GOLDEN_SETTINGS, Pairs, check_file_of_the_code, loss_of
from torch.nn.functional import adaptive_max_pool2d
from torchvision.transforms import functional as transforms

from pipeline.clips import views
from pipeline.errors import InputError
from pipeline.methods.attention10k import METHOD
from pipeline.methods.common.pairs import margin_loss, paired_view
from pipeline.methods.contract import Dice


def _golden() -> tuple[METHOD, Pairs]:
    method, pairs = METHOD(METHOD.Settings(**GOLDEN_SETTINGS), FORM), Pairs("attention10k")
    pairs.fill(method)
    return method, pairs


def test_loss_and_gradients_are_the_published_code_s() -> None:
    method, pairs = _golden()
    assert method.settings.margin == float(pairs.file["margin"])
    a = adaptive_max_pool2d(pairs.sounds, 1).flatten(1)
    loss = loss_of(method, torch.cat([pairs.own, pairs.other]), a)
    assert float(loss.detach()) == pytest.approx(float(pairs.file["loss"]), rel=1e-6)
    loss.backward()
    pairs.assert_gradients()


@torch.no_grad()
def test_attention_and_distances_are_the_published_code_s() -> None:
    method, pairs = _golden()
    a = pairs.sounds.amax(dim=(2, 3))
    own, other = method.maps(pairs.own, a), method.maps(pairs.other, a)
    attention = pairs.array("attention")
    torch.testing.assert_close(pairs.arranged(own, other), attention, atol=1e-5, rtol=0)
    expected = pairs.array("distance")[:, 0]
    rows = method.similarities(pairs.own, a)["s_D"]
    torch.testing.assert_close(-rows.diagonal(), expected[::2], atol=1e-5, rtol=1e-5)
    wrong = -rows[torch.from_numpy(pairs.file["other_frame"]), torch.arange(6)]
    torch.testing.assert_close(wrong, expected[1::2], atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_similarities_in_blocks_are_those_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    method, pairs = _golden()
    a = pairs.sounds.amax(dim=(2, 3))
    whole = method.similarities(pairs.own, a)["s_D"]
    monkeypatch.setattr("pipeline.methods.attention10k._BLOCK_NUMBERS", 1)
    torch.testing.assert_close(method.similarities(pairs.own, a)["s_D"], whole)


def test_a_wrong_pair_beyond_the_margin_costs_nothing() -> None:
    near, far = torch.tensor([0.0, 4.0]), torch.tensor([25.0, 200.0])
    assert float(margin_loss(near, far, 10.0)) == pytest.approx((0 + 4 + 25 + 0) / 2 / 4, rel=1e-5)


def test_a_view_is_a_crop_with_other_brightness_and_colour() -> None:
    generator = torch.Generator().manual_seed(0)
    frames = torch.randint(40, 160, (3, 73, 73, 3), generator=generator, dtype=torch.uint8)
    draws = torch.rand(3, views.DRAWS, generator=generator)
    found = paired_view(frames, draws, 64)  # 256 : 224 = 73 : 64
    for picture, numbers, view in zip(frames, draws.tolist(), found, strict=True):
        x, y = int(numbers[0] * 10), int(numbers[1] * 10)
        crop = picture[y : y + 64, x : x + 64].permute(2, 0, 1) / 255
        crop = crop.flip(2) if numbers[2] < 0.5 else crop
        crop = transforms.adjust_brightness(crop, 0.7 + 0.6 * numbers[3])
        crop = transforms.adjust_saturation(crop, 0.7 + 0.6 * numbers[4])
        expected = transforms.normalize(
            crop, list(views.IMAGENET_MEAN), list(views.IMAGENET_DEVIATION)
        )
        torch.testing.assert_close(view, expected, atol=1e-4, rtol=0)


def test_own_frames_come_first_and_each_has_draws_of_its_own() -> None:
    method = METHOD(METHOD.Settings(**SMALL), FORM)
    batch = made_batch(method)
    batch["other_frames"] = batch["frames"]
    seen = method.views(batch, Dice(0, 0))["frames"].input
    assert seen.shape == (2 * BATCH, 3, 32, 32)
    draws = Dice(0, 0).uniform("frames", BATCH, views.DRAWS)
    assert torch.equal(seen[:BATCH], paired_view(batch["frames"], draws, 32))
    assert not torch.equal(seen[:BATCH], seen[BATCH:])


def test_a_file_of_the_published_code_is_read(tmp_path: Path) -> None:
    check_file_of_the_code(MAKE, tmp_path)
    with pytest.raises(InputError, match=r"x.pth: holds no imgnet\.layer1"):
        METHOD.read_published({"fc_a_1.weight": torch.ones(1)}, MAKE().settings, FORM, "x.pth")


MAKE = maker("attention10k")


def test_a_step() -> None:
    check_step(MAKE)


def test_cached_gradients() -> None:
    check_cached_gradients(MAKE)


def test_compiled() -> None:
    check_compile(MAKE)


def test_kill_and_resume(tmp_path: Path) -> None:
    check_kill_and_resume(MAKE, tmp_path)


def test_two_ranks(tmp_path: Path) -> None:
    check_ranks("attention10k", SMALL, tmp_path)


def test_answers(tmp_path: Path) -> None:
    check_answers(MAKE, tmp_path)
