"""What was wrong with a clip and could be mended is told: in its row, the counts, the report."""

from pathlib import Path

import numpy as np
import pytest
from made_media import tones, write_media
from PIL import Image

from pipeline.base.files import read_json, read_parquet
from pipeline.base.params import Parameters
from pipeline.clips.sound_form import SoundForm
from pipeline.corpora.layouts import find_sources
from pipeline.corpora.source import Source
from pipeline.decode.corpus import decode_corpus
from pipeline.decode.settings import Decode
from pipeline.decode.spectrograms import make_spectrograms
from pipeline.decode.taken import USUAL, Taken
from pipeline.errors import InputError
from pipeline.execution.run import Engine
from pipeline.report.health import corpora_health

ROOT = Path(__file__).resolve().parents[2]
RATE = 16000


def decode(
    sources: list[Source],
    root: Path,
    folder: Path,
    taken: Taken = USUAL,
    clip_ids: list[str] | None = None,
) -> dict[str, int | float]:
    """`sources` below `root`, decoded into `folder`."""
    return decode_corpus(
        sources, root, folder, work=folder.with_name("work"), side=16, max_seconds=10.0, shards=2,
        seconds_limit=60.0, max_reject_share=0.9, engine=Engine(workers=1), taken=taken,
        clip_ids=clip_ids,
    )  # fmt: skip


def make(corpus: Path, root: Path, folder: Path, taken: Taken) -> int | float:
    """The spectrograms of a decoded corpus, in `folder`; gives the number of sounds."""
    return make_spectrograms(
        corpus, root, folder, work=folder.with_name("work"), form=SoundForm(), seconds=3.0,
        max_seconds=10.0, shards=1, seconds_limit=60.0, engine=Engine(workers=1), taken=taken,
    )["sounds"]  # fmt: skip


