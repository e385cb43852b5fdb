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

from pipeline.methods.alignment import Alignment, AlignmentSettings
from pipeline.methods.avloc import Avloc, AvlocSettings
from pipeline.methods.common.similarity import s_a, s_l
from pipeline.methods.contract import Dice, Input

SHARED = {**SMALL, "k": 3, "projection_layers": 1, "synthetic_negatives": False}
SETTINGS = {**SHARED, "kin": 3, "kin_are": "left out"}
OFF = {"concept": "image", "kin": 0, "symmetric": False, "pooling": "mean"}
make = maker("avloc", SETTINGS)


def _features(method: Alignment, kin: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    maps = dict.fromkeys(("v", "v_aug", "v_conc"), (6, method.width, 4, 4))
    sounds = dict.fromkeys(("a", "a_aug", "a_conc"), (6, method.width))
    found = {n: torch.randn(s, generator=generator) for n, s in {**maps, **sounds}.items()}
    return found if kin is None else {**found, "kin": kin}


def test_with_every_difference_off_it_is_the_paper_s_method() -> None:
    ours = Avloc(AvlocSettings(**{**SETTINGS, **OFF}), FORM, seed=1)
    theirs = Alignment(AlignmentSettings(**SHARED), FORM, seed=1)
    features = _features(theirs)
    assert ours.inputs() == theirs.inputs()
    found, expected = (m.loss(features, Dice(0, 0), FIRST) for m in (ours, theirs))
    assert all(torch.equal(found[part], expected[part]) for part in expected)


def test_kin_are_no_negatives() -> None:
    settings = {**SETTINGS, "multi_view": False, "semantic": False, "symmetric": False}
    method = Avloc(AvlocSettings(**settings), FORM, seed=1)
    kin = torch.zeros(6, 6)
    kin[0, 3] = kin[3, 0] = kin[1, 4] = kin[4, 1] = 1
    full = _features(method, kin)
    features = {name: full[name] for name in ("v", "a", "kin")}
    v, a = features["v"], features["a"]
    image, audio = method.image_embedding(v), method.audio_embedding(a)
    both = {"localization": s_l(v, a, "top"), "alignment": s_a(image, audio)}
    found = method.loss(features, Dice(0, 0), FIRST)
    for part, scores in both.items():
        powers = (scores.double() / 0.07).exp()
        terms = [
            -torch.log(powers[i, i] / sum(powers[i, j] for j in range(6) if not kin[i, j]))
            for i in range(6)
        ]
        assert float(found[part].detach()) == pytest.approx(
            float(torch.stack(terms).mean()), rel=1e-5
        )


def test_kin_are_further_positives() -> None:
    settings = {**SETTINGS, "multi_view": False, "semantic": False, "symmetric": False}
    method = Avloc(AvlocSettings(**{**settings, "kin_are": "positives"}), FORM, seed=1)
    kin = torch.zeros(6, 6)
    kin[0, 3] = kin[3, 0] = kin[0, 5] = kin[5, 0] = 1
    full = _features(method, kin)
    features = {name: full[name] for name in ("v", "a", "kin")}
    powers = (s_l(features["v"], features["a"], "top").double() / 0.07).exp()
    terms = []
    for i in range(6):
        positives = [j for j in range(6) if j == i or kin[i, j]]
        negatives = sum(powers[i, j] for j in range(6) if j not in positives)
        each = [-torch.log(powers[i, p] / (powers[i, p] + negatives)) for p in positives]
        terms.append(torch.stack(each).mean())
    found = method.loss(features, Dice(0, 0), FIRST)["localization"]
    assert float(found) == pytest.approx(float(torch.stack(terms).mean()), rel=1e-5)


def test_kin_are_none_in_the_other_direction_either() -> None:
    method = Avloc(AvlocSettings(**{**SETTINGS, "symmetric": True}), FORM, seed=1)
    everyone = 1 - torch.eye(6)
    found = method.loss(_features(method, everyone), Dice(0, 0), FIRST)
    # Without any negative there is nothing to choose between.
    assert float(found["localization"]) == float(found["alignment"]) == 0


def test_it_asks_for_frames_of_what_sounds_alike() -> None:
    asked = make().inputs()
    assert asked["conceptual_frames"] == Input("frame", "sound_neighbour", k=3)
    assert asked["kin"] == Input("kin", "sound_neighbour", k=3)
    views = make().views(made_batch(make()), Dice(0, 0))
    assert views["kin"].modality == "kin"


def test_the_variants_are_told_apart() -> None:
    assert Avloc.label(AvlocSettings()) == (
        "v_conc by sound, 1000 kin positives, symmetric, k 1000, pooling top, silence and noise"
    )
    assert Avloc.label(AvlocSettings(**OFF)) == (
        "v_conc by image, k 1000, pooling mean, silence and noise"
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
