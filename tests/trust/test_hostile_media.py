"""Media as cameras, editors, accidents and strangers leave it: decoded right, or rejected with its
cause, and the clips around it untouched."""

import wave
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_media import remux, tones, with_text_tag, write_films, write_media
from outcomes import Outcomes
from PIL import Image

from pipeline.base.files import map_npy, read_parquet
from pipeline.clips.sound_form import SoundForm
from pipeline.corpora.source import Source
from pipeline.decode.clip import Settings
from pipeline.decode.shard import ShardTask, decode_shard
from pipeline.decode.sounds import SoundsTask, make_sounds
from pipeline.media.errors import CAUSES

pytestmark = pytest.mark.trust

SETTINGS = Settings(side=16, max_seconds=4.0, seconds_limit=60.0)
DAMAGED = ("unreadable", "breaks midway", "no picture", "no sound", "too short")
RIGHT = "right"


@dataclass
class Case:
    """A file, and what may come of it: causes, or `RIGHT` with the columns that it must have; with
    `like`, what the case of that name has, picture and sound alike."""

    name: str
    path: Path
    allowed: tuple[str, ...] = (RIGHT,)
    columns: dict[str, Any] = field(default_factory=dict)
    like: str | None = None
    picture: bool = True
    sound: bool = True


def _video(path: Path, **options: Any) -> Path:
    options = {"seconds": 1.0, "sound": tones(1, 16000), **options}
    return write_media(path, **options)


def _wav(path: Path, frames: bytes, rate: int = 8000) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(rate)
        file.writeframes(frames)
    return path


def _ordinary(folder: Path) -> list[Case]:
    """Unusual, but nothing is wrong with it."""
    cases = []
    for rate in (8000, 11025, 16000, 22050, 44100, 48000, 96000):
        for channels in (1, 2, 6, 8):
            path = write_media(
                folder / f"{rate}_{channels}.wav",
                size=None,
                sound=tones(1, rate, channels),
                sample_rate=rate,
                audio_codec="pcm_s16le",
            )
            columns = {"sample_rate": rate, "channels": channels}
            cases.append(Case(path.name, path, columns=columns, picture=False))
    for width, height in ((1, 1), (2, 9), (33, 17), (401, 3)):
        path = _video(
            folder / f"{width}x{height}.mkv",
            size=(width, height), video_codec="ffv1", pixels="yuv444p", seconds=0.5,
        )  # fmt: skip
        cases.append(Case(path.name, path, columns={"width": width, "height": height}))
    large = _video(
        folder / "8k.mkv",
        size=(7680, 4320), video_codec="mjpeg", pixels="yuvj420p", seconds=0.1, rate=10,
    )  # fmt: skip
    cases.append(Case("8K", large, columns={"width": 7680, "height": 4320}))
    ten = {"video_codec": "ffv1", "pixels": "yuv420p10le"}
    cases.append(Case("ten-bit", _video(folder / "ten.mkv", **ten), columns={"width": 48}))
    for turn in (90, 180, 270):
        path = _video(folder / f"turned{turn}.mp4", rotation=turn)
        size = {"width": 48, "height": 36} if turn == 180 else {"width": 36, "height": 48}
        cases.append(Case(f"rotated by {turn}", path, columns=size))
    times = [0, 40, 80, 120, 500, 900]
    cases.append(Case("variable frame rate", _video(folder / "vfr.mkv", times=times)))
    for suffix, first in (("ts", -400), ("mkv", -400), ("mp4", 700), ("mkv", 90_000_000)):
        path = _video(
            folder / f"start{first}.{suffix}",
            times=[first + 50 * index for index in range(21)],
            sound_delay=max(first, 0) / 1000,
        )
        cases.append(Case(f"starts at {first} ms, {suffix}", path, (RIGHT, *DAMAGED)))
    hours = _video(folder / "hours.mkv", times=[3_600_000 * n for n in range(4)], sound=None)
    cases.append(Case("a picture of hours", hours, sound=False))
    long = _wav(folder / "hours.wav", b"\x80" * (3 * 3600 * 8000))
    columns = {"sound_seconds": 3 * 3600.0, "silent": True}
    cases.append(Case("a sound of hours", long, columns=columns, picture=False))
    for suffix, codec in (("mov", "mjpeg"), ("avi", "mpeg4"), ("webm", "libvpx-vp9")):
        pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        audio = "libopus" if suffix == "webm" else "aac" if suffix == "mov" else "mp3"
        rate = 48000 if suffix == "webm" else 16000
        path = _video(
            folder / f"clip.{suffix}",
            video_codec=codec, pixels=pixels, audio_codec=audio,
            sound=tones(1, rate), sample_rate=rate,
        )  # fmt: skip
        cases.append(Case(f"{codec} and {audio} in {suffix}", path, columns={"width": 48}))
    return cases


