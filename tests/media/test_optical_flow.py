"""Two frames of a video, and the motion between them."""

from pathlib import Path

import av
import numpy as np
import pytest
from made_media import moving_square, write_media
from PIL import Image

from pipeline.errors import InputError
from pipeline.media import flow as optical_flow
from pipeline.media.errors import MediaError
from pipeline.media.file import read_pair, read_picture
from pipeline.media.flow import as_bytes, farneback, stored_flow

RATE, FRAMES = 20, 40  # of `write_media`'s two seconds


def textured(height: int, width: int) -> np.ndarray:
    """A smooth random picture, (height, width, 3) uint8, in which motion can be seen anywhere."""
    coarse = np.random.default_rng(0).integers(0, 256, (height // 6, width // 6, 3), dtype=np.uint8)
    smooth = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(smooth)


def number(frame: Image.Image | np.ndarray) -> int:
    """Which of `moving_square`'s frames this is, by its amount of blue in the upper right."""
    blue = np.asarray(frame)[:4, -4:, 2].mean()
    return round(blue / 8)


def test_motion_is_told_in_pixels_to_the_right_and_down() -> None:
    whole = textured(120, 160)
    frames = [Image.fromarray(whole[y : y + 90, x : x + 120]) for y, x in ((10, 10), (8, 13))]
    flow = farneback(*frames)
    assert flow.shape == (90, 120, 2) and flow.dtype == np.float32
    inner = flow[20:-20, 20:-20].reshape(-1, 2)
    # The window moved 3 to the right and 2 up, so that what is seen moved to the left and down.
    np.testing.assert_allclose(np.median(inner, axis=0), [-3, 2], atol=0.1)
    assert np.abs(farneback(frames[0], frames[0]))[20:-20, 20:-20].max() < 1e-3


def test_bytes_are_rounded_and_cut() -> None:
    found = as_bytes(np.array([-3.0, -0.4, 0.4, 0.5, 0.6, 1.5, 2.5, 254.6, 400.0], np.float32))
    assert found.dtype == np.uint8
    assert found.tolist() == [0, 0, 0, 0, 1, 2, 2, 255, 255]


@pytest.mark.parametrize(("aspect", "size"), [("squashed", (30, 30)), ("kept", (30, 40))])
def test_flow_is_stored_as_large_as_the_frame(aspect: str, size: tuple[int, int]) -> None:
    whole = textured(160, 200)
    frames = [Image.fromarray(whole[y : y + 120, x : x + 160]) for y, x in ((4, 8), (6, 3))]
    pair = frames[0], frames[1]
    flow = farneback(*pair)
    signed = stored_flow(pair, signed=True, side=30, aspect=aspect)  # type: ignore[arg-type]
    assert signed.shape == (*size, 2) and signed.dtype == np.float16
    # The same motion all over, whatever the size; the numbers stay those of the video's pixels.
    np.testing.assert_allclose(np.median(signed[4:-4, 4:-4], axis=(0, 1)), [5, -2], atol=0.1)
    rounded = stored_flow(pair, signed=False, side=30, aspect=aspect)  # type: ignore[arg-type]
    assert rounded.shape == (*size, 2) and rounded.dtype == np.uint8
    for part in range(2):
        picture = Image.fromarray(as_bytes(flow[..., part]))
        expected = np.asarray(picture.resize(size[::-1], Image.Resampling.BICUBIC))
        np.testing.assert_array_equal(rounded[..., part], expected)
    assert np.median(rounded[4:-4, 4:-4, 0]) == 5 and not rounded[4:-4, 4:-4, 1].any()


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.webm", "libvpx-vp9"), ("a.avi", "mpeg4")],
)
def test_the_pair_is_the_frame_and_the_next(tmp_path: Path, name: str, codec: str) -> None:
    fine = {"qmin": "1", "qmax": "2"} if codec == "mpeg4" else None
    path = write_media(tmp_path / name, size=(96, 72), video_codec=codec, codec_options=fine)
    pair = read_pair(path)
    assert pair is not None and pair[0].size == pair[1].size == (96, 72)
    assert [number(frame) for frame in pair] == [FRAMES // 2, FRAMES // 2 + 1]
    squashed = np.asarray(pair[0].resize((32, 32), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(squashed, read_picture(path, side=32).frame)
    later = read_pair(path, second=1.5)
    assert later is not None and [number(frame) for frame in later] == [30, 31]


def test_the_last_frame_has_the_one_before_it(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mp4", size=(96, 72))
    pair = read_pair(path, second=1.99)
    # The amount of blue begins anew after 32 frames.
    assert pair is not None and [number(f) for f in pair] == [(FRAMES - 2) % 32, (FRAMES - 1) % 32]
    two = write_media(tmp_path / "two.mp4", size=(96, 72), seconds=2 / RATE)
    pair = read_pair(two)
    assert pair is not None and [number(frame) for frame in pair] == [0, 1]


def test_frames_at_uneven_times_and_upright(tmp_path: Path) -> None:
    path = write_media(
        tmp_path / "a.mp4",
        size=(96, 72),
        seconds=0.4,
        times=[0, 100, 150, 170, 900, 950, 1000, 1050],
        rotation=90,
    )
    pair = read_pair(path)
    # Frame 3 is on show from 0.17 to 0.9 s, half of the duration among them.
    assert pair is not None and pair[0].size == (72, 96)
    frames = [frame.rotate(turn, expand=True) for turn in (90, -90) for frame in pair]
    assert [3, 4] in ([number(f) for f in frames[:2]], [number(f) for f in frames[2:]])


def test_what_has_no_frame_beside_it(tmp_path: Path) -> None:
    one = write_media(tmp_path / "one.mp4", size=(96, 72), seconds=1 / RATE)
    assert read_pair(one) is None
    picture = tmp_path / "a.png"
    Image.fromarray(moving_square(0, 96, 72)).save(picture)
    assert read_pair(picture) is None
    picture.write_bytes(b"no picture")
    with pytest.raises(MediaError, match="unreadable"):
        read_pair(picture)
    sound = tmp_path / "only.wav"
    samples = np.zeros((1, 16000), np.float32)
    write_media(sound, size=None, sound=samples, audio_codec="pcm_s16le")
    with pytest.raises(MediaError, match="no picture"):
        read_pair(sound)


@pytest.mark.parametrize("codec", ["mjpeg", "libx264"])
def test_a_damaged_next_frame_is_none_and_no_other_takes_its_place(
    tmp_path: Path, codec: str
) -> None:
    # Key frames only, so that one frame's damage is its own.
    pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = write_media(
        tmp_path / "a.mkv", size=(96, 72), video_codec=codec, pixels=pixels, seconds=0.5, group=1
    )
    with av.open(str(path)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    assert len(packets) == 10 and read_pair(path) is not None
    damaged = path.read_bytes().replace(packets[6], bytes(len(packets[6])))
    path.write_bytes(damaged)
    assert number(read_picture(path, side=72).frame) == 5
    assert read_pair(path) is None


def test_without_opencv_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(optical_flow, "import_module", absent)
    frame = Image.fromarray(textured(36, 48))
    with pytest.raises(InputError, match=r"OpenCV is not installed; pip install 'avloc\[flow\]'"):
        farneback(frame, frame)
