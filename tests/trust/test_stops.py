"""Ctrl-C, SIGTERM and a disk that fills: one line, soon, and the next run goes on from there."""

import random
import signal
from collections.abc import Iterator

import pytest
from stage_project import FULL, STAGES, StageProject, stage_project

pytestmark = pytest.mark.trust

SOON = 5.0  # s, on an idle machine; asserted only where it is measured without competition
# Bytes, less than the stage's largest file: what is written past them fails as on a full disk.
LARGEST = {
    "toy": 2000,
    "decode": 20_000,
    "encoders": 50_000,
    "embed": 1000,
    "neighbours": 200,
    "train": 10_000,
    "evaluate": 500,
}
STOPPED = tuple(STAGES) if FULL else ("decode", "train")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StageProject]:
    """The project after one undisturbed run of every stage that the tests disturb."""
    with stage_project(tmp_path_factory.mktemp("project")) as made:
        last = max(list(STAGES).index(stage) for stage in STOPPED)
        for stage in list(STAGES)[: last + 1]:
            made.finish(stage)
        yield made


def lines(said: str) -> list[str]:
    """What a stage said, without the progress that it told before."""
    kept = [line for line in said.splitlines() if line.startswith(("stopped", "error"))]
    assert "Traceback" not in said, said
    return kept


@pytest.mark.parametrize("stage", STOPPED)
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT], ids=lambda s: s.name)
def test_a_signal_ends_a_stage_in_one_line(
    project: StageProject, stage: str, signum: signal.Signals
) -> None:
    expected = project.hashes(stage)
    dice = random.Random(f"{stage} {signum}")
    project.remove_all(stage)
    seconds = project.finish(stage)["seconds"]
    for _ in range(50):
        project.remove_all(stage)
        # A terminal sends Ctrl-C to every process of the command, `kill` to one.
        ended = project.run(
            stage,
            after=dice.uniform(0.2, 0.9) * seconds,
            signal=signum,
            group=signum == signal.SIGINT,
        )
        if ended["code"] != 0:
            break
    assert ended["code"] == 128 + signum, ended
    told = lines(ended["said"])
    assert told == [f"stopped by {signum.name}; the same command goes on from what is done"]
    assert not list((project.folder / "data").rglob("*.partial")), stage
    if FULL:
        assert ended["seconds"] < SOON
    project.finish(stage)
    assert project.hashes(stage) == expected


@pytest.mark.parametrize("stage", STOPPED)
def test_a_disk_that_fills_ends_a_stage_in_one_line(project: StageProject, stage: str) -> None:
    expected = project.hashes(stage)
    project.remove_all(stage)
    ended = project.run(stage, largest_file=LARGEST[stage])
    assert ended["code"] == 1, ended
    (told,) = lines(ended["said"])
    assert told.startswith("error: ") and "data/" in told and "File too large" in told, told
    project.finish(stage)
    assert project.hashes(stage) == expected
