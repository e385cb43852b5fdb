"""What each word of sureness is worth, counted on maps whose margins are known."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from made_corpus import make_corpus
from PIL import Image

from pipeline.base.files import write_json
from pipeline.benchmarks import NOISE, SILENCE, open_benchmark
from pipeline.clips.decoded import DecodedCorpus
from pipeline.evaluate import sureness
from pipeline.evaluate.sureness import ABSENT, OWN, SILENT, sureness_rows

CLIPS = ["one", "two", "three", "four"]


def heat(left: float, right: float) -> np.ndarray:
    """A map that is largest in the left or the right half."""
    return np.array([[left, right]], np.float32)


# By frame and sound; under silence and noise every frame gives 0.5 at most.
MAPS = {
    ("one", "one"): heat(0.9, 0.0),  # sure and right
    ("two", "two"): heat(0.0, 0.7),  # sure and wrong
    ("three", "three"): heat(0.55, 0.1),  # hardly sure and right
    ("four", "four"): heat(0.4, 0.1),  # not sure and right
    ("one", "silent"): heat(0.0, 0.8),  # sure and right: the silent object is on the right
    ("two", "silent"): heat(0.5, 0.3),  # not sure and wrong
    # The sound of the next sample of another class than the frame's objects.
    ("one", "three"): heat(0.9, 0.9),
    ("two", "three"): heat(0.1, 0.1),
    ("three", "four"): heat(0.1, 0.5),
    ("four", "silent"): heat(0.52, 0.1),
}


class Known:
    """A predictor that gives the known maps."""

    def __init__(self, method: object, corpus: object, reserved: dict[str, np.ndarray]) -> None:
        assert set(reserved) == {SILENCE, NOISE}

    def maps(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        floor = {SILENCE: heat(0.5, 0.1), NOISE: heat(0.2, 0.3)}
        return np.stack([floor.get(pair[1], MAPS.get(pair)) for pair in pairs])


def test_words_are_counted_by_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = np.zeros((5, 40, 40, 3), np.uint8)
    make_corpus(tmp_path / "d", frames, [np.zeros((4, 3))] * 5, clip_ids=[*CLIPS, "silent"])
    corpus = DecodedCorpus(tmp_path / "d")
    (tmp_path / "masks").mkdir()
    for name, side in (("own", slice(0, 20)), ("silent", slice(20, 40))):
        mask = np.zeros((40, 40), bool)
        mask[:, side] = True
        Image.fromarray(mask).save(tmp_path / f"masks/{name}.png")
    silent = {"class": "cat", "bbox": [[0.5, 0, 1, 1]], "mask": "masks/silent.png"}
    classes = ["dog", "dog", "bell", "saw"]
    listed = [
        {
            "file": clip,
            "class": kind,
            "split": "test",
            "bbox": [[0, 0, 0.5, 1]],
            "mask": "masks/own.png",
            "distractors": [{**silent, "sound": "silent"}] if kind == "dog" else [],
        }
        for clip, kind in zip(CLIPS, classes, strict=True)
    ]
    write_json(tmp_path / "scenes.json", listed)
    benchmark = open_benchmark("scenes", tmp_path, corpus, tmp_path)
    monkeypatch.setattr(sureness, "Predictor", Known)
    monkeypatch.setattr(sureness, "synthetic_sounds", lambda method: (np.zeros(1), np.zeros(1)))
    rows = sureness_rows(benchmark, None, corpus)  # type: ignore[arg-type]
    found = {
        (row.kind, row.word): (row.pairs, row.said, row.right and row.right[0]) for row in rows
    }
    assert found == {
        (OWN, "sure"): (4, 2, 0.5),
        (OWN, "hardly sure"): (4, 1, 1.0),
        (OWN, "not sure"): (4, 1, 1.0),
        (SILENT, "sure"): (2, 1, 1.0),
        (SILENT, "hardly sure"): (2, 0, None),
        (SILENT, "not sure"): (2, 1, 0.0),
        (ABSENT, "sure"): (4, 1, None),
        (ABSENT, "hardly sure"): (4, 1, None),
        (ABSENT, "not sure"): (4, 2, None),
    }
    low, high = next(row.right[1:] for row in rows if (row.kind, row.word) == (OWN, "sure"))
    assert 0 <= low < 0.5 < high <= 1
