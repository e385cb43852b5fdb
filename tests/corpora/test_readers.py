"""Source layouts: every documented tree is read, every ambiguity and escape is one clear line."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import corpora
from pipeline.corpora.avsbench import find_avsbench_masks
from pipeline.corpora.layouts import find_sources, layout, reader_names
from pipeline.corpora.source import Source
from pipeline.errors import InputError

ROOT = Path(__file__).parents[2]
MEDIA = ROOT / ".." / "shared" / "media"
ANNOTATIONS = ROOT / ".." / "shared" / "annotations"


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def told(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err


def tree(reader: str, root: Path) -> dict[str, tuple[str | None, str | None]]:
    def relative(path: Path | None) -> str | None:
        return None if path is None else path.relative_to(root).as_posix()

    sources = find_sources(reader, root)
    assert [s.clip_id for s in sources] == sorted({s.clip_id for s in sources})
    return {s.clip_id: (relative(s.picture), relative(s.sound)) for s in sources}


def test_vggsound_videos_in_any_folder_and_spelling(tmp_path: Path) -> None:
    videos = [
        "zpWuikVorYg_000032.mp4",
        "air plane/XR7vOriQ9VY_000194.mkv",
        "3Y/O/3YOH4c9HXpo_290000_300000.webm",
        "---g-f_I2yQ_000001.AVI",
    ]
    touch(tmp_path, *videos, "vggsound.csv", "._zpWuikVorYg_000032.mp4", ".trash/a.mp4")
    ids = ["zpWuikVorYg_000032", "XR7vOriQ9VY_000194", "3YOH4c9HXpo_000290", "---g-f_I2yQ_000001"]
    expected = {clip: (video, video) for clip, video in zip(ids, videos, strict=True)}
    assert tree("vggsound", tmp_path) == expected


def test_vggsound_prepared_frames_and_sounds(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "frames/zpWuikVorYg_000032.jpg",
        "audio/zpWuikVorYg_000032.wav",
        *(f"XR7vOriQ9VY_000194/image_{n:03d}.jpg" for n in range(1, 101)),
        "XR7vOriQ9VY_000194.wav",
        *(f"both/bJmXMYZ1rzM_000010/image_{n:03d}.jpg" for n in range(1, 32)),
        "both/bJmXMYZ1rzM_000010/bJmXMYZ1rzM_000010.wav",
        "audio/1F3_bvIT0ig_0_10000.wav",
    )
    assert tree("vggsound", tmp_path) == {
        "zpWuikVorYg_000032": ("frames/zpWuikVorYg_000032.jpg", "audio/zpWuikVorYg_000032.wav"),
        "XR7vOriQ9VY_000194": ("XR7vOriQ9VY_000194/image_050.jpg", "XR7vOriQ9VY_000194.wav"),
        "bJmXMYZ1rzM_000010": (
            "both/bJmXMYZ1rzM_000010/image_016.jpg",
            "both/bJmXMYZ1rzM_000010/bJmXMYZ1rzM_000010.wav",
        ),
        "1F3_bvIT0ig_000000": (None, "audio/1F3_bvIT0ig_0_10000.wav"),
    }


def test_vggsound_as_downloads_are_called(tmp_path: Path) -> None:
    videos = {
        "zpWuikVorYg_000032": "zpWuikVorYg_32.mp4",
        "1F3_bvIT0ig_000040": "train/1F3_bvIT0ig_40.000.mp4",
        "---g-f_I2yQ_000001": "---g-f_I2yQ_1.webm",
    }
    touch(tmp_path, *videos.values())
    assert tree("vggsound", tmp_path) == {clip: (v, v) for clip, v in videos.items()}


def test_vggsound_frames_of_25_a_second(tmp_path: Path) -> None:
    touch(
        tmp_path,
        *(f"frames/zpWuikVorYg_000032/{n:03d}.jpg" for n in range(1, 126)),
        "audio/zpWuikVorYg_000032.wav",
        *(f"frames/XR7vOriQ9VY_194/{n}.jpg" for n in range(1, 12)),  # short: the 6th of 11
    )
    assert tree("vggsound", tmp_path) == {
        "zpWuikVorYg_000032": (
            "frames/zpWuikVorYg_000032/125.jpg",
            "audio/zpWuikVorYg_000032.wav",
        ),
        "XR7vOriQ9VY_000194": ("frames/XR7vOriQ9VY_194/6.jpg", None),
    }


def test_vggsound_names_ids_that_have_lost_their_dash(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    touch(tmp_path, "zpWuikVorYg_000032.mp4", "g-f_I2yQab_000001.mp4", "holiday.mp4")
    assert list(tree("vggsound", tmp_path)) == ["zpWuikVorYg_000032"]
    said = told(capsys)
    assert "2 media files without a VGGSound name are left out" in said
    assert "the ids of 1 have lost their leading '-': 'g-f_I2yQab_000001.mp4' must be" in said
    assert "must be '-g-f_I2yQab_000001.mp4'" in said


def test_vggsound_video_gives_both_even_beside_prepared_files(tmp_path: Path) -> None:
    touch(tmp_path, "video/zpWuikVorYg_000032.mp4", "audio/zpWuikVorYg_32000_42000.wav")
    video = "video/zpWuikVorYg_000032.mp4"
    assert tree("vggsound", tmp_path) == {"zpWuikVorYg_000032": (video, video)}


def test_vggsound_tells_of_files_that_it_leaves_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    touch(tmp_path, "zpWuikVorYg_000032.mp4", "holiday.mp4", "cover.jpg")
    assert list(tree("vggsound", tmp_path)) == ["zpWuikVorYg_000032"]
    said = told(capsys)
    assert "2 media files without a VGGSound name are left out" in said
    assert "'cover.jpg'" in said


TWICE = [
    ("vggsound", "zpWuikVorYg_000032", "a/zpWuikVorYg_000032.mp4", "b/zpWuikVorYg_32.mkv"),
    ("vggsound", "zpWuikVorYg_000032", "zpWuikVorYg_000032.jpg", "zpWuikVorYg_000032/125.jpg"),
    ("flickr", "1000013016", "frames/1000013016.jpg", "frames2/1000013016.png"),
    ("flickr", "1000013016", "frames/1000013016.jpg", "more/1000013016.mp4/1.jpg"),
    ("folder", "beach", "beach.mkv", "beach.mp4"),
    ("is3", "a_b_1_a", "images/a_b_1_a.jpg", "visual_frames/2/a_b_1_a.jpg"),
    ("avsbench", "s4-v_1", "S4/visual_frames/v/v_1.png", "S4/visual_frames/w/v_1.png"),
    ("vpo", "000000000001_2", "visual_frames/000000000001_2.jpg", "images/000000000001_2.png"),
]


@pytest.mark.parametrize(("reader", "clip", "one", "other"), TWICE)
def test_of_different_files_for_one_clip_the_largest_is_taken_and_told(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    reader: str,
    clip: str,
    one: str,
    other: str,
) -> None:
    touch(tmp_path, one, other)
    for small, large in ((one, other), (other, one)):
        (tmp_path / small).write_bytes(b"a download that broke off")
        (tmp_path / large).write_bytes(b"a download that did not break off")
        (source,) = find_sources(reader, tmp_path)
        assert (source.clip_id, source.picture) == (clip, tmp_path / large)
        assert (source.copies, source.not_taken) == (0, (tmp_path / small,))
        said = told(capsys)
        assert "1 of 1 clips lie there with different files, of which the largest" in said
        assert (
            f"clip {clip}, {str(tmp_path / large)!r} taken, {str(tmp_path / small)!r} left" in said
        )
    # As large as the other and different: the first path.
    for name in (one, other):
        (tmp_path / name).write_bytes(name.encode().ljust(200_000, b"_"))
    (source,) = find_sources(reader, tmp_path)
    assert source.picture == min(tmp_path / one, tmp_path / other)
    assert source.not_taken == (max(tmp_path / one, tmp_path / other),)


@pytest.mark.parametrize(("reader", "clip", "one", "other"), TWICE)
@pytest.mark.parametrize("size", [0, 1, 65_536, 300_000])
def test_the_same_file_twice_is_counted_and_taken_once(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    reader: str,
    clip: str,
    one: str,
    other: str,
    size: int,
) -> None:
    touch(tmp_path, one, other)
    content = bytes(n % 251 for n in range(size))
    for name in (one, other):
        (tmp_path / name).write_bytes(content)
    (source,) = find_sources(reader, tmp_path)
    assert source.picture == min(tmp_path / one, tmp_path / other)
    assert (source.clip_id, source.copies, source.not_taken) == (clip, 1, ())
    said = told(capsys)
    assert "1 of 1 clips lie there more than once with the same content; each is taken" in said
    if size:
        (tmp_path / other).write_bytes(content[:-1] + b"\xff")
        assert find_sources(reader, tmp_path)[0].copies == 0


def test_a_download_that_overlaps_another_ends_no_corpus(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Frames and sounds of training and test set, as SLAVC's list and two archives give them."""
    for folder, clips in (
        ("train", ("100001", "100002", "100003")),
        ("test", ("100003", "100004")),
    ):
        for clip in clips:
            for name in (f"{folder}/frames/{clip}0000.jpg", f"{folder}/audio/{clip}0000.wav"):
                touch(tmp_path, name)
                (tmp_path / name).write_text(clip)
    (tmp_path / "test/audio/1000030000.wav").write_text("another sound")
    (tmp_path / "again").mkdir()
    (tmp_path / "again/1000010000.jpg").symlink_to(tmp_path / "train/frames/1000010000.jpg")
    sources = find_sources("flickr", tmp_path)
    assert [source.clip_id for source in sources] == [f"10000{n}0000" for n in (1, 2, 3, 4)]
    assert [source.copies for source in sources] == [1, 0, 1, 0]
    assert sources[2].picture == tmp_path / "test/frames/1000030000.jpg"
    assert sources[2].sound == tmp_path / "test/audio/1000030000.wav"
    assert sources[2].not_taken == (tmp_path / "train/audio/1000030000.wav",)
    said = told(capsys)
    assert "1 of 4 clips lie there more than once with the same content" in said
    assert "1 of 4 clips lie there with different files" in said


