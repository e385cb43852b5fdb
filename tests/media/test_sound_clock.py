"""Where a sound's samples stand on the clock of its clip, and which of them are taken."""

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import scipy.signal
from made_media import SHARED_MEDIA, tones, write_media

from pipeline.media.errors import MediaError
from pipeline.media.file import read_sound

RATE = 16000
CODECS = {
    "mp4": ("libx264", "aac", 16000),
    "mov": ("libx264", "aac", 16000),
    "mkv": ("libx264", "aac", 16000),
    "ts": ("libx264", "aac", 16000),
    "flv": ("libx264", "aac", 44100),
    "webm": ("libvpx", "libopus", 48000),
    "mpg": ("mpeg2video", "mp2", 48000),
}


def clip(path: Path, *, sound_seconds: float = 10, seconds: float = 10, **options: Any) -> Path:
    video, audio, rate = CODECS[path.suffix[1:]]
    # The picture is nobody's matter here, and libvpx at leisure takes ten times as long.
    fast = {"deadline": "realtime", "cpu-used": "8"} if video == "libvpx" else {}
    return write_media(
        path, seconds=seconds, rate=25, video_codec=video, audio_codec=audio, sample_rate=rate,
        sound=tones(sound_seconds, rate), codec_options=fast, **options,
    )  # fmt: skip


def noise(seconds: float, rate: int) -> np.ndarray:
    """(1, n) float32: noise between 300 and 3000 Hz, in which a delay shows."""
    samples = 0.1 * np.random.default_rng(0).standard_normal(round(seconds * rate))
    band = scipy.signal.butter(4, [300, 3000], "band", fs=rate, output="sos")
    return scipy.signal.sosfilt(band, samples)[None].astype(np.float32)


def place_of(part: np.ndarray, whole: np.ndarray) -> int:
    """Where in `whole` a part of it is found, in samples."""
    return int(np.argmax(scipy.signal.correlate(whole, part, "valid", "fft")))


def loudest(samples: np.ndarray, begin: float, end: float) -> float:
    return float(np.abs(samples[round(begin * RATE) : round(end * RATE)]).max())


@pytest.mark.parametrize("suffix", CODECS)
@pytest.mark.parametrize("delay", [0.5, 6.0, 9.0])
def test_a_late_sound_is_late(tmp_path: Path, suffix: str, delay: float) -> None:
    path = clip(tmp_path / f"a.{suffix}", sound_seconds=10 - delay, sound_delay=delay)
    sound = read_sound(path)
    assert sound.seconds == pytest.approx(10, abs=0.15)
    assert (sound.start, sound.holes) == (pytest.approx(0, abs=0.05), 0)
    heard = np.flatnonzero(np.abs(sound.samples) > 0.15)[0] / RATE
    assert heard == pytest.approx(delay, abs=0.07)  # AAC's 64 ms in files that do not tell it


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_a_coder_s_priming_is_no_sound(tmp_path: Path, rate: int) -> None:
    """A packet before the first sample, which MP4 marks and Matroska does not."""
    sound = tones(2, rate)
    heard = [
        read_sound(
            write_media(tmp_path / f"a.{suffix}", sound=sound, sample_rate=rate), sample_rate=16000
        ).samples
        for suffix in ("mp4", "mkv")
    ]
    assert np.flatnonzero(np.abs(heard[1]) > 1e-3)[0] < 0.002 * 16000
    np.testing.assert_array_equal(*heard)


@pytest.mark.parametrize("suffix", ["mpg", "ts", "flv"])
def test_a_sound_that_begins_behind_what_opening_looks_at(tmp_path: Path, suffix: str) -> None:
    path = clip(tmp_path / f"a.{suffix}", seconds=40, sound_seconds=10, sound_delay=30)
    sound = read_sound(path)
    assert sound.seconds == pytest.approx(40, abs=0.15)
    assert (sound.sample_rate, sound.channels) == (CODECS[suffix][2], 1)
    assert np.flatnonzero(np.abs(sound.samples) > 0.15)[0] / RATE == pytest.approx(30, abs=0.07)


