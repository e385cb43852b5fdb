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
    shown = all_frames(tmp_path / "f.mp4")[1].astype(int)
    expected = np.asarray(overlay(frame, heat, 64)).astype(int)
    inner = slice(24, 40)
    np.testing.assert_allclose(
        shown[inner, inner].mean((0, 1)), expected[inner, inner].mean((0, 1)), atol=6
    )
