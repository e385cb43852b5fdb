"""Tables and pictures show what they were given."""

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.report.figures import outline, overlay
from pipeline.report.heat import COLOURS, faded, glow, levels, scaled
from pipeline.report.rows import Column, Row, draw_rows
from pipeline.report.sheet import Heard, Scene, draw_scenes
from pipeline.report.tables import seeds_table
from pipeline.report.words import wrapped


def test_seeds_table() -> None:
    runs = {
        "A": [{"cIoU": 10.0, "cIoU.random": 1.0}, {"cIoU": 30.0, "cIoU.random": 2.0}],
        "H": [{"cIoU": 5.0, "swap": 1.0, "cIoU.random": 3.0}],
    }
    # Student's 97.5 % quantile at one degree of freedom, tan(0.475 pi), times 20 / 2.
    assert 10 * math.tan(0.475 * math.pi) == pytest.approx(127.06, abs=0.01)
    assert seeds_table(runs, {"cIoU": "cIoU", "moved": "swap"}).splitlines() == [
        "|             | cIoU                        | moved   |",
        "|-------------|-----------------------------|---------|",
        "| A (2 seeds) | 20.0 ± 127.1 (10.0 to 30.0) |         |",
        "| H (1 seed)  | 5.0                         | 1.0     |",
        "| random      | 2.0                         |         |",
    ]


def _luminance(colours: np.ndarray) -> np.ndarray:
    """The relative luminance (WCAG) of sRGB colours (..., 3) in 0..255."""
    part = colours / 255
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    return linear @ np.array([0.2126, 0.7152, 0.0722])


def test_colours_are_told_apart_by_lightness_alone() -> None:
    assert COLOURS.shape == (256, 4) and COLOURS.dtype == np.uint8
    assert (np.diff(COLOURS[:, 3].astype(int)) >= 0).all()
    for ground in (40, 128, 200):  # dark, middle and light pictures
        picture = np.full((1, 256, 3), ground, np.uint8)
        shown = _luminance(glow(picture, np.linspace(0, 1, 256)[None])[0].astype(float))
        assert shown[255] > 1.3 * shown[:128].max()
        assert shown[128:].argmax() > 120


def test_the_picture_shows_through_everywhere() -> None:
    for level in (0.0, 0.3, 0.7, 1.0):
        heat = np.full((2, 2), level, np.float32)
        dark, light = (
            glow(np.full((2, 2, 3), value, np.uint8), heat).astype(int) for value in (0, 255)
        )
        assert ((light - dark) >= 255 // 3).all()


def test_an_unsure_map_is_colder_and_lets_more_of_the_picture_through() -> None:
    picture = np.full((1, 256, 3), 128, np.uint8)
    ramp = np.linspace(0, 1, 256, dtype=np.float32)[None]
    np.testing.assert_array_equal(glow(picture, ramp), glow(picture, ramp, 1.0))
    np.testing.assert_array_equal(glow(picture, ramp, 0.0), picture)
    seen = [np.abs(glow(picture, ramp, s).astype(int) - 128).max() for s in (0.1, 0.4, 0.7, 1.0)]
    assert seen == sorted(set(seen))
    opacity = [int(faded(s)[255, 3]) for s in (0.0, 0.1, 0.4, 0.7, 1.0)]
    assert opacity[0] == 0 and opacity == sorted(set(opacity))
    assert (_luminance(faded(0.3)[:, :3].astype(float)) < 0.1).all()


def test_maps_are_scaled_together() -> None:
    maps = np.array([[[-1.0, 0.0]], [[1.0, 3.0]]])
    np.testing.assert_array_equal(scaled(maps), [[[0, 0.25]], [[0.5, 1]]])
    assert scaled(maps).dtype == np.float32
    np.testing.assert_array_equal(scaled(np.full((2, 3), 7.0)), np.zeros((2, 3)))
    np.testing.assert_array_equal(levels(scaled(maps)), [[[0, 64]], [[128, 255]]])


def test_labels_lose_no_letter() -> None:
    for text in ("", "dog", "alarm beeping, buzzing", "Clip_with_no_space_000013 and more", "a b"):
        for width in (1, 4, 9, 40):
            lines = wrapped(text, width, len)
            assert "".join(lines).replace(" ", "") == text.replace(" ", "")
            assert all(len(line) <= width for line in lines)
    assert wrapped("alarm beeping, buzzing", 14, len) == ["alarm beeping,", "buzzing"]


def test_long_labels_make_room(tmp_path: Path) -> None:
    frame = np.zeros((8, 8, 3), np.uint8)
    sizes = {}
    for name, words in (("short", "own"), ("long", "A very long label of a $method$, 2024 (ECCV)")):
        path = tmp_path / f"{name}.png"
        draw_rows([path], [Column(words, frame, None)], [Row(words, [np.eye(4)])])
        with Image.open(path) as picture:
            sizes[name] = picture.size
            pixels = np.asarray(picture.convert("L"))
        # Black frames and ink are the only dark pixels; none is at the edges of the paper but the
        # right and the lower one, which the pictures touch.
        assert (pixels[0] == 255).all() and (pixels[:, 0] == 255).all()
    assert sizes["long"][0] > sizes["short"][0] and sizes["long"][1] > sizes["short"][1]


def test_overlay_is_hottest_where_the_map_is() -> None:
    heat = np.zeros((8, 8), np.float32)
    heat[2, 6] = 1
    picture = np.asarray(overlay(np.full((16, 16, 3), 128, np.uint8), heat, 80)).astype(int)
    brightness = picture.sum(axis=2)
    row, column = np.unravel_index(brightness.argmax(), brightness.shape)
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
    bell = Heard("bell", rng.random((8, 8)), mask, "sure", 1.0, True)
    scene = Scene(frame, [bell, Heard("saw", rng.random((8, 8)), ~mask)])
    for name in ("a.png", "b.png"):
        draw_scenes(tmp_path / name, [scene] * 3)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with pytest.raises(ValueError, match="no scenes"):
        draw_scenes(tmp_path / "c.png", [])
