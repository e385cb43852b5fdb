"""Which stage of how many, and how long the rest takes."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.repo import Repo
from dvc.stage import PipelineStage

from pipeline.base.code import ROOT
from pipeline.base.files import read_json
from pipeline.errors import InputError
from pipeline.execution import plan

PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text())


def test_stages_are_those_that_dvc_resolves() -> None:
    with Repo(str(ROOT)) as repo:
        stages = [s for s in repo.index.stages if isinstance(s, PipelineStage)]
    own = plan.stage_commands(plan.read_stages(ROOT), PARAMS)
    assert own == [str(stage.cmd).removeprefix("avloc ") for stage in stages]


@pytest.mark.parametrize("study", PARAMS["studies"])
def test_each_stage_of_each_study_has_a_command_of_its_own(study: str) -> None:
    params = {**PARAMS, "active": PARAMS["studies"][study]}
    commands = plan.stage_commands(plan.read_stages(ROOT), params)
    assert len(set(commands)) == len(commands) >= 14
    assert commands[0] == "corpus ready" and commands[-1] == "report"
    assert not any("$" in command or command.startswith("avloc ") for command in commands)


def test_every_stage_of_the_toys_has_seconds() -> None:
    measured = read_json(plan.MEASURED)
    for name, study in PARAMS["studies"].items():
        if study["settings"] == plan.TOY:
            commands = plan.stage_commands(plan.read_stages(ROOT), {**PARAMS, "active": study})
            assert plan.seconds_left(commands, {}, measured), name
    toy = plan.stage_commands(plan.read_stages(ROOT), PARAMS)
    assert 240 < (plan.seconds_left(toy, {}, measured) or 0) < 420  # README.md: five minutes


def test_stages_of_a_list_of_mappings() -> None:
    each = {"foreach": "${active.maps}", "do": {"cmd": "avloc score ${item.name} ${item.on}"}}
    maps = [{"name": "a", "on": "x"}, {"name": "b", "on": "y"}]
    found = plan.stage_commands({"score": each}, {"active": {"maps": maps}})
    assert found == ["score a x", "score b y"]


def test_a_hole_that_names_nothing() -> None:
    with pytest.raises(InputError, match=r"\$\{active.nothing\}: params.yaml holds no such"):
        plan.stage_commands({"a": {"cmd": "avloc a ${active.nothing}"}}, {"active": {}})


MEASURED = {"toy *": 60.0, "train a *": 100.0, "train *": 50.0}


def test_what_a_machine_took_counts_more_than_what_another_did() -> None:
    left = ["train a full 0", "train b full 0"]
    assert plan.seconds_left(left, {}, MEASURED) == 150
    # Two thirds as fast: 60 s more than is measured, and 60 s that are taken for equal.
    assert plan.seconds_left(left, {"toy toy": 120.0}, MEASURED) == 225
    took = {"toy toy": 120.0, "train a full 0": 240.0}
    assert plan.seconds_left(left, took, MEASURED) == pytest.approx(240 + 50 * 420 / 220)
    assert plan.seconds_left([*left, "report"], took, MEASURED) is None
    assert plan.seconds_left([*left, "report"], {**took, "report": 1.0}, MEASURED) is not None


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (None, "stage 7 of 26"),
        (20.0, "stage 7 of 26, less than a minute left"),
        (350.0, "stage 7 of 26, about 6 min left"),
        (7500.0, "stage 7 of 26, about 2 h 5 min left"),
    ],
)
def test_words_of_a_line(seconds: float | None, told: str) -> None:
    assert plan.describe(7, 26, seconds) == told


def project(folder: Path, active: dict[str, Any]) -> None:
    (folder / "dvc.yaml").write_text((ROOT / "dvc.yaml").read_text())
    (folder / "params.yaml").write_text(yaml.safe_dump({**PARAMS, "active": active}))


def test_a_stage_says_where_it_stands(tmp_path: Path) -> None:
    project(tmp_path, PARAMS["studies"]["toy"])
    assert plan.announce("corpus ready", tmp_path) == "stage 1 of 29, about 5 min left"
    assert plan.announce("train alignment full 0", tmp_path) == "stage 19 of 29, about 2 min left"
    assert plan.announce("train alignment full 7", tmp_path) is None
    plan.keep("train alignment full 0", 1000.0, tmp_path)
    assert plan.kept_seconds(tmp_path) == {"train alignment full 0": 1000.0}
    assert (plan.announce("train alignment full 0", tmp_path) or "").endswith("about 24 min left")


def test_of_real_data_nothing_is_guessed(tmp_path: Path) -> None:
    project(tmp_path, PARAMS["studies"]["vggsound-alone"])
    assert plan.announce("decode vggsound", tmp_path) == "stage 2 of 14"
    for command in plan.stage_commands(
        plan.read_stages(tmp_path), {**PARAMS, "active": PARAMS["studies"]["vggsound-alone"]}
    ):
        plan.keep(command, 3600.0, tmp_path)
    assert plan.announce("decode vggsound", tmp_path) == "stage 2 of 14, about 13 h 0 min left"
