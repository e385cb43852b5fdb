"""Published weight files: taken for runs, scored, and refused."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
import yaml
from data_project import (
    MINI,
    ROOT,
    TRAIN_ON,
    avloc,
    off_the_network,
    project,
    save_image_network,
    table,
)
from dvc.repo import Repo
from made_corpus import make_corpus
from test_pipeline import Stages, covered, module_of, words
from torch import Tensor

from pipeline.base.code import code_of
from pipeline.base.files import read_parquet, write_parquet
from pipeline.base.params import Parameters
from pipeline.clips.sound_form import SoundForm
from pipeline.errors import InputError
from pipeline.methods.alignment import Alignment, AlignmentSettings
from pipeline.methods.common.files import load_weights, save_weights
from pipeline.networks.weights import save_torch
from pipeline.report.rows import Row
from stages import evaluate, load, tests

__all__ = ["off_the_network"]  # a fixture


FORM = SoundForm(window=64, hop=32)
SHAPE = {"blocks": [1, 1, 1, 1], "channels": [4, 6, 8, 10], "strides": [1, 2, 1, 1], "side": 64}
PATH = "data/weights/ours.pth.tar"


def theirs(method: Alignment) -> dict[str, Tensor]:
    """The entries of a published file, with some that no network of it runs."""
    names = {
        "audnet.conv1.weight": "audnet.conv1_a.weight",
        "image_projection.0.weight": "img_proj.weight",
        "image_projection.0.bias": "img_proj.bias",
        "audio_projection.0.weight": "aud_proj.weight",
        "audio_projection.0.bias": "aud_proj.bias",
    }
    entries = {names.get(key, key): tensor for key, tensor in method.state_dict().items()}
    entries["audnet.conv1.weight"] = torch.ones(4, 3, 7, 7)
    entries["imgnet.fc.weight"] = torch.ones(5, 10)
    return {key: tensor.detach().clone() for key, tensor in entries.items()}


@pytest.fixture
def mini(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A decoded corpus of six clips, four of them in a VGG-SS, and a published file."""
    content = project(
        tmp_path,
        "toy",
        toys=[],
        moving=[],
        corpora={"mini": MINI},
        weights="data/weights",
        annotations="data/annotations",
        train_on=TRAIN_ON,
        published={"ours": {"method": "alignment", "weights": PATH, "list": "data/list.txt"}},
        tests={"mini": ["vggss"]},
    )
    content["toy"]["forms"]["alignment"] = {"window": 64, "hop": 32}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    for path in (tmp_path / "data/annotations").glob("*.dvc"):
        path.unlink()
    generator = np.random.default_rng(0)
    frames = generator.integers(0, 256, (6, 70, 70, 3)).astype(np.uint8)
    make_corpus(
        tmp_path / "data/decoded/mini",
        frames,
        [generator.normal(-9, 3, (30, 33)) for _ in range(6)],
        spectrograms=tmp_path / "data/spectrograms/mini/alignment",
        form=FORM,
    )
    entries = [
        {"file": f"clip{n:02d}", "class": "dog", "bbox": [[0, 0, 0.5, 0.4 + n / 9]]}
        for n in (0, 1, 2, 3, 9)
    ]
    (tmp_path / "data/annotations/vggss.json").write_text(json.dumps(entries))
    (tmp_path / "data/list.txt").write_text("clip03\nclip04\nother\n")
    save_image_network(tmp_path / "data/weights")
    state = theirs(Alignment(AlignmentSettings(**SHAPE), FORM, seed=4))  # type: ignore[arg-type]
    save_torch(tmp_path / PATH, {"model_state_dict": state, "epoch": 49})
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_published_file_is_a_run(
    mini: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    load.load("ours")
    run = mini / "data/runs/mini/ours"
    first = (run / "weights.safetensors").read_bytes()
    told = " ".join(capsys.readouterr().err.split())
    assert "entries without use: audnet.conv1.weight, imgnet.fc.weight" in told
    assert (run / "training_clips.txt").read_text() == "clip03\nclip04\nother\n"
    found = load_weights(run / "weights.safetensors")
    assert (found.form, found.side, found.steps) == (FORM, 64, 999)
    settings = found.settings
    assert (settings.pooling, settings.pooling_share, settings.projection_layers) == (
        "top",
        0.25,
        1,
    )
    load.load("ours")
    assert (run / "weights.safetensors").read_bytes() == first

    tests.tests("mini")
    evaluate.evaluate("ours", "mini")
    results = mini / "data/results/mini/ours/mini"
    metrics = json.loads((results / "metrics.json").read_text())["vggss"]
    assert (metrics["samples"], metrics["official_samples"], metrics["leaked_clips"]) == (4, 5, 1)

    arguments = ["evaluate", "--weights", PATH, "--benchmark", "vggss"]
    result = avloc(*arguments, "--corpus", "mini", "--trained-on", "data/list.txt")
    assert json.loads(result.stdout) == metrics
    del metrics["leaked_clips"]
    assert json.loads(avloc(*arguments).stdout) == metrics
    named = mini / "data/weights/published/alignment-vggsound.pth"
    named.parent.mkdir()
    named.write_bytes((mini / PATH).read_bytes())
    by_name = avloc("evaluate", "--weights", "alignment-vggsound", "--benchmark", "vggss")
    assert json.loads(by_name.stdout) == metrics
    rows: list[Row] = []
    monkeypatch.setattr("stages.figure.draw_rows", lambda paths, columns, drawn: rows.extend(drawn))
    drawn = avloc("figure", "localization", "ours/vggss", "alignment-vggsound", "--count", "2")
    assert drawn.exit_code == 0, drawn.exception
    assert [row.label for row in rows] == ["ours", "alignment-vggsound"]
    np.testing.assert_allclose(rows[0].maps, rows[1].maps, atol=1e-5)
    retrieval = avloc(*arguments[:4], "retrieval", "--corpus", "mini")
    assert {"R@1_a2i", "R@1_a2i_s_L"} <= set(json.loads(retrieval.stdout))


@pytest.mark.parametrize("cropped_truth", ["seen", "whole"])
def test_boxes_of_cropped_frames_are_those_of_what_is_seen(mini: Path, cropped_truth: str) -> None:
    path = mini / "params.yaml"
    content = yaml.safe_load(path.read_text())
    content["toy"]["evaluate"]["cropped_truth"] = cropped_truth
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    clips = mini / "data/decoded/mini/clips.parquet"
    rows = read_parquet(clips)
    # The frames are the middle half of pictures twice as high as wide.
    for name, pixels in (("width", 70), ("height", 140)):
        rows = rows.append_column(name, pa.array([pixels] * 6, pa.int32()))
    write_parquet(clips, rows.replace_schema_metadata({"aspect": "cropped"}))
    load.load("ours")
    tests.tests("mini")
    evaluate.evaluate("ours", "mini")
    scored = read_parquet(mini / "data/results/mini/ours/mini/details/vggss/samples.parquet")
    # Boxes end at 0.4 + n / 9 of the picture, which is (0.4 + n / 9 - 0.25) / 0.5 of the frame.
    ends = {"whole": [89, 114, 139, 164], "seen": [67, 116, 166, 216]}[cropped_truth]
    assert scored["area"].to_pylist() == [112 * end / 224**2 for end in ends]


def test_what_cannot_be_evaluated_is_named(mini: Path) -> None:
    weights = ["evaluate", "--weights", PATH]
    either = "expected a run and a corpus, or --weights and --benchmark"
    for arguments, said in (
        (weights, either),
        (["evaluate"], either),
        (["evaluate", "ours"], either),
        ([*weights, "ours", "mini", "--benchmark", "vggss"], either),
        ([*weights, "--benchmark", "vgg"], "no study tests on 'vgg', expected one of avsb"),
        ([*weights, "--benchmark", "vggss", "--corpus", "x"], "on 'x', expected one of avsbench"),
        (
            [*weights, "--benchmark", "vggss", "--method", "x"],
            r"params\.yaml: toy\.methods\.x: not found",
        ),
    ):
        with pytest.raises(InputError, match=said):
            raise avloc(*arguments).exception  # type: ignore[misc]
    load.load("ours")
    tests.tests("mini")
    settings = AlignmentSettings(**SHAPE)  # type: ignore[arg-type]
    path = mini / "data/runs/mini/ours/weights.safetensors"
    save_weights(path, Alignment(settings, SoundForm(window=64, hop=16)))
    with pytest.raises(InputError, match=r"decoded/mini: .* hop=32.* the method expects .*hop=16"):
        evaluate.evaluate("ours", "mini")


def test_a_benchmark_that_changed_under_a_score_is_refused(mini: Path) -> None:
    load.load("ours")
    with pytest.raises(InputError, match=r"data/tests/mini\.json: not found"):
        evaluate.evaluate("ours", "mini")
    tests.tests("mini")
    boxes = mini / "data/annotations/vggss.json"
    boxes.write_text(boxes.read_text().replace("0.5", "0.6"))
    with pytest.raises(InputError, match="benchmark vggss has changed since stage tests looked"):
        evaluate.evaluate("ours", "mini")
    assert not (mini / "data/results/mini/ours/mini/metrics.json").exists()


def test_the_stages_of_a_published_file_declare_what_they_read(mini: Path) -> None:
    data = {
        "load@ours": {PATH, "data/list.txt"},
        "evaluate-published@ours-mini": {
            "data/runs/mini/ours/weights.safetensors",
            "data/runs/mini/ours/training_clips.txt",
            "data/decoded/mini",
            "data/spectrograms/mini",
            "data/tests/mini.json",
            "data/weights",
        },
    }
    with Repo(str(mini)) as repo:
        found = [stage for stage in repo.index.stages if stage.addressing in data]
        assert {stage.addressing for stage in found} == set(data)
        for stage in found:
            deps, name = Stages(mini, []).deps(stage), stage.addressing
            assert deps >= data[name]
            for path in code_of(module_of(stage), "pipeline.methods.alignment"):
                file = path.relative_to(ROOT).as_posix()
                assert covered(file, deps), f"{name} imports {file}"
            parameters = Parameters(mini / "params.yaml")
            (evaluate if "evaluate" in name else load).settings(parameters, *words(stage)[1:])
            assert {key for dep in stage.params for key in dep.params} == set(parameters.keys)


def test_an_absent_published_file_is_told_first(mini: Path) -> None:
    (mini / PATH).unlink()
    result = avloc("corpus", "check", "ours")
    assert f"{PATH}: not found, expected a localizer's" in result.stderr
    assert f"{PATH}: not found" in avloc("corpus", "ready").stderr
    assert table(result.stdout)["vggss"][-1] == "1"