def test_archives_are_told_and_not_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    packed = ["vggsound_00.tar.gz", "more/vggsound_01.tar", "IS3.zip", "v.tar.gz.partaa", "v.tgz"]
    touch(tmp_path, *packed, "vggsound.csv.gz", "zpWuikVorYg_000032.txt")
    with pytest.raises(InputError) as error:
        find_sources("vggsound", tmp_path)
    said = "5 archives there must be unpacked first, such as 'IS3.zip'; the vggsound reader expects"
    assert said in str(error.value)
    touch(tmp_path, "zpWuikVorYg_000032.mp4")
    assert len(find_sources("vggsound", tmp_path)) == 1
    assert "5 archives there must be unpacked first, such as 'IS3.zip'" in told(capsys)


@pytest.mark.parametrize("layout", ["frames/10/{}.jpg audio/10/{}.wav", "{}.jpg {}.wav"])
def test_flickr_pairs(tmp_path: Path, layout: str) -> None:
    picture, sound = layout.split()
    ids = ["10000130166", "10007936344"]
    for clip in ids:
        touch(tmp_path, picture.format(clip), sound.format(clip), f"Annotations/{clip}.xml")
    touch(tmp_path, "frames/5.jpg")
    assert tree("flickr", tmp_path) == {
        **{clip: (picture.format(clip), sound.format(clip)) for clip in ids},
        "5": ("frames/5.jpg", None),
    }


