"""The `avloc` command as a user meets it: help, mistakes in one line, anyone's videos."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest
import torch
import typer
import yaml
from made_media import SHARED_MEDIA, write_media
from made_method import small_method
from running import Avloc

from pipeline.base.files import read_json, read_parquet
from pipeline.base.params import Parameters
from pipeline.base.study import EVERY_CLIP
from pipeline.clips.decoded import DecodedCorpus
from pipeline.clips.sound_form import SoundForm
from pipeline.predict.predictor import Predictor
from stages import cli

ROOT = Path(__file__).resolve().parents[2]
EVERY = {"reader": "folder", "root": "videos", "list": EVERY_CLIP}  # a corpus of all its clips
_DECLARED = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
# The command of each stage of dvc.yaml.
STAGES = {
    stage.get("cmd", stage.get("do", {}).get("cmd")).split()[1] for stage in _DECLARED.values()
}


def leaves(name: str) -> list[tuple[str, ...]]:
    """The words of a command, or of every command of a group."""
    below = getattr(cli.command(name), "commands", {})
    return [(name, sub) for sub in below] or [(name,)]


COMMANDS = [words for name in cli.COMMANDS for words in leaves(name)]
GROUPS = [(name,) for name in cli.COMMANDS if (name,) not in COMMANDS]


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """params.yaml's content; the working folder is an empty one."""
    monkeypatch.chdir(tmp_path)
    # Through JSON, so that what its parts share is written out.
    return json.loads(json.dumps(yaml.safe_load((ROOT / "params.yaml").read_text())))


def write(content: dict[str, Any]) -> None:
    Path("params.yaml").write_text(yaml.safe_dump(content))


