"""A method with flow goes the whole way by the stages' commands: decoded, flow, trained, scored,
asked about a clip; and what says so where a study forgets a part of it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml
from data_project import off_the_network, save_image_network
from PIL import Image
from running import Avloc
from test_end_to_end import SMALL, merged

from pipeline.base.files import read_json, write_npy, write_parquet
from pipeline.base.study import EVERY_CLIP
from pipeline.clips.decoded import DecodedCorpus
from pipeline.corpora.ground_truth import read_scenes
from pipeline.methods.common.files import load_weights

__all__ = ["off_the_network"]  # a fixture

ROOT = Path(__file__).resolve().parents[2]
RUN = Path("data/runs/toy/heartheflow-signed-0")
FLOW = Path("data/spectrograms/toy/heartheflow")


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """params.yaml of a small toy whose one run sees signed flow, in the working folder."""
    monkeypatch.chdir(tmp_path)
    content = json.loads(json.dumps(yaml.safe_load((ROOT / "params.yaml").read_text())))
    shape = {key: SMALL["methods"]["alignment"][key] for key in ("blocks", "channels", "strides")}
    small: dict[str, Any] = {
        "heartheflow": {**shape, "stem": None, "vision": "scratch", "side": 32, "seconds": 0.8}
    }
    content["toy"] = merged(merged(content["toy"], SMALL), {"methods": small})
    study = content["studies"]["toy-flow"]
    content["active"] = {
        **study,
        "corpora": {"toy": {**study["corpora"]["toy"], "list": EVERY_CLIP}},
        "seeds": [0],
        "runs": {"signed": {"flow": "signed"}},
        "tests": {"toy": ["scenes"]},
    }
    write(content)
    return content


def write(content: dict[str, Any]) -> None:
    Path("params.yaml").write_text(yaml.safe_dump(content))


def made_neighbours(corpus: DecodedCorpus) -> None:
    """Everyone beside everyone: the method asks for none, its stage reads them."""
    count = len(corpus)
    folder = Path("data/neighbours/toy")
    rows = np.arange(count)
    write_parquet(folder / "clips.parquet", pa.table({"clip_id": corpus.clip_ids, "row": rows}))
    for name in ("image", "audio"):
        write_npy(folder / f"{name}_ids.npy", ((rows[:, None] + 1) % count).astype(np.int32))


def _mask(path: Path, side: int) -> np.ndarray:
    """A mask of the scenes at the side of stored frames, (side, side) bool."""
    return np.asarray(Image.open(path).convert("L").resize((side, side))) > 127


def test_from_videos_to_scores(
    params: dict[str, Any], avloc: Avloc, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in (
        "toy toy",
        "decode toy",
        "spectrograms toy heartheflow",
        "flow toy heartheflow",
    ):
        assert avloc(*command.split()) == 0, capsys.readouterr().err
    assert not Path("data/work/flow/toy/heartheflow").exists()
    corpus = DecodedCorpus(Path("data/decoded/toy"), FLOW)
    made_neighbours(corpus)
    save_image_network(Path("data/encoders/toy"))
    for command in ("train heartheflow signed 0", "tests toy", "evaluate heartheflow-signed-0 toy"):
        assert avloc(*command.split()) == 0, capsys.readouterr().err
    method = load_weights(RUN / "weights.safetensors")
    assert method.flow_form == "signed"
    results = Path("data/results/toy/heartheflow-signed-0/toy")
    scores = read_json(results / "metrics.json")["scenes"]
    assert scores["samples"] > 0 and all(np.isfinite(list(scores.values())))
    maps = np.load(results / "details/scenes/maps.npy")
    assert np.isfinite(maps).all() and maps.std() > 0

    # What moves in the made videos is the objects, not the backdrop.
    inside, outside = [], []
    for scene in read_scenes(Path("data/toys/toy/annotations/scenes.json")):
        flow = np.linalg.norm(corpus.flow(corpus.row(scene.clip_id), "signed"), axis=2)
        masks = [scene.mask, *(silent.mask for silent in scene.distractors)]
        shown = np.any([_mask(path, flow.shape[0]) for path in masks], axis=0)
        inside.append(flow[shown].mean())
        outside.append(flow[~shown].mean())
    # Its window is nearly as large as the objects of a picture of 48 x 36 px, hence the 1.5.
    assert len(inside) == 24 and np.mean(inside) > 1.5 * np.mean(outside), (inside, outside)
    assert np.mean(np.array(inside) > outside) > 0.8

    capsys.readouterr()
    clip = next(Path("data/toys/toy/vggsound").rglob("*.mp4"))
    asked = ["--weights", str(RUN / "weights.safetensors"), "--out", "map.png"]
    assert avloc("localize", str(clip), *asked, "--video", "film.mp4") == 0
    assert "sound: " in capsys.readouterr().out and Path("film.mp4").stat().st_size > 0
    Image.open("map.png").save("still.png")
    assert avloc("localize", "--image", "still.png", "--audio", str(clip), *asked) == 0
    asked = ["--weights", str(RUN / "weights.safetensors"), "--corpus", "toy", "--top", "3"]
    for by in ("picture", "sound"):
        for query in (str(clip), corpus.clip_ids[0]):
            # An id may begin with a dash.
            assert avloc("retrieve", "--by", by, *asked, "--", query) == 0


def test_flow_that_the_study_does_not_make_is_named(
    params: dict[str, Any], avloc: Avloc, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("toy toy", "decode toy", "spectrograms toy heartheflow"):
        assert avloc(*command.split()) == 0
    made_neighbours(DecodedCorpus(Path("data/decoded/toy"), FLOW))
    capsys.readouterr()
    assert avloc("train", "heartheflow", "signed", "0") == 1
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith(f"error: {FLOW}/flow: not found, expected the optical flow that the")
    params["active"]["flow"] = {"heartheflow": ["colour"]}
    write(params)
    assert avloc("flow", "toy", "heartheflow") == 1
    assert "active.flow.heartheflow" in capsys.readouterr().err
