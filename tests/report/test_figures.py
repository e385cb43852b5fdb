"""Tables and pictures show what they were given."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.report.figures import Scene, draw_scenes, outline, overlay
from pipeline.report.tables import seeds_table


def test_seeds_table() -> None:
    runs = {
        "A": [{"cIoU": 10.0, "cIoU.random": 1.0}, {"cIoU": 30.0, "cIoU.random": 2.0}],
        "H": [{"cIoU": 5.0, "swap": 1.0, "cIoU.random": 3.0}],
    }
    assert seeds_table(runs, {"cIoU": "cIoU", "moved": "swap"}).splitlines() == [
        "|             | cIoU                | moved            |",
        "|-------------|---------------------|------------------|",
        "| A (2 seeds) | 20.0 (10.0 to 30.0) |                  |",
        "| H (1 seeds) | 5.0 (5.0 to 5.0)    | 1.0 (1.0 to 1.0) |",
        "| random      | 2.0                 |                  |",
    ]


def test_overlay_is_hottest_where_the_map_is() -> None:
    heat = np.zeros((8, 8), np.float32)
    heat[2, 6] = 1
    picture = np.asarray(overlay(np.full((16, 16, 3), 128, np.uint8), heat, 80)).astype(int)
    redness = picture[..., 0] - picture[..., 2]
    row, column = np.unravel_index(redness.argmax(), redness.shape)
    assert row // 10 == 2 and column // 10 == 6
    flat = np.asarray(overlay(np.full((16, 16, 3), 128, np.uint8), np.ones((8, 8)), 80))
    assert len(np.unique(flat.reshape(-1, 3), axis=0)) == 1


def test_outline_runs_along_the_border() -> None:
    mask = np.zeros((40, 40), bool)
    mask[10:30, 5:20] = True
    drawn = np.asarray(outline(Image.new("RGB", (40, 40)), mask, (255, 255, 255)))[..., 0] > 0
    inner = np.zeros_like(mask)
    inner[12:28, 7:18] = True
    np.testing.assert_array_equal(drawn, mask & ~inner)


def test_the_sheet_has_the_same_bytes_each_time(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, (70, 70, 3), dtype=np.uint8)
    mask = np.eye(70, dtype=bool)
    scene = Scene(frame, [("bell", rng.random((8, 8)), mask), ("saw", rng.random((8, 8)), ~mask)])
    for name in ("a.png", "b.png"):
        draw_scenes(tmp_path / name, [scene] * 3)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with pytest.raises(ValueError, match="no scenes"):
        draw_scenes(tmp_path / "c.png", [])
