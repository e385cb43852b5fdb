"""The commands around a run's data: what is there, what is absent, what is left out."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml
from data_project import (
    ANNOTATIONS,
    MEDIA,
    MINI,
    ROOT,
    TRAIN_ON,
    avloc,
    off_the_network,
    project,
    rejects,
    save_image_network,
    table,
)
from dvc.repo import Repo
from dvc.repo.reproduce import collect_stages, get_active_graph, plan_repro
from made_corpus import make_corpus

from pipeline.base.files import write_npy, write_parquet
from pipeline.base.params import Parameters
from pipeline.base.study import active_study
from pipeline.corpora.ready import StudyData, absent_data
from pipeline.errors import InputError
from stages import neighbours, training_list

__all__ = ["off_the_network"]  # a fixture


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
        **dict.fromkeys(["avsbench-s4-boxes", "avsbench-ms3-boxes"], "0"),
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
    with pytest.raises(InputError, match="no study 'C3', expected one of toy, toy-ablations, "):
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
        ("data/annotations/flickr_test.csv: no such file; `avloc corpus lists flickr_t", "/SLAVC/"),
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
    checked = avloc("corpus", "check", "heard-110").stdout
    assert table(checked)["heard"][-1] == "1" and "lost its leading" not in checked
    (annotations / "vggss_heard.txt").write_text("aaaaaaaaaaa_000001\naaaaaaaaaa_000010\n")
    checked = avloc("corpus", "check", "heard-110")
    assert checked.exit_code == 0
    told = "vggss_heard.txt: 1 of 2 clips look like VGGSound's with an id of 10 characters"
    assert told in " ".join(checked.stdout.split())
    (weights / "H.pth.tar").unlink()
    (weights / "image.pth").unlink()
    message = avloc("corpus", "ready").stderr
    assert "data/encoders/published/H.pth.tar: not found; the VGGSound" in message
    assert "'resnet18.tv_in1k': its weights could not be fetched (no network); place" in message


def test_what_methods_begin_with_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The frozen networks of SSPL, and the encoders of the journal's variant, before any work."""

    def unreachable(*arguments: Any, **keywords: Any) -> None:
        raise OSError("no network")

    monkeypatch.setattr("pipeline.networks.fetching.urlopen", unreachable)
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path / "hub"))
    project(tmp_path, "methods-vggsound")
    monkeypatch.chdir(tmp_path)
    for name in ("vggsound-journal", "vggsound-vision", "methods-vggsound", "attention10k-2018"):
        said = avloc("corpus", "ready", name).stderr
        assert ("'vgg16.tv_in1k': its weights could not be fetched" in said) == (
            name in ("methods-vggsound", "attention10k-2018")
        )
        assert ("sound model 'vggish': its weights could not" in said) == (name[:3] == "met")
        dino = "'vit_small_patch16_224.dino': its weights could not be fetched"
        alone = "data/encoders/published: holds no sounds_alone ending in .pth"
        assert (dino in said) == (alone in said) == (name == "vggsound-journal")
        assert ("H.pth.tar: not found" in said) == (name != "vggsound-journal")
        assert ("holds no soundnet ending in .pth" in said) == (name[:3] == "att")
    save_image_network(tmp_path / "data/encoders/published")
    assert "could not be fetched" not in avloc("corpus", "ready", "vggsound-vision").stderr


def _said(
    folder: Path, study: str, parts: dict[str, dict[str, Any]], **changes: Any
) -> tuple[list[str], list[str]]:
    """What `ready` and `check` say of settings that do not fit, with `parts` over the sections of
    params.yaml and `changes` over the study; and that both then fail."""
    content = project(folder, study, **changes)
    for section, values in parts.items():
        for key, value in values.items():
            content[section][key] = {**content[section][key], **value}
    content["studies"] = {"mine": content["active"]}
    (folder / "params.yaml").write_text(yaml.safe_dump(content))
    found = []
    for command in (("ready",), ("check", "mine")):
        result = avloc("corpus", *command)
        lines = result.stderr.splitlines()
        heads = [n for n, line in enumerate(lines) if ": settings that do not fit, " in line]
        told = (
            lines[heads[0] + 1 : heads[0] + 1 + int(lines[heads[0]].split()[-3])] if heads else []
        )
        assert not told or result.exit_code == 1
        found.append([line.strip() for line in told])
    # In the file as it is here both commands name the study by its place.
    return found[0], [line.replace("studies.mine", "active") for line in found[1]]


