"""DSOL's first stage: the published loss, gradients and map, and the contract of a method."""

from pathlib import Path

import pytest
import torch
from contract_checks import (
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
from pair_goldens import GOLDEN_SETTINGS, Pairs, check_file_of_the_code, loss_of
from torch.nn.functional import adaptive_max_pool2d

from pipeline.methods.dsol import METHOD


def _golden() -> tuple[METHOD, Pairs]:
    settings = METHOD.Settings(**GOLDEN_SETTINGS, projection_width=16)
    method, pairs = METHOD(settings, FORM), Pairs("dsol")
    pairs.fill(method)
    return method, pairs


def test_loss_and_gradients_are_the_published_code_s() -> None:
    method, pairs = _golden()
    a = adaptive_max_pool2d(pairs.sounds, 1).flatten(1)
    frames = method.projected_positions(torch.cat([pairs.own, pairs.other]))
    loss = loss_of(method, frames, method.projected_sounds(a))
    assert float(loss.detach()) == pytest.approx(float(pairs.file["loss"]), rel=1e-6)
    loss.backward()
    pairs.assert_gradients()


@torch.no_grad()
def test_map_and_score_are_the_published_code_s() -> None:
    method, pairs = _golden()
    a = method.projected_sounds(pairs.sounds.amax(dim=(2, 3)))
    own, other = (method.projected_positions(v) for v in (pairs.own, pairs.other))
    maps = pairs.arranged(method.maps(own, a), method.maps(other, a))
    torch.testing.assert_close(maps, pairs.array("map")[:, 0], atol=1e-5, rtol=0)
    rows = method.similarities(own, a)["s_L"]
    score = pairs.array("score")
    torch.testing.assert_close(rows.diagonal(), score[::2], atol=1e-5, rtol=0)
    wrong = rows[torch.from_numpy(pairs.file["other_frame"]), torch.arange(6)]
    torch.testing.assert_close(wrong, score[1::2], atol=1e-5, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("w", [5.0, -2.0])
def test_the_score_is_the_map_s_maximum_whatever_w(w: float) -> None:
    method, pairs = _golden()
    method.conv_av.weight.fill_(w)
    a = method.projected_sounds(pairs.sounds.amax(dim=(2, 3)))
    own = method.projected_positions(pairs.own)
    expected = method.maps(own, a).amax(dim=(1, 2))
    found = method.similarities(own, a)["s_L"].diagonal()
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_w_begins_at_five_and_learns() -> None:
    method = MAKE()
    assert method.conv_av.weight.item() == 5.0
    assert any(p is method.conv_av.weight for p in method.parameter_groups(1.0)[0]["params"])


def test_a_file_of_the_published_code_is_read(tmp_path: Path) -> None:
    check_file_of_the_code(MAKE, tmp_path)


MAKE = maker("dsol", {**SMALL, "projection_width": 5})


def test_a_step() -> None:
    check_step(MAKE)


def test_cached_gradients() -> None:
    check_cached_gradients(MAKE)


def test_compiled() -> None:
    check_compile(MAKE)


def test_kill_and_resume(tmp_path: Path) -> None:
    check_kill_and_resume(MAKE, tmp_path)


def test_two_ranks(tmp_path: Path) -> None:
    check_ranks("dsol", {**SMALL, "projection_width": 5}, tmp_path)


def test_answers(tmp_path: Path) -> None:
    check_answers(MAKE, tmp_path)
