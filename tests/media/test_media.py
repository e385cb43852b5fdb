"""The middle frame and the sound of real, odd and broken containers, against plain decoding."""

import wave
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import scipy.signal
import torch
from made_media import SHARED_MEDIA, all_frames, tones, write_media
from PIL import Image

from pipeline.clips.spectrogram import log_spectrogram
from pipeline.media import file as media
from pipeline.media.errors import CAUSES, MediaError
from pipeline.media.file import read_picture, read_sound

REAL = SHARED_MEDIA / "3YOH4c9HXpo_290000_300000.mp4"


def shared(name: str) -> Path:
    if not (SHARED_MEDIA / name).is_file():
        pytest.skip(f"the real media file {name} is absent from ../shared/media")
    return SHARED_MEDIA / name


def squashed(frame: np.ndarray, side: int) -> np.ndarray:
    return np.asarray(Image.fromarray(frame).resize((side, side), Image.Resampling.BICUBIC))


def cause_of(read: Callable[[], object]) -> str:
    with pytest.raises(MediaError) as caught:
        read()
    assert caught.value.cause in CAUSES
    assert "/" not in caught.value.detail  # no path, which would differ between machines
    return caught.value.cause


CODECS = {
    "mp4": "libx264",
    "mkv": "libx264",
    "avi": "libx264",
    "ts": "libx264",
    "webm": "libvpx-vp9",
    "flv": "flv",
    "mpg": "mpeg2video",
    "mov": "mjpeg",
}


