"""`avloc rehearse`: a study of real clips, small enough to be tried, and nothing made mistaken."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from data_project import ANNOTATIONS, MEDIA, ROOT, project, table
from PIL import Image
from torchvision.models import resnet18

from pipeline.base.files import read_json, read_parquet, read_tsv
from pipeline.base.params import Parameters
from pipeline.base.study import all_studies
from pipeline.clips.sound_form import SoundForm
from pipeline.corpora.source import Source
from pipeline.decode.settings import Decode
from pipeline.encoders.imagenet import load_image_encoder
from pipeline.encoders.vggsound import AUDIO_WEIGHTS, audio_encoder
from pipeline.errors import InputError
from pipeline.methods.common.sections import method_settings
from pipeline.networks.weights import read_metadata, read_state
from pipeline.rehearsal import MADE, choose, make_encoders, make_project, plan
from pipeline.train.settings import Train
from stages.rehearse import repro

TRAINED = [f"{letter * 11}_000001" for letter in "abcdefgh"]
TESTED = [f"{letter * 11}_000001" for letter in "hij"]  # one of them is trained on


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with short official lists, and a folder of media under the names of ten clips."""
    project(tmp_path, "toy")
    annotations = tmp_path / "data/annotations"
    entries = [{"file": clip, "class": "dog", "bbox": [[0, 0, 0.5, 1]]} for clip in TESTED]
    (annotations / "vggss.json").write_text(json.dumps(entries))
    pairs = f"video,audio,label\n{TESTED[0]},{TESTED[1]},non-sounding\n"
    (annotations / "vggss_test_plus_silent.csv").write_text(pairs)
    (annotations / "vggss_available_4655.txt").write_text(f"{TESTED[1]}\n")
    (annotations / "vggss_144k.txt").write_text("\n".join(TRAINED))
    clips = tmp_path / "clips"
    for clip in dict.fromkeys([*TRAINED, *TESTED]):
        (clips / "x").mkdir(parents=True, exist_ok=True)
        (clips / "x" / f"{clip}.mp4").write_bytes(clip.encode())
    monkeypatch.chdir(tmp_path)
    return clips


def test_few_clips_are_all_taken_and_of_many_tested_and_trained_ones() -> None:
    sources = [Source(name, Path(name), None) for name in "abcdefgh"]
    assert choose(sources, "ab", "c", 8) == sources
    assert "".join(s.clip_id for s in choose(sources, "abcd", "dgh", 4)) == "abdg"
    assert "".join(s.clip_id for s in choose(sources, "abcdef", "h", 6)) == "abcdeh"
    assert "".join(s.clip_id for s in choose(sources, "gh", "", 4)) == "gh"


def test_made_encoders_are_read_as_the_published_ones_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = torch.random.get_rng_state()
    make_encoders(tmp_path / "one", ["resnet18.tv_in1k"])
    make_encoders(tmp_path / "two", ["resnet18.tv_in1k", "resnet18.tv_in1k"])
    assert torch.equal(torch.random.get_rng_state(), before)
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == [AUDIO_WEIGHTS, "resnet18.tv_in1k.safetensors"]
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()

    sounds = audio_encoder(tmp_path / "one" / AUDIO_WEIGHTS)
    classifier = sounds.audnet[-1]
    assert (sounds.features, classifier.out_features) == (512, 309)
    # torchvision's ResNet-18, but on one channel.
    usual = {
        f"audnet.{name}": value for name, value in resnet18(num_classes=309).named_parameters()
    }
    found = {name: tuple(value.shape) for name, value in sounds.named_parameters()}
    stem = {"audnet.conv1.weight": (64, 1, 7, 7)}
    assert found == {**{name: tuple(value.shape) for name, value in usual.items()}, **stem}
    heard = sounds(torch.randn(2, 200, 257))
    assert heard.shape == (2, 512) and bool(heard.isfinite().all()) and bool(heard.std(0).any())
    pictures = load_image_encoder(tmp_path / "one", "resnet18.tv_in1k", 224)
    assert pictures.features == 512
    frames = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
    assert pictures.object_map(frames).shape == (2, 7, 7)
    # Whoever reads one of the files is told what it is.
    told = " ".join(capsys.readouterr().err.split())
    assert told.count(MADE) == 2
    for name in names:
        assert MADE in read_state(tmp_path / "one" / name)


