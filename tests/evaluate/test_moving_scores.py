"""Scores of moving maps: what follows scores all, what stays or follows another object less."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.corpora.ground_truth import MovingScene, read_moments, read_moving
from pipeline.errors import InputError
from pipeline.evaluate.moving import score_moments

MOMENTS = 20


def scene(folder: Path, name: str, turns: tuple[tuple[float, int], ...]) -> MovingScene:
    """Two seconds of a dog that goes along the first row, and a bell along the last, 8 x 8."""
    shown = np.zeros((MOMENTS, 8, 8), np.uint8)
    for moment in range(MOMENTS):
        shown[moment, 0, moment * 8 // MOMENTS] = 1
        shown[moment, 7, moment * 8 // MOMENTS] = 2
    Image.fromarray(shown.reshape(-1, 8)).save(folder / f"{name}.png")
    return MovingScene(name, 2.0, ("dog", "bell"), turns, folder / f"{name}.png")


def follows(each: MovingScene, *objects: int) -> np.ndarray:
    """Maps of where the objects show, one in each equal part of the clip."""
    shown = read_moments(each.masks, MOMENTS)
    wanted = np.repeat(objects, MOMENTS // len(objects))
    return (shown == 1 + wanted[:, None, None]).astype(np.float32)


def test_maps_that_follow_the_sound_score_all(tmp_path: Path) -> None:
    one = scene(tmp_path, "one", ((0.0, 1),))
    two = scene(tmp_path, "two", ((0.0, 0), (1.0, 1)))
    found = score_moments([(one, follows(one, 1)), (two, follows(two, 0, 1))])
    metrics = found.metrics
    for name in ("pointing", "pointing@one-sound", "pointing@changes", "swap"):
        assert metrics[name] == metrics[f"{name}:low"] == metrics[f"{name}:high"] == 100.0
    assert (metrics["samples"], metrics["samples@changes"]) == (2, 1)
    # The map of the middle is right as long as the bell stays in its column, three moments of
    # twenty, which in the second clip lie behind the change.
    rows = found.rows.to_pydict()
    assert np.reshape(rows["still"], (2, 20)).sum(axis=1).tolist() == [3, 3]
    assert metrics["pointing.still"] == pytest.approx(100 * 3 / 20)
    assert metrics["swap.still"] == metrics["swap.centre"] == metrics["pointing.centre"] == 0.0
    assert rows["sounding"] == ["bell"] * 20 + ["dog"] * 10 + ["bell"] * 10


def test_maps_of_one_object_or_of_the_other_one(tmp_path: Path) -> None:
    two = scene(tmp_path, "two", ((0.0, 0), (1.0, 1)))
    for objects, pointing, swap in (((0,), 50.0, 0.0), ((1, 0), 0.0, 0.0), ((0, 1, 0, 1), 50, 25)):
        metrics = score_moments([(two, follows(two, *objects))]).metrics
        assert (metrics["pointing"], metrics["swap"]) == (pointing, swap)
    assert "pointing@one-sound" not in metrics


def test_other_numbers_of_maps_and_pictures_are_named(tmp_path: Path) -> None:
    one = scene(tmp_path, "one", ((0.0, 0),))
    with pytest.raises(InputError, match="one: found the maps of 19 moments, expected 20"):
        score_moments([(one, follows(one, 0)[1:])])
    with pytest.raises(InputError, match="found none"):
        score_moments([])
    with pytest.raises(InputError, match="160 rows of mode L, expected grey and a multiple of 3"):
        read_moments(one.masks, 3)
    with pytest.raises(InputError, match="expected a picture of moments"):
        read_moments(tmp_path / "none.png", 20)


@pytest.mark.parametrize("turns", ["[]", "[[1.0, 1]]", "[[0.0, 3]]", "[[0.0, 1], [0.0, 2]]", "[3]"])
def test_turns_that_say_nothing(tmp_path: Path, turns: str) -> None:
    path = tmp_path / "moving.json"
    path.write_text(
        '[{"file": "aaaaaaaaaaa_000001", "seconds": 2.0, "objects": ["dog", "bell"], '
        f'"turns": {turns}, "masks": "a.png"}}]'
    )
    with pytest.raises(InputError, match="entry 1: found the turns"):
        read_moving(path)
