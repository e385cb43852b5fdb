"""The loop: same bytes however a run was interrupted, ranks and cached gradients that change
nothing, and the learning it is there for."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from made_corpus import make_corpus

from pipeline.clips.decoded import DecodedCorpus
from pipeline.errors import InputError
from pipeline.methods.localizer import Architecture, Localizer, Usage, load_localizer
from pipeline.train.batches import Neighbours, TrainingSet
from pipeline.train.loop import (
    HISTORY_COLUMNS,
    SCHEDULES,
    Recipe,
    Stepper,
    learning_rate,
    train,
)

CLIPS, K = 24, 3


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


RECIPE = Recipe(
    architecture=Architecture((1, 1), (6, 8), (1, 2), 1),
    seed=3,
    usage=Usage(side=32, steps=12, pooling="top"),
    k=K,
    epochs=3,
    batch=8,
    learning_rate=3e-3,
    schedule="one-cycle",
    threads=1,
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> DecodedCorpus:
    """Four classes: a coloured square over noise, and a loud band of the spectrogram."""
    generator = np.random.default_rng(0)
    frames = generator.integers(60, 120, (CLIPS, 36, 36, 3)).astype(np.uint8)
    sounds = []
    for clip in range(CLIPS):
        kind = clip % 4
        y, x = generator.integers(0, 20, 2)
        frames[clip, y : y + 16, x : x + 16] = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255,) * 3][
            kind
        ]
        sound = generator.normal(-12, 1, (20, 16))
        sound[:, 4 * kind : 4 * kind + 4] += 10
        sounds.append(sound)
    return make_corpus(tmp_path_factory.mktemp("corpus"), frames, sounds)


ROWS = np.arange(CLIPS)


def _neighbours() -> Neighbours:
    """Other clips of the same class."""
    ids = np.array([[c for c in range(CLIPS) if c % 4 == i % 4 and c != i][:K] for i in ROWS])
    return Neighbours(ids.astype(np.int32), ids[:, ::-1].astype(np.int32))


def _train(corpus: DecodedCorpus, folder: Path, recipe: Recipe = RECIPE, **options) -> Path:
    return train(
        corpus,
        ROWS,
        _neighbours(),
        recipe,
        output=folder / "run",
        work=folder / "work",
        device="cpu",
        **options,
    )


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "run").iterdir())}


@pytest.fixture(scope="module")
def undisturbed(corpus: DecodedCorpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    _train(corpus, folder)
    return folder


def test_a_run_leaves_weights_and_a_history_that_falls(undisturbed: Path) -> None:
    assert set(_bytes(undisturbed)) == {"history.tsv", "weights.safetensors"}
    assert not list((undisturbed / "work").iterdir())
    assert load_localizer(undisturbed / "run/weights.safetensors").architecture == (
        RECIPE.architecture
    )
    lines = (undisturbed / "run/history.tsv").read_text().splitlines()
    assert tuple(lines[0].split("\t")) == HISTORY_COLUMNS
    rows = [
        dict(zip(HISTORY_COLUMNS, map(float, line.split("\t")), strict=True)) for line in lines[1:]
    ]
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    for row in rows:
        assert row["localization"] + row["alignment"] == pytest.approx(row["loss"], rel=1e-6)
    assert rows[-1]["loss"] < rows[0]["loss"] < 18 * math.log(8) * 1.5


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
        _train(corpus, tmp_path, epoch_done=kill)
    assert (tmp_path / "work/checkpoint.pt").exists()
    done: list[int] = []
    _train(corpus, tmp_path, epoch_done=done.append, workers=1)
    assert done == list(range(killed_after + 1, 4))  # what was done is not done again
    assert _bytes(tmp_path) == _bytes(undisturbed)


def test_a_checkpoint_of_another_recipe_is_not_used(
    corpus: DecodedCorpus, tmp_path: Path, undisturbed: Path
) -> None:
    def kill(epoch: int) -> None:
        raise _Killed

    with pytest.raises(_Killed):
        _train(corpus, tmp_path, replace(RECIPE, temperature=0.1), epoch_done=kill)
    done: list[int] = []
    _train(corpus, tmp_path, epoch_done=done.append)
    assert done == [1, 2, 3]
    assert _bytes(tmp_path) == _bytes(undisturbed)


def _one_step(corpus: DecodedCorpus, recipe: Recipe) -> tuple[torch.Tensor, dict, dict]:
    """Losses, gradients and buffers after the backward pass of the first batch."""
    clips = TrainingSet(
        corpus, ROWS, _neighbours(), window_steps=recipe.usage.steps, batch=recipe.batch,
        epochs=1, seed=0, k=K, semantic=recipe.semantic, multi_view=recipe.multi_view,
    )  # fmt: skip
    network = Localizer(recipe.architecture, seed=1).train()
    layout = torch.channels_last if recipe.channels_last else torch.contiguous_format
    network = network.to(memory_format=layout)
    stepper = Stepper(network, recipe, torch.device("cpu"))
    losses = stepper.backward(*stepper.views(clips[0], 0))
    gradients = {name: p.grad for name, p in network.named_parameters()}
    return losses, gradients, dict(network.named_buffers())


@pytest.mark.parametrize("pooling", ["mean", "top"])
def test_cached_gradients_are_the_plain_step_s(corpus: DecodedCorpus, pooling: str) -> None:
    recipe = replace(RECIPE, usage=replace(RECIPE.usage, pooling=pooling))
    plain = _one_step(corpus, recipe)
    cached = _one_step(corpus, replace(recipe, cache_gradients=True))
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
    recipe = replace(RECIPE, semantic=semantic, multi_view=multi_view, feature_alignment=alignment)
    losses, gradients, buffers = _one_step(corpus, recipe)
    assert int(buffers["imgnet.bn1.num_batches_tracked"]) == views
    assert int(buffers["audnet.bn1.num_batches_tracked"]) == views
    assert (float(losses[2]) > 0) == alignment
    assert (gradients["image_projection.0.weight"] is not None) == alignment


@pytest.mark.parametrize("change", [{"compile": True}, {"channels_last": False}], ids=str)
def test_how_a_step_is_computed_changes_nothing(
    corpus: DecodedCorpus, monkeypatch: pytest.MonkeyPatch, change: dict[str, bool]
) -> None:
    # Without a C compiler; what is traced, and differentiated, is the same.
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    plain, other = _one_step(corpus, RECIPE), _one_step(corpus, replace(RECIPE, **change))
    torch.testing.assert_close(other[0], plain[0], atol=1e-5, rtol=1e-5)
    largest = max(float(gradient.abs().max()) for gradient in plain[1].values())
    for name, gradient in plain[1].items():
        assert float((other[1][name] - gradient).abs().max()) <= 1e-5 * largest, name


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_lower_precision_stays_near_the_full_one(corpus: DecodedCorpus, precision: str) -> None:
    full = _one_step(corpus, RECIPE)[0]
    low = _one_step(corpus, replace(RECIPE, precision=precision))[0]
    torch.testing.assert_close(low, full, atol=0, rtol=0.05)


def test_a_loss_that_is_not_finite_stops_the_run(corpus: DecodedCorpus, tmp_path: Path) -> None:
    frames = np.stack([corpus.frame(row) for row in ROWS])
    sounds = [np.array(corpus.spectrogram(row)) for row in ROWS]
    sounds[5][:] = np.nan
    broken = make_corpus(tmp_path / "corpus", frames, sounds)
    with pytest.raises(InputError, match=r"loss is nan at step \d+ of 9 .*rate 0\.0.*: none"):
        _train(broken, tmp_path)


def test_the_last_good_checkpoint_is_named(
    corpus: DecodedCorpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backward = Stepper.backward
    calls = []

    def poisoned(self: Stepper, *views) -> torch.Tensor:
        calls.append(1)
        losses = backward(self, *views)
        return losses * math.inf if len(calls) == 5 else losses

    monkeypatch.setattr(Stepper, "backward", poisoned)
    with pytest.raises(
        InputError, match=r"inf at step 5 of 9 \(epoch 2, .*checkpoint\.pt of epoch 1"
    ):
        _train(corpus, tmp_path)


def test_no_checkpoint_keeps_weights_that_are_not_finite(
    corpus: DecodedCorpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backward = Stepper.backward
    calls = []

    def poisoned(self: Stepper, *views) -> torch.Tensor:
        calls.append(1)
        losses = backward(self, *views)
        if len(calls) == 6:  # the last of the second epoch: no loss behind it tells
            next(self.network.parameters()).grad.fill_(math.nan)
        return losses

    monkeypatch.setattr(Stepper, "backward", poisoned)
    with pytest.raises(
        InputError, match=r"weight holds NaN .* step 6 of 9 \(epoch 2, .*rate 0\.0.*of epoch 1"
    ):
        _train(corpus, tmp_path)


def test_unusable_recipes_are_refused(corpus: DecodedCorpus, tmp_path: Path) -> None:
    for change, expected in (
        ({"schedule": "cosine"}, "one-cycle"),
        ({"precision": "float64"}, "bfloat16"),
        ({"architecture": Architecture((1,), (4,), (1,), 0)}, "projection_layers"),
    ):
        with pytest.raises(InputError, match=expected):
            _train(corpus, tmp_path, replace(RECIPE, **change))


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
    assert {learning_rate(SCHEDULES[0], 1e-4, step, 7) for step in range(7)} == {1e-4}


_RANK = """
import functools, json, sys
from dataclasses import replace
from pathlib import Path
import numpy as np, torch, torch.distributed as dist
from pipeline.networks import ranks
from pipeline.train.batches import Neighbours, TrainingSet
from pipeline.clips.decoded import DecodedCorpus
from pipeline.errors import InputError
from pipeline.methods.localizer import Architecture, Localizer, Usage
from pipeline.train.loop import Recipe, Stepper, train

