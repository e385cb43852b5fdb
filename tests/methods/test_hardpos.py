"""HardPos, against its published equation written out, and under all that the loop does."""

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

from pipeline.errors import InputError
from pipeline.methods.common.similarity import trimap_foreground
from pipeline.methods.contract import Dice, Input
from pipeline.methods.hardpos import HardPos, HardPosSettings

SETTINGS = {**SMALL, "k": 3}
make = maker("hardpos", SETTINGS)
NAMES = ("v", "a", "v_hard", "a_hard")


@pytest.mark.parametrize("tau", [1.0, 0.07])
def test_loss_and_gradients_are_the_equation_s(tau: float) -> None:
    golden = read_golden("hardpos")
    features = {name: golden[name].requires_grad_() for name in NAMES}
    method = HardPos(HardPosSettings(**SETTINGS, temperature=tau), FORM)
    loss = method.loss(features, Dice(0, 0), FIRST)["contrastive"]
    assert_golden(loss, golden[f"tau{tau}_loss"])
    loss.backward()
    compared = [name for name in NAMES if f"tau{tau}_grad_{name}" in golden]
    assert len(compared) >= 3
    for name in compared:
        assert_golden(features[name].grad, golden[f"tau{tau}_grad_{name}"])


def test_positives_are_the_equation_s() -> None:
    golden = read_golden("hardpos")
    pairs = (("v", "a"), ("v", "a_hard"), ("v_hard", "a"), ("v_hard", "a_hard"))
    found = torch.stack([trimap_foreground(golden[v], golden[a]) for v, a in pairs])
    assert_golden(found, golden["positives"])


def test_the_map_is_the_cosine() -> None:
    golden = read_golden("hardpos")
    assert_golden(make().maps(golden["v"], golden["a"]), golden["map"])


def test_it_asks_for_the_neighbours_frame_and_sound() -> None:
    method = make()
    asked = method.inputs()
    assert asked["hard_frames"] == Input("frame", "image_neighbour", k=3)
    assert asked["hard_sounds"] == Input("sound", "sound_neighbour", k=3)
    batch = made_batch(method)
    views = method.views(batch, Dice(0, 0))
    assert set(views) == set(NAMES)
    assert torch.equal(views["a_hard"].input, method.stored_sounds(batch["hard_sounds"]))
    # Even of the same frame it takes another crop.
    same = method.views({**batch, "hard_frames": batch["frames"]}, Dice(0, 0))
    assert not torch.equal(same["v"].input, same["v_hard"].input)


def test_the_published_networks() -> None:
    method = HardPos(HardPosSettings(), FORM)
    assert method.map_size() == (14, 14) and method.settings.vision == "scratch"
    with pytest.raises(InputError, match="no weight file of this method is published"):
        HardPos.read_published({}, HardPosSettings(), FORM, "hardpos.pth")


def test_the_variants_are_told_apart() -> None:
    assert HardPos.label(HardPosSettings()) == "k 1000"
    assert HardPos.label(HardPosSettings(k=10, temperature=0.07)) == "k 10, tau 0.07"


def test_a_step() -> None:
    check_step(make)


def test_cached_gradients() -> None:
    check_cached_gradients(make)


def test_compile() -> None:
    check_compile(make)


def test_kill_and_resume(tmp_path: Path) -> None:
    check_kill_and_resume(make, tmp_path)


def test_ranks(tmp_path: Path) -> None:
    check_ranks("hardpos", SETTINGS, tmp_path)


def test_answers(tmp_path: Path) -> None:
    check_answers(make, tmp_path)
