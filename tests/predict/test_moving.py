"""Maps that move with a clip, and the film that shows them."""

from pathlib import Path

import av
import numpy as np
import pytest
import torch
from made_media import all_frames, tones, write_media
from made_method import small_method
from PIL import Image
from torch.nn import functional

from pipeline.clips.sound_form import SoundForm
from pipeline.clips.spectrogram import to_spectrogram
from pipeline.clips.windows import moving_windows
from pipeline.errors import InputError
from pipeline.media.errors import MediaError
from pipeline.media.playback import play_picture, play_sound
from pipeline.methods.alignment import Alignment
from pipeline.predict.media import localize_media
from pipeline.predict.moving import INTERVAL, localize_moving
from pipeline.report.film import draw_film
from pipeline.report.film_canvas import Enlargement

FORM = SoundForm(window=512, hop=256, bands=16)
STEPS = 20


@pytest.fixture(scope="module")
def localizer() -> Alignment:
    return small_method(FORM, STEPS)


def test_every_frame_is_played_at_its_time(tmp_path: Path) -> None:
    clip = write_media(tmp_path / "clip.mp4", seconds=1.0, sound=tones(1.0, 16000))
    played = list(play_picture(clip))
    assert [round(time, 3) for time, _ in played] == [round(i / 20, 3) for i in range(21)]
    for (_, frame), expected in zip(played, all_frames(clip), strict=False):
        np.testing.assert_array_equal(frame.to_ndarray(format="rgb24"), expected)
    sound = list(play_sound(clip))
    assert sum(frame.samples for frame in sound) == pytest.approx(16000, abs=1100)


def test_a_turned_clip_is_played_upright(tmp_path: Path) -> None:
    clip = write_media(tmp_path / "turned.mp4", seconds=0.2, rotation=90)
    _, frame = next(play_picture(clip))
    assert (frame.width, frame.height) == (36, 48)
    turned = Image.fromarray(all_frames(clip)[0]).rotate(frame_rotation(clip), expand=True)
    np.testing.assert_array_equal(frame.to_ndarray(format="rgb24"), np.asarray(turned))


def frame_rotation(path: Path) -> int:
    with av.open(str(path)) as container:
        return next(container.decode(video=0)).rotation


def test_windows_are_those_around_each_moment() -> None:
    samples = np.random.default_rng(0).uniform(-1, 1, 32000).astype(np.float32)
    windows = moving_windows(samples, 2.0, 20, FORM, STEPS)
    whole = to_spectrogram(torch.from_numpy(samples), FORM).T
    assert windows.shape == (20, 20, 16)
    start = round(0.95 * 16000 / 256 - 10)
    torch.testing.assert_close(windows[9], whole[start : start + 20])
    torch.testing.assert_close(windows[0], whole[:20])
    torch.testing.assert_close(windows[-1], whole[-20:])
    later = moving_windows(samples, 2.0, 3, FORM, STEPS, first=8)
    torch.testing.assert_close(later, windows[8:11])
    silent = moving_windows(samples[:16000], 2.0, 20, FORM, STEPS)[-1]
    assert float(silent.max()) == pytest.approx(np.log(1e-7), abs=1e-3)


def test_a_map_each_tenth_of_a_second(localizer: Alignment, tmp_path: Path) -> None:
    clip = write_media(tmp_path / "clip.mp4", seconds=1.0, sound=tones(1.0, 16000))
    moving = localize_moving(localizer, clip, clip)
    assert moving.maps.shape == (10, 4, 4) and np.abs(moving.maps).max() <= 1.001
    assert (moving.frames, round(moving.seconds, 2)) == (20, 1.0)
    assert not np.array_equal(moving.maps[0], moving.maps[-1])
    picture = tmp_path / "still.png"
    Image.new("RGB", (40, 30), (200, 30, 30)).save(picture)
    still = localize_moving(localizer, picture, clip)
    assert still.maps.shape == (10, 4, 4) and still.frames == 0


