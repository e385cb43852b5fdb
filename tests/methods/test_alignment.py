"""The paper's method, in the text's form and in that of the authors' training code, against what
their own functions give."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from contract_checks import (
    FIRST,
    FORM,
    SMALL,
    backward,
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

from pipeline.errors import InputError
from pipeline.methods.alignment import Alignment
from pipeline.methods.common.files import open_weights
from pipeline.methods.contract import Dice
from pipeline.networks.weights import save_safetensors, save_torch

# What the authors' training code has in place of the text's; the rest is the text's.
RELEASED = {"pooling": "masked", "projection_pooling": "max", "augmentation": "released"}
TEXT: dict[str, Any] = {**SMALL, "k": 3}
CODE: dict[str, Any] = {**TEXT, **RELEASED}

VIEWS = ("v", "v_aug", "v_conc", "a", "a_aug", "a_conc")


def _of_golden(weights: dict[str, Tensor], **changes: Any) -> Alignment:
    """A method of 32 channels with the golden's projections."""
    settings = Alignment.Settings(
        blocks=[1], channels=[32], strides=[2], side=56, **RELEASED, **changes
    )
    method = Alignment(settings, FORM)
    with torch.no_grad():
        for name, tensor in weights.items():
            if method.image_projection is not None:
                method.get_parameter(name).copy_(tensor)
    return method


def _kccv() -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
    """The golden, its weights by our names, and its views' maps, which have gradients."""
    golden = read_golden("alignment_kccv")
    weights = {
        "image_projection.0.weight": golden["w_v"],
        "image_projection.0.bias": golden["b_v"],
        "audio_projection.0.weight": golden["w_a"],
        "audio_projection.0.bias": golden["b_a"],
    }
    names = [*(f"{view}_v" for view in _KCCV), *(f"{view}_a_map" for view in _KCCV)]
    maps = dict(zip(VIEWS, (golden[name].requires_grad_() for name in names), strict=True))
    return golden, weights, maps


_KCCV = ("org", "aug", "conc")


def _features(maps: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: x if name[0] == "v" else x.amax(dim=(2, 3)) for name, x in maps.items()}


def test_the_tutorial_s_code_gives_the_same_loss_gradients_and_map() -> None:
    golden, weights, maps = _kccv()
    method = _of_golden(weights)
    assert method.settings.temperature == pytest.approx(float(golden["tau"]))
    features = _features(maps)
    parts = method.loss(features, Dice(0, 0), FIRST)
    assert_golden(parts["localization"], golden["losses"][:9].sum())
    assert_golden(parts["alignment"], golden["losses"][9:].sum())
    loss = parts["localization"] + parts["alignment"]
    assert_golden(loss, golden["loss"])
    loss.backward()
    assert_golden(maps["v"].grad, golden["grad_org_v"])
    assert_golden(maps["a_aug"].grad, golden["grad_aug_a_map"])
    assert_golden(method.get_parameter("image_projection.0.weight").grad, golden["grad_w_v"])
    assert_golden(method.get_parameter("audio_projection.0.weight").grad, golden["grad_w_a"])
    assert_golden(method.maps(features["v"], features["a"]), golden["map"])
    assert_golden(method.image_embedding(features["v"]), golden["retrieval_image_projected"])
    assert_golden(method.audio_embedding(features["a"]), golden["retrieval_sound_projected"])


def _second() -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
    golden = read_golden("alignment")
    weights = {
        f"{own}.0.{part}": golden[f"w_{theirs}.{part}"]
        for own, theirs in (("image_projection", "img_proj"), ("audio_projection", "aud_proj"))
        for part in ("weight", "bias")
    }
    names = [f"{modality}_{view}" for modality in "va" for view in _SECOND]
    maps = dict(zip(VIEWS, (golden[name].requires_grad_() for name in names), strict=True))
    return golden, weights, maps


_SECOND = ("plain", "augmented", "conceptual")


