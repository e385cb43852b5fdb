"""The commands around a run's data: what is there, what is absent, whose weights are taken."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import timm
import torch
import yaml
from click.testing import Result
from dvc.repo import Repo
from dvc.repo.reproduce import collect_stages, get_active_graph, plan_repro
from huggingface_hub.errors import LocalEntryNotFoundError
from made_corpus import make_corpus
from test_pipeline import Stages, covered, module_of, words
from torch import Tensor
from typer.testing import CliRunner

from pipeline.base.code import code_of
from pipeline.base.files import write_npy, write_parquet
from pipeline.base.params import Parameters
from pipeline.base.study import EVERY_CLIP
from pipeline.clips.spectrogram import SoundForm
from pipeline.encoders import imagenet as encoders
from pipeline.errors import InputError
from pipeline.methods.alignment import Alignment, AlignmentSettings
from pipeline.methods.common.files import load_weights, save_weights
from pipeline.networks.weights import save_torch
from stages import evaluate, load, neighbours, tests, training_list
from stages.cli import app

ROOT = Path(__file__).resolve().parents[2]
ANNOTATIONS = ROOT / ".." / "shared" / "annotations"
MEDIA = ROOT / ".." / "shared" / "media"


@pytest.fixture(autouse=True)
def off_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has fetched nothing and cannot."""

    def absent(*arguments: Any, **keywords: Any) -> None:
        raise LocalEntryNotFoundError("not in the cache")

    def unreachable(*arguments: Any, **keywords: Any) -> None:
        raise OSError("no network")

    monkeypatch.setattr(encoders, "hf_hub_download", absent)
    monkeypatch.setattr(encoders, "urlopen", unreachable)


