"""`avloc plan`: a table of any study, and the study without benchmarks whose data are absent."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from data_project import ROOT, avloc, cells, project
from dvc.repo import Repo
from dvc.stage import PipelineStage

from pipeline.base.params import Parameters
from pipeline.base.study import active_study, all_studies
from pipeline.errors import InputError
from pipeline.speed.planning.left_out import absent_of, switched, without

STUDY = "vggsound-144k"


@pytest.fixture
def paper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project where VGGSound and its lists are, Flickr is without its annotations, and neither
    AVSBench nor IS3 is; with params.yaml as it comes."""
    project(tmp_path, "toy")
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    clip = "---g-f_I2yQ_000001"
    listed = {
        "vggss_144k.txt": f"{clip}\n",
        "vggss_test_plus_silent.csv": f"video,audio,label\n{clip},{clip},1\n",
    }
    box = {"bbox": [[0.1, 0.1, 0.5, 0.5]], "class": "a", "file": clip}
    listed["vggss.json"] = json.dumps([box])
    listed["flickr_test_plus_silent.csv"] = "video,audio,label\n1,1,1\n"
    for name, text in listed.items():
        (tmp_path / "data/annotations" / name).write_text(text)
    for name in (f"vggsound/{clip}.mp4", "flickr/frames/1.jpg", "flickr/audio/1.wav"):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows(output: str) -> dict[str, list[str]]:
    found = [cells(line) for line in output.splitlines() if line.startswith("│")]
    return {row[0]: row[1:] for row in found}


def test_a_study_has_a_row_for_each_stage_and_their_sum(paper: Path) -> None:
    result = avloc("plan", "toy", "--json", "plan.json")
    assert result.exit_code == 0, result.output
    found, plan = rows(result.output), json.loads(Path("plan.json").read_text())
    assert len(plan["stages"]) >= 28 and found["all"][1].endswith("min")
    assert found["train alignment full 0"][0].endswith(" clips")
    assert found["decode toy"][-1] == "two-cores"
    assert plan["seconds"] == pytest.approx(sum(stage["seconds"] for stage in plan["stages"]))
    # No figure of a GPU comes with the project.
    assert "on a GPU: not measured: run `avloc bench train --gpu" in result.output
    assert "absent" not in result.output.partition("on a GPU")[2]


def test_what_is_absent_is_told_with_the_edit_that_does_without(paper: Path) -> None:
    result = avloc("plan", STUDY)
    assert result.exit_code == 0, result.output
    needed, _, rest = result.output.partition("absent benchmarks")
    assert "data/encoders/published/H.pth.tar: not found" in needed
    assert "avsbench-s4, avsbench-ms3, avsbench-s4-boxes, avsbench-ms3-boxes: data/avsb" in rest
    assert "is3: data/is3: no such folder" in rest
    assert "\nactive:\n  <<: *vggsound-144k\n  corpora: {" in rest
    assert (paper / "params.yaml").read_text() == (ROOT / "params.yaml").read_text()


def test_a_study_without_absent_benchmarks_is_resolved_by_dvc(paper: Path) -> None:
    result = avloc("plan", STUDY, "--leave-out")
    assert result.exit_code == 0, result.output
    # All but the entry `active` stays as it was written.
    before, after = ((f / "params.yaml").read_text() for f in (ROOT, paper))
    assert after.partition("\nactive:")[0] == before.partition("\nactive:")[0]
    parameters = Parameters()
    study = active_study(parameters)
    assert next(iter(all_studies(parameters))) == f"{STUDY}-in-part"
    assert "is3" not in study.corpora and "avsbench" not in study.tests
    assert study.left_out["is3"] == "data/is3: no such folder"
    assert study.left_out["avsbench-s4"] == "data/avsbench: no such folder"
    assert set(study.runs) == {"full", "released"}
    with Repo(str(paper)) as repo:
        names = {stage.name for stage in repo.index.stages if isinstance(stage, PipelineStage)}
    assert "train@alignment-full-0" in names and "evaluate@alignment-full-0-vggss" in names
    assert not [name for name in names if "is3" in name or "avsbench" in name]
    # The stage that looks first finds nothing of what was left out, and names the way on.
    told = avloc("corpus", "ready")
    assert "data/is3" not in told.output and "data/avsbench" not in told.output
    assert "`avloc plan` tells what can be made without them" in told.output
    # Nothing is absent of what is left, so that asked again the file stays.
    assert "no benchmark is absent" in avloc("plan", "--leave-out").output
    assert (paper / "params.yaml").read_text() == after


def test_a_study_that_is_all_there_stays(paper: Path) -> None:
    result = avloc("plan", "toy", "--leave-out")
    assert "no benchmark is absent" in result.output
    assert (paper / "params.yaml").read_text() == (ROOT / "params.yaml").read_text()


def test_a_study_without_any_benchmark_is_none(paper: Path) -> None:
    result = avloc("plan", "vpo", "--leave-out")
    assert isinstance(result.exception, InputError)
    assert "all of its benchmarks are absent" in str(result.exception)


def test_corpora_that_are_trained_on_stay_and_maps_of_others_go() -> None:
    content: dict[str, Any] = {
        "corpora": {"a": 1, "b": 2, "c": 3},
        "tests": {"a": ["x"], "b": ["y", "z"], "c": ["w"]},
        "train_on": {"corpus": "a"},
        "index": ["c"],
        "maps": [{"name": "m", "corpus": "c"}, {"name": "n", "corpus": "b"}],
    }
    found = without(content, {"x": "gone; more", "w": "lost", "y": "torn"})
    assert found["corpora"] == {"a": 1, "b": 2} and found["tests"] == {"b": ["z"]}
    assert found["index"] == [] and [each["name"] for each in found["maps"]] == ["n"]
    assert found["left_out"] == {"x": "gone", "w": "lost", "y": "torn"}


@pytest.mark.parametrize("study", ["toy", STUDY, "methods-flickr", "own-or-none"])
def test_the_text_of_params_says_the_study_that_was_asked_for(study: str) -> None:
    text = (ROOT / "params.yaml").read_text()
    content = yaml.safe_load(text)
    own = content["studies"].get(study) or content["active"]
    changed = {**own, "seeds": [7], "left_out": {"a": "b: 'c', {d}"}}
    for old in (text, switched(text, study, own)):
        new = switched(old, study, changed)
        assert yaml.safe_load(new) == {**content, "active": changed}


def test_a_text_without_an_active_line_is_refused() -> None:
    with pytest.raises(InputError, match="no line that begins with active"):
        switched("studies: {a: {}}\n", "a", {})


def test_a_benchmark_is_not_tested_and_left_out_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(tmp_path, "toy", left_out={"scenes": "lost"})
    with pytest.raises(InputError, match="left_out: found scenes, which is tested on toy-test"):
        active_study(Parameters(tmp_path / "params.yaml"))


def test_nothing_is_fetched_to_tell_what_is_absent(paper: Path) -> None:
    study = all_studies(Parameters())[STUDY]
    found = absent_of(study, [])
    assert [line.partition(":")[0] for line in found.fetched] == ["data/encoders/published"]
    assert not (paper / "data/encoders").exists()