def test_the_training_code_gives_the_same_loss_and_gradients() -> None:
    golden, weights, maps = _second()
    method = _of_golden(weights)
    features = _features(maps)
    sum(method.loss(features, Dice(0, 0), FIRST).values()).backward()
    assert_golden(maps["v"].grad, golden["grad_v_plain"])
    for view, name in zip(_SECOND, ("a", "a_aug", "a_conc"), strict=True):
        # Where a channel is 0 everywhere theirs gives the gradient to one place; a ReLU is below.
        alive = (maps[name] > 0).any(dim=3, keepdim=True).any(dim=2, keepdim=True)
        assert_golden(maps[name].grad * alive, golden[f"grad_a_{view}"] * alive)
    for name in weights:
        own, _, part = name.split(".")
        theirs = {"image_projection": "img_proj", "audio_projection": "aud_proj"}[own]
        assert_golden(method.get_parameter(name).grad, golden[f"grad_w_{theirs}.{part}"])
    assert_golden(method.maps(features["v"], features["a"]), golden["A"][:, 0])
    assert_golden(method.image_embedding(features["v"]), golden["retrieval_image_projected"])
    assert_golden(method.audio_embedding(features["a"]), golden["retrieval_sound_projected"])


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({}, "loss"),
        ({"feature_alignment": False}, "loss_no_alignment"),
        ({"multi_view": False}, "loss_no_views"),
        ({"semantic": False}, "loss_no_neighbours"),
    ],
)
def test_the_training_code_s_switches_give_the_same_losses(
    change: dict[str, bool], name: str
) -> None:
    golden, weights, maps = _second()
    method = _of_golden(weights, **change)
    features = _features(maps)
    if not method.settings.multi_view:
        del features["v_aug"], features["a_aug"]
    if not method.settings.semantic:
        del features["v_conc"], features["a_conc"]
    parts = method.loss(features, Dice(0, 0), FIRST)
    assert_golden(parts["localization"] + parts["alignment"], golden[name])
    assert (float(parts["alignment"].detach()) > 0) == method.settings.feature_alignment


def test_embeddings_are_the_projected_averages_of_the_text() -> None:
    method = maker("alignment", TEXT)()
    generator = torch.Generator().manual_seed(0)
    v, a = torch.randn(3, 8, 4, 4, generator=generator), torch.randn(3, 8, generator=generator)
    layer = method.image_projection[0]
    for pooling, pooled in (("mean", v.mean(dim=(2, 3))), ("max", v.flatten(2).max(2).values)):
        method.settings = replace(method.settings, projection_pooling=pooling)
        expected = pooled @ layer.weight.T + layer.bias
        expected = expected / expected.norm(dim=1, keepdim=True)
        torch.testing.assert_close(method.image_embedding(v), expected)
    assert method.audio_embedding(a).norm(dim=1).tolist() == pytest.approx([1, 1, 1])
    without = maker("alignment", {**TEXT, "projection_layers": 0, "feature_alignment": False})()
    with pytest.raises(ValueError, match="s_A"):
        without.image_embedding(v)
    assert list(without.similarities(v, a)) == ["s_L"]
    assert list(method.similarities(v, a)) == ["s_A", "s_L"]