torch.set_num_threads(1)
torch.compile = functools.partial(torch.compile, backend="aot_eager")
dist.init_process_group("gloo")
settings = json.loads(Path(sys.argv[1]).read_text())
settings["architecture"] = Architecture(**{
    k: tuple(v) if isinstance(v, list) else v for k, v in settings["architecture"].items()
})
settings["usage"] = Usage(**settings["usage"])
recipe = Recipe(**settings)
ids = np.load(sys.argv[3])
clips = TrainingSet(
    DecodedCorpus(Path(sys.argv[2])), np.arange(len(ids)), Neighbours(ids, ids[:, ::-1]),
    window_steps=recipe.usage.steps, batch=recipe.batch, epochs=1, seed=0, k=recipe.k,
    part=ranks.rank(), parts=ranks.count(),
)
changes = {
    "mean": {}, "top": {"symmetric": True}, "trimap": {"symmetric": True},
    "cached": {"cache_gradients": True}, "compiled": {"compile": True},
}
for name, change in changes.items():
    network = Localizer(recipe.architecture, seed=1).train()
    ranks.synchronize_batch_norm(network)
    pooling = name if name in ("top", "trimap") else "mean"
    stepper = Stepper(network, replace(
        recipe, usage=replace(recipe.usage, pooling=pooling), **change), torch.device("cpu"))
    losses = stepper.backward(*stepper.views(clips[0], 0))
    ranks.average([p.grad for p in network.parameters()])
    ranks.average([losses])
    found = {n: p.grad for n, p in network.named_parameters()}
    found |= {n: b for n, b in network.named_buffers()}
    torch.save({"losses": losses, **found}, f"{sys.argv[4]}/{name}_{ranks.rank()}.pt")
