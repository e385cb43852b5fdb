"""`avloc table`: the scores of seeds, of runs that are named and of a whole study."""

import re
from pathlib import Path

import pytest
import yaml

from pipeline.base.files import write_json
from pipeline.errors import InputError
from pipeline.execution.seconds import keep_seconds
from stages.table import table

ROOT = Path(__file__).resolve().parents[2]
SEEDS = (200, 201, 202)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two of three methods of the study of all methods, three seeds each, scored on the scenes."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["studies"]["methods"]["methods"] = ["lvs", "fnac", "dmc"]
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    for method, first in (("lvs", 40.0), ("fnac", 70.0)):
        for place, seed in enumerate(SEEDS):
            folder = f"toy/{method}-full-{seed}"
            value = first + place
            scores = {
                "cIoU": 1.0,
                "cIoU_published": value - 1,
                "cIoU_half": value - 2,
                "cIoU_adaptive": value,
                "cIoU_adaptive.centre": 34.9,
                "pointing_distractors": value + 1,
                "swap": value + 2,
                "class_R@1_a2i": value + 3,
                "class_R@1_i2a": value + 4,
            }
            path = tmp_path / "data/results" / folder / "toy-test/metrics.json"
            write_json(path, {"scenes": scores})
            history = tmp_path / "data/runs" / folder / "history.tsv"
            history.parent.mkdir(parents=True)
            history.write_text(f"epoch\tloss\n1\t{value}\n")
            if method == "lvs":
                keep_seconds(tmp_path / "data/work/train" / folder, history, 100.0 + 3 * place)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def with_maps(project: Path) -> Path:
    """The same study beside somebody's file of maps."""
    params = yaml.safe_load((project / "params.yaml").read_text())
    theirs = {"name": "theirs", "corpus": "toy-test", "file": "maps.npz", "label": "Theirs (2024)"}
    params["studies"]["methods"]["maps"] = [theirs]
    (project / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    scores = {"scenes": {"cIoU": 31.0, "cIoU_adaptive": 33.0}}
    write_json(project / "data/results/toy/theirs/toy-test/metrics.json", scores)
    return project


def _rows(text: str) -> dict[str, list[str]]:
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    return {line[0]: line[1:] for line in lines}


def test_a_study_s_table_has_mean_and_interval_of_each_method(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table(None, "scenes", "toy", "methods")
    rows = _rows(capsys.readouterr().out)
    heads = (
        "cIoU, cIoU as its authors, cIoU adaptive, pointing, distractors, swap, "
        "class R@1, sound to frames, frame to sounds"
    )
    assert ", ".join(rows[""]) == f"{heads}, seconds a training"
    # Student's quantile for two degrees of freedom is 4.303; the deviation of 40, 41, 42 is 1.
    assert rows["lvs-full (3 seeds)"] == [
        "1.0 ± 0.0",
        *(f"{mean}.0 ± 2.5" for mean in (40, 41, 42, 43, 44, 45)),
        "103.0 ± 7.5",
    ]
    assert rows["fnac-full (3 seeds)"][-2:] == ["75.0 ± 2.5", ""]  # trained elsewhere
    assert rows["centre"][2] == "34.9" and not any(name.startswith("dmc") for name in rows)


def test_named_runs_have_their_range(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table(["lvs-full"], "scenes", "toy", None)
    rows = _rows(capsys.readouterr().out)
    assert "41.0 ± 2.5 (40.0 to 42.0)" in rows["lvs-full (3 seeds)"]
    shown = dict(zip(rows[""], rows["lvs-full (3 seeds)"], strict=True))
    assert shown["cIoU as its authors"].startswith("40.0 ± 2.5")
    assert shown["cIoU at half range"].startswith("39.0 ± 2.5")


def test_a_run_is_compared_with_another_seed_by_seed(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table(["fnac-full"], benchmark="scenes", against="lvs-full")
    row = _rows(capsys.readouterr().out)["fnac-full (3 seeds)"]
    assert row[1:] == ["+30.0 ± 0.0 *"] * (len(row) - 1) and row[0] == "+0.0 ± 0.0"
    table(["fnac-full-201"], benchmark="scenes", against="lvs-full")  # one seed
    assert "+30.0" in _rows(capsys.readouterr().out)["fnac-full-201 (1 seed)"]
    with pytest.raises(InputError, match="fnac-full-201 and lvs-full-200: no seed that both have"):
        table(["fnac-full-201"], benchmark="scenes", against="lvs-full-200")
    with pytest.raises(InputError, match="--against: expected runs to compare with it"):
        table(against="lvs-full")


def test_without_a_word_the_active_study_is_shown(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = {"cIoU_adaptive": 76.2, "swap": 72.6, "cIoU_adaptive.centre": 34.9}
    write_json(
        project / "data/results/toy/alignment-full-0/toy-test/metrics.json", {"scenes": scores}
    )
    table(None, None, None, None)
    head, *lines = capsys.readouterr().out.splitlines()
    assert head == "scenes"
    rows = _rows("\n".join(lines))
    assert rows["alignment-full (1 seed)"] == ["76.2", "72.6"]


def test_a_benchmark_with_scores_of_its_own_has_columns(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = {"mIoU": 40.0, "mIoU:low": 30.0, "mIoU@area-0-5": 1.0, "F_max": 60.0, "samples": 80}
    for seed in SEEDS:
        folder = project / f"data/results/toy/lvs-full-{seed}/toy-avsbench"
        write_json(folder / "metrics.json", {"avsbench-s4": scores})
    table(["lvs-full"], "avsbench-s4", None, None)
    rows = _rows(capsys.readouterr().out)
    assert rows[""] == ["mIoU", "F_max"]
    assert rows["lvs-full (3 seeds)"][0] == "40.0 ± 0.0 (40.0 to 40.0)"


@pytest.mark.parametrize(
    ("variants", "benchmark", "study", "message"),
    [
        (None, "scenes", None, "study toy: no scores, data/results/toy/alignment-full-0/toy-test/"),
        (["lvs-full"], "vggss", None, "lvs-full: has no scores on 'vggss', expected one of scenes"),
        (["lvs-full"], "scenes", "methods", "expected runs, or --study and no runs"),
        (None, "scenes", "nope", "no study 'nope', expected one of toy, "),
        (None, "vpo-ss", "methods", "is not tested on 'vpo-ss', expected one of .*scenes, "),
        (None, "vggss", "ablations", r"study ablations: no scores, data/results/\S+ first"),
        (
            ["nope"],
            "scenes",
            None,
            r"no scores of 'nope', expected a run without its seed, of fnac-full-200,",
        ),
    ],
)
def test_what_is_not_there_is_told_in_one_line(
    project: Path, variants: list[str] | None, benchmark: str, study: str | None, message: str
) -> None:
    with pytest.raises(InputError) as caught:
        table(variants, benchmark, "toy", study)
    assert re.search(message, str(caught.value)) and "\n" not in str(caught.value)


def test_anyone_s_maps_have_a_row_without_seeds(
    with_maps: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table(None, "scenes", "toy", "methods")
    assert "33.0" in _rows(capsys.readouterr().out)["Theirs (2024)"]
    table(["theirs", "lvs-full-201"], "scenes", "toy", None)
    rows = _rows(capsys.readouterr().out)
    assert any(name.startswith("theirs") for name in rows)
    assert "41.0" in rows["lvs-full-201 (1 seed)"]
