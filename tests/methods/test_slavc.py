"""SLAVC, against what the authors' own functions give, and under all that the loop does."""

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

from pipeline.errors import InputError
from pipeline.methods import slavc
from pipeline.methods.common.dropout import drop
from pipeline.methods.common.files import open_weights
from pipeline.methods.contract import Dice
from pipeline.methods.slavc import SLAVC, SLAVCSettings, log_probabilities
from pipeline.networks.weights import save_torch

make = maker("slavc")
GOLDEN_DROPOUT = 0.6  # the golden's masks keep 0.4 of the entries


def _of_golden(golden: dict[str, Tensor], **changes: float) -> SLAVC:
    """A method with the golden's projections and copies, 32 to 24 channels."""
    method = SLAVC(SLAVCSettings(**WIDTHS, **changes), FORM)
    for prefix in ("", "momentum_"):
        for space in "12":
            fill_projections(method, golden, prefix=prefix, space=space)
    return method


def _features(
    method: SLAVC, golden: dict[str, Tensor], dropout: bool
) -> dict[str, tuple[Tensor, Tensor]]:
    """What `encode` gives of the golden's backbones' features."""
    found = {}
    for prefix in ("", "momentum_"):
        v, a = golden[f"{prefix}v"], golden[f"{prefix}a"]
        if dropout:
            name = "dropout_dropout_mask" + ("_momentum" if prefix else "")
            v = drop(v, golden[name], GOLDEN_DROPOUT)
        for name, features in (("v", v), ("a", a)):
            layer = {"v": "img_proj", "a": "aud_proj"}[name]
            pair = tuple(method.get_submodule(f"{prefix}{layer}{s}")(features) for s in "12")
            found[prefix + name] = pair if not prefix else tuple(x.detach() for x in pair)
    return found


@pytest.mark.parametrize("case", ["plain", "dropout"])
def test_loss_and_maps_are_the_published_code_s(case: str) -> None:
    golden = read_golden("slavc")
    method = _of_golden(golden)
    tau = method.settings.temperature
    assert tau == pytest.approx(float(golden["tau"]))
    features = _features(method, golden, case == "dropout")
    for name, images, sounds in (("i2a", "v", "momentum_a"), ("a2i", "momentum_v", "a")):
        found = log_probabilities(features[images], features[sounds], tau)
        assert_golden(found, golden[f"{case}_log_p_{name}"])
    parts = method.loss(features, Dice(0, 0), FIRST)
    assert_golden(parts["image_side"] + parts["sound_side"], golden[f"{case}_loss"])
    if case == "plain":
        assert_golden(parts["image_side"], golden["plain_loss_i2a"])
        assert_golden(parts["sound_side"], golden["plain_loss_a2i"])
        momentum = method.maps(features["momentum_v"], features["momentum_a"])
        assert_golden(momentum, golden["plain_map_momentum"])
    assert_golden(method.maps(features["v"], features["a"]), golden[f"{case}_map_online"])


def test_gradients_are_the_published_code_s_and_none_reaches_the_copies() -> None:
    golden = read_golden("slavc")
    method = _of_golden(golden)
    for name in ("v", "a"):
        golden[name].requires_grad_()
    sum(method.loss(_features(method, golden, True), Dice(0, 0), FIRST).values()).backward()
    assert_golden(golden["v"].grad, golden["dropout_grad_v"])
    assert_golden(golden["a"].grad, golden["dropout_grad_a"])
    for space in "12":
        for name, gradient in projection_gradients(method, space).items():
            assert_golden(gradient, golden[f"dropout_grad_{name}"])
    copies = [p for name, p in method.named_parameters() if name.startswith("momentum_")]
    assert len(copies) * 2 == len(list(method.parameters()))
    assert all(p.grad is None and not p.requires_grad for p in copies)