def test_frames_that_cannot_be_kept_are_told_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    squashed = {"paper": {"decode": {"aspect": "squashed"}}}
    ready, check = _said(tmp_path, "vggsound-alone", squashed)
    assert ready == check == [
        "params.yaml: paper.decode.aspect: found squashed, expected kept, since train.aspect is "
        "kept (run full of alignment)"
    ]  # fmt: skip
    corpora = yaml.safe_load((ROOT / "params.yaml").read_text())["studies"]["ablations"]["corpora"]
    corpora["vggsound"]["decode"] = {"aspect": "cropped"}
    ready, check = _said(tmp_path, "ablations", {}, corpora=corpora)
    assert ready == check and len(ready) == 1
    assert ready[0].startswith(
        "params.yaml: active.corpora.vggsound.decode.aspect: found cropped, expected kept, since"
    )
    # A run that squashes can be trained on either, and so can one whose method does.
    run = {"full": {"train": {"aspect": "squashed"}}}
    assert _said(tmp_path, "vggsound-alone", squashed, runs=run) == ([], [])
    assert _said(tmp_path, "vggsound-alone", squashed, methods=["dsol"]) == ([], [])
    assert _said(tmp_path, "toy", {"toy": {"train": {"aspect": "kept"}}})[0] == [
        "params.yaml: toy.decode.aspect: found squashed, expected kept, since train.aspect is kept "
        "(run full of alignment)"
    ]
    assert _said(tmp_path, "vggsound-alone", {}) == ([], [])


def test_flow_that_no_stage_would_make_is_told_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    only: dict[str, Any] = {"methods": ["heartheflow"]}
    of_section = (
        "params.yaml: active.flow.heartheflow: found {}, expected bytes, the flow that run full of "
        "heartheflow sees"
    )
    for flow, words in (({}, "no form"), ({"heartheflow": ["signed"]}, "signed")):
        ready, check = _said(tmp_path, "methods-vggsound", {}, flow=flow, **only)
        assert ready == check == [of_section.format(words)]
    runs = {"plain": {}, "signed": {"flow": "signed"}, "then": {"flow": "signed"}}
    ready, _ = _said(tmp_path, "toy-flow", {}, flow={"heartheflow": ["bytes"]}, runs=runs)
    assert ready == [
        "params.yaml: active.flow.heartheflow: found bytes, expected signed, the flow that run "
        "signed of heartheflow sees"
    ]
    published = {
        "theirs": {"method": "heartheflow", "weights": "w", "list": "l", "settings": {}}
    }  # of the paper's section, which sees bytes
    ready, _ = _said(tmp_path, "methods-vggsound", {}, flow={}, published=published, runs={})
    assert "the flow that the published theirs sees" in ready[0] and len(ready) == 1
    ready, check = _said(tmp_path, "vggsound-alone", {}, flow={"heartheflow": ["bytes"]})
    assert ready == check == [
        "params.yaml: active.flow.heartheflow: found a method that the study does not train, "
        "expected one of its methods (alignment)"
    ]  # fmt: skip
    assert _said(tmp_path, "methods-vggsound", {}, **only) == ([], [])
    assert _said(tmp_path, "toy-flow", {}) == ([], [])


def test_the_look_runs_again_when_what_it_reads_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(tmp_path, "methods-vggsound")
    monkeypatch.chdir(tmp_path)
    parameters = Parameters()
    study = active_study(parameters)
    absent_data(parameters, StudyData(study, ()))
    (declared,) = [
        stage["params"]
        for name, stage in yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"].items()
        if name == "corpus"
    ]
    places = {entry.replace("${active.settings}", study.settings) for entry in declared}
    for key in {"paper.train", "paper.methods.heartheflow", *parameters.keys}:
        assert any(key == place or key.startswith(f"{place}.") for place in places), key


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
    assert "error: active: absent data, 3 in all:" in done.stderr
    assert "data/flickr: no such folder; the flickr reader expects" in done.stderr


# --- neighbours ----------------------------------------------------------------------------------


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
