"""Odd files, as cameras, editors and recorders make them, by our decoder and the others that are
installed: `pytest -n 0 -s -k odd tests/speed/test_decoders.py` prints the table."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import alone
import numpy as np
import pytest
import scipy.signal
from av.packet import Packet
from made_media import SHARED_MEDIA, remux, with_text_tag, write_films, write_media

from pipeline.errors import InputError
from pipeline.speed import decoders
from pipeline.speed.decoders import OURS, Judge
from pipeline.speed.harness import Setup
from pipeline.speed.judged import Truth, frame_is_right, sound_is_right, truth_of
from pipeline.speed.other_decoders import Decoder, load_decoders

RATE = 25
RIGHT = ("right", "right")
KEYS = {"x264-params": "keyint=50:min-keyint=50:scenecut=0:bframes=2"}


def noise(seconds: float, rate: int = 48000, channels: int = 1, seed: int = 0) -> np.ndarray:
    """(channels, n) float32 in which every moment differs, as quiet as speech below 3 kHz."""
    samples = 0.1 * np.random.default_rng(seed).standard_normal((channels, round(seconds * rate)))
    band = scipy.signal.butter(4, [300, 3000], "band", fs=rate, output="sos")
    return scipy.signal.sosfilt(band, samples).astype(np.float32)


def clip(path: Path, seconds: float = 10, **options: object) -> Path:
    known = {"rate": RATE, "sound": noise(seconds), "sample_rate": 48000, "size": (128, 96)}
    return write_media(path, seconds=seconds, **{**known, **options})


def held(path: Path) -> Path:
    return clip(path, times=[40 * number for number in (*range(5), *range(201, 250))])


def hidden(folder: Path) -> Path:
    """Two seconds before the cut that an edit list hides, as cutting without encoding leaves."""

    def earlier(number: int, packet: Packet) -> bool:
        shift = round(2 / packet.time_base)
        packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
        return True

    return remux(clip(folder / "whole.mp4", 12), folder / "hidden.mp4", earlier)


def begun_late(path: Path) -> Path:
    """Frames 30 to 149 of a recording whose key frames are 0, 50, 100."""
    source = clip(path.with_name("whole.mkv"), codec_options=KEYS, group=50)
    return remux(source, path, lambda number, packet: number >= 30)


def lying(path: Path) -> Path:
    def call_it_a_key(number: int, packet: Packet) -> bool:
        packet.is_keyframe = True
        return True

    return remux(clip(path.with_name("w.mp4"), video_codec="mpeg4", group=60), path, call_it_a_key)


def joined(path: Path) -> Path:
    parts = [clip(path.with_name(f"{seconds}.ts"), seconds) for seconds in (6, 4)]
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def opposed(path: Path) -> Path:
    one = noise(10)
    return clip(path, sound=np.concatenate([one, -one]))


def with_captions(path: Path) -> Path:
    plain = clip(path.with_name("plain.flv"), sound=noise(10, 44100), sample_rate=44100)
    return with_text_tag(plain, path)


# Of each file how it is made, the number of the frame that is shown at half, by its construction,
# and what ours makes of its picture and sound.
ODD: dict[str, tuple[Callable[[Path], Path], int, tuple[str, str]]] = {
    "b-frames.mp4": (lambda f: clip(f / "a.mp4", group=60), 125, RIGHT),
    "edit list hides 2 s.mp4": (hidden, 125, RIGHT),
    "held picture.mp4": (lambda f: held(f / "a.mp4"), 4, RIGHT),
    "held picture.mkv": (lambda f: held(f / "a.mkv"), 4, RIGHT),
    "held picture.avi": (lambda f: held(f / "a.avi"), 4, RIGHT),
    "turned by 90.mp4": (lambda f: clip(f / "a.mp4", rotation=90), 125, RIGHT),
    "mirrored.mp4": (lambda f: clip(f / "a.mp4", matrix=(-1, 0, 0, 1)), 125, RIGHT),
    "open groups.mp4": (
        lambda f: clip(
            f / "a.mp4",
            group=30,
            codec_options={"x264-params": "open-gop=1:b-pyramid=normal:bframes=3"},
        ),
        125,
        RIGHT,
    ),
    "no key frame but the first.ts": (
        lambda f: clip(f / "a.ts", group=30, codec_options={"x264-params": "intra-refresh=1"}),
        125,
        RIGHT,
    ),
    "every frame called a key.mp4": (lambda f: lying(f / "a.mp4"), 125, RIGHT),
    "two recordings.ts": (lambda f: joined(f / "a.ts"), 125, RIGHT),
    "captions.flv": (lambda f: with_captions(f / "a.flv"), 125, RIGHT),
    "sound of the last 4 s.mp4": (
        lambda f: clip(f / "a.mp4", sound=noise(4), sound_delay=6),
        125,
        RIGHT,
    ),
    "sound of the last 4 s.mkv": (
        lambda f: clip(f / "a.mkv", sound=noise(4), sound_delay=6),
        125,
        RIGHT,
    ),
    "picture 2 s late.mkv": (
        lambda f: clip(
            f / "a.mkv", times=[2000 + 40 * n for n in range(200)], audio_codec="pcm_s16le"
        ),
        100,
        RIGHT,
    ),
    "0.5 s of sound missing.mkv": (lambda f: clip(f / "a.mkv", sound_hole=(4, 4.5)), 125, RIGHT),
    "2 s of sound missing.mkv": (
        lambda f: clip(f / "a.mkv", sound_hole=(4, 6)),
        125,
        ("right", "refused"),
    ),
    "channels that cancel.mp4": (lambda f: opposed(f / "a.mp4"), 125, RIGHT),
    "six channels.mkv": (lambda f: clip(f / "a.mkv", sound=noise(10, channels=6)), 125, RIGHT),
    "8 kHz.mp4": (
        lambda f: clip(f / "a.mp4", sound=noise(10, 8000), sample_rate=8000),
        125,
        RIGHT,
    ),
    # The packet before the first sample is 128 ms of nothing that the coder needs.
    "8 kHz.mkv": (
        lambda f: clip(f / "a.mkv", sound=noise(10, 8000), sample_rate=8000),
        125,
        RIGHT,
    ),
    "a film beside a larger still.mp4": (
        lambda f: write_films(f / "a.mp4", [(50, (64, 48), False), (1, (128, 96), True)]),
        25,
        ("right", ""),
    ),
    "the default film second.mkv": (
        lambda f: write_films(f / "a.mkv", [(50, (128, 96), False), (50, (64, 48), True)]),
        25,
        ("right", ""),
    ),
}


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Truth, tuple[str, str]]]:
    made = {}
    for name, (make, middle, expected) in ODD.items():
        path = make(tmp_path_factory.mktemp("odd"))
        made[name] = path, replace(truth_of(path), middle=middle), expected
    return made


def test_ours_is_right_of_odd_files_or_refuses_them(
    odd: dict[str, tuple[Path, Truth, tuple[str, str]]],
) -> None:
    others, absent = load_decoders()
    print("\n" + " | ".join(["file", "ours", *others]), *absent.values(), sep="\n")
    ours = {}
    with Judge() as judge:
        for name, (path, truth, _) in odd.items():
            found = [judge.verdicts(each, path, truth) for each in (OURS, *others.values())]
            print(" | ".join([name, *(", ".join(filter(None, each)) for each in found)]))
            ours[name] = found[0]
    assert ours == {name: expected for name, (_, _, expected) in odd.items()}


def test_odd_files_from_elsewhere_are_right_or_refused() -> None:
    files = sorted(p for p in (SHARED_MEDIA / "odd").glob("*") if p.suffix != ".png")
    if not files:
        pytest.skip("the odd files (../shared/media/odd) are absent")
    numbers = {"avi-drops-h264.avi": 59, "MOV00006.3gp": 110}  # stamps say another, or a tie
    others, _ = load_decoders()
    with Judge() as judge:
        for path in files:
            truth = truth_of(path)
            truth = replace(truth, middle=numbers.get(path.name, truth.middle))
            found = [judge.verdicts(each, path, truth) for each in (OURS, *others.values())]
            print(" | ".join([path.name, *(", ".join(filter(None, each)) for each in found)]))
            assert "wrong" not in found[0] and "dies" not in found[0]


def test_what_others_do_to_a_clip_is_judged(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4", 1)
    truth = truth_of(path)
    with Judge() as judge:
        assert judge.verdicts(Decoder(alone.black, alone.silent, ()), path, truth) == ("wrong",) * 2
        broken = Decoder(alone.dies, alone.fails, (ValueError,))
        assert judge.verdicts(broken, path, truth) == ("dies", "refused")
        assert (
            judge.counted(broken, [path], [truth]) == "frames: 1 dies of 1; sounds: 1 refused of 1"
        )
        assert judge.counted(OURS, [path], [truth]) == (
            "frames: none wrong of 1; sounds: none wrong of 1"
        )


def test_a_frame_beside_and_a_sound_that_is_late_are_wrong(tmp_path: Path) -> None:
    truth = truth_of(clip(tmp_path / "a.mp4", 2))
    assert truth.frames is not None and truth.sound is not None and truth.middle == 25
    assert frame_is_right(truth.frames[25], truth)
    assert not frame_is_right(truth.frames[24], truth)
    assert not frame_is_right(truth.frames[25][:, ::-1], truth)
    assert sound_is_right(truth.sound, None, truth)
    assert sound_is_right(truth.sound[1600:], truth.begin + 0.1, truth)
    assert not sound_is_right(np.roll(truth.sound, 1600), None, truth)
    assert not sound_is_right(truth.sound[:-4000], None, truth)
    assert not sound_is_right(0 * truth.sound, None, truth)


def test_decoders_are_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoders, "_pool", ThreadPoolExecutor)
    monkeypatch.setattr(
        decoders,
        "load_decoders",
        lambda: (dict([next(iter(load_decoders()[0].items()))]), {"x": "y"}),
    )
    (tmp_path / "clips").mkdir()
    clip(tmp_path / "clips/a.mp4", 1)
    (tmp_path / "clips/notes.md").touch()
    rows = list(decoders.measure(tmp_path, Setup(repeats=1, media=tmp_path / "clips")))
    assert [row.name.split(",")[0] for row in rows] == [
        "frame and sound of 1 clips",
        "ours",
        rows[0].other,
    ]
    assert rows[0].other.startswith("PyAV ") and rows[0].bar == 1.0
    told = {fact.name: fact.value for fact in rows[0].facts}
    assert told == {**dict.fromkeys(("ours", "theirs"), "frames: none wrong of 1; sounds: none "
                                    "wrong of 1"), "x": "y"}  # fmt: skip
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty: no file in it, expected clips"):
        list(decoders.measure(tmp_path, Setup(media=tmp_path / "empty")))