def avloc(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def project(folder: Path, study: str, **changes: Any) -> dict[str, Any]:
    """The project's parameters, imports and stages in a folder, with a study switched on."""
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    content["active"] = {**content["studies"][study], **changes}
    folder.mkdir(exist_ok=True)
    plain = json.loads(json.dumps(content))  # aliases written out
    (folder / "params.yaml").write_text(yaml.safe_dump(plain, sort_keys=False))
    (folder / "dvc.yaml").write_text((ROOT / "dvc.yaml").read_text())
    (folder / ".dvc").mkdir(exist_ok=True)
    (folder / ".dvc" / "config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
    (folder / "data/annotations").mkdir(parents=True, exist_ok=True)
    (folder / EVERY_CLIP).write_text((ROOT / EVERY_CLIP).read_text())
    for path in (ROOT / "data/annotations").glob("*.dvc"):
        (folder / "data/annotations" / path.name).write_text(path.read_text())
    return plain


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("│")[1:-1]]


def table(output: str) -> dict[str, list[str]]:
    rows = [cells(line) for line in output.splitlines() if line.startswith("│")]
    return {row[0]: row[1:] for row in rows}


def save_image_network(folder: Path) -> None:
    """A narrow ImageNet network where a study looks for its own before it fetches one."""
    narrow = timm.create_model(
        "resnet18", num_classes=0, layers=(1, 1, 1, 1), channels=(4, 4, 4, 8)
    )
    save_torch(folder / "image.pth", narrow.state_dict())


def rejects(folder: Path, causes: dict[str, str]) -> None:
    columns = {"clip_id": list(causes), "cause": list(causes.values())}
    write_parquet(folder / "rejects.parquet", pa.table(columns))


# --- avloc corpus --------------------------------------------------------------------------------


def test_the_table_over_the_real_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With files in the place of a few media: a reader goes by their names."""
    if not (ANNOTATIONS / "vggss.json").is_file():
        pytest.skip("the real lists (../shared/annotations) are absent")
    project(tmp_path, "toy")
    for path in ANNOTATIONS.glob("*_*.*"):
        (tmp_path / "data/annotations" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "data/annotations/vggss.json").write_bytes(
        (ANNOTATIONS / "vggss.json").read_bytes()
    )
    trained, leaked, tested = "---g-f_I2yQ_000001", "zpWuikVorYg_000032", "gEvCUcZ6w88_000030"
    media = [f"data/vggsound/x/{clip}.mp4" for clip in (trained, leaked, tested)]
    media += ["data/flickr/frames/10000130166.jpg", "data/flickr/audio/10000130166.wav"]
    media += ["data/avsbench/S4/visual_frames/0d9u2CymIxc/0d9u2CymIxc_1.png"]
    media += ["data/avsbench/S4/audio_wav/0d9u2CymIxc.wav", "data/is3/visual_frames/a_b_1_a.jpg"]
    for name in media:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for corpus in ("vggsound", "vggss"):
        rejects(tmp_path / "data/decoded" / corpus, {tested: "no sound"})
    monkeypatch.chdir(tmp_path)

    result = avloc("corpus", "check", "vggsound-144k")
    found = table(result.stdout)
    list_of = "vggsound-144k, trained on data/annotations/vggss_144k.txt"
    assert result.stdout.startswith(list_of)
    training = found.pop("training list")
    assert training[:2] == ["144,000", "144,000"] and training[-1] == ""
    assert (
        sum(int(n.replace(",", "")) for n in training[2:4]) + training[4].startswith("1") == 144000
    )
    assert found.pop("vggss")[:2] + found.pop("retrieval")[-1:] == ["5,158", "5,158", "3,709"]
    assert {name: row[-1] for name, row in found.items()} == {
        "vggss-4655": "3,345",
        "extended-vggss": "3,709",
        "negatives": "3,709",
        **dict.fromkeys(["flickr", "extended-flickr", "avsbench-s4", "avsbench-ms3", "is3"], "0"),
    }
    assert found["negatives"] == ["5,158", "5,158", "1", "5,156", "1 (no sound 1)", "3,709"]
    assert found["flickr"] == ["250", "250", "1", "249", "?", "0"]
    assert found["avsbench-s4"][:4] == ["3,700", "4,440", "2", "4,438"]
    # The boxes and masks of the clips that are there.
    assert result.exit_code == 1 and "absent data, 2 in all" in result.stderr
    assert "flickr/10000130166.xml: no such file; https://github.com/ardasnck" in result.stderr
    assert "no mask of frame s4-0d9u2CymIxc_1, expected one in gt_masks" in result.stderr

    counted = {
        "flickr-144k": {"flickr": "0", "extended-flickr": "0"},
        "flickr-144k-slavc": {"flickr": "20", "extended-flickr": "20"},
        "heard-110": {"heard": "0", "unheard": "0"},
        "ablations": {"vggss": "3,709"},
    }
    for study, expected in counted.items():
        rows = table(avloc("corpus", "check", study).stdout)
        assert {name: row[-1] for name, row in rows.items() if row[-1]} == expected
    with pytest.raises(InputError, match="no study 'C3', expected one of toy, toy-seeds, "):
        raise avloc("corpus", "check", "C3").exception


def test_the_table_over_real_clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve real clips of VGG-SS, of which the common training list holds eight."""
    if not (MEDIA / "vggss").is_dir() or not (ANNOTATIONS / "vggss.json").is_file():
        pytest.skip("the real clips and lists (../shared/media/vggss, annotations) are absent")
    project(tmp_path, "toy")
    for path in ANNOTATIONS.glob("vggss*"):
        (tmp_path / "data/annotations" / path.name).write_bytes(path.read_bytes())
    videos = sorted((MEDIA / "vggss").glob("*.mp4"))
    root = tmp_path / "data/vggsound"
    for folder in ("train", "test"):  # the same clips in two downloads
        (root / folder).mkdir(parents=True)
        for video in videos[: 3 if folder == "train" else None]:
            (root / folder / video.name).write_bytes(video.read_bytes())
    broken = root / "train" / videos[0].name
    broken.write_bytes(broken.read_bytes()[:1000])
    monkeypatch.chdir(tmp_path)

    # The spellings of the files here are of two kinds; the lists have a third of their own.
    ids = [path.stem[:11] for path in videos]
    listed = [line[:11] for line in (ANNOTATIONS / "vggss_144k.txt").read_text().split()]
    assert (len(ids), len(set(ids) & set(listed))) == (12, 8)

    result = avloc("corpus", "check", "ablations")
    found = table(result.stdout)
    assert found["training list"] == ["144,000", "144,000", "8", "143,992", "?", ""]
    assert found["vggss"] == ["5,158", "5,158", "12", "5,146", "?", "3,709"]
    assert "vggsound: clips with different files, the largest taken: 1" in result.stdout
    assert "2 of 12 clips lie there more than once with the same content" in result.stderr
    left = f"taken, 'data/vggsound/train/{videos[0].name}' left"
    assert "1 of 12 clips lie there with different files" in result.stderr
    assert left in result.stderr
    assert result.exit_code == 0


def test_absent_data_is_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project(tmp_path, "vggsound-144k")
    monkeypatch.chdir(tmp_path)
    result = avloc("corpus", "check", "flickr-144k-slavc")
    assert (result.exit_code, result.stdout) == (1, "")
    head, *lines = result.stderr.splitlines()
    assert head == "error: flickr-144k-slavc: absent data, 3 in all:"
    for path, origin in (
        ("data/annotations/flickr_144k.txt: no such file", "/metadata/flickr_144k.txt, or put it"),
        ("data/flickr: no such folder; the flickr reader expects frames/<id>.jpg", "ardasnck"),
        ("data/annotations/flickr_test.csv: no such file; `dvc update data/", "/SLAVC/"),
    ):
        assert any(line.startswith(f"  {path}") and origin in line for line in lines), path


def test_what_a_stage_makes_is_not_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(tmp_path, "toy")
    monkeypatch.chdir(tmp_path)
    assert avloc("corpus", "ready").exit_code == 0
    result = avloc("corpus", "check", "toy")
    assert result.exit_code == 1
    assert "data/toys/toy/lists/train.txt: not made yet; `dvc repro` makes it" in result.stderr


def test_everything_in_place_is_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project(tmp_path, "heard-110")
    annotations = tmp_path / "data/annotations"
    for path in annotations.glob("*.dvc"):
        path.unlink()
    for path, text in {
        "vggsound/aaaaaaaaaaa_000001.mp4": "",
        "encoders/published/H.pth.tar": "",
        "annotations/vggss_heard.txt": "aaaaaaaaaaa_000001\n",
        "annotations/vggss_heard_test.csv": "aaaaaaaaaaa_000001\n",
        "annotations/vggss_unheard_test.csv": "bbbbbbbbbbb_000001\n",
        "annotations/vggss.json": json.dumps(
            [{"file": f"{11 * c}_000001", "class": c, "bbox": [[0, 0, 1, 1]]} for c in "ab"]
        ),
    }.items():
        (tmp_path / "data" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / path).write_text(text)
    weights = tmp_path / "data/encoders/published"
    save_image_network(weights)
    monkeypatch.chdir(tmp_path)
    assert avloc("corpus", "ready").exit_code == 0
    assert table(avloc("corpus", "check", "heard-110").stdout)["heard"][-1] == "1"
    (annotations / "vggss_10k.txt.dvc").write_text("deps: []\n")
    result = avloc("corpus", "ready")
    assert result.exit_code == 1
    assert "lists that have a .dvc file there and misses vggss_10k.txt; `dvc upd" in result.stderr
    (weights / "H.pth.tar").unlink()
    (weights / "image.pth").unlink()
    message = avloc("corpus", "ready").stderr
    assert "data/encoders/published/H.pth.tar: not found; the VGGSound" in message
    assert "'resnet18.tv_in1k': its weights could not be fetched (no network); place" in message


STUDIES = list(Parameters(ROOT / "params.yaml").read("studies", dict[str, Any]))


@pytest.mark.parametrize("study", STUDIES)
def test_dvc_looks_before_it_runs_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, study: str
) -> None:
    project(tmp_path, study)
    monkeypatch.chdir(tmp_path)
    with Repo(str(tmp_path)) as repo:
        stages = collect_stages(repo, ["dvc.yaml"])
        steps = plan_repro(get_active_graph(repo.index.graph), stages)
    assert "corpus" in {step.addressing for step in steps}
    # A toy's study reads nothing that it does not make, and DVC promises no order.
    toys = yaml.safe_load((tmp_path / "params.yaml").read_text())["active"]["toys"]
    assert toys or steps[0].addressing == "corpus"


