"""The loop: same bytes however a run was interrupted, ranks and cached gradients that change
nothing, and the learning it is there for."""

import math
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_corpus import make_corpus
from step_of_loop import FORM, RECIPE, ROWS, SETTINGS, made_corpus, one_step, run
from torch import Tensor

from pipeline.base.params import bound
from pipeline.clips.decoded import DecodedCorpus
from pipeline.clips.sound_form import SoundForm
from pipeline.errors import InputError
from pipeline.methods.alignment import Alignment, AlignmentSettings
from pipeline.methods.common.files import load_weights
from pipeline.train import finished
from pipeline.train.finished import is_finished
from pipeline.train.history import history_columns
from pipeline.train.schedule import learning_rate
from pipeline.train.settings import Train
from pipeline.train.step import Stepper


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> DecodedCorpus:
    return made_corpus(tmp_path_factory.mktemp("corpus"))


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "run").iterdir())}


@pytest.fixture(scope="module")
def undisturbed(corpus: DecodedCorpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    run(corpus, folder)
    return folder


def test_a_run_leaves_weights_and_a_history_that_falls(undisturbed: Path) -> None:
    assert set(_bytes(undisturbed)) == {"history.tsv", "weights.safetensors"}
    assert [path.name for path in (undisturbed / "work").iterdir()] == ["finished.json"]
    learnt = load_weights(undisturbed / "run/weights.safetensors")
    assert learnt.settings == SETTINGS and learnt.form == FORM
    lines = (undisturbed / "run/history.tsv").read_text().splitlines()
    columns = history_columns(Alignment.parts)
    assert columns == ("epoch", "loss", "localization", "alignment", "learning_rate")
    assert tuple(lines[0].split("\t")) == columns
    rows = [dict(zip(columns, map(float, line.split("\t")), strict=True)) for line in lines[1:]]
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    for row in rows:
        assert row["localization"] + row["alignment"] == pytest.approx(row["loss"], rel=1e-6)
    assert rows[-1]["loss"] < rows[0]["loss"] < 18 * math.log(8) * 1.5


BESIDE = {"run.json": b"{}\n"}


def test_a_finished_run_is_trained_again_by_force_alone(
    corpus: DecodedCorpus, tmp_path: Path, undisturbed: Path
) -> None:
    done: list[int] = []

    def train(recipe: Train = RECIPE, **options: Any) -> int:
        done.clear()
        run(corpus, tmp_path, recipe=recipe, epoch_done=done.append, **options)
        return len(done)

    assert train(beside=BESIDE) == 3
    first = _bytes(tmp_path)
    assert first == {**_bytes(undisturbed), **BESIDE}
    assert train(beside=BESIDE) == 0 and train(beside=BESIDE, force=True) == 3
    assert _bytes(tmp_path) == first
    # Out of a cache, with nothing noted: by what lies beside the weights, and the history's length.
    (tmp_path / "work/finished.json").unlink()
    assert train(beside=BESIDE) == 0
    assert train(beside={"run.json": b"[]\n"}) == 3
    assert train(replace(RECIPE, epochs=1), beside={"run.json": b"[]\n"}) == 1


def test_weights_and_history_are_of_one_training(
    corpus: DecodedCorpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(*_: Any) -> None:
        raise _Killed

    other = replace(RECIPE, learning_rate=RECIPE.learning_rate / 2)
    run(corpus, tmp_path, beside=BESIDE)
    old = _bytes(tmp_path)
    with pytest.raises(_Killed):  # midway: nothing has changed
        run(corpus, tmp_path, recipe=other, beside=BESIDE, epoch_done=kill)
    assert _bytes(tmp_path) == old
    for moved in (0, 1):  # while the results are put in place: no history of other weights
        with monkeypatch.context() as patch:
            count = iter(range(9))
            move = finished.move_file
            patch.setattr(
                finished,
                "move_file",
                lambda *paths: kill() if next(count) == moved else move(*paths),  # noqa: B023
            )
            with pytest.raises(_Killed):
                run(corpus, tmp_path, recipe=other, beside=BESIDE, force=True)
        found = _bytes(tmp_path)
        assert "history.tsv" not in found and not is_finished(
            tmp_path / "work", tmp_path / "run", BESIDE, "", 3
        )
    run(corpus, tmp_path, recipe=other, beside=BESIDE)
    new = _bytes(tmp_path)
    assert new.keys() == old.keys()
    assert new["weights.safetensors"] != old["weights.safetensors"]
    assert new["history.tsv"] != old["history.tsv"]


class _Killed(BaseException):
    pass


@pytest.mark.parametrize("killed_after", [1, 2, 3])
def test_a_killed_run_ends_in_the_same_bytes(
    corpus: DecodedCorpus, tmp_path: Path, undisturbed: Path, killed_after: int
) -> None:
    def kill(epoch: int) -> None:
        if epoch == killed_after:
            raise _Killed

    with pytest.raises(_Killed):
        run(corpus, tmp_path, epoch_done=kill)
    assert (tmp_path / "work/checkpoint.pt").exists()
    done: list[int] = []
    run(corpus, tmp_path, epoch_done=done.append, workers=1)
    assert done == list(range(killed_after + 1, 4))  # what was done is not done again
    assert _bytes(tmp_path) == _bytes(undisturbed)


def test_side_by_side_ends_in_the_same_bytes(
    corpus: DecodedCorpus, tmp_path: Path, undisturbed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where: list[str] = []
    views = Stepper.views

    def noted(self: Stepper, *arguments: Any) -> Any:
        where.append(threading.current_thread().name)
        return views(self, *arguments)

    def kill(epoch: int) -> None:
        raise _Killed

    monkeypatch.setattr(Stepper, "views", noted)
    with pytest.raises(_Killed):
        run(corpus, tmp_path, epoch_done=kill, side_by_side=True)
    run(corpus, tmp_path, side_by_side=True)
    assert _bytes(tmp_path) == _bytes(undisturbed)
    assert where and all(name.startswith("step") for name in where)  # beside the loss


@pytest.mark.parametrize("other", ["method", "recipe"])
def test_a_checkpoint_of_another_run_is_not_used(
    corpus: DecodedCorpus, tmp_path: Path, undisturbed: Path, other: str
) -> None:
    def kill(epoch: int) -> None:
        raise _Killed

    settings = replace(SETTINGS, temperature=0.1) if other == "method" else SETTINGS
    recipe = replace(RECIPE, weight_decay=1e-3) if other == "recipe" else RECIPE
    with pytest.raises(_Killed):
        run(corpus, tmp_path, settings, recipe, epoch_done=kill)
    done: list[int] = []
    run(corpus, tmp_path, epoch_done=done.append)
    assert done == [1, 2, 3]
    assert _bytes(tmp_path) == _bytes(undisturbed)


@pytest.mark.parametrize("pooling", ["mean", "top"])
def test_cached_gradients_are_the_plain_step_s(corpus: DecodedCorpus, pooling: str) -> None:
    settings = replace(SETTINGS, pooling=pooling)
    plain = one_step(corpus, settings)
    cached = one_step(corpus, settings, replace(RECIPE, cache_gradients=True))
    torch.testing.assert_close(cached[0], plain[0], atol=0, rtol=0)
    for name, gradient in plain[1].items():
        torch.testing.assert_close(cached[1][name], gradient, atol=1e-5, rtol=1e-5, msg=name)
    torch.testing.assert_close(cached[2], plain[2], atol=0, rtol=0)


@pytest.mark.parametrize(
    ("semantic", "multi_view", "alignment", "views"),
    [
        (True, True, True, 3),
        (True, False, True, 2),
        (False, True, False, 2),
        (False, False, True, 1),
        (False, False, False, 1),
    ],
)
def test_the_switches_choose_views_and_alignment(
    corpus: DecodedCorpus, semantic: bool, multi_view: bool, alignment: bool, views: int
) -> None:
    settings = replace(
        SETTINGS, semantic=semantic, multi_view=multi_view, feature_alignment=alignment
    )
    losses, gradients, buffers = one_step(corpus, settings)
    assert int(buffers["imgnet.bn1.num_batches_tracked"]) == views
    assert int(buffers["audnet.bn1.num_batches_tracked"]) == views
    assert (float(losses[2]) > 0) == alignment
    assert ("image_projection.0.weight" in gradients) == alignment


@pytest.mark.parametrize("change", [{"compile": True}, {"channels_last": False}], ids=str)
def test_how_a_step_is_computed_changes_nothing(
    corpus: DecodedCorpus, monkeypatch: pytest.MonkeyPatch, change: dict[str, bool]
) -> None:
    # Without a C compiler; what is traced, and differentiated, is the same.
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    plain, other = one_step(corpus), one_step(corpus, recipe=replace(RECIPE, **change))
    torch.testing.assert_close(other[0], plain[0], atol=1e-5, rtol=1e-5)
    largest = max(float(gradient.abs().max()) for gradient in plain[1].values())
    for name, gradient in plain[1].items():
        assert float((other[1][name] - gradient).abs().max()) <= 1e-5 * largest, name


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_lower_precision_stays_near_the_full_one(corpus: DecodedCorpus, precision: Any) -> None:
    full = one_step(corpus)[0]
    low = one_step(corpus, recipe=replace(RECIPE, precision=precision))[0]
    torch.testing.assert_close(low, full, atol=0, rtol=0.05)


def test_a_loss_that_is_not_finite_stops_the_run(corpus: DecodedCorpus, tmp_path: Path) -> None:
    frames = np.stack([corpus.frame(row) for row in ROWS])
    sounds = [np.array(corpus.spectrogram(row)) for row in ROWS]
    sounds[5][:] = np.nan
    broken = make_corpus(tmp_path / "corpus", frames, sounds)
    with pytest.raises(InputError, match=r"loss is nan at step \d+ of 9 .*rate 0\.0.*: none"):
        run(broken, tmp_path)


def test_the_last_good_checkpoint_is_named(
    corpus: DecodedCorpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backward = Stepper.backward
    calls = []

    def poisoned(self: Stepper, *step: Any) -> Tensor:
        calls.append(1)
        losses = backward(self, *step)
        return losses * math.inf if len(calls) == 5 else losses

    monkeypatch.setattr(Stepper, "backward", poisoned)
    with pytest.raises(
        InputError, match=r"inf at step 5 of 9 \(epoch 2, .*checkpoint\.pt of epoch 1"
    ):
        run(corpus, tmp_path)


def test_no_checkpoint_keeps_weights_that_are_not_finite(
    corpus: DecodedCorpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backward = Stepper.backward
    calls = []

    def poisoned(self: Stepper, *step: Any) -> Tensor:
        calls.append(1)
        losses = backward(self, *step)
        if len(calls) == 6:  # the last of the second epoch: no loss behind it tells
            gradient = next(self.method.parameters()).grad
            assert gradient is not None
            gradient.fill_(math.nan)
        return losses

    monkeypatch.setattr(Stepper, "backward", poisoned)
    with pytest.raises(
        InputError, match=r"weight holds NaN .* step 6 of 9 \(epoch 2, .*rate 0\.0.*of epoch 1"
    ):
        run(corpus, tmp_path)


@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        (Train, {"schedule": "cosine"}, "schedule: found 'cosine', expected .*one-cycle"),
        (Train, {"precision": "float64"}, "precision: found 'float64', expected .*bfloat16"),
        (AlignmentSettings, {"projection_layers": 0}, "projection_layers is 0"),
    ],
)
def test_unusable_recipes_are_refused(kind: type, change: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        bound(kind, change, "recipe")


def test_sounds_of_another_form_are_refused(corpus: DecodedCorpus, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"sounds have the form .*hop=159.* expects .*hop=80"):
        run(corpus, tmp_path, form=SoundForm(bands=16, hop=80))
    assert not (tmp_path / "run").exists()


def test_one_cycle_is_torch_s() -> None:
    steps, peak = 40, 2e-3
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=peak)
    reference = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, peak, total_steps=steps, cycle_momentum=False
    )
    for step in range(steps):
        expected = optimiser.param_groups[0]["lr"]
        assert learning_rate("one-cycle", peak, step, steps) == pytest.approx(expected, rel=1e-9)
        optimiser.step()
        if step < steps - 1:
            reference.step()
    assert {learning_rate("constant", 1e-4, step, 7) for step in range(7)} == {1e-4}


@pytest.mark.parametrize(("view", "megabytes"), [("frames", 25), ("sounds", 39)])
def test_a_view_keeps_the_activations_that_the_readme_counts(view: str, megabytes: int) -> None:
    method = Alignment(AlignmentSettings(), SoundForm()).train()
    parameters = {p.untyped_storage().data_ptr() for p in method.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        if view == "frames":
            features = method.position_features(torch.zeros(1, 3, 224, 224))
        else:
            features = method.heard_features(torch.zeros(1, 1, 257, 299))
    assert features.requires_grad
    assert sum(kept.values()) / 1e6 == pytest.approx(megabytes, rel=0.03)
