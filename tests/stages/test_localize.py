"""`avloc localize` and `avloc weights` as a user runs them: clips, silence, mistakes, names."""

import json
from pathlib import Path

import numpy as np
import pytest
from made_media import tones, write_media
from made_method import small_method
from made_published import made_networks, save_published
from PIL import Image
from rich.console import Console
from rich.text import Text
from running import Avloc

from pipeline.clips.sound_form import SoundForm
from pipeline.execution import checkpoints
from pipeline.execution.checkpoints import CHECKPOINTS, Checkpoint
from pipeline.methods.common.files import save_weights
from stages import weights

ROOT = Path(__file__).resolve().parents[2]
RUN = Path("data/runs/toy/alignment-full-0/weights.safetensors")
PUBLISHED = Path("data/weights/published")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a run and three clips: one with a sound, a silent one, one without sound."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    save_weights(RUN, small_method(SoundForm(window=512, hop=256, bands=16), 20))
    (tmp_path / "clips/far").mkdir(parents=True)
    write_media(Path("clips/loud.mp4"), seconds=0.4, sound=tones(0.4, 16000))
    write_media(Path("clips/far/quiet.mp4"), seconds=0.4, sound=0 * tones(0.4, 16000))
    write_media(Path("mute.mp4"), seconds=0.4)
    return tmp_path


def files(folder: Path) -> set[str]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix() for path in found}


