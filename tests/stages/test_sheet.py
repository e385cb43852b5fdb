"""`avloc sheet`: decoded frames with the boxes that a benchmark scores."""

import json
from pathlib import Path

import numpy as np
import pytest
from data_project import project
from made_corpus import make_corpus
from PIL import Image
from running import Avloc

CLIPS = ["aaaaaaaaaaa_000001", "bbbbbbbbbbb_000002"]


@pytest.fixture(autouse=True)
def decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project whose active study is the toy's; of the paper's corpora one is decoded."""
    project(tmp_path, "toy")
    entries = [{"file": clip, "class": "dog", "bbox": [[0, 0, 1, 0.5]]} for clip in CLIPS]
    (tmp_path / "data/annotations/vggss.json").write_text(json.dumps(entries))
    frames = np.full((2, 30, 30, 3), 90, np.uint8)
    folder = tmp_path / "data/decoded/vggss"
    make_corpus(folder, frames, [np.zeros((4, 3))] * 2, clip_ids=CLIPS)
    monkeypatch.chdir(tmp_path)


def test_a_decoded_corpus_is_drawn(avloc: Avloc, capsys: pytest.CaptureFixture[str]) -> None:
    assert avloc("sheet", "vggss", "--out", "out/two.png") == 0
    assert "out/two.png: vggss: 2 frames of the 2 samples here, of 2 in" in capsys.readouterr().out
    assert avloc("sheet", "vggss", "--benchmark", "vggss", "--count", "1", "--out", "one.png") == 0
    with Image.open("out/two.png") as two, Image.open("one.png") as one:
        assert two.width > one.width


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("nowhere", "params.yaml: no study tests 'nowhere', expected one of scenes on toy-test, "),
        ("vggss --benchmark is3", "no study tests 'is3 on vggss', expected one of scenes on"),
        ("vggss --benchmark retrieval", "benchmark retrieval: scores no maps, so there is noth"),
        ("is3", "data/decoded/is3/clips.parquet: not found"),
        ("vggss --out data/decoded/vggss/a.png", "is read by this command, expected another"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(
    words: str, said: str, avloc: Avloc, capsys: pytest.CaptureFixture[str]
) -> None:
    assert avloc("sheet", *words.split()) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and said in line
    assert not list(Path().rglob("*.png"))
