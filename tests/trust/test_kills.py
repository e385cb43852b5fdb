"""Every stage, killed at any moment and run again, ends in the bytes of an undisturbed run.

`AVLOC_TRUST=full pytest -m trust` kills each stage at 20 random moments and changes a parameter
after a kill; the short form kills each once.
"""

import random
import signal
from pathlib import Path
from typing import Any

import pytest
from stage_project import FULL, STAGES, StageProject, stage_project, write_table

pytestmark = pytest.mark.trust

KILLS = 20 if FULL else 1
# A parameter of each stage that changes its bytes.
CHANGED: dict[str, dict[str, Any]] = {
    "toy": {"seed": 1},
    "decode": {"bands": 32},
    "encoders": {"seed": 8},
    "embed": {"sound_seconds": 0.5},
    "neighbours": {"k": 4},
    "train": {"temperature": 0.1},
    "evaluate": {"seed": 1},
}
# Grows line by line while the stage runs, and is whole at every moment.
GROWING = {"history.tsv"}


def kill(project: StageProject, stage: str, dice: random.Random, seconds: float) -> float:
    """Kill a clean run of the stage at a moment drawn over `seconds`; gives the moment."""
    for _ in range(50):
        project.remove_all(stage)
        moment = dice.uniform(0, seconds)
        if project.run(stage, after=moment, signal=signal.SIGKILL)["code"] == -signal.SIGKILL:
            return moment
    raise AssertionError(f"{stage}: always over before it could be killed")


def check_nothing_half_written(project: StageProject, stage: str, expected: dict[str, str]) -> None:
    """What lies under a final name after a kill is what an undisturbed run would have written."""
    for name, found in project.hashes(stage).items():
        if not name.endswith(".partial") and Path(name).name not in GROWING:
            assert found == expected[name], f"{stage}: {name} is half-written"


def changed_parameter(project: StageProject, stage: str, dice: random.Random) -> bool:
    """Whether a changed parameter after a kill gives what it gives without one."""
    section = stage
    project.write_params(section, **CHANGED[stage])
    project.remove_all(stage)
    seconds = project.finish(stage)["seconds"]
    expected = project.hashes(stage)
    project.write_params()
    kill(project, stage, dice, seconds)
    project.write_params(section, **CHANGED[stage])
    project.finish(stage)
    equal = project.hashes(stage) == expected
    project.write_params()
    return equal


def test_every_stage_survives_kills(tmp_path: Path) -> None:
    lines = [f"{'stage':12}{'seconds':>8}{'kills':>7}{'resumed':>9}{'equal':>7}  changed parameter"]
    with stage_project(tmp_path) as project:
        for stage in STAGES:
            dice = random.Random(f"{stage} is killed")
            seconds = project.finish(stage)["seconds"]
            expected = project.hashes(stage)
            assert expected
            stale = "not tried"
            if FULL:
                assert changed_parameter(project, stage, dice), f"{stage}: resumed from stale work"
                stale = "equal"
            resumed = equal = 0
            for number in range(KILLS):
                moment = kill(project, stage, dice, seconds)
                check_nothing_half_written(project, stage, expected)
                if number % 2:  # as DVC does; the other half is run again by hand
                    project.remove_output(stage)
                said = project.finish(stage)["said"]
                resumed += "resuming" in said or "shards are done" in said
                found = project.hashes(stage)
                assert found == expected, f"{stage}: killed after {moment:.3f} of {seconds:.3f} s"
                equal += 1
                assert not list((tmp_path / "data").rglob("*.partial"))
            lines.append(f"{stage:12}{seconds:8.2f}{KILLS:7}{resumed:9}{equal:7}  {stale}")
    write_table("kills", lines)