def _lying(folder: Path) -> list[Case]:
    """Its packets or its head say what is not so."""
    cases = []
    plain = _video(folder / "plain.flv", video_codec="libx264", sound=tones(1, 44100),
                   sample_rate=44100)  # fmt: skip
    text = with_text_tag(plain, folder / "text.flv")
    cases += [Case("plain flv", plain), Case("captions from midway on", text, like="plain flv")]
    for a, b, c, d in ((-1, 0, 0, 1), (1, 0, 0, -1), (0, 1, 1, 0), (0, -1, -1, 0)):
        path = _video(folder / f"mirrored{a}{b}{c}{d}.mp4", matrix=(a, b, c, d))
        size = {"width": 48, "height": 36} if a else {"width": 36, "height": 48}
        cases.append(Case(f"mirrored by {a} {b} {c} {d}", path, columns=size))
    films = write_films(folder / "films.mkv", [(25, (32, 24), True), (25, (64, 48), False)])
    cases.append(Case("the smaller is the default", films, columns={"width": 32}, sound=False))

    def lie(number: int, packet: Any) -> bool:
        packet.is_keyframe = True
        return True

    long = {"seconds": 3.0, "sound": tones(3, 16000)}
    group = _video(folder / "group.mp4", video_codec="mpeg4", group=40, **long)
    keys = remux(group, folder / "keys.mp4", lie)
    cases += [Case("a group", group), Case("all are keys", keys, like="a group")]
    whole = _video(folder / "unbroken.mkv", **long)
    hole = _video(folder / "hole.mkv", sound_hole=(1.0, 1.2), **long)
    cases += [Case("no hole", whole), Case("a hole", hole, like="no hole")]
    gaping = _video(folder / "gaping.mkv", sound_hole=(1.0, 2.0), **long)
    cases.append(Case("a third is a hole", gaping, ("breaks midway",)))
    late = _video(folder / "late.mkv", seconds=3.0, sound_delay=2.0)
    cases.append(Case("the last second sounds", late))
    return cases