def test_the_film_has_the_picture_the_map_and_the_sound(tmp_path: Path) -> None:
    def grey(index: int, width: int, height: int) -> np.ndarray:
        return np.full((height, width, 3), 128, np.uint8)

    clip = write_media(
        tmp_path / "clip.mp4",
        seconds=1.0,
        size=(64, 48),
        picture=grey,
        sound=tones(1.0, 22050, 2),
        sample_rate=22050,
    )
    maps = np.zeros((10, 4, 4), np.float32)
    maps[:5, 0, 0] = maps[5:, 3, 3] = 1
    film = tmp_path / "film.mp4"
    draw_film(film, clip, clip, maps, interval=INTERVAL, frames=20, height=96)
    whole = all_frames(film)
    (shape,) = {frame.shape for frame in whole}
    assert shape[0] > 96 and shape[1] >= 2 * 128 and len(whole) >= 20
    for frame in whole:  # the picture as it is on the left
        assert np.abs(frame[:96, :128].astype(int) - 128).max() <= 6
    frames = [frame[:96, -128:] for frame in whole]
    redness = [frame[..., 0].astype(int) - frame[..., 2] for frame in (frames[2], frames[17])]
    assert redness[0][:24, :32].mean() > redness[0][72:, 96:].mean() + 50
    assert redness[1][72:, 96:].mean() > redness[1][:24, :32].mean() + 50
    with av.open(str(film)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, audio.codec_context.name) == ("h264", "aac")
        assert (audio.sample_rate, audio.channels) == (22050, 2)
        heard = np.concatenate([f.to_ndarray() for f in container.decode(audio=0)], axis=1)
    assert heard.shape[1] == pytest.approx(22050, abs=2100)
    spectrum = np.abs(np.fft.rfft(heard[1, 4000:20000]))
    assert np.argmax(spectrum) * 22050 / 16000 == pytest.approx(500, abs=3)  # the right channel's


@pytest.mark.parametrize("sound_seconds", [0.1, 1.0, 3.95, 4.0, 6.0])
def test_maps_come_batch_by_batch_and_are_those_of_the_whole_clip(
    sound_seconds: float,
    localizer: Alignment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clip = write_media(tmp_path / "clip.mp4", seconds=4.0)
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (1, round(sound_seconds * 16000)))
    sound = write_media(
        tmp_path / "a.wav", size=None, sound=noise.astype(np.float32), audio_codec="pcm_s16le"
    )
    whole = localize_moving(localizer, clip, sound)  # 40 moments are in two batches

    waiting: list[int] = [0]
    frames, sounds = localizer.frame_features, localizer.sound_features

    def count_frames(batch: torch.Tensor) -> torch.Tensor:
        waiting.append(waiting[-1] + len(batch))
        return frames(batch)

    def count_sounds(batch: torch.Tensor) -> torch.Tensor:
        waiting.append(waiting[-1] - len(batch))
        return sounds(batch)

    monkeypatch.setattr(localizer, "frame_features", count_frames)
    monkeypatch.setattr(localizer, "sound_features", count_sounds)
    monkeypatch.setattr("pipeline.predict.moving._BATCH", 4)
    parts = localize_moving(localizer, clip, sound)
    assert max(waiting) <= 12 and waiting[-1] == -2  # silence and noise are heard once
    assert (parts.seconds, parts.frames) == (whole.seconds, whole.frames)
    np.testing.assert_allclose(parts.maps, whole.maps, atol=1e-5)
    np.testing.assert_allclose(parts.margins, whole.margins, atol=1e-5)


def test_silent_moments_are_told_and_drawn_as_nothing(localizer: Alignment, tmp_path: Path) -> None:
    clip = write_media(tmp_path / "clip.mp4", seconds=3.0)
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (1, 48000)).astype(np.float32)
    noise[:, 16000:32000] = 0
    sound = write_media(tmp_path / "a.wav", size=None, sound=noise, audio_codec="pcm_s16le")
    moving = localize_moving(localizer, clip, sound)
    # A window of 0.34 s lies in the silence from 1 to 2 s where its moment does not touch an end.
    assert moving.silent[13:17].all() and not moving.silent[:8].any()
    assert not moving.silent[22:].any()
    assert (moving.strengths[moving.silent] == 0).all()