def test_a_sound_behind_five_megabytes(tmp_path: Path) -> None:
    dice = np.random.default_rng(0)

    def picture(index: int, width: int, height: int) -> np.ndarray:
        return dice.integers(0, 255, (height, width, 3), dtype=np.uint8)

    path = write_media(
        tmp_path / "a.flv", seconds=22, rate=5, size=(320, 240), video_codec="flv", group=1,
        codec_options={"qmin": "1", "qmax": "1"}, picture=picture, sound=tones(2, 44100),
        sample_rate=44100, audio_codec="mp3", sound_delay=20,
    )  # fmt: skip
    content = bytearray(path.read_bytes())
    content[4] &= ~4  # the head says whether there is a sound, if the writer knows
    path.write_bytes(content)
    with av.open(str(path)) as container:
        assert not container.streams.audio
    sound = read_sound(path)
    assert (sound.seconds, sound.sample_rate) == (pytest.approx(22, abs=0.15), 44100)
    assert np.flatnonzero(np.abs(sound.samples) > 0.15)[0] / RATE == pytest.approx(20, abs=0.07)


def test_a_sound_on_another_clock_is_the_whole_clip(tmp_path: Path) -> None:
    sound = read_sound(clip(tmp_path / "a.mkv", sound_delay=1.7e9))
    assert sound.seconds == pytest.approx(10, abs=0.15)
    assert loudest(sound.samples, 0.1, 0.2) > 0.25


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "flv", "webm"])
def test_a_hole_is_silence_up_to_a_share(tmp_path: Path, suffix: str) -> None:
    path = clip(tmp_path / f"a.{suffix}", sound_hole=(4, 4.8))
    sound = read_sound(path)
    assert sound.holes == pytest.approx(0.8, abs=0.05)
    assert sound.seconds == pytest.approx(10, abs=0.15)
    assert loudest(sound.samples, 4.15, 4.75) < 1e-3
    for begin in (3.8, 5.0, 9.7):
        assert loudest(sound.samples, begin, begin + 0.1) > 0.25
    with pytest.raises(MediaError, match=r"breaks midway: 0\.\d+ of \d+\.\d+ s .* in holes"):
        read_sound(path, max_holes=0.02)
    with pytest.raises(MediaError, match="in holes"):
        read_sound(clip(tmp_path / f"b.{suffix}", sound_hole=(4, 6)))


