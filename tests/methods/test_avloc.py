"""Our own method: the paper's with all differences off, the written loss with them on, and under
all that the loop does."""

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

from pipeline.clips.views import plain_view
from pipeline.methods.alignment import Alignment, AlignmentSettings
from pipeline.methods.avloc import Avloc, AvlocSettings
from pipeline.methods.common.similarity import localization_map, s_a, s_l
from pipeline.methods.contract import Dice, Input

SHARED = {**SMALL, "k": 3, "projection_layers": 1, "synthetic_negatives": False}
SETTINGS = {**SHARED, "sound_kin": 3, "image_kin": 3}
OFF = {
    "concept": "image",
    "sound_kin": 0,
    "image_kin": 0,
    "pooling": "mean",
    "tested_scale": 1,
    "mirrored": False,
}
ALL = ("v", "v_aug", "v_conc", "a", "a_aug", "a_conc")
make = maker("avloc", SETTINGS)


def _features(method: Alignment, views: tuple[str, ...] = ALL) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    shapes = {name: (6, method.width, *((4, 4) if name[0] == "v" else ())) for name in ALL}
    found = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    return {name: found[name] for name in views}


def _kin(*pairs: tuple[int, int]) -> torch.Tensor:
    mask = torch.zeros(6, 6)
    for i, j in pairs:
        mask[i, j] = mask[j, i] = 1
    return mask


def _written(scores: torch.Tensor, positive: torch.Tensor, negative: torch.Tensor) -> float:
    """The mean over clips of the mean over positives of log c / (c + n)."""
    powers = (scores.detach().double() / 0.07).exp()
    terms = []
    for i in range(6):
        n = (powers[i] * negative[i]).sum()
        chosen = [p for p in range(6) if positive[i, p]]
        terms.append(torch.stack([-torch.log(powers[i, p] / (powers[i, p] + n)) for p in chosen]))
    return float(torch.stack([term.mean() for term in terms]).mean())


def test_with_every_difference_off_it_is_the_paper_s_method() -> None:
    ours = Avloc(AvlocSettings(**{**SETTINGS, **OFF}), FORM, seed=1)
    theirs = Alignment(AlignmentSettings(**SHARED), FORM, seed=1)
    features = _features(theirs)
    assert ours.inputs() == theirs.inputs()
    found, expected = (m.loss(features, Dice(0, 0), FIRST) for m in (ours, theirs))
    assert all(torch.equal(found[part], expected[part]) for part in expected)


def test_kin_by_sound_are_positives_of_s_a_and_kin_by_image_no_negatives_of_s_l() -> None:
    alone = {"multi_view": False, "semantic": False, "symmetric": False}
    sounds, images, own = _kin((0, 3), (0, 5)), _kin((1, 4), (0, 2)), torch.eye(6)
    for both in (False, True):
        settings = AvlocSettings(**{**SETTINGS, **alone, "sound_kin_in_s_l": both})
        method = Avloc(settings, FORM, seed=1)
        features = _features(method, ("v", "a"))
        v, a = features["v"], features["a"]
        found = method.loss(
            {**features, "sound_kin": sounds, "image_kin": images}, Dice(0, 0), FIRST
        )
        by_sound = own + sounds, 1 - own - sounds
        aligned = s_a(method.image_embedding(v), method.audio_embedding(a))
        right = _written(aligned, *by_sound)
        assert float(found["alignment"].detach()) == pytest.approx(right, rel=1e-5)
        right = _written(s_l(v, a, "top"), *(by_sound if both else (own, 1 - own - images)))
        assert float(found["localization"].detach()) == pytest.approx(right, rel=1e-5)


def test_kin_are_none_in_the_other_direction_either() -> None:
    method = Avloc(AvlocSettings(**{**SETTINGS, "symmetric": True}), FORM, seed=1)
    everyone = 1 - torch.eye(6)
    kin = {"sound_kin": everyone, "image_kin": everyone}
    found = method.loss({**_features(method), **kin}, Dice(0, 0), FIRST)
    # Without any negative there is nothing to choose between.
    assert float(found["localization"].detach()) == float(found["alignment"].detach()) == 0