def test_a_margin_is_what_a_map_has_above_silence_and_noise(
    localizer: Alignment, tmp_path: Path
) -> None:
    picture = tmp_path / "still.png"
    Image.new("RGB", (40, 30), (200, 30, 30)).save(picture)
    quiet = np.zeros((1, 16000), np.float32)
    sound = write_media(tmp_path / "a.wav", size=None, sound=quiet, audio_codec="pcm_s16le")
    moving = localize_moving(localizer, picture, sound)
    found = localize_media(localizer, picture, sound)
    floor = max(found.silence, found.noise)
    np.testing.assert_allclose(moving.margins, found.silence - floor, atol=1e-3)
    assert moving.silent.all() and found.word == "silent" and found.strength == 0


@pytest.mark.parametrize("cells", [(14, 14), (7, 3), (1, 1)])
def test_maps_are_enlarged_bilinearly(cells: tuple[int, int]) -> None:
    heat = np.random.default_rng(0).random(cells, np.float32)
    for height, width in ((96, 128), (8, 14), (2, 2)):
        expected = functional.interpolate(
            torch.from_numpy(heat)[None, None], (height, width), mode="bilinear"
        )
        found = Enlargement(cells, height, width)(heat)
        np.testing.assert_allclose(found, expected[0, 0].numpy(), atol=1e-5)


def test_a_still_picture_lasts_as_long_as_its_maps(tmp_path: Path) -> None:
    sound = write_media(
        tmp_path / "a.wav", size=None, sound=tones(0.5, 16000), audio_codec="pcm_s16le"
    )
    Image.new("RGB", (30, 20)).save(tmp_path / "p.png")
    maps = np.random.default_rng(0).random((5, 4, 4), np.float32)
    draw_film(
        tmp_path / "f.mp4", tmp_path / "p.png", sound, maps, interval=0.1, frames=0, height=40
    )
    height, width, _ = all_frames(tmp_path / "f.mp4")[0].shape
    assert height > 40 and 2 * 60 < width < 2 * 60 + 10


def test_a_film_that_no_decoder_takes(tmp_path: Path) -> None:
    sound = write_media(
        tmp_path / "a.wav", size=None, sound=tones(0.5, 16000), audio_codec="pcm_s16le"
    )
    Image.new("RGB", (4000, 3)).save(tmp_path / "wide.png")
    maps = np.zeros((5, 4, 4), np.float32)
    film = tmp_path / "f.mp4"
    with pytest.raises(InputError, match=r"wide\.png: 4000 x 3 pixels make a film of two "):
        draw_film(film, tmp_path / "wide.png", sound, maps, interval=0.1, frames=0, height=64)
    assert {path.name for path in tmp_path.iterdir()} == {"a.wav", "wide.png"}


def test_a_clip_without_sound_or_picture_leaves_nothing(
    localizer: Alignment, tmp_path: Path
) -> None:
    mute = write_media(tmp_path / "mute.mp4", seconds=0.5)
    sound = write_media(
        tmp_path / "a.wav", size=None, sound=tones(0.5, 16000), audio_codec="pcm_s16le"
    )
    with pytest.raises(InputError, match=r"mute\.mp4: no sound"):
        localize_moving(localizer, mute, mute)
    with pytest.raises(InputError, match=r"a\.wav: no picture"):
        localize_moving(localizer, sound, sound)
    with pytest.raises(MediaError, match="no sound"):
        next(play_sound(mute))
    maps = np.zeros((5, 4, 4), np.float32)
    for picture, heard in ((mute, mute), (sound, sound)):
        with pytest.raises(InputError, match=r"no sound|no picture"):
            draw_film(tmp_path / "f.mp4", picture, heard, maps, interval=0.1, frames=10)
    assert {path.name for path in tmp_path.iterdir()} == {"mute.mp4", "a.wav"}
