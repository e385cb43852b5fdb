"""The sheet of scenes: drawn from what was stored, a success first, none of other samples."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from made_corpus import make_corpus
from PIL import Image

from pipeline.base.files import write_json, write_npy, write_parquet
from pipeline.benchmarks import open_benchmark
from pipeline.benchmarks.tasks import ScenesBenchmark
from pipeline.clips.decoded import DecodedCorpus
from pipeline.errors import InputError
from pipeline.report import scenes
from pipeline.report.scenes import draw_scenes_of
from pipeline.report.sheet import Scene

CLIPS = ["one", "two", "three"]
LEFT, RIGHT = np.zeros((2, 4, 4), np.float32)
LEFT[1, 0] = RIGHT[1, 3] = 1  # maps whose maximum lies in the left or the right half


@pytest.fixture
def corpus(tmp_path: Path) -> DecodedCorpus:
    frames = np.stack([np.full((40, 40, 3), 60 * n, np.uint8) for n in range(4)])
    make_corpus(tmp_path / "decoded", frames, [np.zeros((4, 3))] * 4, clip_ids=[*CLIPS, "sound"])
    return DecodedCorpus(tmp_path / "decoded")


@pytest.fixture
def benchmark(corpus: DecodedCorpus, tmp_path: Path) -> ScenesBenchmark:
    """Three scenes: what sounds is on the left, a silent object on the right."""
    (tmp_path / "masks").mkdir()
    for name, side in (("own", slice(0, 20)), ("silent", slice(20, 40))):
        mask = np.zeros((40, 40), bool)
        mask[:, side] = True
        Image.fromarray(mask).save(tmp_path / f"masks/{name}.png")
    silent = {"class": "cat", "bbox": [[0.5, 0, 1, 1]], "mask": "masks/silent.png"}
    scene = {"split": "test", "class": "dog", "bbox": [[0, 0, 0.5, 1]], "mask": "masks/own.png"}
    listed = [
        {**scene, "file": clip, "distractors": [{**silent, "sound": "sound"}]} for clip in CLIPS
    ]
    write_json(tmp_path / "scenes.json", listed)
    opened = open_benchmark("scenes", tmp_path, corpus, tmp_path)
    assert isinstance(opened, ScenesBenchmark)
    return opened


def _store(folder: Path, benchmark: ScenesBenchmark, maps: np.ndarray) -> Path:
    ids = [sample.sample_id for sample in benchmark.samples]
    write_parquet(folder / "samples.parquet", pa.table({"sample_id": ids}))
    write_npy(folder / "maps.npy", maps)
    return folder


def test_a_success_leads_and_the_list_decides_the_rest(
    benchmark: ScenesBenchmark,
    corpus: DecodedCorpus,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Own sounds of one, two, three, and then the swaps: only the last scene is right under both.
    results = _store(tmp_path / "r", benchmark, np.stack([LEFT, RIGHT, LEFT, LEFT, RIGHT, RIGHT]))
    drawn: list[Scene] = []
    monkeypatch.setattr(scenes, "draw_scenes", lambda _, shown: drawn.extend(shown))
    draw_scenes_of(results, corpus, benchmark, tmp_path / "s.png")
    assert [int(scene.frame[0, 0, 0]) for scene in drawn] == [120, 0, 60]
    assert [heard.label for heard in drawn[0].sounds] == ["dog", "cat"]
    for heard, side in zip(drawn[0].sounds, (LEFT, RIGHT), strict=True):
        np.testing.assert_array_equal(heard.heat, side)
        assert heard.mask[100, 10] == (side is LEFT) and heard.mask[100, 200] == (side is RIGHT)
        assert heard.right is True
    assert [heard.right for heard in drawn[1].sounds] == [True, False]
    drawn.clear()
    results = _store(tmp_path / "r", benchmark, np.stack([RIGHT] * 3 + [LEFT] * 3))
    draw_scenes_of(results, corpus, benchmark, tmp_path / "s.png", count=2)
    assert [int(scene.frame[0, 0, 0]) for scene in drawn] == [0, 60]


def test_the_sheet_is_drawn_from_what_is_stored(
    benchmark: ScenesBenchmark, corpus: DecodedCorpus, tmp_path: Path
) -> None:
    results = _store(tmp_path / "r", benchmark, np.stack([LEFT] * 6))
    draw_scenes_of(results, corpus, benchmark, tmp_path / "s.png")
    with Image.open(tmp_path / "s.png") as sheet:
        assert sheet.format == "PNG" and sheet.mode == "RGB" and sheet.width > 1000
    write_npy(results / "maps.npy", np.stack([LEFT] * 5))
    with pytest.raises(InputError, match=r"samples\.parquet: found 6 samples and 5 maps, expected"):
        draw_scenes_of(results, corpus, benchmark, tmp_path / "t.png")
    table = pa.table({"sample_id": CLIPS})
    write_parquet(results / "samples.parquet", table)
    with pytest.raises(InputError, match=r"found 3 samples .* expected the benchmark's own 6; run"):
        draw_scenes_of(results, corpus, benchmark, tmp_path / "t.png")
    assert not (tmp_path / "t.png").exists()


def test_scenes_without_silent_objects(
    benchmark: ScenesBenchmark, corpus: DecodedCorpus, tmp_path: Path
) -> None:
    alone = ScenesBenchmark(benchmark.scenes, [], benchmark.samples[:3], 3)
    results = _store(tmp_path / "r", alone, np.stack([LEFT] * 3))
    with pytest.raises(InputError, match="none has a silent object at hand"):
        draw_scenes_of(results, corpus, alone, tmp_path / "s.png")


def test_how_sure_a_map_is_comes_onto_the_sheet(
    benchmark: ScenesBenchmark,
    corpus: DecodedCorpus,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: list[Scene] = []
    monkeypatch.setattr(scenes, "draw_scenes", lambda _, shown: drawn.extend(shown))
    maps = np.stack([LEFT] * 6)
    strengths = {0: ("not sure", 0.2), 3: ("sure", 1.0)}
    scenes.draw_benchmark_scenes(tmp_path / "s.png", benchmark, corpus, maps, 1, strengths)
    told = [(heard.word, heard.strength) for heard in drawn[0].sounds]
    assert told == [("not sure", 0.2), ("sure", 1.0)]
