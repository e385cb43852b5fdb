"""Which frame is taken where packets do not say what is shown."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from made_media import all_frames, remux, tones, with_text_tag, write_films, write_media
from PIL import Image

from pipeline.media import picture as by_packets
from pipeline.media.errors import MediaError, decoding
from pipeline.media.file import read_picture, read_sound


def squashed(frame: np.ndarray, side: int = 24) -> np.ndarray:
    image = Image.fromarray(np.ascontiguousarray(frame))
    return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC))


def is_frame(path: Path, number: int, **options: Any) -> None:
    """`read_picture` gives frame `number` of what plain decoding gives, and no other frame would do
    as well."""
    frames = [squashed(frame) for frame in all_frames(path)]
    found = read_picture(path, side=24, **options).frame
    np.testing.assert_array_equal(found, frames[number])
    assert not np.array_equal(found, frames[number - 1])


def clip(path: Path, **options: Any) -> Path:
    return write_media(path, **{"seconds": 6, "rate": 25, "size": (64, 48), **options})


@pytest.fixture
def decodings(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that are decoded from the start, since their packets contradict their frames."""
    paths: list[Path] = []
    decode_all = by_packets.decode_all

    def recorded(path: Path, *rest: Any) -> Any:
        paths.append(path)
        return decode_all(path, *rest)

    monkeypatch.setattr(by_packets, "decode_all", recorded)
    return paths


@pytest.mark.parametrize(
    ("codec", "suffix"), [("mpeg4", "mp4"), ("libx265", "mp4"), ("libx265", "mkv")]
)
def test_a_container_that_calls_every_frame_a_key(
    tmp_path: Path, decodings: list[Path], codec: str, suffix: str
) -> None:
    def call_it_a_key(number: int, packet: Any) -> bool:
        packet.is_keyframe = True
        return True

    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    source = clip(tmp_path / "a.mp4", video_codec=codec, group=60, codec_options=options)
    path = remux(source, tmp_path / f"lies.{suffix}", call_it_a_key)
    is_frame(path, 75)
    assert decodings == [path]


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
@pytest.mark.parametrize("coding", ["open-gop=1:b-pyramid=normal:bframes=3", "intra-refresh=1"])
def test_groups_of_pictures_that_lean_on_the_one_before(
    tmp_path: Path, suffix: str, coding: str
) -> None:
    path = clip(tmp_path / f"a.{suffix}", group=30, codec_options={"x264-params": coding})
    is_frame(path, 75)


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "ts", "avi"])
def test_a_picture_held_for_long_is_the_middle_one(tmp_path: Path, suffix: str) -> None:
    times = [40 * number for number in (*range(5), *range(201, 250))]
    path = clip(tmp_path / f"a.{suffix}", times=times)
    is_frame(path, 4)
    assert read_picture(path, side=16).duration == pytest.approx(10, abs=0.2)


@pytest.mark.parametrize("held", [(150, 235), (150, 242)])
def test_a_picture_held_near_the_end_makes_no_clip_longer(
    tmp_path: Path, held: tuple[int, int]
) -> None:
    times = [40 * number for number in (*range(held[0]), *range(held[1], 250))]
    path = clip(tmp_path / "a.mp4", times=times)
    is_frame(path, 125)
    found = read_picture(path, side=16)
    assert found.duration == pytest.approx(10)
    assert found.frame_rate == pytest.approx(len(times) / 10)


@pytest.mark.parametrize("suffix", ["ts", "mkv"])
def test_a_recording_that_begins_between_key_frames(
    tmp_path: Path, decodings: list[Path], suffix: str
) -> None:
    # Key frames are 0, 50, 100; of frames 30 to 149 those from 50 on are shown.
    coding = {"x264-params": "keyint=50:min-keyint=50:scenecut=0:bframes=2"}
    source = clip(tmp_path / "a.mp4", group=50, codec_options=coding)
    path = remux(source, tmp_path / f"b.{suffix}", lambda number, packet: number >= 30)
    assert len(all_frames(path)) == 100
    is_frame(path, 50)
    assert read_picture(path, side=16).duration == pytest.approx(4, abs=0.01)
    assert not decodings


@pytest.mark.parametrize(("suffix", "codec"), [("ts", "libx264"), ("mpg", "mpeg2video")])
def test_streams_without_an_index_are_sought_in(
    tmp_path: Path, decodings: list[Path], suffix: str, codec: str
) -> None:
    is_frame(clip(tmp_path / f"a.{suffix}", video_codec=codec, seconds=12, group=25), 150)
    assert not decodings


def test_two_recordings_behind_each_other(tmp_path: Path) -> None:
    parts = [
        clip(tmp_path / f"{s}.ts", seconds=s, sound=tones(s, 48000), sample_rate=48000)
        for s in (6, 4)
    ]
    path = tmp_path / "both.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    is_frame(path, 125)
    found = read_picture(path, side=16)
    assert (found.duration, found.frame_rate) == (pytest.approx(10), pytest.approx(25))
    assert read_sound(path).seconds == pytest.approx(10, abs=0.1)


def test_a_stream_that_appears_midway_is_passed_over(tmp_path: Path) -> None:
    sound = tones(6, 44100)
    plain = clip(tmp_path / "a.flv", video_codec="libx264", sound=sound, sample_rate=44100)
    path = with_text_tag(plain, tmp_path / "b.flv")
    assert len(path.read_bytes()) > len(plain.read_bytes())
    found, expected = read_picture(path, side=24), read_picture(plain, side=24)
    np.testing.assert_array_equal(found.frame, expected.frame)
    np.testing.assert_array_equal(read_sound(path).samples, read_sound(plain).samples)


