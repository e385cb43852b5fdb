"""Presence and leakage: small made lists, and the counts that are known of the real ones."""

from pathlib import Path

import pytest
import yaml

from pipeline.corpora.check import ClipList, Row, check, exclude, leaked
from pipeline.corpora.ground_truth import read_vggss
from pipeline.corpora.lists import read_clip_list, read_pairs

PROJECT = Path(__file__).parents[2]
ANNOTATIONS = PROJECT / ".." / "shared" / "annotations"


def real(name: str) -> list[str]:
    path = ANNOTATIONS / name
    if not path.is_file():
        pytest.skip(f"the real list {name} (../shared/annotations) is absent")
    if path.suffix == ".json":
        return [clip.clip_id for clip in read_vggss(path)]
    return read_clip_list(path)


def test_leaked_and_exclude_keep_the_order() -> None:
    assert leaked(["a", "b", "c"], ["c", "x", "a", "c"]) == ["c", "a"]
    assert exclude(["c", "b", "a"], ["b", "x"]) == ["c", "a"]
    assert leaked([], ["a"]) == []


def test_check_counts_each_clip_once_and_by_cause() -> None:
    rejects = {"b": "no sound", "c": "unreadable", "z": "unreadable"}
    training = ClipList("train", list("abcde"), list("abcde"), set("abc"), rejects)
    five_frames = ClipList(
        "frames", ["s4-v_1", "s4-v_2", "s4-w_1"], ["s4-v", "s4-v", "s4-w"], {"s4-v_1", "s4-v"}
    )
    mismatched = ClipList("pairs", ["x", "y", "a"], ["e", "y", "x"], set("axye"))
    assert check(training, [five_frames, mismatched]) == [
        Row("train", 5, 5, 1, 2, {"no sound": 1, "unreadable": 1}, 0),
        Row("frames", 3, 5, 2, 3, {}, 0),
        Row("pairs", 3, 4, 4, 0, {}, 2),
    ]


@pytest.mark.parametrize(
    ("training", "test", "count"),
    [
        ("vggss_144k.txt", "vggss.json", 3709),
        ("vggss_144k.txt", "vggsound_test.csv", 11_163),
        ("vggss_10k.txt", "vggss.json", 238),
        ("ssltie_vggsound_144k.txt", "vggss.json", 0),
        ("vggss_heard.txt", "vggss.json", 0),
        ("ssltie_openset_train_110_70k.txt", "vggss.json", 2306),
        ("flickr_144k.txt", "flickr_test.csv", 20),
        ("flickr_10k.txt", "flickr_test.csv", 1),
    ],
)
def test_leakage_of_the_real_lists(training: str, test: str, count: int) -> None:
    train_ids, test_ids = real(training), real(test)
    train = ClipList(training, train_ids, train_ids, [])
    row = check(train, [ClipList(test, test_ids, test_ids, [])])[1]
    assert (row.leaked, row.listed, row.missing) == (count, len(test_ids), len(test_ids))
    assert len(exclude(train_ids, test_ids)) == len(train_ids) - count


def test_leakage_of_the_real_extended_set_counts_frames_and_sounds() -> None:
    train = real("vggss_144k.txt")
    rows = read_pairs(ANNOTATIONS / "vggss_test_plus_silent.csv")
    frames, sounds = [row[0] for row in rows], [row[1] for row in rows]
    row = check(ClipList("t", train, train, []), [ClipList("e", frames, sounds, [])])[1]
    clips = set(frames) | set(sounds)
    assert (row.samples, row.listed, row.leaked) == (5158, len(clips), len(clips & set(train)))


def test_every_published_list_has_an_import_and_is_ignored_by_git() -> None:
    folder = PROJECT / "data" / "annotations"
    ignored = (folder / ".gitignore").read_text().splitlines()
    entries = sorted(folder.glob("*.dvc"))
    assert len(entries) == 22
    assert sorted(ignored) == [f"/{entry.stem}" for entry in entries]
    provenance = ANNOTATIONS / "PROVENANCE.md"
    for entry in entries:
        content = yaml.safe_load(entry.read_text())
        assert content["frozen"] is True
        assert content["deps"][0]["path"].startswith("https://raw.githubusercontent.com/")
        assert content["outs"][0]["path"] == entry.stem
        if provenance.is_file():
            md5 = content["outs"][0]["md5"]
            assert f"| {md5} |" in provenance.read_text()
            assert (ANNOTATIONS / entry.stem).stat().st_size == content["outs"][0]["size"]
