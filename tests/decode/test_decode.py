"""A corpus becomes the same shards whatever happens on the way; what is bad is accounted for."""

import hashlib
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_media import SHARED_MEDIA, tones, write_media

from pipeline.base import pieces
from pipeline.base.files import move_file, read_parquet
from pipeline.clips.decoded import DecodedCorpus
from pipeline.corpora.layouts import find_sources
from pipeline.corpora.source import Source
from pipeline.decode.corpus import decode_corpus, shard_of
from pipeline.decode.shard import ShardTask, decode_shard
from pipeline.errors import InputError
from pipeline.execution.pool import Report
from pipeline.execution.run import Engine
from pipeline.media.file import read_picture

SHARDS = 3


def decode(
    sources: list[Source],
    root: Path,
    folder: Path,
    *,
    workers: int = 2,
    max_reject_share: float = 0.5,
    seconds_limit: float = 60.0,
    max_seconds: float = 4.0,
    clip_ids: Collection[str] | None = None,
    worker: Callable[[ShardTask, Report], None] = decode_shard,
) -> dict[str, int | float]:
    return decode_corpus(
        sources,
        root,
        folder / "decoded",
        work=folder / "work",
        side=16,
        max_seconds=max_seconds,
        shards=SHARDS,
        seconds_limit=seconds_limit,
        max_reject_share=max_reject_share,
        engine=Engine(workers=workers),
        clip_ids=clip_ids,
        worker=worker,
    )