def test_the_stretch_beside_a_hole_has_none(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mkv", sound_hole=(1, 3))
    sound = read_sound(path, max_seconds=3)  # 3.5 to 6.5
    assert (len(sound.samples), sound.holes) == (3 * RATE, 0)
    assert sound.start == pytest.approx(3.5, abs=0.1)


LONG = {
    "wav": ("pcm_s16le", 48000),
    "mp3": ("mp3", 48000),
    "mp4": ("aac", 22050),
    "mkv": ("aac", 44100),
    "ts": ("aac", 48000),
    "ogg": ("libopus", 48000),
    "3gp": ("libopencore_amrnb", 8000),
    "flac": ("flac", 44100),
}


@pytest.fixture(scope="module", params=LONG)
def long_sound(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a minute of noise in a file of each kind."""
    codec, file_rate = LONG[request.param]
    return write_media(
        tmp_path_factory.mktemp("long") / f"a.{request.param}", size=None,
        sound=noise(30, file_rate), sample_rate=file_rate, audio_codec=codec,
    )  # fmt: skip


@pytest.mark.parametrize("rate", [16000, 22050])
def test_the_stretch_of_a_long_sound(long_sound: Path, rate: int) -> None:
    path = long_sound
    whole = read_sound(path, sample_rate=rate)
    assert whole.seconds == pytest.approx(30, abs=0.1)
    middle = read_sound(path, sample_rate=rate, max_seconds=8)
    first = read_sound(path, sample_rate=rate, max_seconds=8, keep="first")
    assert len(middle.samples) == len(first.samples) == 8 * rate
    begin = (len(whole.samples) - 8 * rate) / 2
    assert place_of(middle.samples, whole.samples) == pytest.approx(begin, abs=0.02 * rate)
    assert middle.start == pytest.approx(begin / rate, abs=0.05)
    assert place_of(first.samples, whole.samples) == pytest.approx(0, abs=2)


def test_the_middle_of_the_clip(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4", seconds=20, sound_seconds=10)
    assert read_sound(path, max_seconds=4).start == pytest.approx(3, abs=0.05)
    # Around 10 s the sound has ended: its last 4 s are the nearest.
    assert read_sound(path, max_seconds=4, middle="clip").start == pytest.approx(6, abs=0.05)


# --- channels -------------------------------------------------------------------------------------


def stereo(path: Path, left: np.ndarray, right: np.ndarray) -> Path:
    sound = np.stack([left, right]).astype(np.float32)
    return write_media(path, size=None, sound=sound, audio_codec="pcm_f32le")


def test_the_mean_of_the_channels_or_the_first(tmp_path: Path) -> None:
    left, right = tones(2, RATE, 2)
    path = stereo(tmp_path / "a.wav", left, right)
    mean, first = read_sound(path), read_sound(path, channels="first")
    np.testing.assert_allclose(mean.samples, (left + right) / 2, atol=1e-6)
    np.testing.assert_allclose(first.samples, left, atol=1e-6)
    assert not mean.cancelled and not first.cancelled


@pytest.mark.parametrize("leak", [0.0, 0.005])
def test_channels_that_cancel_are_kept_by_one(tmp_path: Path, leak: float) -> None:
    tone = tones(2, RATE)[0]
    found = read_sound(stereo(tmp_path / "a.wav", tone, (leak - 1) * tone))
    assert found.cancelled
    np.testing.assert_allclose(found.samples, tone, atol=1e-6)


def test_quiet_and_silent_channels_do_not_cancel(tmp_path: Path) -> None:
    tone, silence = tones(2, RATE)[0], np.zeros(2 * RATE)
    for number, (left, right) in enumerate(
        [(tone, silence), (silence, silence), (tone, -0.5 * tone)]
    ):
        found = read_sound(stereo(tmp_path / f"{number}.wav", left, right))
        assert not found.cancelled
        np.testing.assert_allclose(found.samples, (left + right) / 2, atol=1e-6)


@pytest.mark.parametrize("codec", ["wav", "m4a", "ogg"])
@pytest.mark.parametrize(
    ("seconds", "cancelled"), [(0.0, False), (0.1, False), (0.5, True), (2.5, True), (3.0, True)]
)
def test_channels_that_cancel_for_a_while_are_kept_by_one_throughout(
    tmp_path: Path, codec: str, seconds: float, cancelled: bool
) -> None:
    name, rate = {"wav": ("pcm_f32le", RATE), "m4a": ("aac", 44100), "ogg": ("libopus", 48000)}[
        codec
    ]
    left, other = noise(3, rate)[0], noise(3, rate)[0]
    other[: round(seconds * rate)] *= -1
    path = write_media(
        tmp_path / f"a.{codec}", size=None, sound=np.stack([left, other]), sample_rate=rate,
        audio_codec=name,
    )  # fmt: skip
    found = read_sound(path)
    assert found.cancelled == cancelled
    if cancelled:
        np.testing.assert_array_equal(found.samples, read_sound(path, channels="first").samples)
        assert loudest(found.samples, 0.1, 0.4) > 0.05


def test_what_cancels_unheard_leaves_the_mean(tmp_path: Path) -> None:
    """Channels that cancel below -60 dB for half of the time are nothing that could be lost."""
    left, right = tones(2, RATE, 2)
    left[:RATE] *= 1e-3
    right[:RATE] = -left[:RATE]
    found = read_sound(stereo(tmp_path / "a.wav", left, right))
    assert not found.cancelled
    np.testing.assert_allclose(found.samples, (left + right) / 2, atol=1e-6)
    right[:RATE] = -left[:RATE] * 0.5  # -6 dB: the mean is quieter and still there
    left[:RATE], right[:RATE] = 1e3 * left[:RATE], 1e3 * right[:RATE]
    assert not read_sound(stereo(tmp_path / "b.wav", left, right)).cancelled


def test_real_recordings_do_not_cancel() -> None:
    files = sorted((SHARED_MEDIA / "vggss").glob("*.mp4"))
    if not files:
        pytest.skip("the real clips (../shared/media/vggss) are absent")
    sounds = [read_sound(path) for path in files]
    assert sum(sound.channels > 1 for sound in sounds) >= 9
    assert not any(sound.cancelled for sound in sounds)