output = Path(sys.argv[4])
train(clips.corpus, clips.rows, clips.neighbours, replace(recipe, epochs=1, sync_batch_norm=True),
      output=output / "run", work=output / "work", device="cpu")

# A folder of its own for each rank, so that one alone finds the checkpoint.
class Killed(Exception):
    pass

def kill(epoch):
    raise Killed

def again(**more):
    train(clips.corpus, clips.rows, clips.neighbours, replace(recipe, epochs=2),
          output=output / "apart", work=output / f"work{ranks.rank()}", device="cpu", **more)

try:
    again(epoch_done=kill)
except Killed:
    pass
try:
    again()
except InputError as error:
    (output / f"refused_{ranks.rank()}").write_text(str(error))
dist.destroy_process_group()
"""


def test_two_ranks_give_the_single_process_s_loss_and_gradients(
    corpus: DecodedCorpus, tmp_path: Path
) -> None:
    (tmp_path / "rank.py").write_text(_RANK)
    (tmp_path / "recipe.json").write_text(json.dumps(asdict(RECIPE)))
    np.save(tmp_path / "ids.npy", _neighbours().image)
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    paths = [tmp_path / "rank.py", tmp_path / "recipe.json", corpus.folder, tmp_path / "ids.npy"]
    done = subprocess.run(
        [*command, *map(str, paths), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for name in ("mean", "top", "trimap", "cached", "compiled"):
        pooling = name if name in ("top", "trimap") else "mean"
        recipe = replace(
            RECIPE, usage=replace(RECIPE.usage, pooling=pooling), symmetric=pooling != "mean"
        )
        losses, gradients, buffers = _one_step(corpus, recipe)
        for rank in range(2):
            found = torch.load(tmp_path / f"{name}_{rank}.pt", weights_only=True)
            torch.testing.assert_close(found["losses"], losses, atol=1e-5, rtol=1e-6)
            for part in (gradients, buffers):
                largest = max(float(expected.abs().max()) for expected in part.values())
                for key, expected in part.items():
                    apart = float((found[key] - expected).abs().max())
                    assert apart <= 1e-5 * largest, (name, key)
    train(
        corpus, ROWS, _neighbours(), replace(RECIPE, epochs=1), output=tmp_path / "single",
        work=tmp_path / "work", device="cpu",
    )  # fmt: skip
    split, single = (
        float((tmp_path / folder / "history.tsv").read_text().splitlines()[1].split("\t")[1])
        for folder in ("run", "single")
    )
    assert split == pytest.approx(single, rel=1e-3)
    for rank in range(2):
        told = (tmp_path / f"refused_{rank}").read_text()
        assert "found by the ranks after the epochs 1, 0" in told


@pytest.mark.parametrize(("view", "megabytes"), [("frames", 25), ("sounds", 39)])
def test_a_view_keeps_the_activations_that_the_readme_counts(view: str, megabytes: int) -> None:
    network = Localizer(usage=Usage(side=224)).train()
    parameters = {p.untyped_storage().data_ptr() for p in network.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        if view == "frames":
            features = network.encode_frames(torch.zeros(1, 3, 224, 224))
        else:
            features = network.encode_sounds(torch.zeros(1, 1, 257, 299))
    assert features.requires_grad
    assert sum(kept.values()) / 1e6 == pytest.approx(megabytes, rel=0.03)