def test_a_frame_is_seen_enlarged_and_in_a_mirror() -> None:
    method, plain = (
        Avloc(AvlocSettings(**{**SETTINGS, **c}), FORM, seed=1).eval() for c in ({}, OFF)
    )
    side = round(SMALL["side"] * 1.25)
    assert method.map_size() == method.imgnet.map_size(side, side) != plain.map_size()
    generator = torch.Generator().manual_seed(3)
    frames = torch.randint(0, 256, (2, side, side, 3), generator=generator, dtype=torch.uint8)
    a = torch.randn(2, method.width, generator=generator)
    with torch.no_grad():
        whole = method.maps(method.frame_features(frames), a)
        # In a mirror it is the same, turned round.
        mirrored = method.maps(method.frame_features(frames.flip(2)), a)
        torch.testing.assert_close(mirrored, whole.flip(2))
        one = plain_view(frames, side)
        each = [localization_map(method.position_features(x), a) for x in (one, one.flip(3))]
        torch.testing.assert_close(whole, (each[0] + each[1].flip(2)) / 2)
        found = method.similarities(method.frame_features(frames), a)
        top = whole.flatten(1).topk(round(0.25 * whole[0].numel()), dim=1).values.mean(dim=1)
        torch.testing.assert_close(found["s_L"].diagonal(), top)
        vectors = method.vectors("frame", method.frame_features(frames))["s_A"]
        torch.testing.assert_close(vectors @ method.audio_embedding(a).T, found["s_A"])


def test_without_it_a_tested_frame_is_the_paper_s() -> None:
    ours = Avloc(AvlocSettings(**{**SETTINGS, **OFF}), FORM, seed=1).eval()
    theirs = Alignment(AlignmentSettings(**SHARED), FORM, seed=1).eval()
    frames, a = torch.randint(0, 256, (2, 40, 40, 3), dtype=torch.uint8), torch.randn(2, ours.width)
    with torch.no_grad():
        found, right = (
            (m.maps(v, a), *m.similarities(v, a).values())
            for m in (ours, theirs)
            for v in [m.frame_features(frames)]
        )
        for one, other in zip(found, right, strict=True):
            torch.testing.assert_close(one, other)


def test_it_asks_for_frames_of_what_sounds_alike() -> None:
    asked = make().inputs()
    assert asked["conceptual_frames"] == Input("frame", "sound_neighbour", k=3)
    assert asked["sound_kin"] == Input("kin", "sound_neighbour", k=3)
    assert asked["image_kin"] == Input("kin", "image_neighbour", k=3)
    views = make().views(made_batch(make()), Dice(0, 0))
    assert views["sound_kin"].modality == views["image_kin"].modality == "kin"


def test_the_variants_are_told_apart() -> None:
    assert Avloc.label(AvlocSettings()) == (
        "v_conc by sound, 1000 kin by sound, mirrored, tested at 1.25 x, k 1000, pooling top"
    )
    on = {"synthetic_negatives": True, "symmetric": True, "image_kin": 5}
    assert Avloc.label(AvlocSettings(**{**OFF, **on})) == (
        "v_conc by image, 5 kin by image, symmetric, k 1000, pooling mean, silence and noise"
    )


def test_a_step() -> None:
    check_step(make)


def test_cached_gradients() -> None:
    check_cached_gradients(make)


def test_compile() -> None:
    check_compile(make)


def test_kill_and_resume(tmp_path: Path) -> None:
    check_kill_and_resume(make, tmp_path)


def test_ranks(tmp_path: Path) -> None:
    check_ranks("avloc", SETTINGS, tmp_path)


def test_answers(tmp_path: Path) -> None:
    check_answers(make, tmp_path)
