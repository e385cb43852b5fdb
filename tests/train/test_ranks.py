"""Ranks change nothing: two of them give the single process's loss, gradients and history."""

import contextlib
import functools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from step_of_loop import (
    CPU,
    RECIPE,
    ROWS,
    SEED,
    SETTINGS,
    made_corpus,
    neighbours,
    one_step,
    run,
)
from two_ranks import run_ranks

from pipeline.clips.decoded import DecodedCorpus
from pipeline.errors import InputError
from pipeline.methods.alignment import Alignment
from pipeline.methods.contract import Dice, Moment
from pipeline.networks import ranks
from pipeline.train.batches import TrainingSet
from pipeline.train.step import Stepper

# Each variant changes the method's settings and the loop's.
VARIANTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "mean": ({"pooling": "mean"}, {}),
    "top": ({"pooling": "top", "symmetric": True}, {}),
    "trimap": ({"pooling": "trimap", "symmetric": True}, {}),
    "cached": ({"pooling": "mean"}, {"cache_gradients": True}),
    "compiled": ({"pooling": "mean"}, {"compile": True}),
}


class _KilledError(Exception):
    """What takes the place of a kill."""


def _kill(epoch: int) -> None:
    raise _KilledError


def _rank(corpus: DecodedCorpus, output: Path) -> None:
    torch.compile = functools.partial(torch.compile, backend="aot_eager")
    for name, (learnt, computed) in VARIANTS.items():
        settings = replace(SETTINGS, **learnt)
        method = Alignment(settings, corpus.form, seed=1).train()
        ranks.synchronize_batch_norm(method)
        clips = TrainingSet(
            corpus, ROWS, neighbours(), method.inputs(), seconds=settings.seconds,
            batch=RECIPE.batch, epochs=1, seed=0, part=ranks.rank(), parts=ranks.count(),
        )  # fmt: skip
        stepper = Stepper(method, replace(RECIPE, **computed), SEED, CPU)
        dice = Dice(SEED, 0, ranks.rank(), ranks.count())
        losses = stepper.backward(stepper.views(clips[0], dice), dice, Moment(0, 9, 0, 3))
        ranks.average([p.grad for p in method.parameters()])
        ranks.average([losses])
        found = {n: p.grad for n, p in method.named_parameters()}
        found |= dict(method.named_buffers())
        torch.save({"losses": losses, **found}, output / f"{name}_{ranks.rank()}.pt")
    run(corpus, output / "split", recipe=replace(RECIPE, epochs=1, sync_batch_norm=True))

    # A folder of its own for each rank, so that one alone finds the checkpoint.
    def apart(**more: Any) -> None:
        folder = output / f"apart{ranks.rank()}"
        run(corpus, folder, recipe=replace(RECIPE, epochs=2), **more)

    with contextlib.suppress(_KilledError):
        apart(epoch_done=_kill)
    try:
        apart()
    except InputError as error:
        (output / f"refused_{ranks.rank()}").write_text(str(error))


def test_two_ranks_give_the_single_process_s_loss_and_gradients(tmp_path: Path) -> None:
    corpus = made_corpus(tmp_path / "corpus")
    run_ranks(_rank, corpus, tmp_path)
    for name, (learnt, _) in VARIANTS.items():
        losses, gradients, buffers = one_step(corpus, replace(SETTINGS, **learnt))
        for rank in range(2):
            found = torch.load(tmp_path / f"{name}_{rank}.pt", weights_only=True)
            torch.testing.assert_close(found["losses"], losses, atol=1e-5, rtol=1e-6)
            for part in (gradients, buffers):
                largest = max(float(expected.abs().max()) for expected in part.values())
                for key, expected in part.items():
                    apart = float((found[key] - expected).abs().max())
                    assert apart <= 1e-5 * largest, (name, key)
    run(corpus, tmp_path / "single", recipe=replace(RECIPE, epochs=1))
    split, single = (
        float((tmp_path / folder / "history.tsv").read_text().splitlines()[1].split("\t")[1])
        for folder in ("split/run", "single/run")
    )
    assert split == pytest.approx(single, rel=1e-3)
    for rank in range(2):
        told = (tmp_path / f"refused_{rank}").read_text()
        assert "found by the ranks after the steps 3, 0" in told