def test_sounds_end_in_their_global_maximum() -> None:
    method = maker("alignment", TEXT)().eval()
    sounds = torch.randn(2, 12, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        heard = method.audnet(sounds.transpose(1, 2)[:, None] / 12)
        expected = heard.flatten(2).max(dim=2).values
        torch.testing.assert_close(method.sound_features(sounds), expected)


def test_alignment_needs_projections() -> None:
    with pytest.raises(ValueError, match="projection_layers is 0"):
        Alignment.Settings(projection_layers=0)


@pytest.mark.parametrize(
    ("semantic", "multi_view", "aligned", "views"),
    [
        (True, True, True, 3),
        (True, False, True, 2),
        (False, True, False, 2),
        (False, False, True, 1),
        (False, False, False, 1),
    ],
)
def test_the_switches_choose_views_and_alignment(
    semantic: bool, multi_view: bool, aligned: bool, views: int
) -> None:
    switches = {"semantic": semantic, "multi_view": multi_view, "feature_alignment": aligned}
    method = maker("alignment", {**TEXT, **switches})()
    assert len(method.views(made_batch(method), Dice(0, 0))) == 2 * views
    losses, gradients, buffers = backward(method)
    assert int(buffers["imgnet.bn1.num_batches_tracked"]) == views
    assert int(buffers["audnet.bn1.num_batches_tracked"]) == views
    assert (float(losses[2]) > 0) == aligned
    assert ("image_projection.0.weight" in gradients) == aligned


def _published(method: Alignment, prefix: str = "") -> dict[str, Tensor]:
    """The entries of a published file, with the layers that no network of them runs."""
    entries = {
        key.replace("audnet.conv1.", "audnet.conv1_a."): tensor
        for key, tensor in method.state_dict().items()
        if key.startswith(("imgnet.", "audnet."))
    }
    width = method.settings.channels[0]
    for net in ("imgnet", "audnet"):
        entries[f"{net}.conv1_flow.weight"] = torch.ones(width, 6, 7, 7)
        entries[f"{net}.fc.weight"] = torch.ones(5, method.width)
    entries["imgnet.conv1_a.weight"] = torch.ones(width, 1, 7, 7)
    entries["audnet.conv1.weight"] = torch.ones(width, 3, 7, 7)
    for theirs, own in (("img_proj", "image_projection"), ("aud_proj", "audio_projection")):
        for part in ("weight", "bias"):
            entries[f"{theirs}.{part}"] = method.state_dict()[f"{own}.0.{part}"]
    return {prefix + key: tensor.clone() for key, tensor in entries.items()}


def _without_projections(entries: dict[str, Tensor]) -> dict[str, Tensor]:
    """The older form, which holds the networks alone."""
    return {key: tensor for key, tensor in entries.items() if "_proj." not in key}


UNUSED = [
    *("audnet.conv1.weight", "audnet.conv1_flow.weight", "audnet.fc.weight"),
    *("imgnet.conv1_a.weight", "imgnet.conv1_flow.weight", "imgnet.fc.weight"),
]


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("projected", [True, False])
@pytest.mark.parametrize("suffix", [".pth.tar", ".safetensors"])
def test_a_published_file_gives_the_published_answers(
    tmp_path: Path, suffix: str, projected: bool, prefix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shape = {**CODE, "blocks": [1, 2], "channels": [5, 7]}
    made = maker("alignment", shape)().eval()
    entries, path = _published(made, prefix), tmp_path / f"ours{suffix}"
    entries = entries if projected else _without_projections(entries)
    if suffix == ".pth.tar":
        save_torch(path, {"model_state_dict": entries, "epoch": 49})
    else:
        save_safetensors(path, entries)
    found = open_weights(path, "alignment", Alignment.Settings(**CODE), FORM)
    assert isinstance(found, Alignment) and not found.training and found.form == FORM
    assert (found.settings.blocks, found.settings.channels) == ([1, 2], [5, 7])
    assert found.settings.pooling == "masked" and found.settings.strides == [1, 2]
    assert found.settings.feature_alignment == projected
    told = " ".join(capsys.readouterr().err.split())
    assert f"entries without use: {', '.join(UNUSED)}" in told
    generator = torch.Generator().manual_seed(0)
    frames = torch.randint(0, 256, (2, 40, 40, 3), generator=generator, dtype=torch.uint8)
    sounds = torch.randn(2, 12, 16, generator=generator)
    with torch.no_grad():
        answers = []
        for method in (found, made):
            v, a = method.frame_features(frames), method.sound_features(sounds)
            answers.append((method.maps(v, a), method.similarities(v, a)))
    assert torch.equal(answers[0][0], answers[1][0])
    assert torch.equal(answers[0][1]["s_L"], answers[1][1]["s_L"])
    assert list(answers[0][1]) == (["s_A", "s_L"] if projected else ["s_L"])
    if projected:
        assert torch.equal(answers[0][1]["s_A"], answers[1][1]["s_A"])


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ("imgnet.layer2.0.conv2.weight", r"misses imgnet\.layer2\.0\.conv2\.weight"),
        ("audnet.layer2.0.bn1.running_var", r"misses audnet\.layer2\.0\.bn1\.running_var"),
        ("imgnet.layer1.0.conv1.weight", r"holds no imgnet\.layer1\.0\.conv1\.weight"),
        ("aud_proj.weight", r"holds img_proj\.weight, expected p_v and p_a"),
        ("aud_proj.bias", r"holds no aud_proj\.bias"),
    ],
)
def test_a_published_file_without_a_layer_is_refused_by_name(
    tmp_path: Path, missing: str, expected: str
) -> None:
    entries = _published(maker("alignment", CODE)())
    del entries[missing]
    save_torch(tmp_path / "ours.pth.tar", {"model_state_dict": entries})
    with pytest.raises(InputError, match=rf"ours\.pth\.tar: {expected}"):
        open_weights(tmp_path / "ours.pth.tar", "alignment", Alignment.Settings(**CODE), FORM)