def content(folder: Path) -> dict[str, str]:
    """The hash of every file below a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    assert files
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Source]]:
    """Seven good clips, one of sound only, one of picture only, and two bad ones."""
    root = tmp_path_factory.mktemp("corpus")
    sources = []
    for number in range(7):
        path = root / f"clip{number}.mp4"
        sound = tones(1 + number % 2, 16000) * (0 if number == 3 else 1 - number / 20)
        write_media(path, seconds=1, sound=sound)
        sources.append(Source(f"clip{number}", path, path))
    (root / "clip6.mp4").write_bytes((root / "clip0.mp4").read_bytes())
    sources.append(Source("only_picture", root / "clip1.mp4", None))
    sources.append(Source("only_sound", None, root / "clip1.mp4"))
    mute = write_media(root / "mute.mp4", seconds=1)
    (root / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(5000))
    sources.append(Source("mute", mute, mute))
    sources.append(Source("noise", root / "noise.mp4", root / "noise.mp4"))
    return root, sources


@pytest.fixture(scope="module")
def decoded(
    corpus: tuple[Path, list[Source]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, int | float]]:
    """The corpus decoded without disturbance."""
    folder = tmp_path_factory.mktemp("undisturbed")
    return folder, decode(corpus[1], corpus[0], folder)


def test_each_clip_is_what_its_file_holds(
    corpus: tuple[Path, list[Source]], decoded: tuple[Path, dict[str, int | float]]
) -> None:
    found = DecodedCorpus(decoded[0] / "decoded")
    assert len(found) == 9
    for source in corpus[1]:
        if source.clip_id not in found:
            continue
        row = found.row(source.clip_id)
        assert found.has_frame(row) == (source.picture is not None)
        assert found.has_sound(row) == (source.sound is not None)
        if source.picture is not None:
            frame = read_picture(source.picture, side=16).frame
            np.testing.assert_array_equal(found.frame(row), frame)
    with pytest.raises(InputError, match="without spectrograms"):
        found.spectrogram(0)


def test_rows_are_shard_by_shard_and_sorted(decoded: tuple[Path, dict[str, int | float]]) -> None:
    ids = DecodedCorpus(decoded[0] / "decoded").clip_ids
    assert ids == sorted(ids, key=lambda clip_id: (shard_of(clip_id, SHARDS), clip_id))


def test_rejects_and_health_are_told(decoded: tuple[Path, dict[str, int | float]]) -> None:
    folder, summary = decoded
    rejects = read_parquet(folder / "decoded" / "rejects.parquet").to_pylist()
    assert {(reject["clip_id"], reject["path"], reject["cause"]) for reject in rejects} == {
        ("mute", "mute.mp4", "no sound"),
        ("noise", "noise.mp4", "unreadable"),
    }
    clips = {row["clip_id"]: row for row in DecodedCorpus(folder / "decoded").clips.to_pylist()}
    good = clips["clip1"]
    assert (good["picture_path"], good["sound_path"]) == ("clip1.mp4", "clip1.mp4")
    assert (good["width"], good["height"], good["channels"]) == (48, 36, 1)
    assert good["duration"] == pytest.approx(1.0)
    assert good["frame_rate"] == pytest.approx(20.0)
    assert good["sound_seconds"] == pytest.approx(2.0, abs=0.1)
    assert good["loudness"] == pytest.approx(20 * np.log10(0.95 * 0.3 / np.sqrt(2)), abs=0.3)
    assert (good["silent"], good["still"]) == (False, False)
    assert clips["clip3"]["silent"] and clips["clip3"]["loudness"] == pytest.approx(-120)
    assert clips["only_picture"]["loudness"] is None and clips["only_sound"]["width"] is None
    assert clips["clip0"]["content"] == clips["clip6"]["content"]
    others = {clips[f"clip{number}"]["content"] for number in range(6)}
    assert len(others) == 6
    expected = {"clips": 9, "rejects": 2, "rejects_no_sound": 1, "rejects_unreadable": 1}
    assert expected.items() <= summary.items()
    assert (summary["silent"], summary["still"]) == (1, 0)
    assert summary["duplicates"] == 1


def test_the_number_of_workers_changes_no_byte(
    corpus: tuple[Path, list[Source]],
    decoded: tuple[Path, dict[str, int | float]],
    tmp_path: Path,
) -> None:
    decode(corpus[1][::-1], corpus[0], tmp_path, workers=1)
    assert content(tmp_path) == content(decoded[0])


def test_finished_work_is_used_again_and_one_more_clip_redoes_one_shard(
    corpus: tuple[Path, list[Source]], tmp_path: Path
) -> None:
    root, sources = corpus
    decode(sources, root, tmp_path)
    before = content(tmp_path / "decoded")
    inodes = {path: path.stat().st_ino for path in (tmp_path / "decoded" / "shards").iterdir()}
    assert all(path.stat().st_nlink == 1 for path in inodes)
    assert not (tmp_path / "work").exists()  # one copy: what is finished has been moved

    decode(sources, root, tmp_path, worker=forbidden_shard)
    assert content(tmp_path / "decoded") == before

    more = [*sources, Source("one_more", root / "clip2.mp4", root / "clip2.mp4")]
    decode(more, root, tmp_path)
    changed = {path.stem[-5:] for path, inode in inodes.items() if path.stat().st_ino != inode}
    assert changed == {f"{shard_of('one_more', SHARDS):05d}"}
    assert not (tmp_path / "work").exists()  # what is out of date is gone


def test_only_listed_clips_are_decoded_and_the_absent_ones_counted(
    corpus: tuple[Path, list[Source]],
    decoded: tuple[Path, dict[str, int | float]],
    tmp_path: Path,
) -> None:
    root, sources = corpus
    summary = decode(sources, root, tmp_path, clip_ids=["clip1", "clip4", "gone", "clip1"])
    found, whole = DecodedCorpus(tmp_path / "decoded"), DecodedCorpus(decoded[0] / "decoded")
    assert sorted(found.clip_ids) == ["clip1", "clip4"]
    assert (summary["clips"], summary["rejects"], summary["not_found"]) == (2, 0, 1)
    assert "not_found" not in decoded[1]
    for clip_id in found.clip_ids:
        np.testing.assert_array_equal(
            found.frame(found.row(clip_id)), whole.frame(whole.row(clip_id))
        )
    with pytest.raises(InputError, match="holds none of the 2 listed clips"):
        decode(sources, root, tmp_path, clip_ids=["gone", "away"])


def test_a_changed_mask_is_a_changed_row(corpus: tuple[Path, list[Source]], tmp_path: Path) -> None:
    sources = corpus[1]
    mask = tmp_path / "mask.png"
    tables = []
    for text in ("one", "other one"):
        mask.write_text(text)
        decode([replace(sources[0], mask=mask), *sources[1:3]], Path("/"), tmp_path)
        tables.append(read_parquet(tmp_path / "decoded" / "clips.parquet"))
    first, second = (table["mask"].to_pylist() for table in tables)
    assert first[0] != second[0] and first[1:] == second[1:] == [None, None]
    assert tables[0].drop_columns("mask").equals(tables[1].drop_columns("mask"))


def forbidden_shard(task: ShardTask, report: Report) -> None:
    raise AssertionError("a finished shard is decoded again")


def test_changed_files_and_settings_are_not_taken_from_old_work(
    corpus: tuple[Path, list[Source]], tmp_path: Path
) -> None:
    path = tmp_path / "media" / "clip.mp4"
    sources = [Source("clip", path, path)]
    write_media(path, seconds=1, sound=tones(1, 16000))
    decode(sources, tmp_path / "media", tmp_path)
    assert DecodedCorpus(tmp_path / "decoded").clips["width"].to_pylist() == [48]
    write_media(path, seconds=1, size=(32, 20), sound=tones(3, 16000))
    decode(sources, tmp_path / "media", tmp_path)
    found = DecodedCorpus(tmp_path / "decoded")
    assert found.clips["width"].to_pylist() == [32]
    decode(sources, tmp_path / "media", tmp_path, max_seconds=2)
    assert DecodedCorpus(tmp_path / "decoded").clips["content"] != found.clips["content"]


def test_a_damaged_finished_shard_is_made_again(
    corpus: tuple[Path, list[Source]],
    decoded: tuple[Path, dict[str, int | float]],
    tmp_path: Path,
) -> None:
    decode(corpus[1], corpus[0], tmp_path)
    shard = max((tmp_path / "decoded/shards").glob("*.npy"), key=lambda path: path.stat().st_size)
    shard.unlink()
    shard.write_bytes(b"\x93NUMPY cut off")
    decode(corpus[1], corpus[0], tmp_path)
    assert content(tmp_path) == content(decoded[0])


def killing_shard(task: ShardTask, report: Report) -> None:
    """Dies at clip4 as a process does that the system kills for its memory."""

    def reported(number: int) -> None:
        report(number)
        condemned = {clip_id for clip_id, _, _ in task.condemned}
        if number < len(task.sources):
            clip_id = task.sources[number].clip_id
            once = task.root.parent / "killed_once"
            if clip_id == "clip4" and clip_id not in condemned:
                os.kill(os.getpid(), signal.SIGKILL)
            if clip_id == "clip2" and not once.exists():
                once.touch()
                os.kill(os.getpid(), signal.SIGKILL)

    decode_shard(task, reported)


def test_a_clip_that_kills_its_worker_twice_is_rejected_and_the_others_stay(
    corpus: tuple[Path, list[Source]],
    decoded: tuple[Path, dict[str, int | float]],
    tmp_path: Path,
) -> None:
    (corpus[0].parent / "killed_once").unlink(missing_ok=True)
    decode(corpus[1], corpus[0], tmp_path, worker=killing_shard)
    (corpus[0].parent / "killed_once").unlink()
    whole, found = DecodedCorpus(decoded[0] / "decoded"), DecodedCorpus(tmp_path / "decoded")
    rejects = read_parquet(tmp_path / "decoded" / "rejects.parquet").to_pylist()
    assert [r["clip_id"] for r in rejects if r["cause"] == "worker died"] == ["clip4"]
    assert set(found.clip_ids) == set(whole.clip_ids) - {"clip4"}
    for clip_id in set(found.clip_ids) - {"only_sound"}:
        np.testing.assert_array_equal(
            found.frame(found.row(clip_id)), whole.frame(whole.row(clip_id))
        )


def hanging_shard(task: ShardTask, report: Report) -> None:
    """Hangs at clip4, as in a decoder that never comes back."""

    def reported(number: int) -> None:
        report(number)
        condemned = {clip_id for clip_id, _, _ in task.condemned}
        if number < len(task.sources) and task.sources[number].clip_id == "clip4" not in condemned:
            time.sleep(600)

    decode_shard(task, reported)


def test_a_clip_that_hangs_is_killed_and_rejected(
    corpus: tuple[Path, list[Source]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.decode.shard.HANG_MARGIN", 0.5)
    decode(corpus[1], corpus[0], tmp_path, worker=hanging_shard, seconds_limit=1)
    rejects = read_parquet(tmp_path / "decoded" / "rejects.parquet").to_pylist()
    assert [r["clip_id"] for r in rejects if r["cause"] == "time limit"] == ["clip4"]


def stopping_shard(task: ShardTask, report: Report) -> None:
    """Finishes one shard; the others end the stage in their midst."""
    if task.sources[0].clip_id != "clip1":

        def reported(number: int) -> None:
            report(number)
            if number:
                raise OSError(28, "No space left on device")

        decode_shard(task, reported)
    decode_shard(task, report)


def test_a_stage_that_stops_midway_goes_on_where_it_was(
    corpus: tuple[Path, list[Source]],
    decoded: tuple[Path, dict[str, int | float]],
    tmp_path: Path,
) -> None:
    with pytest.raises(InputError, match="No space left on device"):
        decode(corpus[1], corpus[0], tmp_path, worker=stopping_shard, workers=1)
    assert not (tmp_path / "decoded" / "clips.parquet").exists()
    decode(corpus[1], corpus[0], tmp_path)
    assert content(tmp_path) == content(decoded[0])


def test_a_stage_that_is_killed_goes_on_where_it_was(
    corpus: tuple[Path, list[Source]],
    decoded: tuple[Path, dict[str, int | float]],
    tmp_path: Path,
) -> None:
    stage = multiprocessing.get_context("spawn").Process(
        target=decode, args=(corpus[1], corpus[0], tmp_path), kwargs={"workers": 1}
    )
    stage.start()
    while stage.is_alive() and not list((tmp_path / "work").glob("*/clips.parquet")):
        time.sleep(0.002)
    stage.kill()  # with one shard done
    stage.join()
    assert stage.exitcode == -signal.SIGKILL
    decode(corpus[1], corpus[0], tmp_path)
    assert content(tmp_path) == content(decoded[0])


def test_an_output_that_is_linked_to_a_cache_is_replaced_and_never_written(
    corpus: tuple[Path, list[Source]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, sources = corpus
    decode(sources[:6], root, tmp_path)
    cached = {}
    for path in [path for path in (tmp_path / "decoded").rglob("*") if path.is_file()]:
        link = tmp_path / "cache" / path.name
        link.parent.mkdir(exist_ok=True)
        os.link(path, link)
        link.chmod(0o444)
        cached[link] = path.read_bytes()
    moved = []

    def killed(source: Path, target: Path) -> None:
        moved.append(target)
        if len(moved) == 5:
            raise KeyboardInterrupt
        move_file(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(pieces, "move_file", killed)
        with pytest.raises(KeyboardInterrupt):
            decode(sources, root, tmp_path)
    decode(sources, root, tmp_path)
    decode(sources, root, tmp_path / "fresh")
    for name in ("clips.parquet", "rejects.parquet", "summary.json"):
        again, fresh = (folder / "decoded" / name for folder in (tmp_path, tmp_path / "fresh"))
        assert again.read_bytes() == fresh.read_bytes()
    assert content(tmp_path / "decoded/shards") == content(tmp_path / "fresh/decoded/shards")
    assert {link: link.read_bytes() for link in cached} == cached


def test_too_many_rejects_end_the_stage_and_are_written(
    corpus: tuple[Path, list[Source]], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"2 of 11 clips \(18\.2 %\).*1 of them: unreadable"):
        decode(corpus[1], corpus[0], tmp_path, max_reject_share=0.1)
    assert len(read_parquet(tmp_path / "decoded" / "rejects.parquet")) == 2
    assert not (tmp_path / "decoded" / "clips.parquet").exists()
    with pytest.raises(InputError, match="2 of 2 clips"):
        decode(corpus[1][-2:], corpus[0], tmp_path, max_reject_share=1.0)
    with pytest.raises(InputError, match="holds no clip"):
        decode([], corpus[0], tmp_path)


def test_the_real_files_of_a_folder(tmp_path: Path) -> None:
    if not (SHARED_MEDIA / "two_video_two_audio.mp4").is_file():
        pytest.skip("the real media files are absent from ../shared/media")
    found = find_sources("folder", SHARED_MEDIA)
    sources = [source for source in found if source.picture.parent.name != "odd"]
    summary = decode(sources, SHARED_MEDIA, tmp_path, max_seconds=20)
    rejects = read_parquet(tmp_path / "decoded" / "rejects.parquet").to_pylist()
    assert {(reject["path"], reject["cause"]) for reject in rejects} == {
        ("video_without_audio_av1.mkv", "no sound"),
        ("hevc_10bit_without_audio.mp4", "no sound"),
    }
    assert summary["clips"] == len(sources) - 2