def test_a_rehearsal_changes_what_has_to_be_small_and_nothing_else(folder: Path) -> None:
    parameters = Parameters()
    planned = plan(parameters, "vggsound-144k", folder, 16)
    assert [source.clip_id for source in planned.clips] == sorted({*TRAINED, *TESTED})
    assert planned.trained == 8
    assert planned.left_out == [
        f"{name} on {corpus}"
        for corpus, names in (
            ("flickr-test", ("flickr", "extended-flickr")),
            (
                "avsbench",
                ("avsbench-s4", "avsbench-ms3", "avsbench-s4-boxes", "avsbench-ms3-boxes"),
            ),
            ("is3", ("is3",)),
        )
        for name in names
    ]
    make_project(planned, parameters, folder, Path("build/rehearsal"))
    made = Parameters(Path("build/rehearsal/params.yaml"))
    ((name, study),) = all_studies(made).items()
    own = all_studies(parameters)["vggsound-144k"]
    assert name == "vggsound-144k-rehearsed"
    assert study.tests == {"vggss": own.tests["vggss"]} and study.methods == own.methods
    assert study.train_on == own.train_on and study.encoders == own.encoders
    assert study.weights == "data/encoders/made" != own.weights
    assert set(study.corpora) == {"vggsound", "vggss"}

    assert made.read("paper.forms", dict[str, SoundForm]) == parameters.read(
        "paper.forms", dict[str, SoundForm]
    )
    tested = made.read("paper.decode", Decode, study.corpora["vggss"].decode)
    assert (tested.side, tested.seconds, tested.second, tested.shards) == (224, 10.0, 5.0, 2)
    assert made.read("paper.decode", Decode).side == 246
    assert made.read("paper.neighbours.k", int) == 5
    for run in ("full", "released"):
        changes = made.read(f"active.runs.{run}", dict[str, Any])
        values, loops = method_settings(made, "paper", "alignment", changes)
        recipe = made.read("paper.train", Train, *loops)
        assert (recipe.epochs, recipe.batch, recipe.precision) == (2, 4, "float32")
        assert values.k == 5 and values.semantic and values.multi_view and values.feature_alignment
        assert values.pooling == ("mean" if run == "full" else "masked")
        assert recipe.weight_decay == (0.0 if run == "full" else 0.0001)


def test_a_method_with_a_loop_of_its_own_is_short_too(folder: Path) -> None:
    parameters = Parameters()
    planned = plan(parameters, "methods-vggsound", folder, 16)
    make_project(planned, parameters, folder, Path("build/rehearsal"))
    made = Parameters(Path("build/rehearsal/params.yaml"))
    for method in planned.study.methods:
        changes = made.read("active.runs.full", dict[str, Any])
        _, loops = method_settings(made, "paper", method, changes)
        recipe = made.read("paper.train", Train, *loops)
        assert (recipe.epochs, recipe.batch) == (2, 4), method
    runs = plan(parameters, "neighbours-k", folder, 16).study.runs
    assert {entry.get("k", 5) for entry in runs.values()} == {5}


def test_what_is_made_lies_apart_and_says_so(folder: Path) -> None:
    parameters = Parameters()
    out = Path("build/rehearsal")
    planned = plan(parameters, "vggsound-alone", folder, 16)
    make_project(planned, parameters, folder, out)
    assert not Path("data/encoders").exists() and not Path("data/vggsound").exists()
    assert "random numbers" in (out / "REHEARSAL.txt").read_text()
    taken = {path.relative_to(out / "data/clips") for path in (out / "data/clips").rglob("*.mp4")}
    assert taken == {path.relative_to(folder) for path in folder.rglob("*.mp4")}
    assert not list((out / "data").rglob("*.dvc"))  # DVC would ask for every list
    assert (out / "data/annotations/vggss.json").is_file()
    assert (out / "pipeline/rehearsal.py").samefile(ROOT / "pipeline/rehearsal.py")

    # Again, with other clips: those of before go, what stages made stays.
    (out / "data/decoded").mkdir()
    smaller = plan(parameters, "vggsound-alone", folder, 8)
    make_project(smaller, parameters, folder, out)
    assert len(list((out / "data/clips").rglob("*.mp4"))) == 8 and (out / "data/decoded").is_dir()

    for place, said in (
        (folder / "inside", "lies in or around"),
        (folder.parent, "lies in or around"),
        (Path("data/annotations"), "holds something that is no rehearsal"),
        (Path("params.yaml"), "found a file, expected a folder"),
    ):
        with pytest.raises(InputError, match=said):
            make_project(planned, parameters, folder, place)
    assert len(list(folder.rglob("*.mp4"))) == 10


def test_what_cannot_be_rehearsed_is_said_before_anything_is_written(folder: Path) -> None:
    parameters = Parameters()
    with pytest.raises(InputError, match="no study 'x', expected one of toy, "):
        plan(parameters, "x", folder, 16)
    with pytest.raises(InputError, match="study toy-ablations: makes its own clips and encoders"):
        plan(parameters, "toy-ablations", folder, 16)
    with pytest.raises(InputError, match=r"nowhere: no such folder; the vggsound reader expects"):
        plan(parameters, "vggsound-alone", folder / "nowhere", 16)
    listed = Path("data/annotations/vggss_144k.txt")
    listed.write_text("\n".join(TRAINED[:5]))
    with pytest.raises(InputError, match=r"5 of its 10 clips are in .*k\.txt, expected at least 6"):
        plan(parameters, "vggsound-alone", folder, 16)
    listed.write_text("\n".join(TRAINED[:7]))
    for clip in TESTED:
        (folder / "x" / f"{clip}.mp4").unlink()
    with pytest.raises(InputError, match="none of its 7 clips is tested by study vggsound-alone"):
        plan(parameters, "vggsound-alone", folder, 16)
    assert not Path("build").exists()


