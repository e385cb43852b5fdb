"""Every stage, killed or stopped at any moment and run again, ends in the bytes of an undisturbed
run.

`AVLOC_TRUST=full pytest -m trust` kills each stage at 20 random moments and changes a parameter
after a kill; the short form kills each once.
"""

import hashlib
import os
import random
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stage_project import FULL, STAGES, StageProject, stage_project, write_table

pytestmark = pytest.mark.trust

KILLS = 20 if FULL else 1
# A section and what in it changes the stage's bytes.
CHANGED: dict[str, tuple[str, dict[str, Any]]] = {
    "toy": ("toy.toy", {"seed": 1}),
    "decode": ("toy.decode", {"side": 36}),
    "spectrograms": ("toy.forms.alignment", {"bands": 16}),
    "encoder-sounds": ("toy.forms.vggsound", {"hop": 400}),
    "linked": ("toy.forms.ezvsl", {"bands": 48}),
    "encoders": ("toy.encoders", {"seed": 8}),
    "embed-image": ("toy.embed", {"side": 36}),
    "embed-audio": ("toy.embed", {"sound_seconds": 0.5}),
    "training-list": ("toy.training_list", {"shortest_seconds": 0.5, "leave_out_still": True}),
    "neighbours": ("toy.neighbours", {"k": 4}),
    "train": ("toy.methods.alignment", {"temperature": 0.1}),
    "tests": ("active.tests", {"toy": ["scenes", "vggss"]}),
    "evaluate": ("toy.evaluate", {"seed": 1}),
}
# A signal at some moment of each stage, and how large a file may become there: less than the
# stage's largest, so that a write fails as it does on a full disk.
BOTH = (signal.SIGINT, signal.SIGTERM)
STOPPED = (
    [(stage, signum) for stage in STAGES for signum in BOTH]
    if FULL
    else [
        ("decode", signal.SIGINT),
        ("spectrograms", signal.SIGTERM),
        ("train", signal.SIGTERM),
    ]
)
SOON = 5.0  # s
LARGEST = {
    "toy": 2000,
    "decode": 20_000,
    "spectrograms": 10_000,
    "encoder-sounds": 1000,  # what is linked is not written
    "linked": 1000,
    "encoders": 50_000,
    "embed-image": 5000,
    "embed-audio": 5000,
    "training-list": 200,
    "neighbours": 600,
    "train": 10_000,
    "tests": 50,
    "evaluate": 2000,
}


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
        if not name.endswith(".partial"):
            assert found == expected[name], f"{stage}: {name} is half-written"


def changed_parameter(project: StageProject, stage: str, dice: random.Random) -> bool:
    """Whether a changed parameter after a kill gives what it gives without one."""
    section, changes = CHANGED[stage]
    project.write_params(section, **changes)
    project.remove_all(stage)
    seconds = project.finish(stage)["seconds"]
    expected = project.hashes(stage)
    project.write_params()
    kill(project, stage, dice, seconds)
    project.write_params(section, **changes)
    project.finish(stage)
    equal = project.hashes(stage) == expected
    project.write_params()
    return equal


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StageProject]:
    """The project after an undisturbed run of every stage."""
    with stage_project(tmp_path_factory.mktemp("project")) as made:
        for stage in STAGES:
            made.seconds[stage] = made.finish(stage)["seconds"]
            made.expected[stage] = made.hashes(stage)
            assert made.expected[stage]
        yield made


def test_every_stage_survives_kills(project: StageProject) -> None:
    lines = [f"{'stage':12}{'seconds':>8}{'kills':>7}{'resumed':>9}{'equal':>7}  changed parameter"]
    for stage in STAGES:
        dice = random.Random(f"{stage} is killed")
        expected, seconds = project.expected[stage], project.seconds[stage]
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
            assert not list((project.folder / "data").rglob("*.partial"))
        lines.append(f"{stage:12}{seconds:8.2f}{KILLS:7}{resumed:9}{equal:7}  {stale}")
        write_table("kills", lines)


def test_no_stage_writes_into_what_the_cache_holds(
    project: StageProject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Outputs lie in DVC's cache as hard links, and may still lie there when a stage begins: those
    that persist, and all of a stage that is run by hand. Another parameter, a kill on the way, the
    end, and back again leave every file of the cache as it was."""
    held: dict[Path, str] = {}
    for stage in STAGES:
        project.finish(stage)
        output = project.output(stage)
        cache = tmp_path_factory.mktemp("cache")
        files = sorted(p for p in [output, *output.rglob("*")] if p.is_file())
        for number, path in enumerate(files):
            entry = cache / str(number)
            os.link(path, entry)
            entry.chmod(0o444)  # as DVC leaves it; to an administrator it says nothing
            held[entry] = hashlib.sha256(entry.read_bytes()).hexdigest()
    assert len(held) > len(STAGES)
    for stage in STAGES:
        dice = random.Random(f"{stage} on hard links")
        section, changes = CHANGED[stage]
        for settings in (changes, {}):
            project.write_params(*([section] if settings else []), **settings)
            moment = dice.uniform(0.2, 0.8) * project.seconds[stage]
            project.run(stage, after=moment, signal=signal.SIGKILL)
            project.finish(stage)
        assert project.hashes(stage) == project.expected[stage], stage
    for entry, expected in held.items():
        assert hashlib.sha256(entry.read_bytes()).hexdigest() == expected, entry


def the_line(said: str) -> str:
    """The one line of a stage that was stopped, without the progress that it told before."""
    assert "Traceback" not in said, said
    (line,) = (line for line in said.splitlines() if line.startswith(("stopped", "error")))
    return line


@pytest.mark.parametrize(("stage", "signum"), STOPPED)
def test_a_full_disk_and_a_signal_end_a_stage_in_one_line(
    project: StageProject, stage: str, signum: signal.Signals
) -> None:
    project.remove_all(stage)
    ended = project.run(stage, largest_file=LARGEST[stage])
    line = the_line(ended["said"])
    assert ended["code"] == 1 and "File too large" in line, line
    assert line.startswith(("error: data/", f"error: {tempfile.gettempdir()}")), line
    dice = random.Random(f"{stage} {signum}")
    for _ in range(50):
        ended = project.run(
            stage,
            after=dice.uniform(0.1, 0.8) * project.seconds[stage],
            signal=signum,
            # A terminal sends Ctrl-C to every process of the command, `kill` to one.
            group=signum == signal.SIGINT,
        )
        if ended["code"] != 0:
            break
        project.remove_all(stage)
    line = f"stopped by {signum.name}; the same command goes on from what is done"
    assert (ended["code"], the_line(ended["said"])) == (128 + signum, line)
    if FULL:  # with nothing else on the machine
        assert ended["seconds"] < SOON
    project.finish(stage)
    assert project.hashes(stage) == project.expected[stage]
    assert not list((project.folder / "data").rglob("*.partial")), stage
