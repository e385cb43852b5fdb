"""Clip names: three spellings become one, and nothing hostile becomes a clip id."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.corpora.names import (
    VIDEO_SUFFIXES,
    avsbench_frame_id,
    avsbench_sound_id,
    canonical_clip_id,
    clip_id_of,
    clip_id_of_path,
    has_lost_its_dash,
    plain_clip_id,
)
from pipeline.errors import InputError

YOUTUBE = st.text(string.ascii_letters + string.digits + "_-", min_size=11, max_size=11)
HOSTILE = [
    "",
    "..",
    "../a",
    "a/b",
    "a\\b",
    "a\nb",
    "a\x00b",
    "\x1b[2J",
    ".hidden",
    " a",
    "a\u2028b",
]


@pytest.mark.parametrize(
    ("name", "clip_id"),
    [
        ("zpWuikVorYg_000032", "zpWuikVorYg_000032"),
        ("zpWuikVorYg_000032.jpg", "zpWuikVorYg_000032"),
        ("glLQrEijrKg_000300.MP4", "glLQrEijrKg_000300"),
        ("---g-f_I2yQ_000001.wav", "---g-f_I2yQ_000001"),
        ("3YOH4c9HXpo_290000_300000", "3YOH4c9HXpo_000290"),
        ("3YOH4c9HXpo_290000_300000.mp4.wav", "3YOH4c9HXpo_000290"),
        ("a_123456_78_0_10000", "a_123456_78_000000"),
        ("1F3_bvIT0ig_0_3000", "1F3_bvIT0ig_000000"),
    ],
)
def test_vggsounds_three_spellings_become_one(name: str, clip_id: str) -> None:
    assert canonical_clip_id(name) == clip_id
    assert clip_id_of(name) == clip_id


@pytest.mark.parametrize(
    ("name", "clip_id"),
    [
        ("zpWuikVorYg_32.mp4", "zpWuikVorYg_000032"),
        ("zpWuikVorYg_32", "zpWuikVorYg_000032"),
        ("---g-f_I2yQ_0.webm", "---g-f_I2yQ_000000"),
        ("1F3_bvIT0ig_40.000.mp4", "1F3_bvIT0ig_000040"),
        ("a_123456_78_35752.0.wav", "a_123456_78_035752"),
    ],
)
def test_downloads_spell_the_start_without_zeros_or_with_decimals(name: str, clip_id: str) -> None:
    assert canonical_clip_id(name) == clip_id
    # A list's name of that form stays as it is: AVSBench's `<video>_<frame>` looks the same.
    assert clip_id_of(name) != clip_id


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("g-f_I2yQab_000001.mp4", "-g-f_I2yQab_000001.mp4"),
        ("--g-f_I2yQ_1000_11000", "---g-f_I2yQ_1000_11000"),
        ("g-f_I2yQab_40.000.mp4", "-g-f_I2yQab_40.000.mp4"),
    ],
)
def test_an_id_without_its_leading_dash_is_named_as_such(name: str, right: str) -> None:
    assert has_lost_its_dash(name) and not has_lost_its_dash(right)
    canonical_clip_id(right)
    with pytest.raises(InputError, match="lost its leading '-'") as error:
        canonical_clip_id(name)
    assert str(error.value).endswith(f"expected {right!r}")


@settings(deadline=None, derandomize=True)
@given(YOUTUBE, st.integers(0, 999_999), st.integers(100, 10_000))
def test_every_spelling_of_a_clip_is_the_same_clip(video: str, second: int, span: int) -> None:
    expected = f"{video}_{second:06d}"
    milliseconds = f"{video}_{1000 * second}_{1000 * second + span}"
    spellings = (expected, f"{expected}.jpg", milliseconds, f"{milliseconds}.webm")
    assert {canonical_clip_id(name) for name in spellings} == {expected}


@pytest.mark.parametrize(
    "name",
    [
        *HOSTILE,
        "zpWuikVorYg_0000032",
        "zpWuikVorYg_40.500.mp4",
        "zpWuikVorYg_.000.mp4",
        "zpWuikVorYg_000032.txt",
        "zpWuikVorYg_000032\n",
        "zpWuikVorY_000032",
        "zpWuikVorYg_\u0661\u0662\u0663\u0664\u0665\u0666",
        "../zpWuikVorYg_000032.mp4",
        "zpWuikVorYg_32000_31000",
        "zpWuikVorYg_500_10500",
        "0WxgIKuetYI_0_1",
    ],
)
def test_other_names_are_not_vggsounds(name: str) -> None:
    with pytest.raises(InputError) as error:
        canonical_clip_id(name)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", [*HOSTILE, "x" * 300])
def test_hostile_names_are_no_clip_ids(name: str) -> None:
    with pytest.raises(InputError) as error:
        plain_clip_id(name)
    assert str(error.value).isprintable()


def test_plain_names_keep_what_is_no_media_extension() -> None:
    assert plain_clip_id("10000130166.jpg") == "10000130166"
    assert plain_clip_id("my.trip.mov") == "my.trip"
    assert (
        plain_clip_id("babylaughter_electric grinder_baby") == "babylaughter_electric grinder_baby"
    )


def test_frames_of_avsbench_are_plain_names_and_subsets_stay_apart() -> None:
    assert clip_id_of("0WxgIKuetYI_0_1") == "0WxgIKuetYI_0_1"
    assert avsbench_frame_id("ms3", "0WxgIKuetYI_0", 1) == "ms3-0WxgIKuetYI_0_1"
    assert avsbench_sound_id("s4", "0d9u2CymIxc") == "s4-0d9u2CymIxc"
    with pytest.raises(InputError):
        avsbench_sound_id("s4", "../x")


@settings(deadline=None, derandomize=True)
@given(st.lists(st.text(min_size=1).filter(lambda part: "/" not in part), min_size=1, max_size=3))
def test_every_path_has_a_valid_clip_id(parts: list[str]) -> None:
    parts[-1] += ".mp4"
    clip_id = clip_id_of_path(tuple(parts))
    if len(clip_id) <= 255:
        assert clip_id_of(clip_id) == clip_id


def test_paths_keep_their_folders() -> None:
    assert clip_id_of_path(("beach.mp4",)) == "beach"
    assert clip_id_of_path(("trip", "my dogs.MKV")) == "trip~my dogs"
    assert clip_id_of_path(("a\nb.mp4",)) == "a%0Ab"
    assert clip_id_of_path(("\udcff.mp4",)) == "%FF"
    assert clip_id_of_path(("3YOH4c9HXpo_290000_300000.mp4",)) == "3YOH4c9HXpo_000290"


def test_every_video_extension_is_one_that_pyav_opens() -> None:
    av = pytest.importorskip("av")
    known = set()
    for name in av.formats_available:
        known |= av.ContainerFormat(name).extensions
    # FFmpeg finds these by content and lists no extension for its demuxer.
    by_content = {".asf", ".m2ts", ".m4v", ".mpeg", ".mts", ".m2v", ".f4v", ".wmv", ".vob"}
    assert {suffix for suffix in VIDEO_SUFFIXES - by_content if suffix[1:] not in known} == set()