@pytest.mark.parametrize("symmetric", [False, True])
def test_silence_and_noise_are_further_sounds_of_every_pair(symmetric: bool) -> None:
    settings = {**TEXT, "synthetic_negatives": True, "multi_view": False, "symmetric": symmetric}
    method = maker("alignment", settings)().eval()
    assert isinstance(method, Alignment)
    with torch.no_grad():
        views = method.views(made_batch(method), Dice(0, 0))
        features = {name: method.encode(view) for name, view in views.items()}
    assert (len(features["a"]), len(features["a_conc"])) == (20, 16)
    own, silent = features["a"][:16], features["a"][16:]
    expected = [0.0, 0.0]
    for v in (features["v"], features["v_conc"]):
        for a in (own, features["a_conc"]):
            with torch.no_grad():
                found = method.similarities(v, torch.cat([a, silent]))
            for part, name in enumerate(("s_L", "s_A")):
                rows, targets = found[name] / 0.07, torch.arange(16)
                loss = torch.nn.functional.cross_entropy(rows, targets)
                if symmetric:  # a sound chooses among frames, which are all some clip's
                    loss = loss + torch.nn.functional.cross_entropy(rows[:, :16].T, targets)
                expected[part] += float(loss) / (2 if symmetric else 1)
    with torch.no_grad():
        losses = method.loss(features, Dice(0, 0), FIRST)
    assert [float(x) for x in losses.values()] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("settings", [TEXT, CODE], ids=["text", "code"])
def test_a_step(settings: dict[str, Any]) -> None:
    check_step(maker("alignment", settings))


@pytest.mark.parametrize("settings", [TEXT, CODE], ids=["text", "code"])
def test_cached_gradients(settings: dict[str, Any]) -> None:
    check_cached_gradients(maker("alignment", settings))


def test_compile() -> None:
    check_compile(maker("alignment", CODE))


def test_kill_and_resume(tmp_path: Path) -> None:
    check_kill_and_resume(maker("alignment", CODE), tmp_path)


@pytest.mark.parametrize(
    "settings",
    [
        CODE,
        {**TEXT, "symmetric": True, "synthetic_negatives": True},
        {**TEXT, "pooling": "trimap"},
    ],
    ids=["code", "symmetric", "trimap"],
)
def test_ranks(tmp_path: Path, settings: dict[str, Any]) -> None:
    check_ranks("alignment", settings, tmp_path)


def test_answers(tmp_path: Path) -> None:
    check_answers(maker("alignment", CODE), tmp_path)
