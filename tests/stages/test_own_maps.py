"""Anyone's maps: `avloc score` as it is given, and a file of them in place of a study's run."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from data_project import MINI, TRAIN_ON, off_the_network, project
from data_project import avloc as command
from dvc.repo import Repo
from dvc.stage import PipelineStage
from made_corpus import make_corpus
from running import Avloc
from test_pipeline import Stages, covered, module_of

from pipeline.base.code import ROOT, code_of
from pipeline.base.files import map_npy, read_json, read_parquet
from pipeline.base.params import Parameters
from pipeline.base.study import active_study, find_evaluated
from pipeline.clips.sound_form import SoundForm
from pipeline.errors import InputError
from pipeline.report.collect import scores_of
from pipeline.report.comparison import comparison
from stages import evaluate_maps, tests
from stages.paths import results_folder, run_folder

__all__ = ["off_the_network"]  # a fixture

CLIPS = [f"clip{n:02d}" for n in range(6)]
MAPS = np.random.default_rng(9).normal(size=(6, 7, 7)).astype(np.float32)
THEIRS = {"name": "theirs", "corpus": "mini", "file": "data/theirs.npz", "label": "Theirs (2024)"}


@pytest.fixture
def mini(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A decoded corpus of six clips, four of them in a VGG-SS, and maps of all of them."""
    project(
        tmp_path,
        "toy",
        toys=[],
        moving=[],
        corpora={"mini": MINI},
        annotations="data/annotations",
        train_on=TRAIN_ON,
        maps=[THEIRS],
        tests={"mini": ["vggss", "retrieval"]},
    )
    for path in (tmp_path / "data/annotations").glob("*.dvc"):
        path.unlink()
    make_corpus(
        tmp_path / "data/decoded/mini",
        np.zeros((6, 70, 70, 3), np.uint8),
        [np.zeros((30, 33)) for _ in range(6)],
        spectrograms=tmp_path / "data/spectrograms/mini/alignment",
        form=SoundForm(window=64, hop=32),
    )
    entries = [
        {"file": f"clip{n:02d}", "class": "dog", "bbox": [[0, 0, 0.5, 0.4 + n / 9]]}
        for n in (0, 1, 2, 3, 9)
    ]
    (tmp_path / "data/annotations/vggss.json").write_text(json.dumps(entries))
    np.savez(tmp_path / "data/theirs.npz", maps=MAPS[::-1], ids=np.array(CLIPS[::-1]))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_own_maps_are_a_run_of_the_study(mini: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tests.tests("mini")
    evaluate_maps.evaluate_maps("theirs", "mini")
    assert "retrieval: not scored: takes more than maps" in capsys.readouterr().err
    results = mini / "data/results/mini/theirs/mini"
    metrics = read_json(results / "metrics.json")
    assert list(metrics) == ["vggss"]
    np.savez("four.npz", maps=MAPS[:4], ids=np.array(CLIPS[:4]))
    score = command(*["score", "localization", "four.npz", "--benchmark", "vggss", "--json"])
    plain = {k: v for k, v in metrics["vggss"].items() if "." not in k}
    assert plain == {**json.loads(score.stdout), "samples": 4}
    assert {"cIoU.random", "cIoU.centre"} <= set(metrics["vggss"])
    details = results / "details/vggss"
    assert read_parquet(details / "samples.parquet")["sample_id"].to_pylist() == CLIPS[:4]
    assert np.array_equal(map_npy(details / "maps.npy"), MAPS[:4])
    assert (results / "curves/vggss/success.tsv").is_file()

    study = active_study(Parameters())
    (scored,) = scores_of(study, run_folder, results_folder, "another report's")
    assert scored.run.name == "Theirs (2024)"
    assert "Theirs (2024)" in "".join(map(str, comparison([scored])))
    assert find_evaluated(Parameters(), "theirs/vggss").folder == "mini/theirs"


def test_a_benchmark_with_a_sample_less_is_not_scored(
    mini: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tests.tests("mini")
    np.savez(mini / "data/theirs.npz", maps=MAPS[:3], ids=np.array(CLIPS[:3]))
    with pytest.raises(InputError, match="vggss: no map of 1 of its 4 samples, clip03 first"):
        evaluate_maps.evaluate_maps("theirs", "mini")
    assert not (mini / "data/results").exists()


def test_a_corpus_that_is_not_tested_on_is_told(mini: Path) -> None:
    content = yaml.safe_load((mini / "params.yaml").read_text())
    content["active"]["maps"] = [{**THEIRS, "corpus": "moon"}]
    (mini / "params.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(
        InputError, match=r"theirs on moon: expected a corpus that .* tests on: mini"
    ):
        active_study(Parameters())


def test_the_stage_declares_what_it_reads(mini: Path) -> None:
    with Repo(str(mini)) as repo:
        resolved = Stages(mini, [s for s in repo.index.stages if isinstance(s, PipelineStage)])
        (stage,) = [s for s in resolved.stages if s.name.startswith("evaluate-maps@")]
        data = {"data/theirs.npz", "data/decoded/mini/clips.parquet", "data/tests/mini.json"}
        assert resolved.deps(stage) - resolved.code(stage) - {"params.yaml"} == data
        for path in code_of(module_of(stage)):
            assert covered(path.relative_to(ROOT).as_posix(), resolved.code(stage)), path
        parameters = resolved.parameters()
        evaluate_maps.settings(parameters, "theirs", "mini")
        assert {key for dep in stage.params for key in dep.params} == set(parameters.keys)


def _files(folder: Path) -> None:
    np.savez(folder / "mine.npz", maps=MAPS[:4], ids=np.array(CLIPS[:4]))
    np.savez(folder / "other.npz", maps=-MAPS[:4], ids=np.array(CLIPS[:4]))


def test_score_prints_a_table_json_or_latex(
    mini: Path, avloc: Avloc, capsys: pytest.CaptureFixture[str]
) -> None:
    _files(mini)
    words = ["score", "localization", "mine.npz", "--benchmark", "vggss"]
    assert avloc(*words, "--label", "Mine", "--by", "size", "--by", "class") == 0
    shown = capsys.readouterr().out
    assert "4 of 5 samples" in shown and "Table 1 of the paper" in shown
    assert "\nMine " in shown and "% of the frame" in shown and "\ndog " in shown
    assert avloc(*words, "--against", "other.npz") == 0
    assert "paired bootstrap" in capsys.readouterr().out
    assert avloc(*words, "--latex") == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("mine & ")
    assert avloc(*words, "--json", "--by", "class", "--against", "other.npz") == 0
    content: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert content["samples"] == 4 and content["by_class"]["dog"]["samples"] == 4
    assert set(content["against"]["cIoU"]) == {
        *("first", "second", "difference", "low", "high", "p")
    }
    assert avloc(*words, "--per-sample", "rows.csv") == 0
    assert Path("rows.csv").read_text().startswith('"sample_id"')


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("none.npz --benchmark vggss", "none.npz: not found"),
        ("mine.npz --benchmark vgss", "benchmark 'vgss': unknown"),
        ("mine.npz --benchmark vggss --annotations nowhere", "nowhere, which is no folder"),
        ("mine.npz", "holds ids, expected --benchmark"),
        ("mine.npz --benchmark vggss --json --latex", "expected one of them"),
        (
            "mine.npz --benchmark vggss --per-sample rows.pdf",
            "rows.pdf: ends in .pdf, expected a table",
        ),
        ("mine.npz --benchmark vggss --against mine.txt", "mine.txt: not found"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(
    words: str, said: str, mini: Path, avloc: Avloc, capsys: pytest.CaptureFixture[str]
) -> None:
    _files(mini)
    before = sorted(mini.rglob("*"))
    assert avloc("score", "localization", *words.split()) == 1
    told = capsys.readouterr()
    assert said in told.err and told.err.count("\n") == 1 and not told.out
    assert sorted(mini.rglob("*")) == before
