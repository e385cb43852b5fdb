"""A folder of one's own: the four lines of data/own/README.md through every stage to the gallery,
on the encoders of a toy, with files that cannot be decoded among the good ones."""

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from data_project import save_image_network
from made_media import tones, write_media
from made_pages import Reader
from running import Avloc

from pipeline.base.files import read_json, read_parquet
from pipeline.base.params import Parameters
from pipeline.base.study import active_study
from pipeline.encoders.vggsound import AudioEncoder
from pipeline.errors import InputError
from pipeline.networks.weights import save_torch

ROOT = Path(__file__).resolve().parents[2]
RUN = "mine/alignment-full-0"
SMALL: dict[str, Any] = {
    "blocks": [1, 1],
    "channels": [8, 16],
    "strides": [1, 2],
    "projection_layers": 1,
    "side": 32,
    "seconds": 0.5,
}


def four_lines(page: Path) -> list[str]:
    """The first block of YAML on a page, line by line."""
    (block, *_) = re.findall(r"^```yaml\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    return block.splitlines()


def with_four_lines(params: str, lines: list[str], root: Path) -> str:
    """params.yaml as somebody edits it: the block's lines at their place, the last for the last."""
    head, *added, last = lines
    assert head == "studies:" and len([*added, last]) == 4
    named = [line.replace("/home/me/videos", str(root)) for line in added]
    assert named != added
    edited = params.replace("studies:\n", "\n".join([head, *named, ""]), 1)
    return re.sub(r"^active: .*$", last, edited, flags=re.MULTILINE)


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """Three good videos, one of them in a folder, and three files of a phone's that are none."""
    folder = tmp_path / "my videos"
    for number, name in enumerate(("a.mp4", "b.mp4", "trip/a.mp4")):
        write_media(folder / name, seconds=1.0 + number / 2, sound=tones(1.0, 16000) * (number + 1))
    write_media(folder / "mute.mp4", seconds=0.5)
    (folder / "text.mov").write_text("no video at all")
    (folder / "cut.mp4").write_bytes((folder / "a.mp4").read_bytes()[:700])
    return folder


@pytest.fixture
def project(tmp_path: Path, videos: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder after the edit: small networks, and a toy's encoders of random numbers."""
    place = tmp_path / "project"
    (place / "data/own").mkdir(parents=True)
    (place / "data/every-clip.txt").write_text((ROOT / "data/every-clip.txt").read_text())
    (place / "data/own/README.md").write_text((ROOT / "data/own/README.md").read_text())
    page = ROOT / "data/own/README.md"
    text = with_four_lines((ROOT / "params.yaml").read_text(), four_lines(page), videos)
    content = json.loads(json.dumps(yaml.safe_load(text)))  # aliases written out
    content["toy"]["methods"]["alignment"] |= SMALL
    for section in ("train", "embed", "neighbours", "evaluate"):
        content["toy"][section]["threads"] = 1
    content["active"]["runs"]["full"]["train"]["epochs"] = 2
    (place / "params.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    torch.manual_seed(3)
    save_image_network(place / "data/encoders/toy")
    sound = AudioEncoder((1, 1), (8, 16), stem=8, classes=4)
    save_torch(place / "data/encoders/toy/H.pth.tar", {"model_state_dict": sound.state_dict()})
    monkeypatch.chdir(place)
    return place


STAGES = (
    "corpus ready",
    "decode mine",
    "spectrograms mine alignment",
    "spectrograms mine vggsound",
    "embed mine image",
    "embed mine audio",
    "training-list mine",
    "neighbours mine",
    "train alignment full 0",
    f"index {RUN} mine",
    "report",
)


def test_four_lines_take_a_folder_through_the_whole_study(
    project: Path, avloc: Avloc, capsys: pytest.CaptureFixture[str]
) -> None:
    assert active_study(Parameters()).index == ["mine"]
    for stage in STAGES:
        assert avloc(*stage.split()) == 0, capsys.readouterr().err
    told = capsys.readouterr().err
    assert "3 clips to train on: a batch has all of them, in place of 50" in told
    assert "each has the other 2 for neighbours, in place of k = 100" in told
    clips = ["a", "b", "trip~a"]
    assert sorted(Path(f"data/runs/{RUN}/training_clips.txt").read_text().split()) == clips
    assert read_json(Path(f"data/runs/{RUN}/run.json"))["settings"]["k"] == 2
    counts = read_json(Path("data/report/scores.json"))["mine"]
    assert counts["rejected"] == 3 and sum(counts.values()) == 6
    page = Path("data/report/index.html").read_text()
    reader = Reader(page)
    assert len(reader.of("audio")) == 3 and len(reader.of("img")) == 6
    assert not any(str(each.get("src", "data:"))[:5] != "data:" for _, each in reader.elements)
    assert len([row for row in reader.rows if row[0] in ("text.mov", "cut.mp4", "mute.mp4")]) == 3
    for word in ("sure", "hardly sure", "not sure"):
        assert page.count(f"<b>{word}</b>: ") == counts[word]
    assert "toy&#39;s networks" in page and "so nothing here is a score" in page

    assert avloc("gallery", RUN, "mine", "--out", "one.html", "--count", "1") == 0
    assert len(Reader(Path("one.html").read_text()).of("audio")) == 1
    assert "1 of 3 clips are shown" in Path("one.html").read_text()
    capsys.readouterr()
    # The study's own run and corpus are asked where none is named.
    assert avloc("retrieve", "a", "--page", "answers.html") == 0
    printed = capsys.readouterr()
    assert "no index" not in printed.err and "3 clips searched" in printed.out
    assert "trip/a.mp4" in printed.out and "│ trip" in printed.out


def test_rejects_are_listed(
    project: Path, avloc: Avloc, capsys: pytest.CaptureFixture[str]
) -> None:
    assert avloc("decode", "mine") == 0
    capsys.readouterr()
    assert avloc("rejects", "mine") == 0
    table = capsys.readouterr().out
    assert "mine: 3 rejected, unreadable 2, no sound 1" in table
    assert re.search(r"text +│ unreadable │ InvalidDataError │ Invalid data found", table)
    assert avloc("rejects", "mine", "--json") == 0
    rows = {row["id"]: row for row in json.loads(capsys.readouterr().out)}
    assert set(rows) == {"cut", "mute", "text"}
    assert rows["mute"] == {
        "id": "mute",
        "cause": "no sound",
        "exception": "",
        "detail": "the file has no sound stream",
        "path": "mute.mp4",
    }
    assert avloc("rejects", "mine", "--csv") == 0
    assert list(csv.DictReader(io.StringIO(capsys.readouterr().out))) == list(rows.values())
    assert avloc("rejects", "mine", "--csv", "--json") == 1
    assert avloc("rejects", "nobody") == 1
    assert "no decoded corpus 'nobody', expected one of mine" in capsys.readouterr().err


def test_too_many_rejects_tell_the_way_out_which_works(
    project: Path, avloc: Avloc, capsys: pytest.CaptureFixture[str]
) -> None:
    path = project / "params.yaml"
    content = yaml.safe_load(path.read_text())
    decode = content["active"]["corpora"]["mine"]["decode"]
    decode["max_reject_share"] = 0.05
    path.write_text(yaml.safe_dump(content))
    assert avloc("decode", "mine") == 1
    said = capsys.readouterr().err
    assert "3 of 6 clips (50.0 %) cannot be decoded, at most 5.0 % expected" in said
    assert "`avloc rejects mine` lists all" in said
    (way_out,) = re.findall(r"decode: (\{.*?\}) in the corpus' entry of params\.yaml", said)
    assert avloc("rejects", "mine") == 0
    decode |= yaml.safe_load(way_out)
    path.write_text(yaml.safe_dump(content))
    assert avloc("decode", "mine") == 0
    assert len(read_parquet(Path("data/decoded/mine/clips.parquet"))) == 3


def test_a_study_names_only_corpora_that_it_has(project: Path) -> None:
    path = project / "params.yaml"
    content = yaml.safe_load(path.read_text())
    content["active"]["train_on"]["corpus"] = "yours"
    path.write_text(yaml.safe_dump(content))
    expected = r"active: train_on\.corpus: found yours, expected one of its corpora, mine"
    with pytest.raises(InputError, match=expected):
        active_study(Parameters())