@pytest.mark.parametrize(
    ("frames", "taken", "sound"),
    [
        (["a/1/0/{}.mp4/00000002.jpg", "a/1/0/{}.mp4/00000001.jpg"], 1, "mp3/1/{}.mp3"),
        (["frames/{}.mp4/10.jpg", "frames/{}.mp4/9.jpg"], 1, "mp3/{}.mp4.mp3"),
        (["frames/{}/00000003.jpg"], 0, "mp3/{}.mp3"),
        (["frames/{}/frame_7.png"], 0, "audio/{}.wav"),
        (["10000/{}.jpg"], 0, "10000/{}.mp3"),
        (["{}/{}.jpg"], 0, "{}/{}.wav"),
    ],
)
def test_flickr_as_it_is_distributed(
    tmp_path: Path, frames: list[str], taken: int, sound: str
) -> None:
    ids = ["10000130166", "2313889730"]
    for clip in ids:
        touch(tmp_path, *(name.replace("{}", clip) for name in (*frames, sound)))
    assert tree("flickr", tmp_path) == {
        clip: (frames[taken].replace("{}", clip), sound.replace("{}", clip)) for clip in ids
    }


def test_avsbench_frames_and_sounds_of_both_subsets(tmp_path: Path) -> None:
    touch(
        tmp_path,
        *(f"S4/visual_frames/test/dog/0d9u2CymIxc/0d9u2CymIxc_{n}.png" for n in (1, 2)),
        "S4/audio_wav/test/dog/0d9u2CymIxc.wav",
        "S4/gt_masks/test/dog/0d9u2CymIxc/0d9u2CymIxc_1.png",
        "S4/raw_videos/0d9u2CymIxc.mp4",
        "Multi-sources/ms3_data/visual_frames/0WxgIKuetYI_0/0WxgIKuetYI_0.mp4_1.png",
        "Multi-sources/ms3_data/visual_frames/0d9u2CymIxc/0d9u2CymIxc_1.png",
        "Multi-sources/ms3_data/audio_wav/0WxgIKuetYI_0.wav",
        "Multi-sources/ms3_data/gt_masks/test/0WxgIKuetYI_0/0WxgIKuetYI_0_1.png",
    )
    found = tree("avsbench", tmp_path)
    assert set(found) == {
        "s4-0d9u2CymIxc_1",
        "s4-0d9u2CymIxc_2",
        "s4-0d9u2CymIxc",
        "ms3-0WxgIKuetYI_0_1",
        "ms3-0d9u2CymIxc_1",
        "ms3-0WxgIKuetYI_0",
    }
    assert found["s4-0d9u2CymIxc"] == (None, "S4/audio_wav/test/dog/0d9u2CymIxc.wav")
    assert found["ms3-0WxgIKuetYI_0_1"][1] is None
    assert {clip: path.parts[-2:] for clip, path in find_avsbench_masks(tmp_path).items()} == {
        "s4-0d9u2CymIxc_1": ("0d9u2CymIxc", "0d9u2CymIxc_1.png"),
        "ms3-0WxgIKuetYI_0_1": ("0WxgIKuetYI_0", "0WxgIKuetYI_0_1.png"),
    }
    masks = {source.clip_id: source.mask for source in find_sources("avsbench", tmp_path)}
    assert {clip: mask for clip, mask in masks.items() if mask} == find_avsbench_masks(tmp_path)


