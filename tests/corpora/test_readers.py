"""Source layouts: every documented tree is read, every ambiguity and escape is one clear line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import corpora
from pipeline.corpora import Source, find_sources, layout, reader_names
from pipeline.corpora.avsbench import find_avsbench_masks
from pipeline.errors import InputError

ROOT = Path(__file__).parents[2]
MEDIA = ROOT / ".." / "shared" / "media"


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


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


def test_vggsound_video_gives_both_even_beside_prepared_files(tmp_path: Path) -> None:
    touch(tmp_path, "video/zpWuikVorYg_000032.mp4", "audio/zpWuikVorYg_32000_42000.wav")
    video = "video/zpWuikVorYg_000032.mp4"
    assert tree("vggsound", tmp_path) == {"zpWuikVorYg_000032": (video, video)}


def test_vggsound_tells_of_files_that_it_leaves_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    touch(tmp_path, "zpWuikVorYg_000032.mp4", "holiday.mp4", "cover.jpg")
    assert list(tree("vggsound", tmp_path)) == ["zpWuikVorYg_000032"]
    said = " ".join(capsys.readouterr().err.split())
    assert "2 media files without a VGGSound name are left out" in said
    assert "'cover.jpg'" in said


@pytest.mark.parametrize(
    ("reader", "names"),
    [
        ("vggsound", ("a/zpWuikVorYg_000032.mp4", "b/zpWuikVorYg_32000_42000.mkv")),
        ("vggsound", ("zpWuikVorYg_000032.jpg", "zpWuikVorYg_000032/image_050.jpg")),
        ("flickr", ("frames/1.jpg", "frames2/1.png")),
        ("folder", ("beach.mp4", "beach.mkv")),
        ("is3", ("visual_frames/a_b_1_a.jpg", "visual_frames/2/a_b_1_a.jpg")),
        ("avsbench", ("S4/visual_frames/v/v_1.png", "S4/visual_frames/w/v_1.png")),
    ],
)
def test_two_files_for_one_clip_are_one_line_that_names_both(
    tmp_path: Path, reader: str, names: tuple[str, str]
) -> None:
    touch(tmp_path, *names)
    with pytest.raises(InputError) as error:
        find_sources(reader, tmp_path)
    for name in names:
        assert str(tmp_path / name) in str(error.value)


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
    assert reader_names() == ["avsbench", "flickr", "folder", "is3", "vggsound"]
    # Modules of the package without a layout, a path and an empty name are no readers.
    for name in ("imagenet", "names", "source", "files", "__init__", "../corpora/is3", "is3.", ""):
        with pytest.raises(InputError) as error:
            find_sources(name, tmp_path)
        said = f"corpus reader {name!r}: expected one of avsbench, flickr, folder, is3, vggsound, "
        assert str(error.value).startswith(said)


def test_asking_for_one_reader_imports_no_other() -> None:
    code = (
        "import sys; from pathlib import Path; from pipeline.corpora import find_sources\n"
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
    assert rooms == ["is3", "names", "source"]


A_NEW_READER = '''"""A reading club: a picture and a sound a book, in a folder by its number.

    club/
      12/page.png
      12/voice.ogg
"""

from pathlib import Path

from pipeline.corpora.source import Source, collect_sources, walk_files

EXPECTS = "<number>/page.png and <number>/voice.ogg"
ORIGIN = "ask the club"


def find(root: Path) -> list[Source]:
    """The books under `root`; raises as `walk_files` and `collect_sources` do."""
    return collect_sources(walk_files(root), lambda path: f"book-{path.parent.name}", videos=False)
'''


def test_a_new_layout_is_one_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "readers"
    folder.mkdir()
    (folder / "club.py").write_text(A_NEW_READER)
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
    with pytest.raises(InputError, match="<number>/voice.ogg; ask the club"):
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
