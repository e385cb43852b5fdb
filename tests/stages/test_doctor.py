"""`avloc doctor`: each thing a line, what is off with what to do, and the toy's scores."""

import json
import random
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest
from running import Avloc

from pipeline.base.code import ROOT
from pipeline.base.files import read_json, write_json
from pipeline.execution import installation
from pipeline.report.expected import EXPECTED, compared, verdict, write_expected

RUN = "data/runs/toy/alignment-full-0/run.json"
SCORES = "data/report/scores.json"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder with the committed expectation, of known scores, and no run."""
    for name in ("params.yaml", "dvc.yaml", str(EXPECTED)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text((ROOT / name).read_text())
    known = {"cIoU_adaptive": (79.6, 3.4, 77.0, 82.9), "swap": (69.9, 7.1, 63.7, 76.1)}
    scores = {
        name: dict(zip(("mean", "half", "low", "high"), values, strict=True))
        for name, values in known.items()
    }
    expected = {**read_json(tmp_path / EXPECTED), "seeds": 5, "scores": scores}
    write_json(tmp_path / EXPECTED, expected)
    (tmp_path / ".dvc").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(installation, "ROOT", tmp_path)
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    return tmp_path


def scored(project: Path, swap: float = 70.0, **recipe: Any) -> None:
    """A finished run with the expected settings, but for `recipe`."""
    known = read_json(project / EXPECTED)
    parts = {"method": known["method"], "settings": known["settings"]}
    write_json(project / RUN, {**parts, "recipe": {**known["recipe"], "threads": 9, **recipe}})
    headline = {"scenes": {"cIoU_adaptive": 76.0, "swap": swap}, "vggss": {"cIoU": 1.0}}
    write_json(project / SCORES, headline)


def test_a_whole_installation_is_fine(
    project: Path, avloc: Avloc, capsys: pytest.CaptureFixture[str]
) -> None:
    assert avloc("doctor") == 0
    told = capsys.readouterr().out.splitlines()
    names = [line.split()[0] for line in told]
    things = "python packages code device search media cores memory disk project scores"
    assert names == things.split()
    assert told[-1].endswith("none yet; dvc repro makes them")


def test_scores_are_compared_and_what_is_off_fails(
    project: Path, avloc: Avloc, capsys: pytest.CaptureFixture[str]
) -> None:
    scored(project)
    assert avloc("doctor") == 0
    told = capsys.readouterr().out
    assert "cIoU_adaptive 76.0, expected 71.3 to 87.9" in told and "swap 70.0" in told
    scored(project, swap=20.0)
    assert avloc("doctor") == 1
    said = capsys.readouterr()
    assert "! score      swap 20.0, expected 52.5 to 87.3: git status shows" in said.out
    assert said.err == "error: 1 of the above is off, marked with !\n"
    scored(project, epochs=2)
    assert avloc("doctor") == 0
    assert "nothing to compare with, other settings: epochs 2 (24)" in capsys.readouterr().out


def test_packages_that_are_wrong_are_named_and_not_imported(
    project: Path,
    avloc: Avloc,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def version(name: str) -> str:
        if name in ("timm", "faiss-gpu"):
            raise PackageNotFoundError(name)
        return fake[name] if name in fake else real(name)

    real, fake = installation.version, {"torch": "1.0", "faiss-cpu": "1.15.1"}
    monkeypatch.setattr(installation, "version", version)
    monkeypatch.setattr(installation, "_torch", None)
    assert avloc("doctor") == 1
    line = next(line for line in capsys.readouterr().out.splitlines() if "packages" in line)
    assert line == "! packages   torch 1.0, expected ==2.11.*; timm is missing: pip install -e ."


def test_outside_of_a_project_and_with_a_slip(
    project: Path,
    avloc: Avloc,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(text.replace("    epochs: 24", "    epocs: 24"))
    assert avloc("doctor") == 1
    assert "! project    params.yaml: toy.train.epocs: unknown key" in capsys.readouterr().out
    (project / "elsewhere").mkdir()
    monkeypatch.chdir(project / "elsewhere")
    assert avloc("doctor") == 1
    assert "no params.yaml, dvc.yaml, .dvc here: run avloc in" in capsys.readouterr().out


def test_the_file_is_made_of_seeds(project: Path, avloc: Avloc) -> None:
    for place, seed in enumerate((200, 201, 202)):
        folder = f"toy/alignment-A-{seed}"
        scores = {"cIoU": 1.0, "cIoU_adaptive": 79.0 + place, "swap": 70.0, "both": 50.0 - place}
        write_json(project / f"data/results/{folder}/toy-test/metrics.json", {"scenes": scores})
        write_json(
            project / f"data/runs/{folder}/run.json",
            {"method": "alignment", "settings": {"k": 20}, "recipe": {"epochs": 26, "threads": 1}},
        )
    assert avloc("doctor", "--expected-from", "A") == 0
    made = json.loads((project / EXPECTED).read_text())
    assert made["seeds"] == 3 and list(made["scores"]) == ["cIoU_adaptive", "swap", "both"]
    # Student's quantile for two degrees of freedom is 4.303; the deviation is 1.
    assert made["scores"]["cIoU_adaptive"] == {"mean": 80, "half": 2.48, "low": 79, "high": 81}
    assert made["recipe"] == {"epochs": 26}
    assert avloc("doctor", "--expected-from", "B") == 1


def test_one_more_seed_lies_in_the_range_as_often_as_it_says(tmp_path: Path) -> None:
    dice = random.Random(5)
    run = {"method": "m", "settings": {}, "recipe": {}}
    inside = 0
    for _ in range(400):
        seeds = [{"swap": dice.gauss(60, 4)} for _ in range(5)]
        write_expected(tmp_path / "x.json", "scenes", seeds, run)
        (score,) = compared(tmp_path / "x.json", {"scenes": {"swap": dice.gauss(60, 4)}}, run)
        inside += score.right
    assert 0.92 < inside / 400 < 0.98


def test_the_sentence_at_the_end_of_a_report(project: Path) -> None:
    scored(project)
    run = read_json(project / RUN)
    assert verdict(compared(EXPECTED, read_json(project / SCORES), run)).startswith(
        "The scores are as expected, 2 of 2"
    )
    wrong = {"scenes": {"cIoU_adaptive": 5.0, "swap": 70.0}}
    assert verdict(compared(EXPECTED, wrong, run)).startswith(
        "1 of 2 scores are not as expected: cIoU_adaptive 5.0, expected 71.3 to 87.9"
    )
    published = {"method": "alignment", "label": "", "list": "x"}
    assert compared(EXPECTED, wrong, published) == []
