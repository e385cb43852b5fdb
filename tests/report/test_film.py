"""A film's colours are those of the still picture."""

from pathlib import Path

import numpy as np
import pytest
from made_media import all_frames, tones, write_media
from PIL import Image

from pipeline.report.figures import overlay
from pipeline.report.film import draw_film


@pytest.mark.parametrize("grey", [30, 128, 220])
@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_a_film_and_a_picture_show_the_same_colours(
    grey: int, level: float, tmp_path: Path
) -> None:
    sound = write_media(
        tmp_path / "a.wav", size=None, sound=tones(0.5, 16000), audio_codec="pcm_s16le"
    )
    frame = np.full((64, 64, 3), grey, np.uint8)
    Image.fromarray(frame).save(tmp_path / "p.png")
    heat = np.full((4, 4), level, np.float32)
    heat[0, 0], heat[3, 3] = 0, 1
    draw_film(
        tmp_path / "f.mp4",
        tmp_path / "p.png",
        sound,
        np.stack([heat] * 5),
        interval=0.1,
        frames=0,
        height=64,
    )
    shown = all_frames(tmp_path / "f.mp4")[1][:64, -64:].astype(int)
    expected = np.asarray(overlay(frame, heat, 64)).astype(int)
    inner = slice(24, 40)
    np.testing.assert_allclose(
        shown[inner, inner].mean((0, 1)), expected[inner, inner].mean((0, 1)), atol=6
    )


def film(folder: Path, name: str, strengths: np.ndarray, lines: list[tuple[str, ...]]) -> Path:
    """A film of a grey picture whose map is largest in its upper left cell."""
    sound = write_media(
        folder / "a.wav", size=None, sound=tones(0.5, 16000), audio_codec="pcm_s16le"
    )
    Image.new("RGB", (160, 120), (128, 128, 128)).save(folder / "p.png")
    maps = np.zeros((5, 4, 4), np.float32)
    maps[:, 0, 0] = 1
    draw_film(
        folder / name,
        folder / "p.png",
        sound,
        maps,
        interval=0.1,
        frames=0,
        height=120,
        strengths=strengths,
        lines=lines,
    )
    return folder / name


def test_an_unsure_map_is_paler_and_a_silent_one_is_none(tmp_path: Path) -> None:
    difference = {}
    for strength in (1.0, 0.3, 0.0):
        path = film(tmp_path, "f.mp4", np.full(5, strength), [("a",)] * 5)
        shown = all_frames(path)[1].astype(int)
        plain, mapped = shown[:120, :160], shown[:120, -160:]
        difference[strength] = np.abs(plain - mapped).max(axis=2)
    corner = (slice(2, 8), slice(2, 8))  # beside the ring
    assert difference[1.0][corner].mean() > 1.5 * difference[0.3][corner].mean() > 30
    assert difference[0.0].max() <= 12  # no colour and no ring
    # Elsewhere the ring's dark edge is the strongest.
    assert difference[0.3][5:25, 10:30].max() > 80


def test_the_caption_follows_the_moment(tmp_path: Path) -> None:
    lines = [("clip: sure",)] * 2 + [("clip: silent",)] * 3
    frames = all_frames(film(tmp_path, "f.mov", np.array([1.0, 1, 0, 0, 0]), lines))
    strips = [frame[120:].astype(int) for frame in frames]
    assert np.abs(strips[0] - strips[1]).mean() < 2 < np.abs(strips[0] - strips[3]).mean()
    assert strips[0].min() < 80  # ink