def _wrong(folder: Path, good: Path) -> list[Case]:
    """No clip, or not the one that the name says."""
    cases = []
    dice = np.random.default_rng(0)
    for suffix in ("mp4", "mkv", "avi", "webm", "ts", "flv", "mov", "wav", "jpg", "png"):
        for name, content in (("empty", b""), ("random bytes", dice.bytes(20_000))):
            path = folder / f"{name.split()[0]}.{suffix}"
            path.write_bytes(content)
            cases.append(Case(f"{name}, {suffix}", path, DAMAGED))
    whole = good.read_bytes()
    for suffix in ("avi", "mkv", "webm", "dat"):
        path = folder / f"renamed.{suffix}"
        path.write_bytes(whole)
        cases.append(Case(f"an mp4 called {suffix}", path, like="good"))
    path = folder / "renamed.jpg"
    path.write_bytes(whole)
    cases.append(Case("an mp4 called jpg", path, ("unreadable",), sound=False))
    pixels = dice.integers(0, 255, (20, 30, 3), dtype=np.uint8)
    png = folder / "picture.png"
    Image.fromarray(pixels).save(png)
    cases.append(Case("png", png, columns={"width": 30, "height": 20}, sound=False))
    path = folder / "png.jpg"
    path.write_bytes(png.read_bytes())
    cases.append(Case("a png called jpg", path, like="png", sound=False))
    texts = {
        "text": "not media\n" * 100,
        "a play list": f"#EXTM3U\n#EXTINF:1\nfile://{good}\n#EXT-X-ENDLIST\n",
        "a concat script": f"ffconcat version 1.0\nfile {good.name}\n",
        "a session description": "v=0\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n",
        "a web page": f"<html><video src='file://{good}'></html>",
    }
    for name, text in texts.items():
        path = folder / f"{name}.mp4"
        path.write_text(text)
        cases.append(Case(name, path, ("unreadable",)))
    script = folder / "script.jpg"
    script.write_text(
        "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\n%%EndComments\n"
        f"({folder / 'ran'}) (w) file closefile showpage\n%%EOF\n"
    )
    cases.append(Case("a script called jpg", script, ("unreadable",), sound=False))
    bomb = folder / "bomb.png"
    Image.new("1", (9000, 9000)).save(bomb)
    cases.append(Case("a picture of 9000 x 9000", bomb, ("too large",), sound=False))
    claim = folder / "claim.png"
    head = bytearray(png.read_bytes())
    head[16:24] = (2**31 - 1).to_bytes(4, "big") * 2
    claim.write_bytes(head)
    cases.append(Case("a claim of 2^31 pixels", claim, ("unreadable", "too large"), sound=False))
    mute = _video(folder / "mute.mp4", sound=None)
    cases.append(Case("no sound", mute, ("no sound",)))
    blind = _video(folder / "blind.mp4", size=None)
    cases.append(Case("no picture", blind, ("no picture",)))
    cases.append(Case("no frames of sound", _wav(folder / "none.wav", b""), DAMAGED, picture=False))
    short = _wav(folder / "short.wav", b"\x80" * 100)
    cases.append(Case("12 ms of sound", short, ("too short",), picture=False))
    single = _video(folder / "single.mp4", seconds=0.05, rate=20)
    cases.append(Case("a single frame", single, columns={"width": 48}))
    nan = np.full((1, 4000), np.nan, np.float32)
    path = write_media(folder / "nan.wav", size=None, sound=nan, audio_codec="pcm_f32le")
    cases.append(Case("a sound of NaN", path, ("unreadable",), picture=False))
    loud = np.full((1, 16000), 1e30, np.float32)
    path = write_media(folder / "loud.wav", size=None, sound=loud, audio_codec="pcm_f32le")
    cases.append(Case("a sound of 1e30", path, picture=False))
    cases.append(Case("no such file", folder / "absent.mp4", ("unreadable",)))
    (folder / "folder.mp4").mkdir()
    cases.append(Case("a folder", folder / "folder.mp4", ("unreadable",)))
    (folder / "link.mp4").symlink_to("nowhere")
    cases.append(Case("a broken link", folder / "link.mp4", ("unreadable",)))
    for name in ("line\nend.mp4", "100%d.mp4", "http:--x.mp4", "-y.mp4", "a:b.mp4"):
        path = folder / name
        path.write_bytes(whole)
        cases.append(Case(f"called {name!r}", path, like="good"))
    return cases


