"""The notebook in data/, cell by cell, on a small project of the toy's form."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_media import tones, write_media
from made_method import small_method

from pipeline.base.code import ROOT
from pipeline.base.files import write_json, write_npy
from pipeline.clips.sound_form import SoundForm
from pipeline.methods.common.files import save_weights

NOTEBOOK = ROOT / "data/score-your-maps.ipynb"
CLIPS = [f"aaaaaaaaa{n:02d}_000010" for n in range(12)]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the toy's run leaves, of twelve clips, around a working folder."""
    data = tmp_path / "data"
    entries = [
        {"file": clip, "class": "ab"[n % 2], "bbox": [[0.1, 0.1, 0.3 + n / 20, 0.9]]}
        for n, clip in enumerate(CLIPS)
    ]
    write_json(data / "toys/toy/annotations/vggss.json", entries)
    maps = np.random.default_rng(3).normal(size=(12, 7, 7)).astype(np.float32)
    write_npy(data / "results/toy/alignment-full-0/toy-test/details/vggss/maps.npy", maps)
    save_weights(
        data / "runs/toy/alignment-full-0/weights.safetensors",
        small_method(SoundForm(hop=320, bands=64), 60),
    )
    folder = data / "toys/toy/vggsound"
    folder.mkdir(parents=True)
    write_media(folder / f"{CLIPS[0]}.mp4", sound=tones(2.0, 16000))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("inside", [False, True], ids=["from the project", "from data"])
def test_every_cell_runs(
    project: Path, inside: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if inside:
        monkeypatch.chdir(project / "data")
    content = json.loads(NOTEBOOK.read_text())
    names: dict[str, Any] = {}
    for number, cell in enumerate(content["cells"]):
        if cell["cell_type"] == "code":
            source = "".join(cell["source"])
            exec(compile(source, f"{NOTEBOOK.name}, cell {number}", "exec"), names)
    shown = capsys.readouterr().out
    assert "paired bootstrap" in shown and "of the frame" in shown and "sound: " in shown
    assert names["mine"].metrics["samples"] == 12
    assert (names["scratch"] / "map.png").is_file()


def test_it_is_kept_without_outputs() -> None:
    content = json.loads(NOTEBOOK.read_text())
    assert (content["nbformat"], len({cell["id"] for cell in content["cells"]})) == (
        4,
        len(content["cells"]),
    )
    for cell in content["cells"]:
        assert cell["cell_type"] == "markdown" or (
            cell["outputs"] == [] and cell["execution_count"] is None
        )