def rows(folder: Path) -> dict[str, dict[str, object]]:
    """The rows of the clip table by clip id."""
    return {row["clip_id"]: row for row in read_parquet(folder / "clips.parquet").to_pylist()}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips of 10 s: a good one, one with a hole, one whose channels cancel in a quarter of it."""
    root = tmp_path_factory.mktemp("media")
    tone = tones(10, RATE)[0]
    inverted = tone.copy()
    inverted[: len(tone) // 4] *= -1
    write_media(root / "good.mp4", seconds=10, sound=np.stack([tone, tone]))
    write_media(root / "hole.mkv", seconds=10, sound=np.stack([tone]), sound_hole=(4, 4.8))
    write_media(root / "inverted.mp4", seconds=10, sound=np.stack([tone, inverted]))
    return root


def test_what_was_mended_in_a_sound_is_told(root: Path, tmp_path: Path) -> None:
    sources = find_sources("folder", root)
    sources.append(Source("mute", sources[0].picture, None))
    summary = decode(sources, root, tmp_path / "decoded")
    found = rows(tmp_path / "decoded")
    assert {name: row["cancelled"] for name, row in found.items()} == {
        "good": False, "hole": False, "inverted": True, "mute": None,
    }  # fmt: skip
    assert found["hole"]["holes"] == pytest.approx(0.8, abs=0.05)
    assert [found[name]["holes"] for name in ("good", "inverted", "mute")] == [0, 0, None]
    # Of the quarter that cancels nothing is lost: -13.5 dB is the one channel's own power.
    own = 20 * np.log10(0.3 / np.sqrt(2))
    assert found["inverted"]["loudness"] == pytest.approx(own, abs=0.2)
    assert (summary["cancelled"], summary["with_holes"], summary["rejects"]) == (1, 1, 0)
    assert summary == read_json(tmp_path / "decoded/summary.json")
    assert summary["not_taken"] == 0
    assert read_parquet(tmp_path / "decoded/not_taken.parquet").num_rows == 0


def test_the_share_of_holes_is_a_setting_that_every_reader_of_a_sound_keeps(
    root: Path, tmp_path: Path
) -> None:
    parameters = Parameters(ROOT / "params.yaml")
    usual = parameters.read("paper.decode", Decode).taken
    strict = parameters.read("paper.decode", Decode, {"max_holes": 0.02}).taken
    generous = parameters.read("paper.decode", Decode, {"max_holes": 0.5}).taken
    assert (usual.max_holes, strict.max_holes, generous.max_holes) == (0.1, 0.02, 0.5)
    for wrong in (1.5, -0.1):
        with pytest.raises(InputError, match="max_holes"):
            parameters.read("paper.decode", Decode, {"max_holes": wrong})

    decode(find_sources("folder", root), root, tmp_path / "decoded", strict)
    (reject,) = read_parquet(tmp_path / "decoded/rejects.parquet").to_pylist()
    assert (reject["clip_id"], reject["cause"]) == ("hole", "breaks midway")
    assert "in holes" in reject["detail"]

    write_media(tmp_path / "large/hole.mkv", seconds=10, sound=tones(10, RATE), sound_hole=(4, 6))
    large = find_sources("folder", tmp_path / "large")
    decode(large, tmp_path / "large", tmp_path / "filled", generous)
    assert rows(tmp_path / "filled")["hole"]["holes"] == pytest.approx(2, abs=0.05)
    assert make(tmp_path / "filled", tmp_path / "large", tmp_path / "heard", generous) == 1
    with pytest.raises(InputError, match="cannot be any more"):
        make(tmp_path / "filled", tmp_path / "large", tmp_path / "unheard", usual)


def test_files_that_were_not_taken_are_named_in_a_table(root: Path, tmp_path: Path) -> None:
    """VGGSound in two downloads: of `a` they differ, of `b` they are the same, `c` lies there once,
    and `d` has two different prepared sounds beside its video."""
    good = (root / "good.mp4").read_bytes()
    a, b, c, d = clips = [f"{name * 11}_000001" for name in "abcd"]
    for name, content in {
        f"one/{a}.mp4": good,
        f"two/{a}.mkv": good[: len(good) // 2],
        f"one/{b}.mp4": good,
        f"two/{b}.mp4": good,
        f"one/{c}.mp4": good,
        f"one/{d}.mp4": good,
        f"one/{d}.wav": b"a sound",
        f"two/{d}.wav": b"another sound",
    }.items():
        (tmp_path / "media" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "media" / name).write_bytes(content)
    sources = find_sources("vggsound", tmp_path / "media")
    of_a, of_d = (
        dict(zip(("clip_id", "taken", "not_taken"), row, strict=True))
        for row in ((a, f"one/{a}.mp4", f"two/{a}.mkv"), (d, f"one/{d}.mp4", f"one/{d}.wav"))
    )
    for listed, expected in ((clips, [of_a, of_d]), (clips[:3], [of_a]), ([c], [])):
        summary = decode(sources[::-1], tmp_path / "media", tmp_path / "decoded", clip_ids=listed)
        table = read_parquet(tmp_path / "decoded/not_taken.parquet")
        assert table.to_pylist() == expected and summary["not_taken"] == len(expected)


def test_a_mask_that_was_not_taken_is_named_beside_the_mask(tmp_path: Path) -> None:
    frame, heard = "visual_frames/v/v_1.png", "audio_wav/v.wav"
    masks = "S4/gt_masks/v/v_1.png", "S4/gt_masks/w/v_1.png"
    for name, side in ((f"S4/{frame}", 8), (masks[0], 40), (masks[1], 4)):
        (tmp_path / "media" / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(0).integers(0, 255, (side, side, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "media" / name)
    write_media(
        tmp_path / "media/S4" / heard, size=None, sound=tones(1, RATE), audio_codec="pcm_s16le"
    )
    sources = find_sources("avsbench", tmp_path / "media")
    decode(sources, tmp_path / "media", tmp_path / "decoded")
    (row,) = read_parquet(tmp_path / "decoded/not_taken.parquet").to_pylist()
    assert row == {"clip_id": "s4-v_1", "taken": masks[0], "not_taken": masks[1]}


def test_the_report_tells_the_counts() -> None:
    counts = {"clips": 91, "rejects": 92, "silent": 93, "cancelled": 94, "with_holes": 95}
    text = str(corpora_health({"made": {**counts, "still": 96, "duplicates": 97, "not_taken": 98}}))
    places = [text.index(f">{number}<") for number in range(91, 99)]
    assert places == sorted(places)
    assert text.index("channels cancel</th>") < text.index("with holes</th>")
