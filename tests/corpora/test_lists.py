"""Clip lists: every form of the field reads to the same ids, every defect is one numbered line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.corpora import files
from pipeline.corpora.lists import (
    SeenAndHeard,
    find_list,
    listed_files,
    read_avsbench_list,
    read_clip_list,
    read_labelled,
    read_listed,
    read_pairs,
    read_vggsounder,
    under_either_name,
)
from pipeline.errors import InputError

ANNOTATIONS = Path(__file__).parents[2] / ".." / "shared" / "annotations"


def real(name: str) -> Path:
    path = under_either_name(ANNOTATIONS / name)
    if not path.is_file():
        pytest.skip(f"the real list {name} (../shared/annotations) is absent")
    return path


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


CLIPS = ["zpWuikVorYg_000032", "---g-f_I2yQ_000001"]


@pytest.mark.parametrize(
    "content",
    [
        "zpWuikVorYg_000032\n---g-f_I2yQ_000001\n",
        "zpWuikVorYg_000032\n---g-f_I2yQ_000001",
        "\ufeffzpWuikVorYg_000032\r\n---g-f_I2yQ_000001\r\n\r\n",
        "zpWuikVorYg_000032.jpg\n---g-f_I2yQ_000001.mp4\n",
        "zpWuikVorYg_32000_42000\n---g-f_I2yQ_1000_11000\n",
        'zpWuikVorYg_000032,"playing violin, fiddle",3\n ---g-f_I2yQ_000001 ,x\n',
        "clip_id,class\nzpWuikVorYg_000032,a\n---g-f_I2yQ_000001,b\n",
        "Video\rzpWuikVorYg_000032\r---g-f_I2yQ_000001\r",
    ],
)
def test_every_form_of_a_list(tmp_path: Path, content: str) -> None:
    assert read_clip_list(write(tmp_path / "list.csv", content)) == CLIPS


def test_ids_of_other_corpora_stay_as_they_are(tmp_path: Path) -> None:
    path = write(tmp_path / "flickr_test.csv", "10000130166,202\n10007936344,0\n")
    assert read_clip_list(path) == ["10000130166", "10007936344"]


SOUNDER = "video_id,label,modality,background_music,static_image,voice_over"
HOSTILE: list[tuple[Callable[[Path], Any], str | bytes, str]] = [
    (read_clip_list, "a\n../../etc/passwd\n", "line 2"),
    (read_clip_list, "a\nb/c\n", "line 2"),
    (read_clip_list, 'a\n"b\nc"\n', "line 3"),
    (read_clip_list, "a\nb\x1b[2Jc\n", "line 2"),
    (read_clip_list, "a\nb\x00\n", "line 2"),
    (read_clip_list, "a\nb\na.jpg\n", "line 3: a is on line 1"),
    (
        read_clip_list,
        "3YOH4c9HXpo_000290\n3YOH4c9HXpo_290000_300000\n",
        "line 2: 3YOH4c9HXpo_000290 is on line 1",
    ),
    (read_clip_list, "a\nsch\xf6n\n".encode("latin-1"), "line 2: byte 0xf6 is not UTF-8"),
    (read_clip_list, "a\n".encode("utf-16"), "is not UTF-8"),
    (read_clip_list, 'a\n"b\n', "line 2"),
    (read_clip_list, "a" * 200_000, "field larger"),
    (read_clip_list, "", "lists no clip"),
    (read_clip_list, "clip_id\n", "lists no clip"),
    (read_clip_list, ",x\n", "line 1"),
    (read_labelled, "a,dog\nb\n", "line 2: expected the class in column 2, found 'b'"),
    (read_labelled, "a,dog\nb,\n", "line 2"),
    (read_labelled, "a,dog\na,cat\n", "line 2"),
    (read_labelled, "clip,class\n", "lists no clip"),
    (read_pairs, "", "expected video,audio,label"),
    (read_pairs, "video,sound\na,b\n", "'video,sound'"),
    (read_pairs, "video,audio,label\na,b\n", "line 2: expected the label in column 3"),
    (read_pairs, "video,audio,label\na,b,x\na,b,x\n", "line 3: a with b is on line 2"),
    (read_pairs, "video,audio,label\na,../b,x\n", "line 2"),
    (read_avsbench_list, "v_1,dog\nv_1,dog\n", "line 2"),
    (read_avsbench_list, "v,dog\n", "expected <video>_<number>"),
    (read_avsbench_list, "v_1\n", "expected the category"),
    (read_avsbench_list, "../v_1,dog\n", "line 1"),
    (read_avsbench_list, "", "lists no frame"),
    (read_vggsounder, "", "found the columns '', expected video_id,label,modality"),
    (read_vggsounder, "video_id,label,modality\na,b,AV\n", "expected video_id,label,modality"),
    (read_vggsounder, f"{SOUNDER}\n", "lists no clip"),
    (read_vggsounder, f"{SOUNDER}\na,b,VA,True,True,True\n", "line 2: found the modality 'VA'"),
    (read_vggsounder, f"{SOUNDER}\na,b,AV,True,yes,True\n", "static_image: found 'yes'"),
    (read_vggsounder, f"{SOUNDER}\na,b,AV,True,True\n", "expected the voice_over in column 6"),
    (read_vggsounder, f"{SOUNDER}\n../a,b,AV,True,True,True\n", "line 2"),
    (
        read_vggsounder,
        f"{SOUNDER}\na,b,AV,True,True,True\na,c,A,True,True,False\n",
        "line 3: a: found background_music, static_image, voice_over (True, True, False)",
    ),
    (
        read_vggsounder,
        f"{SOUNDER}\na,b,AV,True,True,True\na,b,A,True,True,True\n",
        "line 3: a: found 'b' again, expected once",
    ),
]


@pytest.mark.parametrize(("read", "content", "message"), HOSTILE)
def test_a_damaged_list_is_one_line_that_names_the_place(
    tmp_path: Path, read: Callable[[Path], Any], content: str | bytes, message: str
) -> None:
    path = write(tmp_path / "list.csv", content)
    with pytest.raises(InputError) as error:
        read(path)
    assert message in str(error.value)
    assert str(error.value).startswith(str(path))
    assert str(error.value).isprintable()


def test_a_missing_list_names_the_command_and_address_that_bring_it(tmp_path: Path) -> None:
    path = tmp_path / "vggss_10k.txt"
    with pytest.raises(InputError, match=r"no such file$"):
        read_clip_list(path)
    write(path.with_name("vggss_10k.txt.dvc"), "deps:\n- path:\n    https://example.org/x.txt\n")
    with pytest.raises(InputError) as error:
        read_clip_list(path)
    assert "`avloc corpus lists vggss_10k.txt` brings it from" in str(error.value)
    assert "https://example.org/x.txt" in str(error.value)
    write(path.with_name("vggss_10k.txt.dvc"), "[")
    with pytest.raises(InputError, match=r"no such file$"):
        read_clip_list(path)


def test_a_folder_in_place_of_a_list_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_clip_list(tmp_path)


def test_a_file_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LARGEST_BYTES", 2**20)
    path = write(tmp_path / "list.txt", "")
    with path.open("r+b") as file:
        file.truncate(2**30)  # sparse: a gigabyte that takes no disk
    with pytest.raises(InputError, match="larger than 1 MiB"):
        read_clip_list(path)


def test_classes_with_commas(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'file,class\na.mp4,"heart sounds, heartbeat"\nb.mp4,dog\n')
    assert read_labelled(path) == {"a": "heart sounds, heartbeat", "b": "dog"}


def test_pairs_go_by_their_header(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "label,audio,video\r\nnon-sounding,s,v\r\n")
    assert read_pairs(path) == [("v", "s", "non-sounding")]


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("vggss_test.csv", 5158),
        ("vggss_10k.txt", 10_000),
        ("vggss_144k.txt", 144_000),
        ("vggss_heard.txt", 59_468),
        ("vggss_heard_test.csv", 2564),
        ("vggss_unheard_test.csv", 2575),
        ("flickr_144k.txt", 144_000),
        ("flickr_10k.txt", 10_000),
        ("flickr_test.csv", 250),
        ("ssltie_vggsound_144k.txt", 144_000),
        ("ssltie_openset_train_110_70k.txt", 70_000),
        ("ssltie_openset_test_heard_2425.txt", 2425),
        ("ssltie_openset_test_unheard_2463.txt", 2463),
        # The file's last line has no line end, so counting line ends gives 4,654.
        ("vggss_available_4655.txt", 4655),
        ("flickr_144k_senocak.txt", 144_000),
        ("vggsound_test.csv", 15_446),
    ],
)
def test_real_lists(name: str, rows: int) -> None:
    assert len(set(read_clip_list(real(name)))) == rows


def test_real_lists_agree_over_their_spellings() -> None:
    test = set(read_clip_list(real("vggss_test.csv")))
    for name in ("vggss_available_4655.txt", "vggss_heard_test.csv", "vggss_unheard_test.csv"):
        assert set(read_clip_list(real(name))) <= test
    for name in ("heard_2425", "unheard_2463"):
        assert set(read_clip_list(real(f"ssltie_openset_test_{name}.txt"))) <= test


def test_real_classes() -> None:
    labels = read_labelled(real("vggsound_test.csv"))
    assert len(labels) == 15_446
    assert len(set(labels.values())) == 309
    assert labels["0_8-g2rof7E_000049"] == "heart sounds, heartbeat"


def test_real_pairs() -> None:
    rows = read_pairs(real("vggss_test_plus_silent.csv"))
    assert len(rows) == 5158
    assert {label for _, _, label in rows} == {"non-sounding"}
    assert sum(video == audio for video, audio, _ in rows) == 379
    assert len(read_pairs(real("flickr_test_plus_silent.csv"))) == 250


def test_real_avsbench_lists() -> None:
    s4 = read_avsbench_list(real("avsbench_s4_test.csv"))
    assert len(s4) == 5 * len({video for video, _, _ in s4}) == 3700
    ms3 = read_avsbench_list(real("avsbench_ms3_test.csv"))
    assert len(ms3) == 5 * len({video for video, _, _ in ms3}) == 320
    assert ms3[0] == ("0WxgIKuetYI_0", 1, "man")
    assert ms3[-1] == ("xv7eM6-UmkY_14", 5, "baby, man")


def test_vggsounder_by_clip(tmp_path: Path) -> None:
    rows = "a,b,AV,True,False,False\nv,x,V,False,False,True\na,c,A,True,False,False\n"
    assert read_vggsounder(write(tmp_path / "x.csv", f"{SOUNDER}\n{rows}")) == {
        "a": SeenAndHeard({"b": "AV", "c": "A"}, True, False, False),
        "v": SeenAndHeard({"x": "V"}, False, False, True),
    }


def test_real_vggsounder() -> None:
    sounder = read_vggsounder(real("vggsounder.csv"))
    assert len(sounder) == 15_069
    assert sum(len(says.labels) for says in sounder.values()) == 37_395
    test = set(read_clip_list(real("vggss_test.csv")))
    assert len(test.intersection(sounder)) == 5109


def test_a_list_is_found_by_its_pattern_under_either_name(tmp_path: Path) -> None:
    pattern = "vggss_available*.txt"
    assert listed_files(tmp_path, pattern) == []
    with pytest.raises(InputError, match="found none, expected one list"):
        find_list(tmp_path, pattern)
    write(tmp_path / "vggss_available_4655.txt.dvc", "")
    new, former = (tmp_path / f"vggss_available_{count}.txt" for count in (4655, 4654))
    assert find_list(tmp_path, pattern) == new  # promised
    write(former, "a\n")
    assert listed_files(tmp_path, pattern) == [former] == [find_list(tmp_path, pattern)]
    write(new, "a\n")
    with pytest.raises(InputError, match=r"vggss_available_4654\.txt, vggss_available_4655"):
        find_list(tmp_path, pattern)
    assert under_either_name(new) == new and under_either_name(tmp_path / "x") == tmp_path / "x"


def test_ids_that_lost_their_dash_are_warned_of_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = ["zpWuikVorYg_000032", "-aaaaaaaaaa_000001", "1000013016", "abcdefghij_3", "beach"]
    assert read_listed(write(tmp_path / "good.txt", "\n".join(good))) == good
    assert capsys.readouterr().err == ""
    lost = ["aaaaaaaaaa_000010", "bbbb-bbb_b_20000_30000"]
    path = write(tmp_path / "lost.txt", "\n".join([good[0], lost[0], f"{lost[1]}.mp4", good[1]]))
    assert read_listed(path) == [good[0], *lost, good[1]]  # they stay: no stage's bytes change
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{path}: 2 of 4 clips look like VGGSound's")
    assert line.endswith("the first is 'aaaaaaaaaa_000010', expected '-aaaaaaaaaa_000010'")
    pairs = write(
        tmp_path / "x_plus_silent.csv", f"video,audio,label\n{good[0]},{lost[0]},non-sounding\n"
    )
    assert read_listed(pairs) == [good[0], lost[0]]
    assert "1 of 2 clips look like" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["vggss_144k.txt", "vggss_test.csv", "vggss_test_plus_silent.csv", "flickr_144k.txt"]
)
def test_no_real_list_has_lost_a_dash(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(read_listed(real(name))) > 4000
    assert capsys.readouterr().err == ""