def test_a_folder_is_localized_and_told(
    project: Path, avloc: Avloc, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(project)
    assert avloc("localize", "clips", "--json", "all.json", "--film", "films") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("far~quiet: the clip is silent: no place is told; ")
    assert lines[1].startswith("loud: sound: ") and lines[2] == "all.json"
    made = {f"data/localized/{name}.png" for name in ("far~quiet", "loud")}
    assert files(project) - before == made | {
        "all.json",
        "films/far~quiet.mp4",
        "films/loud.mp4",
    }
    text = Path("all.json").read_text()
    quiet, loud = json.loads(text)
    written = [line.strip().rstrip(",") for line in text.splitlines()]
    assert all(json.dumps(row) in written for row in loud["map"])  # a row of the map is a line
    assert f'"box": {json.dumps(loud["places"][0]["box"])}' in written
    assert (quiet["sureness"], quiet["strength"], quiet["places"]) == ("silent", 0, [])
    assert quiet["map"] is None and "x" not in quiet
    heat = np.array(loud["map"])
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert (loud["x"], loud["y"]) == ((column + 0.5) / 4, (row + 0.5) / 4)
    assert loud["places"][0]["value"] == pytest.approx(heat.max())
    assert loud["margin"] == pytest.approx(
        heat.max() - max(loud["under_silence"], loud["under_noise"]), abs=1e-5
    )
    assert f"; {loud['sureness']}: cosine {heat.max():.2f}," in lines[1]


def test_silence_is_drawn_without_a_map_and_a_sound_with_one(project: Path, avloc: Avloc) -> None:
    pictures = {}
    for name in ("loud", "far/quiet"):
        assert avloc("localize", f"clips/{name}.mp4", "--out", "p.png") == 0
        with Image.open("p.png") as picture:
            pixels = np.asarray(picture).astype(int)
        plain, mapped = pixels[:480, :640], pixels[:480, -640:]
        pictures[name] = np.abs(plain - mapped).max()
    assert pictures["far/quiet"] == 0 < pictures["loud"]


@pytest.mark.parametrize(("ending", "kind"), [("png", "PNG"), ("JPG", "JPEG"), ("webp", "WEBP")])
def test_an_ending_is_the_format(ending: str, kind: str, project: Path, avloc: Avloc) -> None:
    assert avloc("localize", "clips/loud.mp4", "--out", f"m.{ending}") == 0
    with Image.open(f"m.{ending}") as picture:
        assert picture.format == kind


def test_one_bad_clip_of_several_costs_itself_alone(
    project: Path, avloc: Avloc, capsys: pytest.CaptureFixture[str]
) -> None:
    assert avloc("localize", "mute.mp4", "clips/loud.mp4", "--json", "j.json") == 1
    printed = capsys.readouterr()
    assert printed.err == (
        "error: mute.mp4: no sound: the file has no sound stream\n"
        "error: localize: 1 of 2 clips could not be read, see above\n"
    )
    assert printed.out.startswith("loud: sound: ") and Path("data/localized/loud.png").is_file()
    assert [told["clip"] for told in json.loads(Path("j.json").read_text())] == ["loud"]


def test_runs_that_there_are_are_told(
    project: Path,
    avloc: Avloc,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = "--weights takes a file or a name of `avloc weights list`"
    assert avloc("localize", "clips/loud.mp4", "--run", "nope") == 1
    assert capsys.readouterr().err == (
        f"error: run 'nope': not found, expected one of toy/alignment-full-0; {other}\n"
    )
    RUN.unlink()
    assert avloc("localize", "clips/loud.mp4") == 1
    assert f"{RUN}: not found, no run is here yet; `dvc repro` makes" in capsys.readouterr().err
    monkeypatch.chdir(project / "clips")
    assert avloc("localize", "loud.mp4") == 1
    assert "no params.yaml here; run avloc in the project's folder" in capsys.readouterr().err


def test_a_name_stands_for_its_file(
    project: Path, avloc: Avloc, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("localize", "clips/loud.mp4", "--weights", "lvs-vggsound", "--json")
    assert avloc(*asked, "a.json") == 1
    assert capsys.readouterr().err == (
        f"error: lvs-vggsound: {PUBLISHED}/lvs-vggsound.pth is not there; "
        "`avloc weights fetch lvs-vggsound` brings it\n"
    )
    assert avloc("localize", "clips/loud.mp4", "--weights", "nobody") == 1
    assert "weights 'nobody': no published file of this name, expected one of alignment-" in (
        capsys.readouterr().err
    )
    PUBLISHED.mkdir(parents=True)
    saved = save_published(project, "lvs", made_networks("lvs"))
    saved.rename(PUBLISHED / "lvs-vggsound.pth")
    assert avloc(*asked, "a.json") == 0
    assert (PUBLISHED / "lvs-vggsound.pth.sha256").is_file()
    by_file = (*asked[:3], f"{PUBLISHED}/lvs-vggsound.pth", "--method", "lvs", "--json", "b.json")
    assert avloc(*by_file) == 0
    assert json.loads(Path("a.json").read_text()) == json.loads(Path("b.json").read_text())
    with (PUBLISHED / "lvs-vggsound.pth").open("ab") as file:
        file.write(b"!")
    capsys.readouterr()
    assert avloc(*asked, "a.json") == 1
    assert "lvs-vggsound.pth: found SHA-256 " in capsys.readouterr().err


def test_the_list_names_all(
    project: Path, avloc: Avloc, capsys: pytest.CaptureFixture[str]
) -> None:
    assert avloc("weights", "list") == 0
    listed = capsys.readouterr().out
    for name, entry in CHECKPOINTS.items():
        assert f" {name} " in listed and entry.address in listed
        assert entry.address.startswith("https://") and entry.page.startswith("https://github.com/")


def test_a_narrow_terminal_shows_names_whole(
    project: Path, avloc: Avloc, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "Console", lambda: Console(force_terminal=True, width=80))
    assert avloc("weights", "list") == 0
    listed = capsys.readouterr().out
    for name, entry in CHECKPOINTS.items():
        assert f" {name} " in listed and entry.address not in listed
    assert max(map(len, Text.from_ansi(listed).plain.splitlines()[:-2])) <= 80
    assert "addresses: in a terminal of 180 columns" in listed


def test_what_only_a_browser_gets_is_told(
    project: Path, avloc: Avloc, capsys: pytest.CaptureFixture[str]
) -> None:
    assert avloc("weights", "fetch", "slavc-vggsound-144k") == 1
    entry = CHECKPOINTS["slavc-vggsound-144k"]
    assert capsys.readouterr().err == (
        "error: slavc-vggsound-144k: its authors hand it out to browsers alone: fetch it from "
        f"{entry.address} (see {entry.page}) and put it at {PUBLISHED}/slavc-vggsound-144k.pth\n"
    )
    assert avloc("weights", "fetch", "nobody") == 1
    assert "weights 'nobody': no published file of this name, expected one of" in (
        capsys.readouterr().err
    )


def test_a_fetched_file_is_checked(
    project: Path,
    avloc: Avloc,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    saved = save_published(project, "lvs", made_networks("lvs"))
    monkeypatch.setitem(
        checkpoints.CHECKPOINTS, "own", Checkpoint("lvs", "", saved.as_uri(), "the page", "", True)
    )
    assert avloc("weights", "fetch", "own") == 0
    told = capsys.readouterr().out
    assert told.startswith(f"{PUBLISHED}/own.pth: ") and "SHA-256 " in told
    assert avloc("weights", "fetch", "own") == 0
    assert "is here" in capsys.readouterr().out
    saved.write_bytes(b"another")
    assert avloc("weights", "fetch", "own", "--again") == 1
    assert "that of the first copy" in capsys.readouterr().err
    assert (PUBLISHED / "own.pth").stat().st_size > 1000

    (PUBLISHED / "own.pth").unlink()
    (PUBLISHED / "own.pth.sha256").unlink()
    assert avloc("weights", "fetch", "own") == 1
    assert "own.pth: " in capsys.readouterr().err and files(PUBLISHED) == set()
    saved.unlink()
    assert avloc("weights", "fetch", "own") == 1
    message = capsys.readouterr().err
    assert message.endswith(f"; or put the file, which the page names, at {PUBLISHED}/own.pth\n")
    assert "could not be fetched" in message
