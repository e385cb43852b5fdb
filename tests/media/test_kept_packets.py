"""Packets of small files, which are kept and decoded where they were listed, and sounds that need
no resampler: what comes out is what the longer way gives."""

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from made_media import tones, write_media

from pipeline.media import file as media
from pipeline.media import packets
from pipeline.media.mixing import Mixer


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        ("mp4", {}),  # the middle behind the second key frame, which is sought
        ("mp4", {"group": 100}),  # behind the first
        ("mp4", {"group": 100, "picture": lambda i, w, h: np.full((h, w, 3), 90, np.uint8)}),
        ("mkv", {"group": 100, "matrix": (0, 1, -1, 0)}),
        ("ts", {"group": 100}),
        ("avi", {"video_codec": "mpeg4", "audio_codec": "mp3"}),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_a_large_file_that_is_read_anew_gives_what_a_small_one_does(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    suffix: str,
    options: dict[str, Any],
    channels: int,
) -> None:
    # Two that cancel, so that the first is decoded once more.
    tone = tones(2, 16000)
    sounds = np.concatenate([tone, -tone])[:channels]
    path = write_media(tmp_path / f"a.{suffix}", sound=sounds, **options)
    with media.MediaFile(path) as file:
        small, heard, again = file.picture(side=16), file.sound(), file.sound()
    monkeypatch.setattr(packets, "KEPT_UP_TO", 0)
    with media.MediaFile(path) as file:
        large, sound = file.picture(side=16), file.sound()
    np.testing.assert_array_equal(small.frame, large.frame)
    np.testing.assert_array_equal(heard.samples, sound.samples)
    np.testing.assert_array_equal(again.samples, sound.samples)
    assert (small.still, small.time, small.duration) == (large.still, large.time, large.duration)
    assert heard.cancelled == sound.cancelled == (channels > 1)


def test_a_small_file_is_opened_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_media(tmp_path / "a.mp4", sound=tones(2, 16000), group=100)
    places, open_file = [], av.open
    monkeypatch.setattr(
        "av.open", lambda place, *a, **k: places.append(place) or open_file(place, *a, **k)
    )
    with media.MediaFile(path) as file:
        file.sound(), file.picture(side=16)
    assert places == [f"file:{path}"]


@pytest.mark.parametrize("form", ["flt", "fltp"])
def test_a_sound_that_needs_no_resampling_is_what_the_resampler_gives(form: str) -> None:
    sound = tones(1, 16000)
    frames = [
        av.AudioFrame.from_ndarray(sound[:, n : n + 1024], form, "mono")
        for n in range(0, 16000, 1024)
    ]
    for frame in frames:
        frame.sample_rate = 16000
    mixer, resampler = Mixer(16000, "mean"), av.AudioResampler("flt", "mono", 16000)
    mixed = [block for frame in frames for block in mixer.put(frame)] + mixer.flush()
    other = [block for frame in [*frames, None] for block in resampler.resample(frame)]
    np.testing.assert_array_equal(np.concatenate(mixed), sound[0])
    np.testing.assert_array_equal(
        np.concatenate(mixed), np.concatenate([block.to_ndarray()[0] for block in other])
    )