def _truncated(folder: Path, good: Path) -> list[Case]:
    """Every tenth of a file in many containers; a picture or sound that is left must be whole."""
    cases = []
    makers: dict[str, Callable[[Path], Path]] = {
        "head first.mp4": lambda path: _video(
            path, container_options={"movflags": "faststart"}, seconds=2, sound=tones(2, 16000)
        ),
        "head last.mp4": lambda path: _video(path, seconds=2, sound=tones(2, 16000)),
        "clip.mkv": lambda path: _video(path, seconds=2, sound=tones(2, 16000)),
        "clip.avi": lambda path: _video(
            path, seconds=2, sound=tones(2, 16000), video_codec="mpeg4", audio_codec="mp3"
        ),
        "clip.flv": lambda path: _video(
            path, seconds=2, video_codec="flv", sound=tones(2, 44100), sample_rate=44100
        ),
        "sound.wav": lambda path: write_media(
            path, size=None, sound=tones(2, 16000), audio_codec="pcm_s16le"
        ),
    }
    for name, make in makers.items():
        whole = make(folder / name)
        picture = whole.suffix != ".wav"
        cases.append(Case(f"whole {name}", whole, picture=picture))
        content = whole.read_bytes()
        for tenth in range(1, 10):
            path = folder / f"{tenth}{whole.name}"
            path.write_bytes(content[: len(content) * tenth // 10])
            allowed = (RIGHT, *DAMAGED)
            cases.append(
                Case(f"{name}, {tenth} tenths", path, allowed, like=f"whole {name}",
                     picture=picture)
            )  # fmt: skip
    for name in ("p.jpg", "p.png"):
        noise = np.random.default_rng(1).integers(0, 255, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / name)
        content = (folder / name).read_bytes()
        for tenth in range(1, 10):
            path = folder / f"{tenth}{name}"
            path.write_bytes(content[: len(content) * tenth // 10])
            cases.append(Case(f"{name}, {tenth} tenths", path, ("unreadable",), sound=False))
    dice = np.random.default_rng(2)
    for number in range(20):
        damaged = bytearray(good.read_bytes())
        for place in dice.integers(0, len(damaged), 30):
            damaged[place] ^= 0xFF
        path = folder / f"damaged{number}.mp4"
        path.write_bytes(damaged)
        cases.append(Case(f"30 bytes altered, {number}", path, (RIGHT, *CAUSES)))
    return cases


def test_hostile_media(tmp_path: Path) -> None:
    folder = tmp_path / "media"
    folder.mkdir()
    good = _video(folder / "good.mp4")
    cases = [Case("good", good)]
    cases += _ordinary(folder) + _lying(folder) + _wrong(folder, good) + _truncated(folder, good)
    # A good clip behind every tenth case: what is around it must not matter.
    for place in range(0, len(cases), 10):
        cases.insert(place + 1, Case(f"good, {place}", good, like="good"))
    sources = tuple(
        Source(f"{n:04d}", case.path if case.picture else None, case.path if case.sound else None)
        for n, case in enumerate(cases)
    )
    task = ShardTask(tmp_path / "shard", folder, sources, SETTINGS)
    decode_shard(task, lambda number: None)

    clips = {row["clip_id"]: row for row in read_parquet(task.folder / "clips.parquet").to_pylist()}
    rejects = read_parquet(task.folder / "rejects.parquet").to_pylist()
    causes = {row["clip_id"]: row for row in rejects}
    frames = map_npy(task.folder / "frames.npy")
    heard = tuple(
        (source.clip_id, source.sound.relative_to(folder).as_posix())
        for source in sources
        if source.clip_id in clips and source.sound is not None
    )
    form = SoundForm(hop=320, bands=32)
    make_sounds(
        SoundsTask(tmp_path / "s", folder, heard, form, 1.0, 4.0, 60.0), lambda number: None
    )
    assert np.isfinite(map_npy(tmp_path / "s/spectrograms.npy")).all()
    number_of = {case.name: f"{number:04d}" for number, case in enumerate(cases)}
    outcomes = Outcomes("media")
    for number, case in enumerate(cases):
        row = clips.get(f"{number:04d}")
        if row is None:
            reject = causes[f"{number:04d}"]
            assert reject["detail"].isprintable() and str(folder) not in reject["detail"]
            said = f"reject: {reject['cause']}, {reject['detail']}"
            outcomes.add(case.name, said, reject["cause"] in case.allowed)
            continue
        right = RIGHT in case.allowed
        wrong = {key: row[key] for key, value in case.columns.items() if row[key] != value}
        if case.like is not None:
            twin = clips[number_of[case.like]]
            same = np.array_equal(frames[row["frame_row"]], frames[twin["frame_row"]])
            # Within the tolerance a file may miss a twentieth of its sound.
            length = row["sound_seconds"] or 0
            enough = length >= 0.94 * (twin["sound_seconds"] or 0) - 0.1
            right = right and (same or not case.picture) and (enough or not case.sound)
        outcomes.add(case.name, f"right{wrong or ''}", right and not wrong)
    assert not (folder / "ran").exists()
    outcomes.judge(at_least=150)


def test_a_clip_of_every_kind_keeps_the_time_limit(tmp_path: Path) -> None:
    paths = [_video(tmp_path / name) for name in ("a.mp4", "a.mkv")]
    paths.append(_wav(tmp_path / "a.wav", b"\x80" * 9000))
    sources = tuple(Source(f"c{n}", None, path) for n, path in enumerate(paths))
    settings = Settings(**{**SETTINGS.__dict__, "seconds_limit": 0.0})
    decode_shard(ShardTask(tmp_path / "shard", tmp_path, sources, settings), lambda number: None)
    rejects = read_parquet(tmp_path / "shard" / "rejects.parquet")
    assert rejects["cause"].to_pylist() == ["time limit"] * 3