def said(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that a mistake gives, on stderr alone."""
    printed = capsys.readouterr()
    assert printed.out == ""
    line, end = printed.err.split("\n")
    assert line.startswith("error: ") and not end
    return line.removeprefix("error: ")


def test_help_names_every_command(avloc: Avloc, capsys: pytest.CaptureFixture[str]) -> None:
    assert avloc("--help") == 0
    shown = capsys.readouterr().out
    first = {words[0] for words in COMMANDS}
    assert all(name in shown for name in first)
    assert first >= STAGES
    listed = {name for name, entry in cli.COMMANDS.items() if entry.panel == cli.STAGES}
    assert listed == STAGES - {"corpus"}  # which is a group, with a stage in it


@pytest.mark.parametrize(
    ("words", "looks"),
    [
        ((), False),
        (("--help",), False),
        (("train", "--help"), False),
        (("train", "alignment"), True),
    ],
)
def test_only_a_command_that_computes_looks_at_the_cores(
    words: tuple[str, ...], looks: bool, avloc: Avloc, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[bool] = []
    monkeypatch.setattr(cli, "choose_waiting", lambda: looked.append(True))
    avloc(*words)
    assert looked == [True] * looks


@pytest.mark.parametrize("words", [*COMMANDS, *GROUPS], ids=" ".join)
def test_help_of_a_command_has_an_example(
    words: tuple[str, ...],
    avloc: Avloc,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert avloc(*words, "--help") == 0
    before, _, after = capsys.readouterr().out.partition("Example")
    assert f"avloc {' '.join(words)}" in after, before


def helps(command: Any) -> list[str]:
    """What the source says as help of a command, its options and those of the commands below."""
    texts = [command.help, *(getattr(each, "help", None) for each in command.params)]
    below = [text for sub in getattr(command, "commands", {}).values() for text in helps(sub)]
    return [*filter(None, texts), *below]


def source_helps(monkeypatch: pytest.MonkeyPatch, name: str) -> list[str]:
    """`helps` of a command as its module has it, before it is made fit for being shown."""
    with monkeypatch.context() as bare:
        bare.setattr(cli, "_fit_help", lambda made: made)
        return helps(cli.command(name))


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_help_loses_nothing_of_its_text(
    name: str, avloc: Avloc, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", 5000)  # nothing is wrapped
    for words in [*leaves(name), (name,)]:
        assert avloc(*words, "--help") == 0
    shown = " ".join(capsys.readouterr().out.split())
    for text in source_helps(monkeypatch, name):
        plain = text.replace("[bold]", "").replace("[/bold]", "")
        for paragraph in plain.split("\n\n"):
            assert " ".join(paragraph.split()) in shown


def test_help_keeps_brackets_of_every_kind(capsys: pytest.CaptureFixture[str]) -> None:
    app = typer.Typer(rich_markup_mode="rich")

    @app.command()
    def draw(box: Annotated[str, typer.Option(help="A list of [x0, y0].")] = "") -> None:
        """Boxes [red] and [bold]these[/bold] and [/x]."""

    kept = cli._fit_help(typer.main.get_command(app))
    with pytest.raises(SystemExit):
        kept(["--help"])
    shown = capsys.readouterr().out
    assert "[x0, y0]" in shown and "Boxes [red] and these and [/x]." in shown


def test_help_is_wrapped_at_the_terminal_s_width_alone(
    avloc: Avloc, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", 5000)
    assert avloc("score", "--help") == 0
    (line,) = [x for x in capsys.readouterr().out.splitlines() if "FILE holds `maps`" in x]
    assert "Retrieval takes `image` and `audio` (N, d)." in line


# Each stage's command with a name that its study does not list.
NOBODY = {
    "toy nobody": "active.toys.nobody",
    "decode nobody": "active.corpora.nobody",
    "spectrograms nobody alignment": "active.corpora.nobody",
    "spectrograms toy nobody": "toy.forms.nobody",
    "flow nobody heartheflow": "active.corpora.nobody",
    "flow toy nobody": "active.flow.nobody",
    "encoders nobody": "active.toys.nobody",
    "embed nobody image": "active.corpora.nobody",
    "training-list nobody": "active.train_on.search.nobody",
    "neighbours nobody": "active.train_on.search.nobody",
    "train nobody full 0": "toy.methods.nobody",
    "train alignment nobody 0": "active.runs.nobody",
    "load nobody": "active.published.nobody",
    "tests nobody": "active.corpora.nobody",
    "evaluate alignment-full-0 nobody": "active.corpora.nobody",
    "moving alignment-full-0 nobody": "active.moving.nobody",
    "index nobody toy": "",
    "evaluate-maps nobody toy-test": "active.maps.nobody",
    "corpus ready nobody": "",
    "report nobody": "",
}


@pytest.mark.parametrize("words", NOBODY)
def test_a_name_that_the_study_does_not_list(
    words: str, params: dict[str, Any], avloc: Avloc, capsys: pytest.CaptureFixture[str]
) -> None:
    assert {command.split()[0] for command in NOBODY} == STAGES
    write(params)
    assert avloc(*words.split()) == 1
    line = said(capsys)
    if key := NOBODY[words]:
        above = key.rpartition(".")[0]
        assert line.startswith(f"params.yaml: {key}: not found; {above} holds:")
    elif words.startswith("index"):
        assert line.startswith("no run 'nobody', and there is none; dvc repro trains")
    else:
        assert line.startswith("params.yaml: no study 'nobody', expected one of toy, ")
    assert not Path("data").exists()


def test_no_params_file(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    avloc: Avloc,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert avloc("train", "alignment", "full", "0") == 1
    assert said(capsys) == "params.yaml: not found; run avloc in the project's folder"


@pytest.mark.parametrize(
    ("words", "section", "key", "value", "found"),
    [
        ("decode toy", "decode", "sides", 70, "toy.decode.sides: unknown key"),
        ("train alignment full 0", "train", "epochs", "many", "toy.train.epochs: found 'many'"),
        ("train alignment full 0", "train", "batch", 1, "toy.train.batch: found 1, expected >= 2"),
        ("embed toy image", "embed", "side", 0, "toy.embed.side: found 0, expected >= 1"),
        ("toy toy", "toy", "train", 3, "toy clips.train: found 3, expected at least 12"),
        ("spectrograms toy alignment", "forms", "alignment", 3, "toy.forms.alignment: found 3"),
    ],
)
def test_a_wrong_key_or_value(
    words: str,
    section: str,
    key: str,
    value: object,
    found: str,
    params: dict[str, Any],
    avloc: Avloc,
    capsys: pytest.CaptureFixture[str],
) -> None:
    params["toy"][section][key] = value
    write(params)
    assert avloc(*words.split()) == 1
    assert (
        said(capsys).removeprefix("params.yaml: ").startswith(found.removeprefix("params.yaml: "))
    )
    assert not Path("data").exists()


def test_a_mistake_ends_a_real_process_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("toy: [\n")
    command = [str(Path(sys.executable).parent / "avloc"), "toy", "toy"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: params.yaml: expected YAML, found: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        ("spectrograms toy alignment", "data/decoded/toy/clips.parquet: not found"),
        ("encoders toy", "data/decoded/toy/clips.parquet: not found"),
        ("embed toy image", "data/decoded/toy/clips.parquet: not found"),
        ("training-list toy", "data/toys/toy/lists/train.txt: no such file"),
        ("neighbours toy", "data/lists/toy.json: not found"),
        ("train alignment full 0", "data/decoded/toy/clips.parquet: not found"),
        ("tests toy-test", "data/decoded/toy-test/clips.parquet: not found"),
        ("evaluate alignment-full-0 toy-test", "alignment-full-0/weights.safetensors: not found"),
        ("decode toy", "data/toys/toy/vggsound: no such folder"),
        ("report", "study toy: not found: "),
    ],
)
def test_a_stage_before_its_inputs_writes_nothing(
    words: str,
    missing: str,
    params: dict[str, Any],
    avloc: Avloc,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(params)
    assert avloc(*words.split()) == 1
    assert missing in said(capsys)
    assert not Path("data").exists()


def test_a_stage_that_fails_midway_leaves_nothing_that_passes_for_whole(
    params: dict[str, Any], avloc: Avloc, capsys: pytest.CaptureFixture[str]
) -> None:
    write_media(Path("videos/mute.mp4"), seconds=1)
    corpus = {**EVERY, "decode": {"shards": 1}}
    params["active"]["corpora"]["mine"] = corpus
    write(params)
    assert avloc("decode", "mine") == 1
    assert "1 of 1 clips (100.0 %) cannot be decoded" in capsys.readouterr().err.splitlines()[-1]
    folder = Path("data/decoded/mine")
    assert read_parquet(folder / "rejects.parquet")["cause"].to_pylist() == ["no sound"]
    assert not (folder / "clips.parquet").exists() and not (folder / "settings.json").exists()
    assert not list(Path("data").rglob("*.partial"))


def test_a_folder_of_real_videos(
    params: dict[str, Any], avloc: Avloc, capsys: pytest.CaptureFixture[str]
) -> None:
    real = SHARED_MEDIA / "3YOH4c9HXpo_290000_300000.mp4"
    if not real.is_file():
        pytest.skip("the real media files are absent from ../shared/media")
    Path("videos").mkdir()
    for path in (path for path in SHARED_MEDIA.iterdir() if path.is_file()):
        shutil.copyfile(path, Path("videos") / path.name)
    changes = {"max_reject_share": 0.5, "max_seconds": 20.0, "shards": 2}
    corpus = {**EVERY, "decode": changes}
    params["active"]["corpora"]["mine"] = corpus
    write(params)
    assert avloc("decode", "mine") == 0
    assert avloc("spectrograms", "mine", "alignment") == 0

    folder = Path("data/decoded/mine")
    rejects = read_parquet(folder / "rejects.parquet").to_pylist()
    assert {(reject["path"], reject["cause"]) for reject in rejects} == {
        ("hevc_10bit_without_audio.mp4", "no sound"),
        ("video_without_audio_av1.mkv", "no sound"),
    }
    found = DecodedCorpus(folder, Path("data/spectrograms/mine/alignment"))
    clips = {row["clip_id"]: row for row in found.clips.to_pylist()}
    # A sound file on its own is no clip, and one beside a video is not the video's sound.
    assert set(clips) == {"3YOH4c9HXpo_000290", "two_video_two_audio"}
    two = clips["two_video_two_audio"]
    assert (two["width"], two["height"], two["sample_rate"]) == (480, 270, 16000)

    clip = clips["3YOH4c9HXpo_000290"]
    assert (clip["width"], clip["height"], clip["sample_rate"]) == (1280, 720, 44100)
    assert clip["duration"] == pytest.approx(10, abs=0.05)
    side = params["toy"]["decode"]["side"]
    row = found.row("3YOH4c9HXpo_000290")
    assert found.frame(row).shape == (side, side, 3)
    assert read_json(folder / "settings.json")["side"] == side

    form = Parameters().read("toy.forms.alignment", SoundForm)
    method = small_method(form, 60, side=64, channels=[8, 8])
    maps = Predictor(method, found, device=torch.device("cpu")).maps(
        [("3YOH4c9HXpo_000290", sound) for sound in clips]
    )
    assert maps.shape == (2, 8, 8) and np.isfinite(maps).all() and np.abs(maps).max() <= 1.001
    assert maps[0].std() > 0 and not np.array_equal(maps[0], maps[1])
    capsys.readouterr()
