"""A training that is looked at: the same bytes as one that is not, and what there is to be seen."""

import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from step_of_loop import RECIPE, made_corpus, run
from two_ranks import run_ranks

from pipeline.base.files import read_tsv
from pipeline.clips.decoded import DecodedCorpus
from pipeline.errors import InputError
from pipeline.execution import progress
from pipeline.methods.common.files import load_weights
from pipeline.methods.contract import Method
from pipeline.networks import ranks
from pipeline.networks.weights import read_metadata
from pipeline.report.watched import Validation, open_validation
from pipeline.train.step import Prepared, Stepper
from pipeline.train.watch import BEST, HISTORY, PICTURES, Events, Seen, Watch


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> DecodedCorpus:
    return made_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def plain(corpus: DecodedCorpus, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What a training leaves that nobody looks at."""
    folder = tmp_path_factory.mktemp("plain")
    run(corpus, folder)
    return left(folder)


def left(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "run").iterdir())}


class Noted:
    """Events that a test reads."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, dict[str, float]]] = []
        self.pictures: list[tuple[int, str]] = []

    def numbers(self, step: int, values: Any) -> None:
        self.seen.append((step, dict(values)))

    def picture(self, step: int, name: str, picture: np.ndarray) -> None:
        self.pictures.append((step, name))


class Disturbing:
    """What is asked draws of every global stream and spoils the twin; its score is the number of
    times it was asked, or what the test says."""

    def __init__(self, *scores: float) -> None:
        self.scores, self.asked = scores, 0

    def __call__(self, method: Method) -> Seen:
        assert not method.training and not torch.is_grad_enabled()
        torch.rand(3), np.random.rand(3), random.random()
        for tensor in method.state_dict().values():
            tensor.zero_()
        score = self.scores[self.asked] if self.scores else float(self.asked)
        self.asked += 1
        return Seen({"score": score}, np.full((4, 6, 3), self.asked, np.uint8))


def watching(
    folder: Path,
    ask: Callable[[Method], Seen] | None = None,
    best: str | None = None,
    events: Events | None = None,
    every: int = 2,
) -> Watch:
    return Watch(every, folder / "watched", lambda steps_done: events, ask, best)


def test_a_training_that_is_looked_at_leaves_the_same_bytes_and_random_streams(
    corpus: DecodedCorpus, plain: dict[str, bytes], tmp_path: Path
) -> None:
    drawn = []
    for name in ("plain", "watched"):
        for seed in (torch.manual_seed, np.random.seed, random.seed):
            seed(5)
        watch = watching(tmp_path, Disturbing(), best="score") if name == "watched" else None
        run(corpus, tmp_path / name, watch=watch)
        assert left(tmp_path / name) == plain
        drawn.append((float(torch.rand(1)), float(np.random.rand()), random.random()))
    assert drawn[0] == drawn[1]


def test_what_is_seen_of_steps_and_epochs(
    corpus: DecodedCorpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(progress.console, "print", lambda text, **_: said.append(text))
    events = Noted()
    run(corpus, tmp_path, watch=watching(tmp_path, Disturbing(), events=events))
    steps = [(step, values) for step, values in events.seen if "train/loss" in values]
    assert [step for step, _ in steps] == [2, 4, 6, 8]
    for _, values in steps:
        parts = values["train/loss/localization"] + values["train/loss/alignment"]
        assert values["train/loss"] == pytest.approx(parts, rel=1e-6)
        assert values["speed/clips_per_second"] > 0 and values["speed/memory_GB"] > 0
        assert values["train/learning_rate"] > 0 and values["speed/minutes_left"] > 0
    epochs = [(step, values) for step, values in events.seen if "train/loss" not in values]
    assert epochs == [(3 * n, {"validation/score": n}) for n in range(4)]
    assert events.pictures == [(3 * n, "maps") for n in range(4)]
    lines = [line for line in said if line.startswith("train: step 4/9, loss ")]
    assert len(lines) == 1
    for word in ("localization", "alignment", "rate", "clips/s", "GB", "left"):
        assert word in lines[0]
    assert "train: epoch 2, validation: score 2" in said
    rows = read_tsv(tmp_path / "watched" / HISTORY)
    assert rows == {"epoch": [0, 1, 2, 3], "score": [0, 1, 2, 3]}
    pictures = sorted((tmp_path / "watched" / PICTURES).iterdir())
    assert [path.name for path in pictures] == [f"epoch-000{n}.png" for n in range(4)]
    assert np.asarray(Image.open(pictures[3])).max() == 4
    assert not (tmp_path / "watched" / BEST).exists()


def test_the_mean_of_the_steps_is_the_epoch_s(corpus: DecodedCorpus, tmp_path: Path) -> None:
    events = Noted()
    run(corpus, tmp_path, watch=watching(tmp_path, events=events, every=3))
    history = read_tsv(tmp_path / "run/history.tsv")
    found = [values["train/loss"] for _, values in events.seen]
    assert found == pytest.approx(history["loss"], rel=1e-6)
    rates = [values["train/learning_rate"] for _, values in events.seen]
    assert rates == pytest.approx(history["learning_rate"], rel=1e-6)
    assert not (tmp_path / "watched").exists()  # nothing was asked


class _Killed(BaseException):
    pass


@pytest.mark.parametrize("in_the_look", [False, True])
def test_a_run_that_was_killed_and_goes_on_is_seen_once(
    corpus: DecodedCorpus, plain: dict[str, bytes], tmp_path: Path, in_the_look: bool
) -> None:
    def kill(epoch: int) -> None:
        if epoch == 2:
            raise _Killed

    def ask(method: Method) -> Seen:
        if asked.asked == 3:  # of the untrained one and two epochs before
            raise _Killed
        return asked(method)

    asked = Disturbing()
    watch = watching(tmp_path, ask if in_the_look else asked, best="score")
    with pytest.raises(_Killed):
        run(corpus, tmp_path, watch=watch, epoch_done=None if in_the_look else kill)
    later = watching(tmp_path, Disturbing(7.0), best="score")
    run(corpus, tmp_path, watch=later)
    assert left(tmp_path) == plain
    rows = read_tsv(tmp_path / "watched" / HISTORY)
    assert rows == {"epoch": [0, 1, 2, 3], "score": [0, 1, 2, 7], "best": [0, 0, 0, 1]}


def test_a_run_that_goes_on_within_its_first_epoch_is_seen_once(
    corpus: DecodedCorpus, plain: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def step(self: Stepper, prepared: Prepared) -> torch.Tensor:
        if prepared.moment.step == 2:
            raise _Killed
        return kept(self, prepared)

    kept, asked = Stepper.take, Disturbing()
    with monkeypatch.context() as patch, pytest.raises(_Killed):
        patch.setattr(Stepper, "take", step)
        run(corpus, tmp_path, watch=watching(tmp_path, asked, best="score"), keep_every=0.0)
    run(corpus, tmp_path, watch=watching(tmp_path, asked, best="score"))
    assert left(tmp_path) == plain
    rows = read_tsv(tmp_path / "watched" / HISTORY)
    assert rows["epoch"] == [0, 1, 2, 3] and rows["score"] == [0, 1, 2, 3]


def test_a_new_run_forgets_what_was_seen_of_the_last(corpus: DecodedCorpus, tmp_path: Path) -> None:
    run(corpus, tmp_path, watch=watching(tmp_path, Disturbing(), best="score"))
    (tmp_path / "run/weights.safetensors").unlink()
    shorter = replace(RECIPE, epochs=1)
    run(corpus, tmp_path, recipe=shorter, watch=watching(tmp_path, Disturbing()))
    assert read_tsv(tmp_path / "watched" / HISTORY) == {"epoch": [0, 1], "score": [0, 1]}
    assert len(list((tmp_path / "watched" / PICTURES).iterdir())) == 2
    assert not (tmp_path / "watched" / BEST).exists()


def test_the_best_epoch_is_kept_and_marked(
    corpus: DecodedCorpus, plain: dict[str, bytes], tmp_path: Path
) -> None:
    weights: list[dict[str, torch.Tensor]] = []
    scores = iter([9.0, 1.0, 3.0, 3.0])  # the untrained one is never the best, nor a later equal

    def ask(method: Method) -> Seen:
        weights.append({name: t.clone() for name, t in method.state_dict().items()})
        return Seen({"other": 0.0, "score": next(scores)}, np.zeros((2, 2, 3), np.uint8))

    run(corpus, tmp_path, watch=watching(tmp_path, ask, best="score"))
    assert left(tmp_path) == plain
    kept = tmp_path / "watched" / BEST
    assert read_metadata(kept)["chosen"] == "best score of validation: 3 after epoch 2"
    found = load_weights(kept).state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in weights[2].items())
    assert read_tsv(tmp_path / "watched" / HISTORY)["best"] == [0, 0, 1, 0]
    last = load_weights(tmp_path / "run/weights.safetensors").state_dict()
    assert all(torch.equal(last[name], tensor) for name, tensor in weights[3].items())
    assert "chosen" not in read_metadata(tmp_path / "run/weights.safetensors")


def test_a_score_that_there_is_not_is_told_before_any_step(
    corpus: DecodedCorpus, tmp_path: Path
) -> None:
    events = Noted()
    with pytest.raises(InputError, match=r"watch\.best: found 'cIoU', expected one of score"):
        run(corpus, tmp_path, watch=watching(tmp_path, Disturbing(), "cIoU", events, every=1))
    assert not events.seen and not (tmp_path / "work/checkpoint.pt").exists()


def _rank(corpus: DecodedCorpus, folder: Path) -> None:
    for name, change in (("apart", {}), ("together", {"sync_batch_norm": True})):
        recipe = replace(RECIPE, **change)
        run(corpus, folder / f"{name}-plain", recipe=recipe)
        watch = None
        if ranks.rank() == 0:
            clips = folder / "clips.txt"
            clips.write_text("".join(f"{clip}\n" for clip in corpus.clip_ids))
            ask = Validation(open_validation(str(clips), folder, corpus), corpus)
            watch = watching(folder / name, ask, "R@1_a2i")
        run(corpus, folder / name, recipe=recipe, watch=watch)


def test_one_of_two_ranks_looks(corpus: DecodedCorpus, tmp_path: Path) -> None:
    run_ranks(_rank, corpus, tmp_path)
    for name in ("apart", "together"):
        assert left(tmp_path / name) == left(tmp_path / f"{name}-plain")
        assert read_tsv(tmp_path / name / "watched" / HISTORY)["epoch"] == [0, 1, 2, 3]


def test_a_compiled_training_is_looked_at(
    corpus: DecodedCorpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = torch.compile
    monkeypatch.setattr(torch, "compile", partial(compiled, backend="aot_eager"))
    recipe = replace(RECIPE, epochs=1, compile=True)
    run(corpus, tmp_path / "plain", recipe=recipe)
    run(corpus, tmp_path, recipe=recipe, watch=watching(tmp_path, Disturbing()))
    assert left(tmp_path) == left(tmp_path / "plain")
