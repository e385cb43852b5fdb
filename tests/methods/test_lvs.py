"""LVS: the published loss, gradients and map, its options, and the contract of a method."""

from pathlib import Path

import numpy as np
import pytest
import torch
from contract_checks import (
    check_cached_gradients,
    check_compiled,
    check_kill_and_resume,
    check_ranks,
)

from pipeline.clips.spectrogram import SoundForm
from pipeline.methods.contract import Dice, Moment
from pipeline.methods.lvs import METHOD, LVSSettings
from pipeline.networks.weights import read_state

GOLDEN = np.load(Path(__file__).parent / "goldens/lvs.npz")
SMALL = {"blocks": [1, 1], "channels": [6, 8], "strides": [1, 2], "side": 32, "seconds": 0.5}
FORM = SoundForm(bands=16)
NOW = Moment(0, 10, 0, 10)


def _features(case: str) -> dict[str, torch.Tensor]:
    return {n: torch.from_numpy(GOLDEN[f"{case}_{n}"]).requires_grad_() for n in ("v", "a")}


def _method(**changes) -> METHOD:
    return METHOD(LVSSettings(**{**SMALL, **changes}), FORM, seed=1)


def _loss(features: dict[str, torch.Tensor], **changes) -> torch.Tensor:
    return _method(**changes).loss(features, Dice(0, 0), NOW)["contrastive"]


@pytest.mark.parametrize(
    ("case", "own_negative"), [("relu", True), ("relu", False), ("quirk", True)]
)
def test_loss_and_gradients_are_the_published_code_s(case: str, own_negative: bool) -> None:
    features = _features(case)
    loss = _loss(features, own_negative=own_negative)
    assert float(loss) == pytest.approx(float(GOLDEN[f"{case}_loss"]), rel=1e-5)
    loss.backward()
    for name, feature in features.items():
        expected = GOLDEN[f"{case}_grad_{name}"]
        apart = np.abs(feature.grad.numpy() - expected).max()
        assert apart <= 1e-5 * max(1, np.abs(expected).max()), name


def test_the_own_negative_is_off_where_it_would_drive_a_pair_apart() -> None:
    # A frame whose cosines with its own sound are negative: without -99 the loss stays ordinary.
    features = _features("quirk")
    logits = GOLDEN["quirk_logits"].astype(np.float64)
    assert logits[0].max() > 1000  # what -99 makes of it
    kept = np.ones_like(logits, dtype=bool)
    kept[np.arange(6), 1 + np.arange(6)] = False
    rows = [row[keep] for row, keep in zip(logits, kept, strict=True)]
    expected = np.mean([np.log(np.exp(row - row[0]).sum()) for row in rows])
    assert float(_loss(features)) == pytest.approx(expected, rel=1e-5)


def test_without_background_the_rows_hold_sounds_alone() -> None:
    logits = GOLDEN["relu_logits"].astype(np.float64)[:, 1:-1]
    np.fill_diagonal(logits, GOLDEN["relu_logits"][:, 0])
    expected = np.mean(np.log(np.exp(logits).sum(axis=1)) - np.diagonal(logits))
    found = float(_loss(_features("relu"), background=False))
    assert found == pytest.approx(expected, rel=1e-5)


def test_map_and_similarities_are_the_published_code_s() -> None:
    features = {name: part.detach() for name, part in _features("relu").items()}
    method = _method()
    maps = method.maps(features["v"], features["a"])
    torch.testing.assert_close(maps, torch.from_numpy(GOLDEN["relu_map"]), atol=1e-6, rtol=0)
    found = method.similarities(features["v"], features["a"])
    assert list(found) == ["s_L", "s_mean"]
    own = 0.07 * GOLDEN["relu_logits"][:, 0]
    np.testing.assert_allclose(found["s_L"].diagonal(), own, atol=1e-6)
    np.testing.assert_allclose(
        found["s_mean"].diagonal(), GOLDEN["relu_map"].mean(axis=(1, 2)), atol=1e-6
    )