@pytest.mark.parametrize("count", [1, 2, 3, 30, 31])
@pytest.mark.parametrize(("container", "codec"), CODECS.items())
def test_the_middle_frame_is_frame_half_of_n(
    tmp_path: Path, container: str, codec: str, count: int
) -> None:
    if container == "ts":
        count += 30  # FFmpeg does not open a stream of a few small packets
    pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = write_media(
        tmp_path / f"clip.{container}",
        seconds=count / 25,
        rate=25,
        video_codec=codec,
        pixels=pixels,
    )
    frames = all_frames(path)
    picture = read_picture(path, side=24)
    np.testing.assert_array_equal(picture.frame, squashed(frames[len(frames) // 2], 24))
    assert (picture.width, picture.height) == (48, 36)
    assert picture.frame_rate == pytest.approx(25, rel=0.05) or count < 3


@pytest.mark.parametrize("group", [1, 7, 300])
def test_seeking_gives_the_frame_that_plain_decoding_gives(tmp_path: Path, group: int) -> None:
    path = write_media(tmp_path / "clip.mp4", seconds=5, size=(64, 48), group=group)
    np.testing.assert_array_equal(
        read_picture(path, side=32).frame, squashed(all_frames(path)[50], 32)
    )


@pytest.mark.parametrize(
    "name", [REAL.name, "hevc_10bit_without_audio.mp4", "video_without_audio_av1.mkv"]
)
def test_real_clips_give_their_true_middle_frame(name: str) -> None:
    path = shared(name)
    with av.open(str(path)) as container:
        count = sum(1 for _ in container.decode(video=0))
        container.seek(0)
        for index, frame in enumerate(container.decode(video=0)):
            if index == count // 2:
                expected = squashed(frame.to_ndarray(format="rgb24"), 224)
    picture = read_picture(path, side=224)
    np.testing.assert_array_equal(picture.frame, expected)
    assert not picture.still


def test_the_real_clips_sound_is_the_given_wav_up_to_resampling() -> None:
    with wave.open(str(shared("3YOH4c9HXpo_290000_300000.wav"))) as file:
        given = np.frombuffer(file.readframes(-1), "<i2").astype(np.float32) / 32768
    sound = read_sound(shared(REAL.name))
    assert len(sound.samples) == len(given)
    assert (sound.sample_rate, sound.channels) == (44100, 2)
    ours = log_spectrogram(torch.from_numpy(sound.samples)).numpy()
    density = scipy.signal.spectrogram(given, 16000, nperseg=512, noverlap=353)[2]
    theirs = np.log(density + 1e-7)
    difference = np.abs(ours - theirs)
    # What is left is the WAV's rounding to 16 bit and another resampler's filter near 8 kHz.
    assert np.median(difference) < 1e-3
    assert np.quantile(difference, 0.99) < 0.05
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.9999


def test_the_best_of_several_streams_is_taken() -> None:
    path = shared("two_video_two_audio.mp4")
    picture, sound = read_picture(path, side=32), read_sound(path)
    assert (picture.width, picture.height) == (480, 270)
    assert (sound.sample_rate, sound.channels) == (16000, 2)
    frames = all_frames(path, stream=1)
    np.testing.assert_array_equal(picture.frame, squashed(frames[len(frames) // 2], 32))


@pytest.mark.parametrize("rotation", [90, 180, -90])
def test_rotated_pictures_are_turned_upright(tmp_path: Path, rotation: int) -> None:
    path = write_media(tmp_path / "clip.mp4", seconds=1, rotation=rotation)
    upright = np.rot90(all_frames(path)[10], rotation // 90)
    picture = read_picture(path, side=24)
    assert (picture.height, picture.width) == upright.shape[:2]
    np.testing.assert_array_equal(picture.frame, squashed(upright, 24))


def test_variable_frame_rate_takes_the_frame_displayed_at_half_time(tmp_path: Path) -> None:
    times = [0, 40, 80, 120, 160, 200, 1100, 1900, 1950]  # half is near 1 s: frame 5, not 4
    path = write_media(tmp_path / "clip.mkv", times=times)
    np.testing.assert_array_equal(
        read_picture(path, side=24).frame, squashed(all_frames(path)[5], 24)
    )


@pytest.mark.parametrize(("container", "first"), [("mp4", 700), ("mkv", 700), ("ts", -400)])
def test_streams_that_do_not_start_at_zero(tmp_path: Path, container: str, first: int) -> None:
    times = [first + 50 * index for index in range(21)]
    path = write_media(tmp_path / f"clip.{container}", times=times, sound=tones(1, 16000))
    picture = read_picture(path, side=24)
    np.testing.assert_array_equal(picture.frame, squashed(all_frames(path)[10], 24))
    assert picture.duration == pytest.approx(1.05, abs=0.06)


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (33, 17), (401, 3)])
def test_odd_sizes(tmp_path: Path, size: tuple[int, int]) -> None:
    path = write_media(
        tmp_path / "clip.mkv", seconds=0.5, size=size, video_codec="ffv1", pixels="yuv444p"
    )
    picture = read_picture(path, side=16)
    assert (picture.width, picture.height) == size
    np.testing.assert_array_equal(picture.frame, squashed(all_frames(path)[5], 16))


def test_still_pictures_are_told_from_moving_ones(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (96, 128, 3), dtype=np.uint8)

    def still(index: int, width: int, height: int) -> np.ndarray:
        return noise

    def late(index: int, width: int, height: int) -> np.ndarray:
        return noise if index < 45 else 255 - noise // 2

    for name, picture, expected in (("still", still, True), ("late", late, False)):
        path = write_media(tmp_path / f"{name}.mp4", seconds=3, size=(128, 96), picture=picture)
        assert read_picture(path, side=16).still is expected
    assert not read_picture(write_media(tmp_path / "moving.mp4"), side=16).still


def test_picture_files(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    turned = Image.Exif()
    turned[0x0112] = 6  # "turn by 90 degrees clockwise"
    Image.fromarray(pixels).save(tmp_path / "b.jpg", exif=turned, quality=100)
    picture = read_picture(tmp_path / "a.png", side=20)
    np.testing.assert_array_equal(picture.frame, squashed(pixels, 20))
    assert (picture.duration, picture.frame_rate, picture.still) == (None, None, None)
    upright = read_picture(tmp_path / "b.jpg", side=20)
    assert (upright.width, upright.height) == (20, 30)
    (tmp_path / "c.jpg").write_bytes(b"no picture at all")
    assert cause_of(lambda: read_picture(tmp_path / "c.jpg", side=20)) == "unreadable"


@pytest.mark.parametrize("sample_rate", [8000, 16000, 22050, 44100, 48000, 96000])
@pytest.mark.parametrize("channels", [1, 2, 6, 8])
def test_any_rate_and_number_of_channels(tmp_path: Path, sample_rate: int, channels: int) -> None:
    source = tones(1, sample_rate, channels)
    path = write_media(
        tmp_path / "a.wav",
        size=None,
        sound=source,
        sample_rate=sample_rate,
        audio_codec="pcm_s16le",
    )
    sound = read_sound(path)
    assert (sound.sample_rate, sound.channels) == (sample_rate, channels)
    assert sound.samples.dtype == np.float32
    assert sound.seconds == pytest.approx(1, abs=0.001)
    expected = tones(1, 16000, channels).mean(axis=0)
    count = min(len(expected), len(sound.samples)) - 200
    np.testing.assert_allclose(sound.samples[200:count], expected[200:count], atol=2e-3)


def test_samples_are_clipped_and_must_be_numbers(tmp_path: Path) -> None:
    def written(name: str, value: float) -> Path:
        sound = np.full((1, 4000), 0.5, dtype=np.float32)
        sound[0, 2000:] = value
        return write_media(tmp_path / name, size=None, sound=sound, audio_codec="pcm_f32le")

    assert np.abs(read_sound(written("loud.wav", 3.0)).samples).max() == 1
    assert cause_of(lambda: read_sound(written("nan.wav", np.nan))) == "unreadable"


def test_a_late_sound_is_preceded_by_silence(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mkv", sound=tones(1.5, 16000), sound_delay=0.5)
    samples = read_sound(path).samples
    assert np.abs(samples[:7500]).max() < 1e-3
    assert np.abs(samples[8500:10000]).max() > 0.2


@pytest.mark.parametrize("suffix", ["wav", "mp4", "mkv"])
def test_only_the_centre_of_a_long_sound_is_kept(tmp_path: Path, suffix: str) -> None:
    seconds = 40
    time = np.arange(seconds * 16000) / 16000
    sweep = (0.5 * np.sin(np.pi * 100 * time * (1 + time / 20)))[None].astype(np.float32)
    codec = "pcm_s16le" if suffix == "wav" else "aac"
    path = write_media(tmp_path / f"a.{suffix}", size=None, sound=sweep, audio_codec=codec)
    whole, centre = read_sound(path), read_sound(path, max_seconds=4)
    assert len(centre.samples) == 4 * 16000
    assert centre.seconds == pytest.approx(whole.seconds, abs=0.1)
    begin = (len(whole.samples) - 4 * 16000) // 2
    lags = range(-1200, 1201, 1)
    middle = centre.samples[8000:24000]
    errors = [
        np.square(whole.samples[begin + 8000 + lag : begin + 24000 + lag] - middle).mean()
        for lag in lags
    ]
    assert abs(lags[int(np.argmin(errors))]) <= 1024  # within one block of the codec's padding
    assert min(errors) < 1e-4


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_truncated_files_are_rejected_or_right(tmp_path: Path, suffix: str) -> None:
    path = write_media(
        tmp_path / f"whole.{suffix}",
        seconds=4,
        sound=tones(4, 16000),
        container_options={"movflags": "faststart"} if suffix == "mp4" else None,
    )
    whole = path.read_bytes()
    right = read_picture(path, side=16).frame
    for tenth in range(10):
        cut = tmp_path / f"cut.{suffix}"
        cut.write_bytes(whole[: len(whole) * tenth // 10])
        expected = {"unreadable"} if tenth == 0 else {"unreadable", "breaks midway"}
        assert cause_of(lambda cut=cut: read_sound(cut)) in expected
        try:
            np.testing.assert_array_equal(read_picture(cut, side=16).frame, right)
        except MediaError as error:
            assert error.cause in expected


def test_damage_inside_is_rejected_and_never_kills(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mp4", size=(96, 72), seconds=3, sound=tones(3, 16000, 2))
    whole = path.read_bytes()
    generator = np.random.default_rng(0)
    causes = set()
    for _ in range(30):
        damaged = bytearray(whole)
        for place in generator.integers(0, len(whole), 60):
            damaged[place] ^= 0xFF
        path.write_bytes(damaged)
        for read in (lambda: read_picture(path, side=16), lambda: read_sound(path)):
            try:
                read()
            except MediaError as error:
                causes.add(error.cause)
    assert "breaks midway" in causes
    assert causes <= set(CAUSES)


def test_what_is_no_media_is_rejected(tmp_path: Path) -> None:
    target = write_media(tmp_path / "target.mp4", seconds=1, sound=tones(1, 16000))
    cases = {
        "empty.mp4": b"",
        "random.mp4": np.random.default_rng(0).bytes(50000),
        "text.mp4": b"not media\n" * 100,
        "list.mp4": f"#EXTM3U\n#EXTINF:1\nfile://{target}\n#EXT-X-ENDLIST\n".encode(),
        "script.mp4": f"ffconcat version 1.0\nfile {target.name}\n".encode(),
    }
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
        assert cause_of(lambda name=name: read_picture(tmp_path / name, side=16)) == "unreadable"
        assert cause_of(lambda name=name: read_sound(tmp_path / name)) == "unreadable"
    assert cause_of(lambda: read_sound(tmp_path)) == "unreadable"
    assert cause_of(lambda: read_sound(tmp_path / "absent.mp4")) == "unreadable"


def test_missing_streams_and_wrong_suffixes(tmp_path: Path) -> None:
    silent = write_media(tmp_path / "a:b.mp4", seconds=1)
    heard = write_media(tmp_path / "sound.mp4", size=None, sound=tones(1, 16000))
    assert cause_of(lambda: read_sound(silent)) == "no sound"
    assert cause_of(lambda: read_picture(heard, side=16)) == "no picture"
    renamed = silent.rename(tmp_path / "clip.webm")
    assert read_picture(renamed, side=16).width == 48


@pytest.mark.parametrize("name", ["video_without_audio_av1.mkv", "hevc_10bit_without_audio.mp4"])
def test_real_files_without_sound(name: str) -> None:
    assert cause_of(lambda: read_sound(shared(name))) == "no sound"


def test_a_clip_has_limited_time(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mp4", seconds=1, sound=tones(1, 16000))
    assert cause_of(lambda: read_picture(path, side=16, seconds_limit=0)) == "time limit"
    assert cause_of(lambda: read_sound(path, seconds_limit=0)) == "time limit"


def test_one_listing_serves_sound_and_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_media(tmp_path / "clip.mp4", sound=tones(1, 16000))
    picture, sound = read_picture(path, side=16), read_sound(path)
    listed = []
    list_packets = media.list_packets
    monkeypatch.setattr(
        media, "list_packets", lambda *a, **k: listed.append(path) or list_packets(*a, **k)
    )
    with media.MediaFile(path) as file:
        assert cause_of(lambda: file.sound(seconds_limit=0)) == "time limit"
        np.testing.assert_array_equal(file.sound().samples, sound.samples)
        found = file.picture(side=16)
    assert len(listed) == 2  # the first was broken off
    np.testing.assert_array_equal(found.frame, picture.frame)
    assert (found.duration, found.still) == (picture.duration, picture.still)