@pytest.mark.parametrize("error", [IndexError("list"), RuntimeError("codec"), KeyError("/a/path")])
def test_whatever_a_decoder_raises_is_a_reject(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*args: object) -> None:
        raise error

    path = clip(tmp_path / "a.mp4", seconds=1)
    monkeypatch.setattr(by_packets, "packets_of", fail)
    with pytest.raises(MediaError, match=type(error).__name__) as caught:
        read_picture(path, side=16)
    assert caught.value.cause == "unreadable"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            av.error.InvalidDataError(1, "Invalid data", "/a/path"),
            "Invalid data (InvalidDataError)",
        ),
        (ValueError("no such\n plane"), "no such plane (ValueError)"),
        (ValueError(), "ValueError"),
    ],
)
def test_what_a_decoder_says_of_a_file_has_its_type(error: Exception, told: str) -> None:
    with pytest.raises(MediaError) as caught, decoding("breaks midway"):
        raise error
    assert (caught.value.cause, caught.value.detail) == ("breaks midway", told)


def test_a_reject_s_cause_names_the_exception(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(np.random.default_rng(0).bytes(5000))
    told = r"^unreadable: Invalid data found when processing input \(InvalidDataError\)$"
    with pytest.raises(MediaError, match=told):
        read_sound(tmp_path / "a.mp4")
    with pytest.raises(MediaError, match=told):
        read_picture(tmp_path / "a.mp4", side=16)
    picture = Image.new("RGB", (64, 64))
    picture.save(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:60])
    with pytest.raises(MediaError, match=r"unreadable: .* \((OSError|SyntaxError)\)$"):
        read_picture(tmp_path / "a.png", side=16)


@pytest.mark.parametrize(("packet", "told"), [(10, False), (50, True), (60, True), (120, False)])
def test_damage_that_the_wanted_frame_leans_on_is_told(
    tmp_path: Path, packet: int, told: bool
) -> None:
    coding = {"x264-params": "keyint=50:min-keyint=50:scenecut=0:bframes=0"}
    path = clip(tmp_path / "a.mp4", group=50, codec_options=coding)
    expected = read_picture(path, side=24).frame  # frame 75, behind key frame 50
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    bad = bytearray(path.read_bytes())
    place, size = packets[packet].pos, packets[packet].size
    assert place is not None
    bad[place : place + size] = b"\xff" * size
    path.write_bytes(bad)
    if told:
        with pytest.raises(MediaError) as caught:
            read_picture(path, side=24)
        assert caught.value.cause == "breaks midway"
    else:
        np.testing.assert_array_equal(read_picture(path, side=24).frame, expected)


def changing(at: int) -> Callable[[int, int, int], np.ndarray]:
    def picture(index: int, width: int, height: int) -> np.ndarray:
        return np.full((height, width, 3), 40 if index < at else 200, np.uint8)

    return picture


@pytest.mark.parametrize("group", [10, 300])
@pytest.mark.parametrize("suffix", ["mp4", "avi"])
def test_a_clip_that_moves_only_late_is_not_still(tmp_path: Path, suffix: str, group: int) -> None:
    codec = "mpeg4" if suffix == "avi" else "libx264"
    for at, still in ((45, False), (1000, True)):
        path = write_media(
            tmp_path / f"{at}.{suffix}", video_codec=codec, seconds=2.5, group=group,
            picture=changing(at),
        )  # fmt: skip
        assert read_picture(path, side=16).still is still


# --- which moment ---------------------------------------------------------------------------------


def test_the_frame_at_a_second(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4", seconds=8, sound=tones(10, 16000))
    is_frame(path, 125, second=5.0)
    assert read_picture(path, side=16, second=5.0).time == pytest.approx(5)
    is_frame(path, 100, second=9.0)  # it does not last so long
    is_frame(path, 125, middle="clip")
    is_frame(path, 100)


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_picture_that_begins_late_is_on_the_clip_s_clock(tmp_path: Path, suffix: str) -> None:
    times = [2000 + 40 * number for number in range(200)]
    # PCM, since AAC begins 64 ms before its first sample in Matroska.
    sound = {"sound": tones(10, 16000), "audio_codec": "aac" if suffix == "mp4" else "pcm_s16le"}
    path = clip(tmp_path / f"a.{suffix}", times=times, **sound)
    is_frame(path, 100)
    is_frame(path, 75, middle="clip")
    is_frame(path, 75, second=5.0)
    assert read_picture(path, side=16, second=0.0).time == pytest.approx(2, abs=0.07)


# --- which track ----------------------------------------------------------------------------------


@pytest.mark.parametrize("still_first", [True, False])
def test_a_film_comes_before_a_larger_still(tmp_path: Path, still_first: bool) -> None:
    films = [(50, (64, 48), not still_first), (1, (128, 96), still_first)]
    order = (1, 0) if still_first else (0, 1)
    path = write_films(tmp_path / "a.mp4", [films[place] for place in order])
    found = read_picture(path, side=24)
    assert (found.width, found.height, found.still) == (64, 48, False)
    np.testing.assert_array_equal(
        found.frame, squashed(all_frames(path, stream=order.index(0))[25])
    )


@pytest.mark.parametrize("default", [0, 1])
def test_the_default_film_comes_before_a_larger_one(tmp_path: Path, default: int) -> None:
    sizes = [(64, 48), (128, 96)]
    films = [(50, size, place == default) for place, size in enumerate(sizes)]
    found = read_picture(write_films(tmp_path / "a.mkv", films), side=24)
    assert (found.width, found.height) == sizes[default]
