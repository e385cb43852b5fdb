"""Which way up pictures come out: all turns and mirrorings, by the definition of the matrix."""

from itertools import product
from pathlib import Path

import av
import numpy as np
import pytest
from made_media import all_frames, remux, write_media
from PIL import Image

from pipeline.media.file import read_picture
from pipeline.media.orientation import matrix_of
from pipeline.media.playback import play_picture

Matrix = tuple[int, int, int, int]
STRAIGHT: list[Matrix] = [(a, 0, 0, d) for a, d in product((1, -1), repeat=2)]
CROSSED: list[Matrix] = [(0, b, c, 0) for b, c in product((1, -1), repeat=2)]


def moved(frame: np.ndarray, matrix: Matrix) -> np.ndarray:
    """Every pixel (x, y) at (a x + c y, b x + d y)."""
    a, b, c, d = matrix
    y, x = np.mgrid[: frame.shape[0], : frame.shape[1]]
    across, down = a * x + c * y, b * x + d * y
    across, down = across - across.min(), down - down.min()
    out = np.zeros((down.max() + 1, across.max() + 1, 3), np.uint8)
    out[down, across] = frame
    return out


def squashed(frame: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(frame).resize((24, 24), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("matrix", STRAIGHT + CROSSED)
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_every_orientation(tmp_path: Path, matrix: Matrix, suffix: str) -> None:
    path = write_media(tmp_path / f"a.{suffix}", seconds=1, matrix=matrix)
    frames = all_frames(path)
    expected = moved(frames[10], matrix)
    found = read_picture(path, side=24)
    assert (found.height, found.width) == expected.shape[:2]
    np.testing.assert_array_equal(found.frame, squashed(expected))
    played = [frame.to_ndarray(format="rgb24") for _, frame in play_picture(path)]
    np.testing.assert_array_equal(played[10], expected)


@pytest.mark.parametrize(
    ("message", "matrix"),
    [("rotate=90", (0, -1, 1, 0)), ("flip=horizontal", (-1, 0, 0, 1))],
)
def test_a_message_in_key_frames_turns_the_frames_behind_them(
    tmp_path: Path, message: str, matrix: Matrix
) -> None:
    source = write_media(tmp_path / "a.mp4", seconds=4, group=80)

    def as_it_was(number: int, packet: av.Packet) -> bool:
        packet.is_keyframe = number == 0
        return True

    path = remux(
        source,
        tmp_path / "b.mp4",
        as_it_was,
        filtered=f"h264_metadata=display_orientation=insert:{message}",
    )
    with av.open(str(path)) as container:
        matrices = [matrix_of(frame) for frame in container.decode(video=0)]
    assert matrices[0] == matrix and set(matrices[1:]) == {None}
    expected = moved(all_frames(path)[40], matrix)
    np.testing.assert_array_equal(read_picture(path, side=24).frame, squashed(expected))
