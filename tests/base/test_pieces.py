"""Pieces of work outlive kills, become an output without a copy, and are taken over from it."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from pipeline.base import pieces
from pipeline.base.files import atomic_file, move_file, write_npy
from pipeline.base.pieces import Blocks, Shards, finish_piece, is_whole, remove_pieces

NAMES = ["0" * 32, "1" * 32, "2" * 32]


def content_of(name: str) -> dict[str, bytes]:
    """What a piece holds: the same whenever it is made."""
    return {"rows.npy": name.encode() * 3, "table.txt": name.encode()}


def make(store: Shards) -> list[str]:
    """Make and publish an output as a stage does; gives the names of the pieces that it made."""
    made = []
    for number, name in enumerate(store.names):
        if not store.is_whole(number):
            made.append(name)
            shutil.rmtree(store.place(number), ignore_errors=True)
            for file, content in content_of(name).items():
                with atomic_file(store.place(number) / file) as opened:
                    opened.write(content)
            finish_piece(store.place(number))
    store.gather()
    store.publish()
    remove_pieces(store.work)
    return made


def check(output: Path, names: list[str]) -> None:
    expected = {
        f"{Path(file).stem}_{number:05d}{Path(file).suffix}": content
        for number, name in enumerate(names)
        for file, content in content_of(name).items()
    }
    assert {path.name: path.read_bytes() for path in (output / "shards").iterdir()} == expected


def test_an_output_is_moved_into_place_and_taken_over(tmp_path: Path) -> None:
    output, work = tmp_path / "output", tmp_path / "work"
    assert make(Shards(output, work, NAMES)) == NAMES
    check(output, NAMES)
    assert not work.exists()
    inodes = {path.stat().st_ino for path in (output / "shards").iterdir()}
    other = [NAMES[0], "a" * 32, NAMES[2]]
    assert make(Shards(output, work, other)) == ["a" * 32]
    check(output, other)
    assert len({path.stat().st_ino for path in (output / "shards").iterdir()} & inodes) == 4
    assert make(Shards(output, work, other[::-1])) == []  # in another order
    check(output, other[::-1])
    assert make(Shards(output, work, NAMES[:1])) == []
    check(output, NAMES[:1])


class Killed(BaseException):
    """The end of a process at some moment."""


def link_to_cache(output: Path, cache: Path) -> dict[Path, bytes]:
    """Make every file of an output a read-only hard link of a cache, as DVC does; gives what the
    cache holds."""
    shutil.rmtree(cache, ignore_errors=True)
    cache.mkdir()
    held = {}
    for number, path in enumerate(sorted(p for p in output.rglob("*") if p.is_file())):
        os.link(path, cache / str(number))
        (cache / str(number)).chmod(0o444)
        held[cache / str(number)] = path.read_bytes()
    return held


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_kill_at_any_moment_loses_no_piece_and_touches_no_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    """Every file operation of taking over and publishing is the last one once."""
    other = [NAMES[0], "a" * 32, NAMES[2]]
    moment = 0
    while True:
        output, work = tmp_path / f"output{moment}", tmp_path / f"work{moment}"
        make(Shards(output, work, NAMES))
        held = link_to_cache(output, tmp_path / "cache")
        left = moment

        def last(function):
            def call(*arguments, **options):
                nonlocal left
                left -= 1
                if left < 0 and before:
                    raise Killed
                function(*arguments, **options)
                if left < 0:
                    raise Killed

            return call

        with monkeypatch.context() as patch:
            for name in ("move_file", "write_json", "sync_folder"):
                patch.setattr(pieces, name, last(getattr(pieces, name)))
            patch.setattr(shutil, "rmtree", last(shutil.rmtree))
            try:
                make(Shards(output, work, other))
            except Killed:
                pass
            else:
                break
        again = make(Shards(output, work, other))
        assert set(again) <= {"a" * 32}, f"{again} made again after operation {moment}"
        check(output, other)
        assert not work.exists()
        assert {path: path.read_bytes() for path in held} == held
        moment += 1
    assert moment > 10  # it was killed at each of them


def test_what_was_damaged_since_is_made_again(tmp_path: Path) -> None:
    output, work = tmp_path / "output", tmp_path / "work"
    make(Shards(output, work, NAMES))
    (output / "shards/rows_00001.npy").write_bytes(b"cut off")
    assert make(Shards(output, work, NAMES)) == [NAMES[1]]
    check(output, NAMES)
    for damage in ("[{", "[]", "{}", "[1]", "null", '[{"name": "0"}]', "[[]]"):
        (tmp_path / "work.json").write_text(damage)
        assert make(Shards(output, work, NAMES)) == NAMES, damage
        check(output, NAMES)
    (tmp_path / "work.json").unlink()
    assert make(Shards(output, work, NAMES)) == NAMES


def test_only_the_recorded_content_is_taken_for_a_piece(tmp_path: Path) -> None:
    output, work = tmp_path / "output", tmp_path / "work"
    make(Shards(output, work, NAMES))
    one, two = output / "shards/rows_00000.npy", output / "shards/rows_00001.npy"
    one.write_bytes(two.read_bytes())  # of the same size, and of another piece
    assert make(Shards(output, work, NAMES)) == [NAMES[0]]
    check(output, NAMES)
    # What DVC brings back from its cache is another output, whose record is not this one.
    kept = tmp_path / "kept"
    shutil.copytree(output, kept)
    make(Shards(output, work, ["a" * 32]))
    shutil.rmtree(output)
    shutil.copytree(kept, output)
    assert make(Shards(output, work, NAMES)) == NAMES
    check(output, NAMES)


def test_the_record_is_no_part_of_the_output(tmp_path: Path) -> None:
    output, work = tmp_path / "output", tmp_path / "work"
    make(Shards(output, work, NAMES))
    assert {path.name for path in output.iterdir()} == {"shards"}
    assert {path.name for path in tmp_path.iterdir()} == {"output", "work.json"}


def test_pieces_of_another_output_become_links(tmp_path: Path) -> None:
    make(Shards(tmp_path / "one", tmp_path / "work", NAMES))
    store = Shards(tmp_path / "two", tmp_path / "other", [*NAMES[1:], "a" * 32])
    assert store.take_from(tmp_path / "one", tmp_path / "work") == 2
    assert store.take_from(tmp_path / "none", tmp_path / "nothing") == 0
    assert make(store) == ["a" * 32]
    check(tmp_path / "two", store.names)
    check(tmp_path / "one", NAMES)
    one, two = tmp_path / "one/shards/rows_00001.npy", tmp_path / "two/shards/rows_00000.npy"
    assert one.samefile(two)


def test_a_hashed_piece_notices_other_bytes_of_the_same_size(tmp_path: Path) -> None:
    for hashed in (False, True):
        folder = tmp_path / str(hashed)
        (folder / "below").mkdir(parents=True)
        (folder / "below/file").write_bytes(b"right")
        assert not is_whole(folder)
        finish_piece(folder, hashed=hashed)
        assert is_whole(folder)
        (folder / "below/file").write_bytes(b"wrong")
        assert is_whole(folder) != hashed
        (folder / "below/file").unlink()
        assert not is_whole(folder)


def test_only_pieces_are_removed_and_an_empty_folder_with_them(tmp_path: Path) -> None:
    for name in (*NAMES, "somebody's"):
        (tmp_path / "work" / name).mkdir(parents=True)
    remove_pieces(tmp_path / "work", but=NAMES[:1])
    left = {path.name for path in (tmp_path / "work").iterdir()}
    assert left == {NAMES[0], "somebody's"}
    (tmp_path / "work/somebody's").rmdir()
    remove_pieces(tmp_path / "work")
    assert not (tmp_path / "work").exists()
    remove_pieces(tmp_path / "work")


def test_a_file_is_moved_to_another_file_system_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "from").write_bytes(b"content")
    real = Path.replace

    def elsewhere(self: Path, target: Path) -> Path:
        if self.name == "from":
            raise OSError(18, "Invalid cross-device link")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", elsewhere)
    move_file(tmp_path / "from", tmp_path / "to")
    assert [path.name for path in tmp_path.iterdir()] == ["to"]
    assert (tmp_path / "to").read_bytes() == b"content"


def test_blocks_are_joined_to_one_array(tmp_path: Path) -> None:
    blocks = Blocks(tmp_path / "work", "f" * 32)
    whole = np.arange(20.0).reshape(10, 2)
    for start in (0, 4, 8):
        blocks.make("rows", start, lambda start=start: whole[start : start + 4])
    blocks.make("rows", 4, lambda: np.zeros((4, 2)))  # is there
    write_npy(tmp_path / "rows.npy", np.zeros(3))
    os.link(tmp_path / "rows.npy", tmp_path / "cached.npy")
    blocks.join("rows", (0, 4, 8), tmp_path / "rows.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "rows.npy"), whole)
    np.testing.assert_array_equal(np.load(tmp_path / "cached.npy"), np.zeros(3))
    blocks.discard()
    assert not blocks.folder.exists()