def runs(pid: int) -> bool:
    """Whether a process is there and has not ended."""
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def test_a_signal_ends_the_stage_that_runs_as_well(tmp_path: Path) -> None:
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
    stage = "stages:\n  long:\n    cmd: echo $$ > number && mv number pid && exec sleep 600\n"
    (tmp_path / "dvc.yaml").write_text(stage)
    code = (
        "import signal, sys; from pathlib import Path; from stages.rehearse import repro; "
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7)); repro(Path())"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=environment) as process:
        deadline = time.monotonic() + 300
        while not (tmp_path / "pid").exists():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.1)
        pid = int((tmp_path / "pid").read_text())
        assert runs(pid)
        process.terminate()
        assert process.wait(120) == 7
    deadline = time.monotonic() + 60
    while runs(pid):
        assert time.monotonic() < deadline, "the stage runs on"
        time.sleep(0.1)


def test_a_failing_stage_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").write_text("stages: {wrong: {cmd: exit 3}}\n")
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
    with pytest.raises(InputError, match=r"dvc repro ended with exit code \d+, for the reason ab"):
        repro(tmp_path)


def test_the_paper_s_settings_on_real_clips(tmp_path: Path) -> None:
    """Eight clips of VGG-SS with the official lists, from videos to the page: 224 px, two
    ResNet-18s, hop 159, nine pairs, k = 5, batch 4, two epochs. As few as five neighbours of each
    of the clips in the training list take."""
    if not (MEDIA / "vggss").is_dir() or not (ANNOTATIONS / "vggss.json").is_file():
        pytest.skip("the real clips and lists (../shared/media/vggss, annotations) are absent")
    project(tmp_path, "toy")
    for path in ANNOTATIONS.glob("vggs*"):
        shutil.copyfile(path, tmp_path / "data/annotations" / path.name)
    left_out = ("0nYltlo90Zc*", "1aDnyPubxdY*", "3HgbEKrbA9s*", "3qesirWAGt4*")
    others = shutil.ignore_patterns(*left_out)
    shutil.copytree(MEDIA / "vggss", tmp_path / "mine", ignore=others)
    kept = {key: value for key, value in os.environ.items() if not key.startswith("DVC_")}
    done = subprocess.run(
        [sys.executable, "-m", "stages.cli", "rehearse", "mine"],
        cwd=tmp_path,
        env={**kept, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "vggsound-alone-rehearsed: 8 clips, 6 of them in the training list" in done.stdout
    assert "8 frames of the 8 samples here, of 5,158 in the official list" in done.stdout
    out = tmp_path / "build/rehearsal"
    data = out / "data"
    assert read_parquet(data / "decoded/vggsound/clips.parquet").num_rows == 8
    assert read_json(data / "spectrograms/vggsound/alignment/form.json")["hop"] == 159

    run = data / "runs/vggsound-144k/alignment-full-0"
    facts = read_json(run / "run.json")
    assert (facts["settings"]["side"], facts["settings"]["k"]) == (224, 5)
    assert (facts["recipe"]["epochs"], facts["recipe"]["batch"]) == (2, 4)
    weights = read_state(run / "weights.safetensors")
    image = [t for name, t in weights.items() if name.startswith("imgnet.layer4")]
    assert image and max(len(tensor) for tensor in image if tensor.ndim) == 512
    assert MADE not in weights and json.loads(read_metadata(run / "weights.safetensors")["form"])
    history = read_tsv(run / "history.tsv")
    assert history["epoch"] == [1, 2]
    assert all(loss > 0 for loss in history["loss"])

    metrics = read_json(data / "results/vggsound-144k/alignment-full-0/vggss/metrics.json")
    assert set(metrics) == {"vggss", "vggss-4655", "retrieval", "extended-vggss", "negatives"}
    scores = metrics["vggss"]
    assert (scores["samples"], scores["official_samples"]) == (8, 5158)
    assert scores["leaked_clips"] == 6
    assert scores["cIoU.bound"] >= scores["cIoU"] >= 0
    check = [sys.executable, "-m", "stages.cli", "corpus", "check", "vggsound-alone-rehearsed"]
    counted = subprocess.run(
        check, cwd=out, env={**kept, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    rows = table(counted.stdout)
    assert rows["training list"] == ["144,000", "144,000", "6", "143,994", "0", ""]
    assert rows["vggss"] == ["5,158", "5,158", "8", "5,150", "0", "3,709"]
    page = (data / "report/index.html").read_text()
    assert "avloc: study vggsound-alone-rehearsed" in page
    with Image.open(out / "vggss.png") as sheet:
        assert sheet.width > 1000 and sheet.height > 500