def test_a_training_step_lets_the_copies_follow_first() -> None:
    golden = read_golden("slavc")
    method = _of_golden(golden, momentum=float(golden["train_momentum"]))
    golden["a"].requires_grad_()
    method.before_step(FIRST)
    weight = method.get_submodule("momentum_img_proj1").weight[:, :, 0, 0]
    assert_golden(weight, golden["train_momentum_w_v1_after"])
    weight = method.get_submodule("momentum_aud_proj2").weight
    assert_golden(weight, golden["train_momentum_w_a2_after"])
    loss = sum(method.loss(_features(method, golden, True), Dice(0, 0), FIRST).values())
    assert_golden(loss, golden["train_loss"])
    loss.backward()
    assert_golden(golden["a"].grad, golden["train_grad_a"])


def test_copies_follow_in_parameters_and_count_statistics_of_their_own() -> None:
    method = make().train()
    for name, copy in method.named_parameters():
        if name.startswith("momentum_"):
            own = method.get_parameter(name.removeprefix("momentum_"))
            assert torch.equal(copy, own) and copy.data_ptr() != own.data_ptr(), name
    with torch.no_grad():
        for parameter in method.parameters():
            if parameter.requires_grad:
                parameter.add_(1.0)
    before = {name: buffer.clone() for name, buffer in method.named_buffers()}
    start = method.momentum_imgnet.conv1.weight.clone()
    method.before_step(FIRST)
    torch.testing.assert_close(method.momentum_imgnet.conv1.weight, start + 0.001)
    assert all(torch.equal(buffer, before[name]) for name, buffer in method.named_buffers())
    views = method.views(made_batch(method), Dice(0, 0))
    method.encode(views["momentum_v"])
    assert int(method.momentum_imgnet.bn1.num_batches_tracked) == 1
    assert int(method.imgnet.bn1.num_batches_tracked) == 0
    assert int(method.momentum_audnet.bn1.num_batches_tracked) == 0


def test_dropout_is_drawn_with_the_view() -> None:
    method = SLAVC(SLAVCSettings(**{**SMALL, "channels": [6, 64]}), FORM, seed=1).eval()
    batch = made_batch(method)
    views = method.views(batch, Dice(7, 3))
    kept, copies = views["v"].noise, views["momentum_v"].noise
    assert kept.shape == copies.shape == (16, 64, 4, 4) and kept.dtype == torch.bool
    assert float(kept.float().mean()) == pytest.approx(0.1, abs=0.015)
    assert not torch.equal(kept, copies)
    assert torch.equal(method.views(batch, Dice(7, 3))["v"].noise, kept)
    assert not torch.equal(method.views(batch, Dice(7, 4))["v"].noise, kept)
    for rank in range(2):
        part = {name: Dice(7, 3, rank, 2).part(tensor) for name, tensor in batch.items()}
        found = method.views(part, Dice(7, 3, rank, 2))
        for name, view in found.items():
            own = slice(8 * rank, 8 * rank + 8)
            assert torch.equal(view.input, views[name].input[own]), name
            assert (view.noise is None) == (views[name].noise is None), name
            if view.noise is not None:
                assert torch.equal(view.noise, views[name].noise[own]), name
    with torch.no_grad():
        v = method.imgnet(views["v"].input)
        expected = method.img_proj2(torch.where(kept, 10 * v, 0.0))
        torch.testing.assert_close(method.encode(views["v"])[1], expected)
        undropped = method.encode(views["v"]._replace(noise=None))[1]
        torch.testing.assert_close(undropped, method.img_proj2(v))
    none = SLAVC(SLAVCSettings(**SMALL, dropout=0.0), FORM).views(made_batch(method), Dice(0, 0))
    assert all(view.noise is None for view in none.values())


def test_the_copies_answer_where_the_settings_say_so() -> None:
    frames = torch.randint(0, 256, (2, 40, 40, 3), dtype=torch.uint8)
    sounds = torch.randn(2, 12, 16)
    methods = [
        SLAVC(SLAVCSettings(**SMALL, momentum_at_test=copies), FORM, seed=1).eval()
        for copies in (False, True)
    ]

    def maps(method: SLAVC) -> Tensor:
        with torch.no_grad():
            return method.maps(method.frame_features(frames), method.sound_features(sounds))

    begun = maps(methods[0])
    assert torch.equal(maps(methods[1]), begun)
    with torch.no_grad():
        for method in methods:
            method.momentum_img_proj1.weight.mul_(-1)
            method.momentum_img_proj1.bias.mul_(-1)
    assert torch.equal(maps(methods[0]), begun)
    assert not torch.allclose(maps(methods[1]), begun)