def test_avsbench_root_may_be_one_subset_but_must_say_which(tmp_path: Path) -> None:
    touch(tmp_path, "S4/visual_frames/v/v_1.png", "other/visual_frames/v/v_1.png")
    assert list(tree("avsbench", tmp_path / "S4")) == ["s4-v_1"]
    with pytest.raises(InputError, match="S4 or MS3"):
        find_sources("avsbench", tmp_path)


def test_avsbench_frame_of_another_name_is_an_error(tmp_path: Path) -> None:
    touch(tmp_path, "S4/visual_frames/v/cover.png")
    with pytest.raises(InputError, match=r"cover\.png"):
        find_sources("avsbench", tmp_path)


def test_is3_picture_and_sound_share_the_stem(tmp_path: Path) -> None:
    stem = "babylaughter_electric grinder grinding_baby"
    touch(tmp_path, f"visual_frames/{stem}.jpg", f"audio_wav/{stem}.wav", "examples/x.jpg")
    assert tree("is3", tmp_path) == {stem: (f"visual_frames/{stem}.jpg", f"audio_wav/{stem}.wav")}


@pytest.mark.parametrize("pictures", ["images", "visual_frames", "IS3/images"])
@pytest.mark.parametrize("sounds", ["audio_waw", "audio_wav", "IS3/audio_waw"])
def test_is3_as_it_is_distributed(tmp_path: Path, pictures: str, sounds: str) -> None:
    stems = ["accordion_female_10438_accordion", "accordion_female_10438_female"]
    for stem in stems:
        touch(tmp_path, f"{pictures}/{stem}.jpg", f"{sounds}/{stem}.wav")
        touch(tmp_path, f"gt_segmentation/{stem}.jpg", "IS3_annotation.json")
    assert tree("is3", tmp_path) == {
        stem: (f"{pictures}/{stem}.jpg", f"{sounds}/{stem}.wav") for stem in stems
    }


