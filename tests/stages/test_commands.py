"""The `avloc` command as a user meets it: help, mistakes in one line, anyone's videos."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from conftest import Avloc
from made_media import SHARED_MEDIA, write_media
from typer.main import get_command

from pipeline.base.files import read_json, read_parquet
from pipeline.clips.decoded import DecodedCorpus
from pipeline.methods.localizer import Architecture, Localizer, Usage
from pipeline.predict.predictor import Predictor
from stages import cli

ROOT = Path(__file__).resolve().parents[2]
STAGES = list(yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"])


def leaves(command: Any, words: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The words of every command, those of groups included."""
    if not hasattr(command, "commands"):
        return [words]
    return [leaf for name, sub in command.commands.items() for leaf in leaves(sub, (*words, name))]


def groups(command: Any, words: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The words of every group of commands but the whole."""
    if not hasattr(command, "commands"):
        return []
    below = [g for name, sub in command.commands.items() for g in groups(sub, (*words, name))]
    return [*([words] if words else []), *below]


COMMANDS = leaves(get_command(cli.app))
GROUPS = groups(get_command(cli.app))


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """params.yaml's content; the working folder is an empty one."""
    monkeypatch.chdir(tmp_path)
    return yaml.safe_load((ROOT / "params.yaml").read_text())


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
    assert set(STAGES) <= first


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


@pytest.mark.parametrize("stage", STAGES)
def test_a_name_that_the_study_does_not_list(
    stage: str, params: dict[str, Any], avloc: Avloc, capsys: pytest.CaptureFixture[str]
) -> None:
    write(params)
    assert avloc(*((stage, "ready") if stage == "corpus" else (stage,)), "nobody") == 1
    line = said(capsys)
    assert line.startswith("params.yaml: ")
    assert "nobody: not found; " in line and " holds:" in line


def test_no_params_file(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    avloc: Avloc,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert avloc("train", "toy") == 1
    assert said(capsys) == "params.yaml: not found; run avloc in the project's folder"


@pytest.mark.parametrize(
    ("stage", "section", "key", "value", "found"),
    [
        ("decode", "decode", "sides", 70, "params.yaml: decode.sides: unknown key"),
        ("train", "train", "epochs", "many", "params.yaml: train.epochs: found 'many'"),
        ("train", "train", "batch", 1, "params.yaml: train.batch: found 1, expected >= 2"),
        ("embed", "embed", "side", 0, "params.yaml: embed.side: found 0, expected >= 1"),
        ("toy", "toy", "train", 3, "toy clips.train: found 3, expected at least 12"),
    ],
)
def test_a_wrong_key_or_value(
    stage: str,
    section: str,
    key: str,
    value: object,
    found: str,
    params: dict[str, Any],
    avloc: Avloc,
    capsys: pytest.CaptureFixture[str],
) -> None:
    params[section][key] = value
    write(params)
    assert avloc(stage, "toy") == 1
    assert said(capsys).startswith(found)
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
    ("stage", "missing"),
    [
        ("encoders", "data/decoded/toy/clips.parquet"),
        ("embed", "expected a name it lists or data/encoders/toy/image.safetensors"),
        ("neighbours", "data/decoded/toy/clips.parquet"),
        ("train", "data/decoded/toy/clips.parquet"),
        ("evaluate", "data/runs/toy/weights.safetensors: not found"),
        ("decode", "data/toys/toy/vggsound: no such folder"),
    ],
)
def test_a_stage_before_its_inputs_writes_nothing(
    stage: str,
    missing: str,
    params: dict[str, Any],
    avloc: Avloc,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(params)
    assert avloc(stage, "toy-scenes" if stage == "evaluate" else "toy") == 1
    assert missing in said(capsys)
    assert not Path("data").exists()


def test_a_stage_that_fails_midway_leaves_nothing_that_passes_for_whole(
    params: dict[str, Any], avloc: Avloc, capsys: pytest.CaptureFixture[str]
) -> None:
    write_media(Path("videos/mute.mp4"), seconds=1)
    corpus = {"reader": "folder", "root": "videos", "decode": "decode"}
    params["active"]["corpora"] = {"mine": corpus}
    params["decode"]["shards"] = 1
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
    shutil.copytree(SHARED_MEDIA, "videos")
    override = {"max_reject_share": 0.5, "max_seconds": 20.0, "shards": 2}
    corpus = {"reader": "folder", "root": "videos", "decode": "decode", "override": override}
    params["active"]["corpora"] = {"mine": corpus}
    write(params)
    assert avloc("decode", "mine") == 0

    folder = Path("data/decoded/mine")
    rejects = read_parquet(folder / "rejects.parquet").to_pylist()
    assert {(reject["path"], reject["cause"]) for reject in rejects} == {
        ("hevc_10bit_without_audio.mp4", "no sound"),
        ("video_without_audio_av1.mkv", "no sound"),
    }
    found = DecodedCorpus(folder)
    clips = {row["clip_id"]: row for row in found.clips.to_pylist()}
    # A sound file on its own is no clip, and one beside a video is not the video's sound.
    assert set(clips) == {"3YOH4c9HXpo_000290", "two_video_two_audio"}
    two = clips["two_video_two_audio"]
    assert (two["width"], two["height"], two["sample_rate"]) == (480, 270, 16000)

    clip = clips["3YOH4c9HXpo_000290"]
    assert (clip["width"], clip["height"], clip["sample_rate"]) == (1280, 720, 44100)
    assert clip["duration"] == pytest.approx(10, abs=0.05)
    side = params["decode"]["side"]
    row = found.row("3YOH4c9HXpo_000290")
    assert found.frame(row).shape == (side, side, 3)
    assert read_json(folder / "settings.json")["side"] == side

    usage = Usage(side=64, steps=60, window=1024, hop=512, bands=64)
    localizer = Localizer(Architecture((1, 1), (8, 8), (1, 2), 1), usage=usage)
    maps = Predictor(localizer, found, device="cpu").maps(
        [("3YOH4c9HXpo_000290", sound) for sound in clips]
    )
    assert maps.shape == (2, 8, 8) and np.isfinite(maps).all() and np.abs(maps).max() <= 1.001
    assert maps[0].std() > 0 and not np.array_equal(maps[0], maps[1])
    capsys.readouterr()