def test_repro_without_data_fails_before_any_work(tmp_path: Path) -> None:
    project(tmp_path, "flickr-144k")
    for folder in ("pipeline", "stages"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    save_image_network(tmp_path / "data/encoders/published")
    (tmp_path / "data/encoders/published/H.pth.tar").touch()
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "repro"],
        cwd=tmp_path,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert done.stdout.count("Running stage") == 1 and "Running stage 'corpus'" in done.stdout
    assert "error: active: absent data, 4 in all:" in done.stderr
    assert "data/flickr: no such folder; the flickr reader expects" in done.stderr


# --- neighbours ----------------------------------------------------------------------------------


MINI = {"reader": "folder", "root": "data/mini", "list": EVERY_CLIP}
TRAIN_ON = {"corpus": "mini", "list": "data/list.txt", "search": "mini"}


def test_neighbours_leave_out_what_the_parameters_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = project(
        tmp_path, "toy",
        corpora={"mini": MINI}, train_on=TRAIN_ON, annotations="data/annotations",
    )  # fmt: skip
    content["toy"]["training_list"]["leave_out_still"] = True
    content["toy"]["neighbours"]["k"] = 2
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
    for path in (tmp_path / "data/annotations").glob("*.dvc"):
        path.unlink()
    (tmp_path / "data/annotations/flickr_test.csv").write_text("clip00,1\nclip11,2\n")
    (tmp_path / "data/list.txt").write_text("".join(f"clip{n:02d}\n" for n in (*range(10), 40)))
    folder = tmp_path / "data/decoded/mini"
    clips = make_corpus(folder, np.zeros((12, 2, 2, 3), np.uint8), [np.zeros((3, 4))] * 12).clips
    flags = [n == 1 for n in range(12)]
    for name, column in (
        ("silent", flags),
        ("still", flags[1:] + flags[:1]),
        ("content", [str(max(n, 3)) for n in range(12)]),
    ):
        clips = clips.append_column(name, pa.array(column))
    write_parquet(folder / "clips.parquet", clips)
    for modality in ("image", "audio"):
        features = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
        write_npy(tmp_path / f"data/embeddings/mini/{modality}.npy", features)
    monkeypatch.chdir(tmp_path)
    training_list.training_list("mini")
    chosen = json.loads((tmp_path / "data/lists/mini.json").read_text())["clips"]
    assert chosen == [f"clip{n:02d}" for n in (2, 4, 5, 6, 7, 8, 9, 40)]
    neighbours.neighbours("mini")
    summary = json.loads((tmp_path / "data/neighbours/mini/summary.json").read_text())
    expected = {
        "listed": 11,
        "clips": 7,
        "not_in_corpus": 1,
        "left_out_test_clips": 1,
        "left_out_silent": 1,
        "left_out_still": 0,  # the only one is a test clip
        "left_out_too_short": 0,
        "left_out_duplicates": 1,
    }
    assert {key: summary[key] for key in expected} == expected


# --- published weights ---------------------------------------------------------------------------

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


def test_a_published_file_is_a_run(mini: Path, capsys: pytest.CaptureFixture[str]) -> None:
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
    retrieval = avloc(*arguments[:4], "retrieval", "--corpus", "mini")
    assert {"R@1_a2i", "R@1_a2i_s_L"} <= set(json.loads(retrieval.stdout))


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