def test_halves_of_pairs_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    touch(tmp_path, "pictures/a_b_1_a.jpg", "audio_wav/a_b_1_a.wav", "audio_wav/a_b_1_b.wav")
    assert len(find_sources("is3", tmp_path)) == 2
    assert "2 of 2 clips are without a picture, the first is 'a_b_1_a'" in told(capsys)


VPO_TABLE = """cateName,img_Id,ann_Ids,vgg_file,split
dog,62491,432356,3YOH4c9HXpo_290000_300000,test
cat,62491,432357,zpWuikVorYg_000032,train
car,53484,188901,---g-f_I2yQ_1000_11000,test
car,1146,1210803,bJmXMYZ1rzM_000010,test
dog,62491,432356,XR7vOriQ9VY_000194,train
"""


def test_vpo_as_it_is_published(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    touch(
        tmp_path,
        "VPO-SS/data/dog/000000062491.jpg",
        "VPO-SS/data/cat/000000062491.jpg",
        "VPO-SS/mask/dog/000000062491_000000432356.png",
        "VPO-SS/mask/000000053484.png",
        "audios/3YOH4c9HXpo_290000_300000.wav",
        "audios/zpWuikVorYg_32000_42000.wav",
        "audios/---g-f_I2yQ_000001.wav",
    )
    table = tmp_path / "VPO-SS/vpo_ss_data_stereo.csv"
    table.write_text(VPO_TABLE)
    picture = "VPO-SS/data/cat/000000062491.jpg"
    assert tree("vpo", tmp_path) == {
        "000000062491_432356": (picture, "audios/3YOH4c9HXpo_290000_300000.wav"),
        "000000062491_432357": (picture, "audios/zpWuikVorYg_32000_42000.wav"),
        "000000053484_188901": (None, "audios/---g-f_I2yQ_000001.wav"),
    }
    said = told(capsys)
    assert "1 rows give a pair another sound than an earlier row" in said
    assert "vpo_ss_data_stereo.csv, line 6" in said
    for content, expected in (
        ("img_Id,ann_Ids\n1,2\n", "found the columns 'img_Id,ann_Ids', expected also vgg_file"),
        (VPO_TABLE.replace("53484", "x53484"), "line 4: img_Id is 'x53484', expected a number"),
        (VPO_TABLE.replace("zpWuikVorYg", "a"), "line 3: clip name 'a_000032': expected VGGSound"),
        ('img_Id,ann_Ids,vgg_file\n"1,2,3', "after line 1: unexpected end of data"),
    ):
        table.write_text(content)
        with pytest.raises(InputError, match=r"vpo_ss_data_stereo\.csv") as error:
            find_sources("vpo", tmp_path)
        assert expected in str(error.value)


def test_vpo_pairs_have_the_names_of_the_boxes(tmp_path: Path) -> None:
    clip = "000000062491_432356"
    pair = (f"COCO_AV/visual_frames/{clip}.jpg", f"COCO_AV/audio_wav/{clip}.wav")
    touch(tmp_path, *pair, "COCO_AV/visual_frames/readme.jpg", "COCO_AV/other/000000000001_2.jpg")
    assert tree("vpo", tmp_path) == {clip: pair}
    if not (ANNOTATIONS / "vpo_ss_boxes.json").is_file():
        pytest.skip("the real box files (../shared/annotations) are absent")
    for number, name in ((890, "vpo_ss_boxes.json"), (2157, "vpo_ms_boxes.json")):
        root = tmp_path / name
        for entry in json.loads((ANNOTATIONS / name).read_text()):
            touch(root, *("/".join(entry[key].split("/")[-3:]) for key in ("image", "audio")))
        found = tree("vpo", root)
        assert len(found) == number and all(picture and sound for picture, sound in found.values())


def test_vpos_two_sets_are_two_corpora(tmp_path: Path) -> None:
    clip = "000000062491_432356"
    touch(tmp_path, f"COCO_AV/visual_frames/{clip}.jpg", f"COCO_AV_MS/audio_wav/{clip}.wav")
    with pytest.raises(InputError, match=r"found two sets, .*COCO_AV and .*COCO_AV_MS; expected"):
        find_sources("vpo", tmp_path)


def test_folder_of_anyones_videos(tmp_path: Path) -> None:
    touch(tmp_path, "beach.mp4", "trip/beach.MOV", "trip/day 2/a..b.mkv", "beach.wav", "notes.txt")
    assert tree("folder", tmp_path) == {
        "beach": ("beach.mp4", "beach.mp4"),
        "trip~beach": ("trip/beach.MOV", "trip/beach.MOV"),
        "trip~day 2~a%2E%2Eb": ("trip/day 2/a..b.mkv", "trip/day 2/a..b.mkv"),
    }


def test_folder_gives_hostile_file_names_printable_ids(tmp_path: Path) -> None:
    touch(tmp_path, "a\nb.mp4", "\x1b[2J.mp4", "-rf.mp4")
    assert list(tree("folder", tmp_path)) == ["%1B[2J", "-rf", "a%0Ab"]


def test_flickr_with_a_control_character_in_a_name_is_one_line(tmp_path: Path) -> None:
    touch(tmp_path, "frames/a\nb.jpg")
    with pytest.raises(InputError) as error:
        find_sources("flickr", tmp_path)
    assert str(error.value).isprintable()


@pytest.mark.parametrize("is_folder", [True, False])
def test_a_link_out_of_the_root_is_refused(tmp_path: Path, is_folder: bool) -> None:
    touch(tmp_path, "outside/secret.mp4", "corpus/beach.mp4")
    target = tmp_path / "outside" / ("" if is_folder else "secret.mp4")
    (tmp_path / "corpus" / ("linked" if is_folder else "linked.mp4")).symlink_to(target)
    with pytest.raises(InputError, match="outside of the corpus root"):
        find_sources("folder", tmp_path / "corpus")


def test_links_inside_the_root_and_a_linked_root_are_followed_once(tmp_path: Path) -> None:
    touch(tmp_path, "corpus/store/beach.mp4")
    root = tmp_path / "corpus"
    (root / "again").symlink_to(root / "store")
    (root / "loop").symlink_to(root)
    (root / "sea.mp4").symlink_to(root / "store" / "beach.mp4")
    (tmp_path / "link").symlink_to(root)
    assert set(tree("folder", tmp_path / "link")) == {"store~beach", "sea"}


def test_what_is_no_file_is_no_clip(tmp_path: Path) -> None:
    touch(tmp_path, "beach.mp4", "folder.mp4/inside.mp4")
    os.mkfifo(tmp_path / "pipe.mp4")
    assert set(tree("folder", tmp_path)) == {"beach", "folder.mp4~inside"}


@pytest.mark.parametrize("reader", reader_names())
@pytest.mark.parametrize("exists", [True, False])
def test_missing_and_empty_roots_say_what_is_expected(
    tmp_path: Path, reader: str, exists: bool
) -> None:
    root = tmp_path / "corpus"
    if exists:
        touch(root, "readme.txt")
    with pytest.raises(InputError) as error:
        find_sources(reader, root)
    assert str(root) in str(error.value)
    assert layout(reader).expects in str(error.value)
    assert layout(reader).origin in str(error.value)


def test_the_readers_are_the_files_that_declare_a_layout(tmp_path: Path) -> None:
    assert reader_names() == ["avsbench", "flickr", "folder", "is3", "vggsound", "vpo"]
    # Modules of the package without a layout, a path and an empty name are no readers.
    for name in (
        "imagenet",
        "names",
        "source",
        "files",
        "copies",
        "__init__",
        "../corpora/is3",
        "is3.",
        "",
    ):
        with pytest.raises(InputError) as error:
            find_sources(name, tmp_path)
        said = (
            f"corpus reader {name!r}: expected one of avsbench, flickr, folder, is3, vggsound, vpo"
        )
        assert str(error.value).startswith(said)


def test_asking_for_one_reader_imports_no_other() -> None:
    code = (
        "import sys; from pathlib import Path; from pipeline.corpora.layouts import find_sources\n"
        "from pipeline.errors import InputError\n"
        "try: find_sources('is3', Path('absent'))\n"
        "except InputError as error: print(error)\n"
        "print(*sorted(name for name in sys.modules if name.startswith('pipeline.corpora.')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    message, imported = done.stdout.splitlines()
    assert message.startswith("absent: no such folder; the is3 reader expects")
    rooms = [name.rpartition(".")[2] for name in imported.split()]
    assert rooms == ["copies", "is3", "layouts", "names", "source"]


def test_a_new_layout_is_one_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that data/README.md shows."""
    folder = tmp_path / "readers"
    folder.mkdir()
    readme = (ROOT / "data/README.md").read_text()
    examples = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    (example,) = [text for text in examples if "def find(" in text]
    (folder / "club.py").write_text(example)
    monkeypatch.setattr(corpora, "__path__", [*corpora.__path__, str(folder)])
    monkeypatch.setattr(corpora, "club", None, raising=False)  # taken away again with the module
    monkeypatch.setitem(sys.modules, "pipeline.corpora.club", None)
    del sys.modules["pipeline.corpora.club"]
    touch(tmp_path / "club", "12/page.png", "12/voice.ogg", "7/page.png")
    assert tree("club", tmp_path / "club") == {
        "book-12": ("12/page.png", "12/voice.ogg"),
        "book-7": ("7/page.png", None),
    }
    assert "club" in reader_names()
    with pytest.raises(InputError, match=r"/voice\.ogg; ask the club"):
        find_sources("club", tmp_path / "absent")


def test_real_media_as_a_folder() -> None:
    if not MEDIA.is_dir():
        pytest.skip("the real clips (../shared/media) are absent")
    sources = find_sources("folder", MEDIA)
    sources = [source for source in sources if source.picture and source.picture.parent == MEDIA]
    assert [source.clip_id for source in sources] == [
        "3YOH4c9HXpo_000290",
        "hevc_10bit_without_audio",
        "two_video_two_audio",
        "video_without_audio_av1",
    ]
    video = MEDIA / "3YOH4c9HXpo_290000_300000.mp4"
    assert sources[0] == Source("3YOH4c9HXpo_000290", video, video)
