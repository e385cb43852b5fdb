"""LVS, against what the authors' own functions give, and under all that the loop does."""

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
from torch import Tensor

from pipeline.methods.common.files import open_weights
from pipeline.methods.contract import Dice
from pipeline.methods.lvs import LVS, LVSSettings
from pipeline.networks.weights import save_torch

ALL_ON = {**SMALL, "own_negative": True, "synthetic_negatives": True}
make = maker("lvs", ALL_ON)


def _method(**changes: bool) -> LVS:
    return LVS(LVSSettings(**{**SMALL, **changes}), FORM, seed=1)


def _loss(features: dict[str, Tensor], **changes: bool) -> Tensor:
    return _method(**changes).loss(features, Dice(0, 0), FIRST)["contrastive"]


def _features(case: str) -> dict[str, Tensor]:
    golden = read_golden("lvs")
    return {name: golden[f"{case}_{name}"] for name in ("v", "a")}


@pytest.mark.parametrize(
    ("case", "own_negative"), [("relu", True), ("relu", False), ("quirk", True)]
)
def test_loss_and_gradients_are_the_published_code_s(case: str, own_negative: bool) -> None:
    # With features behind a ReLU the code's -99 is no part of any number.
    golden, features = read_golden("lvs"), _features(case)
    for feature in features.values():
        feature.requires_grad_()
    loss = _loss(features, own_negative=own_negative)
    assert_golden(loss, golden[f"{case}_loss"])
    loss.backward()
    for name, feature in features.items():
        assert_golden(feature.grad, golden[f"{case}_grad_{name}"])


def test_the_own_negative_is_off_since_one_pair_drowns_the_batch() -> None:
    # The first frame's cosines with its own sound are negative.
    golden = read_golden("lvs")
    logits = golden["quirk_logits"].double()
    assert float(logits[0].max()) > 1000  # what -99 makes of it
    features = {name: tensor.requires_grad_() for name, tensor in _features("quirk").items()}
    _loss(features, own_negative=True).backward()
    slopes = features["v"].grad.flatten(1).norm(dim=1)
    assert slopes[0] > 20 * slopes[1:].max()
    features = {name: tensor.detach() for name, tensor in features.items()}
    nearer = {**features, "v": features["v"] - 1e-5 * golden["quirk_grad_v"]}
    before, after = (_method().similarities(x["v"], x["a"])["s_L"] for x in (features, nearer))
    assert before[0, 0] < after[0, 0]  # pulled together, not apart
    clips = torch.arange(6)
    logits[clips, 1 + clips] = -torch.inf
    expected = (logits.logsumexp(dim=1) - logits[:, 0]).mean()
    assert_golden(_loss(_features("quirk")), expected)


def test_without_background_the_rows_hold_sounds_alone() -> None:
    logits = read_golden("lvs")["relu_logits"].double()
    rows = logits[:, 1:-1].clone()
    rows.diagonal().copy_(logits[:, 0])
    expected = (rows.logsumexp(dim=1) - logits[:, 0]).mean()
    assert_golden(_loss(_features("relu"), background=False), expected)


def test_map_and_similarities_are_the_published_code_s() -> None:
    golden, features, method = read_golden("lvs"), _features("relu"), _method()
    assert_golden(method.maps(features["v"], features["a"]), golden["relu_map"])
    found = method.similarities(features["v"], features["a"])
    assert list(found) == ["s_L", "s_mean"]
    assert_golden(found["s_L"].diagonal(), 0.07 * golden["relu_logits"][:, 0])
    assert_golden(found["s_mean"].diagonal(), golden["relu_map"].mean(dim=(1, 2)))


def test_the_published_networks() -> None:
    method = LVS(LVSSettings(), FORM)
    assert method.map_size() == (14, 14) and method.settings.vision == "scratch"


def test_the_loss_with_silence_and_noise_is_the_written_out_one() -> None:
    method, clips = _method(synthetic_negatives=True).eval(), 16
    views = method.views(made_batch(method, clips), Dice(0, 3))
    with torch.no_grad():
        features = {name: method.encode(view) for name, view in views.items()}
    assert len(features["a"]) == clips + 4
    v = torch.nn.functional.normalize(features["v"].double(), dim=1)
    a = torch.nn.functional.normalize(features["a"].double(), dim=1)
    cosines = torch.einsum("ncxy,mc->nmxy", v, a)
    weights = torch.sigmoid((cosines - 0.65) / 0.03)
    scores = (weights * cosines).sum((2, 3)) / weights.sum((2, 3))
    own = cosines[torch.arange(clips), torch.arange(clips)]
    weights = 1 - torch.sigmoid((own - 0.4) / 0.03)
    background = (weights * own).sum((1, 2)) / weights.sum((1, 2))
    rows = torch.cat([scores, background[:, None]], dim=1) / 0.07
    expected = (rows.logsumexp(dim=1) - rows.diagonal()).mean()
    found = method.loss(features, Dice(0, 3), FIRST)["contrastive"]
    assert_golden(found, expected)
    alone = {**features, "a": features["a"][:clips]}
    assert float(method.loss(alone, Dice(0, 3), FIRST)["contrastive"]) < float(found)


def test_a_published_file_gives_the_published_maps(tmp_path: Path) -> None:
    made = LVS(LVSSettings(**{**SMALL, "blocks": [1, 2], "channels": [5, 7]}), FORM, seed=5).eval()
    # The form of the file: DataParallel's names, a stem of its own for sounds, layers without use.
    entries = {f"module.{name}": tensor for name, tensor in made.state_dict().items()}
    entries["module.audnet.conv1_a.weight"] = entries["module.audnet.conv1.weight"]
    entries["module.audnet.conv1.weight"] = torch.zeros(5, 3, 7, 7)
    entries["module.imgnet.conv1_a.weight"] = torch.zeros(5, 1, 7, 7)
    entries["module.imgnet.fc.weight"] = torch.zeros(1000, 7)
    save_torch(tmp_path / "lvs.pth.tar", {"epoch": 10, "model_state_dict": entries})
    found = open_weights(tmp_path / "lvs.pth.tar", "lvs", LVSSettings(**SMALL), FORM)
    assert isinstance(found, LVS) and not found.training
    assert (found.settings.blocks, found.settings.channels) == ([1, 2], [5, 7])
    frames = torch.randint(0, 256, (2, 40, 40, 3), dtype=torch.uint8)
    sounds = torch.randn(2, 12, 16)
    with torch.no_grad():
        maps = [m.maps(m.frame_features(frames), m.sound_features(sounds)) for m in (found, made)]
    assert torch.equal(*maps)
    _, unused = LVS.read_published(
        {name.removeprefix("module."): tensor for name, tensor in entries.items()},
        LVSSettings(**SMALL),
        FORM,
        "lvs.pth.tar",
    )
    assert unused == ["audnet.conv1.weight", "imgnet.conv1_a.weight", "imgnet.fc.weight"]


def test_the_variants_are_told_apart() -> None:
    assert LVS.label(LVSSettings()) == ""
    changed = LVSSettings(background=False, own_negative=True, synthetic_negatives=True)
    assert LVS.label(changed) == "no background, own negative, silence and noise"


def test_a_step() -> None:
    check_step(make)


def test_cached_gradients() -> None:
    check_cached_gradients(make)


def test_compile() -> None:
    check_compile(make)


def test_kill_and_resume(tmp_path: Path) -> None:
    check_kill_and_resume(make, tmp_path)


def test_ranks(tmp_path: Path) -> None:
    check_ranks("lvs", ALL_ON, tmp_path)


def test_answers(tmp_path: Path) -> None:
    check_answers(make, tmp_path)
