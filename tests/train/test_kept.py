"""Checkpoints within an epoch: the same bytes however a run was stopped, SIGTERM answered within
its deadline, and a run that goes on with another number of ranks."""

import contextlib
import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from step_of_loop import RECIPE, made_corpus, run
from torch import Tensor
from two_ranks import run_ranks

from pipeline.clips.decoded import DecodedCorpus
from pipeline.execution.stopping import Stopping
from pipeline.networks import ranks
from pipeline.train.step import Prepared, Stepper

STEPS = 9  # three epochs of three
SYNCHRONISED = replace(RECIPE, sync_batch_norm=True)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> DecodedCorpus:
    torch.set_num_threads(1)
    return made_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def undisturbed(corpus: DecodedCorpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    run(corpus, folder)
    return folder


class _KilledError(Exception):
    """What takes the place of a kill."""


class _Stopped(BaseException):
    """As a command answers SIGTERM."""


class _Begun(list[int]):
    """The numbers of steps that were begun, and the losses of those that ended."""

    def __init__(self) -> None:
        super().__init__()
        self.losses: list[float] = []


@contextlib.contextmanager
def _answered() -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise _Stopped

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _at_step(number: int, happens: Callable[[], None]) -> Iterator[_Begun]:
    """`happens` in the step of this number, from 1; gives the steps that were begun."""
    plain, begun = Stepper.take, _Begun()

    def step(self: Stepper, prepared: Prepared) -> Tensor:
        begun.append(prepared.moment.step + 1)
        if prepared.moment.step + 1 == number:
            happens()
        losses = plain(self, prepared)
        begun.losses.append(float(losses[0]))
        return losses

    Stepper.take = step  # type: ignore[method-assign]
    try:
        yield begun
    finally:
        Stepper.take = plain  # type: ignore[method-assign]


def _kill() -> None:
    raise _KilledError


def _terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "run").iterdir())}


@pytest.mark.parametrize("killed_in", [2, 3, 6])
def test_a_run_goes_on_within_an_epoch_to_the_same_bytes(
    corpus: DecodedCorpus, tmp_path: Path, undisturbed: Path, killed_in: int
) -> None:
    with pytest.raises(_KilledError), _at_step(killed_in, _kill):
        run(corpus, tmp_path, keep_every=0.0)
    with _at_step(0, _kill) as begun:
        run(corpus, tmp_path)
    assert begun == list(range(killed_in, STEPS + 1))  # what was kept is not done again
    assert _bytes(tmp_path) == _bytes(undisturbed)


def test_without_minutes_the_last_whole_epoch_is_kept(
    corpus: DecodedCorpus, tmp_path: Path
) -> None:
    with pytest.raises(_KilledError), _at_step(6, _kill):
        run(corpus, tmp_path)
    with _at_step(0, _kill) as begun:
        run(corpus, tmp_path)
    assert begun == [4, 5, 6, 7, 8, 9]


@pytest.mark.parametrize("stopped_in", [1, 5, 6])
def test_sigterm_finishes_the_step_and_keeps_it(
    corpus: DecodedCorpus,
    tmp_path: Path,
    undisturbed: Path,
    capsys: pytest.CaptureFixture[str],
    stopped_in: int,
) -> None:
    with _answered():
        with pytest.raises(_Stopped), _at_step(stopped_in, _terminate) as begun:
            run(corpus, tmp_path)
        assert begun[-1] == stopped_in
        assert f"step {stopped_in} of {STEPS} is kept" in capsys.readouterr().err
        with _at_step(0, _kill) as begun:
            run(corpus, tmp_path)
    assert begun == list(range(stopped_in + 1, STEPS + 1))
    assert _bytes(tmp_path) == _bytes(undisturbed)


def test_sigterm_in_the_last_step_ends_the_run_as_ever(
    corpus: DecodedCorpus, tmp_path: Path, undisturbed: Path
) -> None:
    with _answered(), _at_step(STEPS, _terminate):
        run(corpus, tmp_path)
    assert _bytes(tmp_path) == _bytes(undisturbed)


def test_a_step_that_outlasts_the_deadline_is_broken_off(
    corpus: DecodedCorpus, tmp_path: Path
) -> None:
    def last() -> None:
        _terminate()
        while True:
            time.sleep(1)

    with _answered(), pytest.raises(_Stopped), _at_step(5, last):
        run(corpus, tmp_path, stop_within=0.01)
    with _at_step(0, _kill) as begun:
        run(corpus, tmp_path)
    assert begun[0] == 4  # after the last whole epoch


def test_further_signals_change_nothing_and_handlers_come_back() -> None:
    with _answered():
        before = signal.getsignal(signal.SIGTERM)
        with pytest.raises(_Stopped), Stopping(60) as stopping:
            assert not stopping.asked and stopping.seconds == 0
            _terminate()
            _terminate()
            assert stopping.asked
            stopping.end()
        assert signal.getsignal(signal.SIGTERM) is before
        assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


# --- several ranks -----------------------------------------------------------------------------


def _ranks(corpus: DecodedCorpus, output: Path) -> None:
    def killed(folder: Path, **options: Any) -> None:
        with contextlib.suppress(_KilledError), _at_step(5, _kill):
            run(corpus, folder, keep_every=0.0, **options)

    def goes_on(name: str) -> None:
        with _at_step(0, _kill) as begun:
            run(corpus, output / name, recipe=SYNCHRONISED)
        assert begun == [5, 6, 7, 8, 9]
        if ranks.rank() == 0:
            (output / f"{name}.json").write_text(json.dumps(begun.losses))

    run(corpus, output / "whole")
    killed(output / "again")
    run(corpus, output / "again")
    killed(output / "of-two", recipe=SYNCHRONISED)
    if ranks.rank() == 0:
        shutil.copytree(output / "of-two", output / "two-two")
    ranks.all_values(None)
    goes_on("two-two")
    goes_on("one-two")
    told = _terminate if ranks.rank() else lambda: None  # one alone, and both keep the same step
    with _answered(), contextlib.suppress(_Stopped), _at_step(5, told):
        run(corpus, output / "told")
    ranks.all_values(None)


def test_a_run_goes_on_with_another_number_of_ranks(
    corpus: DecodedCorpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(_KilledError), _at_step(5, _kill):
        run(corpus, tmp_path / "of-one", recipe=SYNCHRONISED, keep_every=0.0)
    shutil.copytree(tmp_path / "of-one", tmp_path / "one-two")
    run_ranks(_ranks, corpus, tmp_path)
    # As many ranks as before: equal bytes, with statistics of each rank's own part too.
    assert _bytes(tmp_path / "again") == _bytes(tmp_path / "whole")
    # Another number: the same clips in the same order, so that the next step's loss is the same;
    # from then on rounding grows, as it does between ranks from a run's first step on.
    for one, other in (("of-one", "one-two"), ("of-two", "two-two")):
        with _at_step(0, _kill) as begun:
            run(corpus, tmp_path / one, recipe=SYNCHRONISED)
        assert begun == [5, 6, 7, 8, 9]
        losses = json.loads((tmp_path / f"{other}.json").read_text())
        assert begun.losses[0] == pytest.approx(losses[0], rel=1e-5), other
        assert begun.losses == pytest.approx(losses, rel=1e-2), other
    capsys.readouterr()
    with _at_step(0, _kill) as begun:
        run(corpus, tmp_path / "told")
    assert begun == [6, 7, 8, 9]
    assert "ranks 1 in place of 2" in capsys.readouterr().err
