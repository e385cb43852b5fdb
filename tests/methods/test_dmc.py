"""DMC: the loss, gradients and assignments of its authors' simplified code, and the contract of a
method."""

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

from pipeline.methods.dmc import METHOD, _layer, centre_distances, soft_means

CENTRES = pytest.mark.parametrize("centres", [(2, 1), (4, 2)], ids=str)


def _golden(centres: tuple[int, int]) -> tuple[METHOD, Pairs, str]:
    seen, heard = centres
    settings = METHOD.Settings(**GOLDEN_SETTINGS, frame_centres=seen, sound_centres=heard)
    method, pairs = METHOD(settings, FORM), Pairs("dmc")
    pairs.fill(method)
    return method, pairs, f"v{seen}a{heard}_"


@CENTRES
def test_loss_and_gradients_are_the_published_code_s(centres: tuple[int, int]) -> None:
    method, pairs, case = _golden(centres)
    assert method.settings.margin == float(pairs.file["margin"])
    frames = _layer(method.fc_v_1, torch.cat([pairs.own, pairs.other]))
    loss = loss_of(method, frames, _layer(method.fc_a_1, pairs.sounds))
    assert float(loss.detach()) == pytest.approx(float(pairs.file[f"{case}loss"]), rel=1e-5)
    loss.backward()
    pairs.assert_gradients(case)


@CENTRES
@torch.no_grad()
def test_assignments_and_distances_are_the_published_code_s(centres: tuple[int, int]) -> None:
    method, pairs, case = _golden(centres)
    heard, _ = method.sound_centres(_layer(method.fc_a_1, pairs.sounds))
    seen = [method.frame_centres(_layer(method.fc_v_1, v)) for v in (pairs.own, pairs.other)]
    assigned = pairs.arranged(*(assignments for _, assignments in seen))
    expected = pairs.array(f"{case}assignment")
    torch.testing.assert_close(assigned, expected, atol=1e-5, rtol=0)
    distances = pairs.arranged(*(centre_distances(found, heard) for found, _ in seen))
    expected = pairs.array(f"{case}centre_distances")
    torch.testing.assert_close(distances, expected, atol=1e-5, rtol=1e-5)
    # The map is the assignment to the centre that is nearest to the sound.
    maps = method.maps(seen[0], heard)
    for clip in range(6):
        own = distances[2 * clip]
        nearest = int((own == own.min()).nonzero()[0, 0])
        assert torch.equal(maps[clip], assigned[2 * clip, nearest])
    squares = pairs.array(f"{case}distance").square().sum(dim=1)
    rows = method.similarities(seen[0], heard)["s_D"]
    torch.testing.assert_close(-rows.diagonal(), squares[::2].sqrt(), atol=1e-5, rtol=1e-5)


def test_two_heaps_of_positions_are_told_apart() -> None:
    generator = torch.Generator().manual_seed(0)
    positions = 0.01 * torch.randn(2, 5, 4, 4, generator=generator)
    positions[:, :, 2:] += 3.0  # the second centre begins in the lower half
    centres, assignments = soft_means(positions, 2)
    torch.testing.assert_close(centres[:, 0], positions[:, :, :2].mean(dim=(2, 3)))
    torch.testing.assert_close(centres[:, 1], positions[:, :, 2:].mean(dim=(2, 3)))
    assert assignments[:, 0, :2].min() > 0.999 and assignments[:, 0, 2:].max() < 0.001


def test_equal_positions_leave_finite_gradients() -> None:
    positions = torch.ones(1, 3, 2, 2, requires_grad=True)
    centres, assignments = soft_means(positions, 3)
    torch.testing.assert_close(assignments, torch.full_like(assignments, 1 / 3))
    centres.sum().backward()
    assert bool(torch.isfinite(positions.grad).all())


def test_a_map_smaller_than_its_centres_is_refused() -> None:
    with pytest.raises(ValueError, match="1 positions are fewer than 2 centres"):
        soft_means(torch.zeros(1, 3, 1, 1), 2)


def test_a_file_of_the_published_code_is_read(tmp_path: Path) -> None:
    check_file_of_the_code(MAKE, tmp_path)


def test_the_label_says_how_many_centres() -> None:
    assert METHOD.label(METHOD.Settings()) == "2 and 1 centres"


MAKE = maker("dmc")


def test_a_step() -> None:
    check_step(MAKE)


def test_cached_gradients() -> None:
    check_cached_gradients(MAKE)


def test_compiled() -> None:
    check_compile(MAKE)


def test_kill_and_resume(tmp_path: Path) -> None:
    check_kill_and_resume(MAKE, tmp_path)


def test_two_ranks(tmp_path: Path) -> None:
    # A frame near the border of two clusterings magnifies rounding: with the other widths one of
    # the noise pictures does so 2,000-fold, in float64 too. With these none is near one.
    check_ranks("dmc", {**SMALL, "channels": [5, 8]}, tmp_path, share=1e-4)


def test_answers(tmp_path: Path) -> None:
    check_answers(MAKE, tmp_path)