def test_similarities_are_the_map_s_mean_and_the_training_s(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    method = make()
    generator = torch.Generator().manual_seed(0)
    v = tuple(torch.randn(4, 5, 3, 2, generator=generator) for _ in range(2))
    a = tuple(torch.randn(6, 5, generator=generator) for _ in range(2))
    found = method.similarities(v, a)
    for n in range(4):
        for m in range(6):
            pair = tuple(x[n : n + 1] for x in v), tuple(y[m : m + 1] for y in a)
            assert float(found["s_mean"][n, m]) == pytest.approx(
                float(method.maps(*pair).mean()), abs=1e-6
            )
    unit = [torch.nn.functional.normalize(x.double(), dim=1) for x in (*v, *a)]
    for n in range(4):
        first, second = (
            torch.exp((unit[2 + s] @ unit[s][n].flatten(1)) / method.settings.temperature)
            for s in range(2)
        )
        first, second = first / first.sum(dim=0), second / second.sum(dim=1, keepdim=True)
        expected = (first * second).sum(dim=1).log()
        torch.testing.assert_close(found["s_L"][n].double(), expected, atol=1e-4, rtol=1e-5)
    monkeypatch.setattr(slavc, "_BLOCK_COSINES", 1)
    blocks = method.similarities(v, a)
    torch.testing.assert_close(blocks["s_L"], found["s_L"])


def test_the_loss_in_blocks_is_that_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Value and gradients are equal however few rows are made at a time, and what is kept for the
    backward pass then is no longer a cosine of every pair and position."""
    generator = torch.Generator().manual_seed(0)
    leaves = [torch.randn(6, 5, 3, 2, generator=generator).requires_grad_() for _ in range(2)]
    leaves += [torch.randn(6, 5, generator=generator).requires_grad_() for _ in range(2)]
    found, kept = [], []
    for cosines in (slavc._BLOCK_COSINES, 2 * 6 * 6):  # of two rows
        monkeypatch.setattr(slavc, "_BLOCK_COSINES", cosines)
        saved: list[int] = []
        hooks = torch.autograd.graph.saved_tensors_hooks(
            lambda x, saved=saved: (saved.append(x.numel()), x)[1], lambda x: x
        )
        with hooks:
            likely = log_probabilities((leaves[0], leaves[1]), (leaves[2], leaves[3]), 0.03)
        found.append([likely, *torch.autograd.grad(likely.square().sum(), leaves)])
        kept.append(max(saved))
    for blocks, whole in zip(found[1], found[0], strict=True):
        atol = 1e-5 * float(whole.detach().abs().max())
        torch.testing.assert_close(blocks, whole, atol=atol, rtol=0)
    # A space's cosines of all pairs and positions; then its own rows of the leaves.
    assert kept == [6 * 6 * 6, 2 * 5 * 6]


def test_a_published_file_gives_the_published_maps(tmp_path: Path) -> None:
    shape = {**SMALL, "blocks": [1, 2], "channels": [5, 7]}
    made = SLAVC(SLAVCSettings(**shape, projection_width=9), FORM, seed=4).eval()
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if name.startswith("momentum_"):
                parameter.add_(0.1)
    path = tmp_path / "latest.pth"
    entries = {f"module.{name}": tensor for name, tensor in made.state_dict().items()}
    save_torch(path, {"model": entries, "epoch": 20})
    frames = torch.randint(0, 256, (2, 40, 40, 3), dtype=torch.uint8)
    sounds = torch.randn(2, 12, 16)
    for copies in (False, True):
        settings = SLAVCSettings(**SMALL, momentum_at_test=copies)
        found = open_weights(path, "slavc", settings, FORM)
        assert isinstance(found, SLAVC) and found.settings.projection_width == 9
        prefix = "momentum_" if copies else ""
        with torch.no_grad():
            maps = found.maps(found.frame_features(frames), found.sound_features(sounds))
            v = made.get_submodule(f"{prefix}imgnet")(made.plain_frames(frames))
            a = made.get_submodule(f"{prefix}audnet")(made.stored_sounds(sounds)).amax((2, 3))
            expected = torch.zeros_like(maps)
            for space in "12":
                x = made.get_submodule(f"{prefix}img_proj{space}")(v)
                y = made.get_submodule(f"{prefix}aud_proj{space}")(a)
                expected += torch.cosine_similarity(x, y[:, :, None, None], dim=1) / 2
        torch.testing.assert_close(maps, expected)


@pytest.mark.parametrize("entry", ["img_proj1.weight", "momentum_aud_proj2.bias"])
def test_a_published_file_without_a_layer_is_refused_by_name(tmp_path: Path, entry: str) -> None:
    entries = dict(make().state_dict())
    del entries[entry]
    save_torch(tmp_path / "latest.pth", {"model": entries})
    with pytest.raises(InputError, match=rf"latest\.pth: .*{entry}"):
        open_weights(tmp_path / "latest.pth", "slavc", SLAVCSettings(**SMALL), FORM)


def test_the_variants_are_told_apart() -> None:
    assert SLAVC.label(SLAVCSettings()) == "ImageNet vision, dropout 0.9"
    changed = SLAVCSettings(vision="scratch", dropout=0.0, momentum_at_test=True)
    assert SLAVC.label(changed) == "vision from scratch, momentum copies tested"


def test_silence_and_noise_are_further_columns_of_both_softmaxes() -> None:
    golden = read_golden("slavc")
    method = _of_golden(golden)
    features = _features(method, golden, dropout=False)
    silent = torch.randn(2, 32, generator=torch.Generator().manual_seed(0))
    longer = dict(features)
    for prefix in ("", "momentum_"):
        layers = (method.get_submodule(f"{prefix}aud_proj{space}") for space in "12")
        pairs = zip(features[f"{prefix}a"], layers, strict=True)
        longer[f"{prefix}a"] = tuple(torch.cat([y, layer(silent)]) for y, layer in pairs)
    parts = method.loss(longer, Dice(0, 0), FIRST)
    own = torch.arange(len(features["v"][0]))
    for part, images, sounds in (
        ("image_side", "v", "momentum_a"),
        ("sound_side", "momentum_v", "a"),
    ):
        rows = log_probabilities(longer[images], longer[sounds], method.settings.temperature)
        assert rows.shape[1] == len(own) + 2
        expected = torch.nn.functional.cross_entropy(rows, own)
        torch.testing.assert_close(parts[part], expected)
    without = method.loss(features, Dice(0, 0), FIRST)
    assert all(not torch.equal(parts[name], without[name]) for name in parts)


def test_both_views_of_a_sound_carry_silence_and_noise() -> None:
    method = maker("slavc", {**SMALL, "synthetic_negatives": True})()
    views = method.views(made_batch(method), Dice(0, 0))
    assert len(views["a"].input) == len(views["momentum_a"].input) == len(views["v"].input) + 4
    assert "silence and noise" in SLAVC.label(method.settings)


def test_a_step() -> None:
    check_step(make)


def test_cached_gradients() -> None:
    check_cached_gradients(make)


def test_compile() -> None:
    check_compile(make)


def test_kill_and_resume(tmp_path: Path) -> None:
    check_kill_and_resume(make, tmp_path)


@pytest.mark.parametrize("synthetic", [False, True])
def test_ranks(tmp_path: Path, synthetic: bool) -> None:
    check_ranks("slavc", {**SMALL, "synthetic_negatives": synthetic}, tmp_path)


def test_answers(tmp_path: Path) -> None:
    check_answers(make, tmp_path)