def test_synthetic_negatives_are_columns_behind_the_clips() -> None:
    method = _method(synthetic_negatives=True)
    generator = torch.Generator().manual_seed(0)
    steps, clips = method.steps, 16
    inputs = {
        "frames": torch.randint(0, 256, (clips, 36, 36, 3), generator=generator).to(torch.uint8),
        "sounds": torch.randn(clips, steps, 16, generator=generator).half(),
    }
    views = method.views(inputs, Dice(0, 3))
    assert views["a"].input.shape == (clips + 4, 1, 16, steps)
    torch.testing.assert_close(views["a"].input[:clips], method.stored_sounds(inputs["sounds"]))
    # Two silences, all at the logarithm of the floor, and two noises, drawn anew at every step.
    silence, noise = views["a"].input[clips : clips + 2], views["a"].input[clips + 2 :]
    torch.testing.assert_close(
        silence, torch.full_like(silence, np.log(1e-7) / 12), atol=1e-3, rtol=0
    )
    assert noise.std() > 0.01 and not torch.equal(noise[0], noise[1])
    again = method.views(inputs, Dice(0, 3))["a"].input
    other = method.views(inputs, Dice(0, 4))["a"].input
    assert torch.equal(views["a"].input, again) and not torch.equal(noise, other[clips + 2 :])

    features = {name: method.encode(view).detach() for name, view in views.items()}
    with_them = method.loss(features, Dice(0, 3), NOW)["contrastive"]
    plain = {**features, "a": features["a"][:clips]}
    without = method.loss(plain, Dice(0, 3), NOW)["contrastive"]
    v = torch.nn.functional.normalize(features["v"].double(), dim=1)
    a = torch.nn.functional.normalize(features["a"].double(), dim=1)
    cosines = torch.einsum("ncxy,mc->nmxy", v, a)
    weights = torch.sigmoid((cosines - 0.65) / 0.03)
    scores = (weights * cosines).sum((2, 3)) / weights.sum((2, 3))
    own = cosines[torch.arange(clips), torch.arange(clips)]
    weights = 1 - torch.sigmoid((own - 0.4) / 0.03)
    ground = (weights * own).sum((1, 2)) / weights.sum((1, 2))
    rows = torch.cat([scores, ground[:, None]], dim=1) / 0.07
    expected = (rows.logsumexp(1) - rows.diagonal()).mean()
    assert float(with_them) == pytest.approx(float(expected), rel=1e-5)
    assert float(with_them) > float(without)


def test_a_published_file_is_read(tmp_path: Path) -> None:
    method = METHOD(LVSSettings(**{**SMALL, "blocks": [1, 2]}), FORM, seed=5)
    for buffer in method.buffers():  # statistics of a trained network
        if buffer.is_floating_point():
            buffer.add_(0.1)
    state = {f"module.{name}": tensor for name, tensor in method.state_dict().items()}
    # The form of the file: DataParallel's names, a stem of its own for sounds, layers without use.
    state["module.audnet.conv1_a.weight"] = state["module.audnet.conv1.weight"]
    state["module.audnet.conv1.weight"] = torch.zeros(6, 3, 7, 7)
    state["module.imgnet.conv1_a.weight"] = torch.zeros(6, 1, 7, 7)
    for network in ("imgnet", "audnet"):
        state[f"module.{network}.fc.weight"] = torch.zeros(1000, 8)
        state[f"module.{network}.fc.bias"] = torch.zeros(1000)
    torch.save({"epoch": 10, "model_state_dict": state}, tmp_path / "lvs.pth.tar")
    found, unused = METHOD.read_published(
        read_state(tmp_path / "lvs.pth.tar"), LVSSettings(**SMALL), FORM, "lvs.pth.tar"
    )
    assert found.settings.blocks == [1, 2] and not found.training
    assert unused == [
        "audnet.conv1.weight",
        *(f"audnet.fc.{part}" for part in ("bias", "weight")),
        "imgnet.conv1_a.weight",
        *(f"imgnet.fc.{part}" for part in ("bias", "weight")),
    ]
    frames = torch.randint(0, 256, (2, 40, 30, 3), generator=torch.Generator().manual_seed(1))
    sounds = torch.randn(2, method.steps, 16, generator=torch.Generator().manual_seed(2))
    maps = []
    for one in (method.eval(), found):
        v, a = one.frame_features(frames.to(torch.uint8)), one.sound_features(sounds)
        maps.append(one.maps(v, a))
    assert maps[0].shape == (2, *method.map_size()) and torch.equal(maps[0], maps[1])


SETTINGS = {**SMALL, "own_negative": True, "synthetic_negatives": True}


def _make() -> METHOD:
    return METHOD(LVSSettings(**SETTINGS), FORM, seed=1)


def test_a_killed_run_ends_in_the_same_bytes(tmp_path: Path) -> None:
    check_kill_and_resume(_make, tmp_path)


def test_cached_gradients_are_the_plain_step_s() -> None:
    check_cached_gradients(_make)


def test_compiling_changes_nothing() -> None:
    check_compiled(_make)


def test_two_ranks_are_the_single_process(tmp_path: Path) -> None:
    check_ranks("pipeline.methods.lvs", SETTINGS, tmp_path)
