"""Presence and leakage: small made lists, and the counts that are known of the real ones."""

import json
from pathlib import Path

import pyarrow as pa
import pytest
import yaml

from pipeline.benchmarks import benchmark_names
from pipeline.corpora.check import ClipList, Row, check, leaked, read_test_clips
from pipeline.corpora.ground_truth import read_vggss
from pipeline.corpora.lists import read_clip_list, read_pairs, under_either_name
from pipeline.corpora.ready import benchmark_clips
from pipeline.errors import InputError
from pipeline.neighbours.training_list import choose_clips

PROJECT = Path(__file__).parents[2]
ANNOTATIONS = PROJECT / ".." / "shared" / "annotations"


def real(name: str) -> list[str]:
    path = under_either_name(ANNOTATIONS / name)
    if not path.is_file():
        pytest.skip(f"the real list {name} (../shared/annotations) is absent")
    if path.suffix == ".json":
        return [clip.clip_id for clip in read_vggss(path)]
    return read_clip_list(path)


def test_leaked_keeps_the_order() -> None:
    assert leaked(["a", "b", "c"], ["c", "x", "a", "c"]) == ["c", "a"]
    assert leaked([], ["a"]) == []


def test_check_counts_each_clip_once_and_by_cause() -> None:
    rejects = {"b": "no sound", "c": "unreadable", "z": "unreadable"}
    training = ClipList("train", 5, list("abcde"), set("abc"), rejects)
    five_frames = ClipList(
        "frames", 3, ["s4-v_1", "s4-v", "s4-v_2", "s4-v", "s4-w_1", "s4-w"], {"s4-v_1", "s4-v"}
    )
    mismatched = ClipList("pairs", 3, ["x", "e", "y", "y", "a", "x"], set("axye"), {})
    assert check(training, [five_frames, mismatched]) == [
        Row("train", 5, 5, 1, 2, {"no sound": 1, "unreadable": 1}, 0),
        Row("frames", 3, 5, 2, 3, None, 0),
        Row("pairs", 3, 4, 4, 0, {}, 2),
    ]


@pytest.mark.parametrize(
    ("training", "test", "count"),
    [
        ("vggss_144k.txt", "vggss.json", 3709),
        ("vggss_144k.txt", "vggss_available_4655.txt", 3345),
        ("vggss_144k.txt", "vggsound_test.csv", 11_163),
        ("vggss_10k.txt", "vggss.json", 238),
        ("ssltie_vggsound_144k.txt", "vggss.json", 0),
        ("vggss_heard.txt", "vggss.json", 0),
        ("ssltie_openset_train_110_70k.txt", "vggss.json", 2306),
        ("flickr_144k.txt", "flickr_test.csv", 20),
        ("flickr_10k.txt", "flickr_test.csv", 1),
        ("flickr_144k_senocak.txt", "flickr_test.csv", 0),
    ],
)
def test_leakage_of_the_real_lists(training: str, test: str, count: int) -> None:
    train_ids, test_ids = real(training), real(test)
    train = ClipList(training, len(train_ids), train_ids, [])
    row = check(train, [ClipList(test, len(test_ids), test_ids, [])])[1]
    assert (row.leaked, row.listed, row.missing) == (count, len(test_ids), len(test_ids))
    table = pa.table({"clip_id": pa.array([], pa.string())})
    chosen, counts = choose_clips(train_ids, table, test_ids)
    assert counts["left_out_test_clips"] == count == len(train_ids) - len(chosen)


def test_the_two_lists_of_flickr_are_almost_disjoint() -> None:
    ours, cited = set(real("flickr_144k.txt")), set(real("flickr_144k_senocak.txt"))
    assert (len(ours), len(cited), len(ours & cited)) == (144_000, 144_000, 10_188)


def test_leakage_of_the_real_extended_set_counts_frames_and_sounds() -> None:
    train = real("vggss_144k.txt")
    rows = read_pairs(ANNOTATIONS / "vggss_test_plus_silent.csv")
    clips = [clip for frame, sound, _ in rows for clip in (frame, sound)]
    extended = ClipList("extended", len(rows), clips, [])
    row = check(ClipList("training", len(train), train, []), [extended])[1]
    assert (row.listed, row.leaked) == (len(set(clips)), len(set(clips) & set(train)))


def test_test_clips_are_those_of_every_benchmark() -> None:
    """The patterns of `TEST_LISTS` against the benchmarks themselves, over the real lists."""
    real("vggss.json")
    found = read_test_clips(ANNOTATIONS)
    for name in benchmark_names():
        if not name.startswith(("scenes", "conditions")):  # the toy's own
            _, clips = benchmark_clips(name, ANNOTATIONS, PROJECT)
            assert clips and found.issuperset(clips), name
    assert len(set(real("vggss_144k.txt")) & found) >= 3709
    assert "zpWuikVorYg_000032" in found and "10000130166" in found
    assert {"s4-0d9u2CymIxc", "s4-0d9u2CymIxc_1", "ms3-0WxgIKuetYI_0_5"} <= found


def test_test_clips_of_a_made_world(tmp_path: Path) -> None:
    silent = {"class": "cat", "bbox": [], "mask": "m.png", "sound": "silent"}
    scene = {"file": "scene", "split": "validation", "class": "dog", "bbox": [], "mask": "m.png"}
    (tmp_path / "scenes.json").write_text(json.dumps([{**scene, "distractors": [silent]}]))
    assert read_test_clips(tmp_path) == {"scene", "silent"}


def test_a_test_list_that_is_promised_but_absent_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no benchmark's list"):
        read_test_clips(tmp_path)
    (tmp_path / "flickr_test.csv").write_text("101,5\n")
    assert read_test_clips(tmp_path) == {"101"}
    (tmp_path / "vggss.json.dvc").write_text("deps:\n- path: https://example.org/vggss.json\n")
    with pytest.raises(InputError, match=r"vggss\.json: no such file; `avloc corpus lists"):
        read_test_clips(tmp_path)


def test_a_test_list_under_its_former_name_is_read(tmp_path: Path) -> None:
    (tmp_path / "vggss_available_4655.txt.dvc").write_text("deps: []\n")
    (tmp_path / "vggss_available_4654.txt").write_text("zpWuikVorYg_32000_42000")
    assert read_test_clips(tmp_path) == {"zpWuikVorYg_000032"}


def test_every_published_list_has_an_import_and_is_ignored_by_git() -> None:
    folder = PROJECT / "data" / "annotations"
    ignored = (folder / ".gitignore").read_text().splitlines()
    entries = sorted(folder.glob("*.dvc"))
    assert len(entries) == 28
    assert sorted(ignored) == [f"/{entry.stem}" for entry in entries]
    provenance = ANNOTATIONS / "PROVENANCE.md"
    for entry in entries:
        content = yaml.safe_load(entry.read_text())
        assert content["frozen"] is True
        assert content["deps"][0]["path"].startswith("https://raw.githubusercontent.com/")
        assert content["outs"][0]["path"] == entry.stem
        if provenance.is_file():
            md5 = content["outs"][0]["md5"]
            assert md5 in provenance.read_text()
            size = under_either_name(ANNOTATIONS / entry.stem).stat().st_size
            assert size == content["outs"][0]["size"]
