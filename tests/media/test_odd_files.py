"""Real and made files of every kind of fault: right, or rejected with the true cause."""

from pathlib import Path

import av
import numpy as np
import pytest
from made_media import SHARED_MEDIA
from PIL import Image

from pipeline.media.errors import MediaError
from pipeline.media.file import read_picture, read_sound

RATE = 16000


def odd(name: str) -> Path:
    path = SHARED_MEDIA / "odd" / name
    if not path.is_file():
        pytest.skip(f"the media file {name} is absent from ../shared/media/odd")
    return path


def frame_of(path: Path, number: int, stream: int = 0) -> np.ndarray:
    """Frame `number` of a video, (height, width, 3) uint8, decoded from the start."""
    with av.open(str(path)) as container:
        for place, frame in enumerate(container.decode(video=stream)):
            if place == number:
                return frame.to_ndarray(format="rgb24")
    raise AssertionError(f"{path} has no frame {number}")


def squashed(frame: np.ndarray) -> np.ndarray:
    image = Image.fromarray(np.ascontiguousarray(frame))
    return np.asarray(image.resize((64, 64), Image.Resampling.BICUBIC))


# The number counts what is shown: of midgop.ts frames 100 to 249 of its recording, of
# edit-empty-then.mp4 200 frames from 2 s on.
@pytest.mark.parametrize(
    ("name", "number", "seconds"),
    [
        ("captions.flv", 125, 10.0),
        ("avi-drops-h264.avi", 59, 10.0),
        ("edit-empty-then.mp4", 100, 8.0),
        ("gap2s.mkv", 125, 10.0),
        ("h264-opengop.mp4", 125, 10.0),
        ("late6of4.mp4", 125, 10.0),
        ("midgop.ts", 75, 6.0),
        ("two-video.mkv", 125, 10.0),
        ("vfr-hold.mp4", 4, 10.0),
        # Stamps of 1 ms: frames 110 and 111 of 222 are shown at 7.436 and 7.512 of 15.04 s.
        ("MOV00006.3gp", 110, 15.04),
    ],
)
def test_the_frame_that_is_shown_in_the_middle(name: str, number: int, seconds: float) -> None:
    path = odd(name)
    found = read_picture(path, side=64)
    np.testing.assert_array_equal(found.frame, squashed(frame_of(path, number)))
    assert found.duration == pytest.approx(seconds, abs=0.01)


@pytest.mark.parametrize(
    ("name", "axes"), [("orient-hflip.mp4", None), ("sample_rotate_and_reflect.mp4", (1, 0, 2))]
)
def test_mirrored_pictures(name: str, axes: tuple[int, int, int] | None) -> None:
    path = odd(name)
    with av.open(str(path)) as container:
        count = container.streams.video[0].frames
    frame = frame_of(path, count // 2)
    expected = frame[:, ::-1] if axes is None else frame.transpose(axes)
    np.testing.assert_array_equal(read_picture(path, side=64).frame, squashed(expected))


def test_sixteen_bit_grey() -> None:
    path = odd("gray16.png")
    found = read_picture(path, side=64).frame
    levels = np.asarray(Image.open(path)).astype(np.float64) / 257
    expected = squashed(np.repeat(np.rint(levels).astype(np.uint8)[..., None], 3, axis=2))
    np.testing.assert_array_equal(found, expected)
    assert found.min() < 40 and found.max() > 220 and np.unique(found).size > 50


def test_a_sound_of_the_last_four_seconds() -> None:
    found = read_sound(odd("late6of4.mp4"))
    assert found.seconds == pytest.approx(10, abs=0.05)
    assert np.abs(found.samples[: round(5.95 * RATE)]).max() < 1e-3
    assert np.abs(found.samples[6 * RATE : round(6.2 * RATE)]).max() > 0.1


@pytest.mark.parametrize("name", ["gap2s.mkv", "hole2000-snd.ogg"])
def test_two_seconds_are_missing(name: str) -> None:
    path = odd(name)
    with pytest.raises(MediaError, match=r"breaks midway: 2.01 of 10.0\d s .* in holes"):
        read_sound(path)
    found = read_sound(path, max_holes=0.25)
    assert (found.seconds, found.holes) == (
        pytest.approx(10, abs=0.05),
        pytest.approx(2, abs=0.05),
    )


def test_the_middle_of_a_sound_of_several_blocks_a_packet() -> None:
    path = odd("multiTrack.3gp")
    whole, middle = read_sound(path).samples, read_sound(path, max_seconds=60).samples
    begin = (len(whole) - 60 * RATE) // 2
    np.testing.assert_allclose(middle, whole[begin : begin + 60 * RATE], atol=1e-3)


@pytest.mark.parametrize("name", ["captions.flv", "edit-empty-then.mp4", "h264-opengop.mp4"])
def test_whole_sounds(name: str) -> None:
    found = read_sound(odd(name))
    assert found.seconds == pytest.approx(10, abs=0.05)
    assert found.holes == 0
