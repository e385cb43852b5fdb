"""Ground truth files: raw numbers come through as they are, everything else is one clear line."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.corpora import files
from pipeline.corpora.ground_truth import (
    Boxes,
    Distractor,
    Scene,
    read_avsbench_boxes,
    read_flickr_boxes,
    read_is3,
    read_mask,
    read_scenes,
    read_vggss,
    read_vpo_boxes,
)
from pipeline.corpora.lists import read_avsbench_list
from pipeline.errors import InputError

ANNOTATIONS = Path(__file__).parents[2] / ".." / "shared" / "annotations"
CLIP = "zpWuikVorYg_000032"


def real(name: str) -> Path:
    if not (ANNOTATIONS / name).is_file():
        pytest.skip(f"the real file {name} (../shared/annotations) is absent")
    return ANNOTATIONS / name


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_boxes_come_through_raw(tmp_path: Path) -> None:
    entries = [
        {"file": f"{CLIP}.jpg", "class": "dog", "bbox": [[0.5, 0, 0.5, 1], [-2.9e16, 0, 1e17, 2]]},
        {"file": "other", "class": "cat, purring", "bbox": []},
    ]
    path = write(tmp_path / "vggss.json", json.dumps(entries))
    assert read_vggss(path) == [
        Boxes(CLIP, "dog", ((0.5, 0.0, 0.5, 1.0), (-2.9e16, 0.0, 1e17, 2.0))),
        Boxes("other", "cat, purring", ()),
    ]


def vggss(bbox: str, file: str = CLIP) -> str:
    return f'[{{"file": {json.dumps(file)}, "class": "dog", "bbox": {bbox}}}]'


def is3(image: str, audio: str, box: str = "[0, 0, 1, 1]") -> str:
    return f'[{{"image": "{image}", "audio": "{audio}", "gt_box": {box}}}]'


LAUGHS = (
    '<!DOCTYPE a [<!ENTITY l "lol">'
    + "".join(f'<!ENTITY l{n} "{f"&l{n - 1 or str()};" * 10}">' for n in range(1, 10))
    + "]><a><bbox>&l9;</bbox></a>"
)

HOSTILE: list[tuple[Callable[[Path], Any], str | bytes, str]] = [
    (read_vggss, vggss("[[NaN, 0, 1, 1]]"), "NaN"),
    (read_vggss, vggss("[[0, 0, Infinity, 1]]"), "Infinity"),
    (read_vggss, vggss("[[0, 0, 1e999, 1]]"), "not finite"),
    (read_vggss, vggss(f"[[0, 0, {'9' * 400}, 1]]"), "not finite"),
    (read_vggss, vggss(f"[[0, 0, {'9' * 5000}, 1]]"), "expected JSON"),
    (read_vggss, vggss('[[0, 0, "1", 1]]'), "'1'"),
    (read_vggss, vggss("[[0, 0, true, 1]]"), "'True'"),
    (read_vggss, vggss("[[0, 0, null, 1]]"), "expected a number"),
    (read_vggss, vggss("[[0, 0, 1]]"), "expected [x0, y0, x1, y1]"),
    (read_vggss, vggss("[0, 0, 1, 1]"), "expected [x0, y0, x1, y1]"),
    (read_vggss, vggss("{}"), "'bbox' is dict, expected list"),
    (read_vggss, vggss("[]", "../x"), "entry 1"),
    (read_vggss, vggss("[]", "a\nb"), "entry 1"),
    (read_vggss, vggss("[]")[:-1] + "," + vggss("[]")[1:], f"entry 2: clip {CLIP} is in"),
    (read_vggss, '[{"file": "a", "bbox": []}]', "no 'class'"),
    (read_vggss, '[{"file": 3, "class": "x", "bbox": []}]', "'file' is int, expected str"),
    (read_vggss, "[[]]", "entry 1: found list, expected an object"),
    (read_vggss, "{}", "found dict, expected a list"),
    (read_vggss, "[", "expected JSON"),
    (read_vggss, "", "expected JSON"),
    (read_vggss, "[" * 200_000, "expected JSON"),
    (read_vggss, "[\xe9]".encode("latin-1"), "not UTF-8"),
    (read_is3, is3("/x/a_b_1_a.jpg", "/x/a_b_1_b.wav"), "expected one stem"),
    (read_is3, is3("/x/a.jpg", "/x/a.wav"), "expected one stem"),
    (read_is3, is3("/x/..", "/x/.."), "entry 1"),
    (read_is3, is3("/x/a_a.jpg", "/x/a_a.wav", "[[0, 0, 1, 1]]"), "in a box|expected \\[x0"),
    (read_is3, is3("a_a.jpg", "a_a.wav")[:-1] + "," + is3("a_a.jpg", "a_a.wav")[1:], "entry 2"),
    (read_vpo_boxes, is3("/x/1_2.jpg", "/x/1_3.wav"), "one stem <COCO picture>_<COCO annotation>"),
    (read_vpo_boxes, is3("/x/12.jpg", "/x/12.wav"), "one stem <COCO picture>_<COCO annotation>"),
    (
        read_vpo_boxes,
        is3("1_2.jpg", "1_2.wav")[:-1] + "," + is3("1_2.jpg", "1_2.wav")[1:],
        "entry 2",
    ),
    (read_vpo_boxes, is3("1_2.jpg", "1_2.wav", "[0, 0, 1]"), "expected [x0, y0, x1, y1]"),
    (read_avsbench_boxes, is3("/x/v.png", "/x/v.wav"), "expected the picture <video>_<number>"),
    (read_avsbench_boxes, is3("/x/v_1.png", "/x/w.wav"), "of the sound <video>"),
    (read_avsbench_boxes, is3("/x/v_1.png", "/x/.."), "entry 1"),
    (
        read_avsbench_boxes,
        is3("v_1.png", "v.wav")[:-1] + "," + is3("v.mp4_1.png", "v.wav")[1:],
        "entry 2: v_1 is in an earlier entry already",
    ),
    (read_flickr_boxes, LAUGHS, "expected plain XML"),
    (read_flickr_boxes, '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "expected plain XML"),
    (read_flickr_boxes, "<a><bbox>", "expected plain XML"),
    (read_flickr_boxes, "", "expected plain XML"),
    (read_flickr_boxes, '<?xml version="1.0" encoding="nonsense"?><a/>', "expected plain XML"),
    (read_flickr_boxes, "<a><bbox><x>1</x></bbox></a>", "expected four whole numbers"),
    (read_flickr_boxes, "<a><bbox>1 2 nan 4</bbox></a>", "expected four whole numbers"),
    (read_mask, "no picture", "expected a mask picture"),
    (read_mask, b"\x89PNG\r\n\x1a\n" + bytes(40), "expected a mask picture"),
]


@pytest.mark.parametrize(("read", "content", "message"), HOSTILE)
def test_a_damaged_file_is_one_line_that_names_it(
    tmp_path: Path, read: Callable[[Path], Any], content: str | bytes, message: str
) -> None:
    path = write(tmp_path / "annotation", content)
    with pytest.raises(InputError) as error:
        read(path)
    assert any(part.replace("\\", "") in str(error.value) for part in message.split("|"))
    assert str(error.value).startswith(str(path))
    assert str(error.value).isprintable()
    assert len(str(error.value)) < len(str(path)) + 400


def test_json_too_large_is_not_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LARGEST_BYTES", 2**20)
    path = write(tmp_path / "vggss.json", "[")
    with path.open("r+b") as file:
        file.truncate(2**30)  # sparse: a gigabyte that takes no disk
    with pytest.raises(InputError, match="larger than 1 MiB"):
        read_vggss(path)


def test_byte_order_mark_and_windows_line_ends(tmp_path: Path) -> None:
    path = write(tmp_path / "vggss.json", "\ufeff" + vggss("[[0, 0, 1, 1]]").replace(",", ",\r\n"))
    assert read_vggss(path)[0].boxes == ((0.0, 0.0, 1.0, 1.0),)


def test_flickr_boxes_of_several_annotators(tmp_path: Path) -> None:
    annotator = (
        "<annotator><filename>1.jpg</filename><bbox><name>{}</name><xmin>{}</xmin><ymin> 20 </ymin>"
        "<xmax>200</xmax><ymax>256</ymax></bbox></annotator>"
    )
    xml = "".join(annotator.format(n, 10 * n) for n in (1, 2)) + "<annotator></annotator>"
    path = write(tmp_path / "1.xml", f"\ufeff<?xml version='1.0'?>\r\n<all>{xml}</all>")
    assert read_flickr_boxes(path) == [(10, 20, 200, 256), (20, 20, 200, 256)]
    flat = write(tmp_path / "2.xml", "<all><bbox>7 1 2 3 4</bbox></all>")
    assert read_flickr_boxes(flat) == [(1, 2, 3, 4)]
    assert read_flickr_boxes(write(tmp_path / "3.xml", "<all/>")) == []


def test_is3_uses_only_the_files_own_name(tmp_path: Path) -> None:
    text = is3("/mnt/a/dog_cat_12_dog.jpg", "..\\\\b\\\\dog_cat_12_dog.wav", "[1.0, 2, 224, 200]")
    assert read_is3(write(tmp_path / "is3.json", text)) == [
        Boxes("dog_cat_12_dog", "dog", ((1.0, 2.0, 224.0, 200.0),))
    ]


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "I;16"])
def test_masks_in_every_mode(tmp_path: Path, mode: str) -> None:
    expected = np.zeros((5, 7), dtype=bool)
    expected[1:3, 2:6] = True
    if mode == "P":
        image = Image.fromarray(expected.astype(np.uint8) * 2, mode="P")
        image.putpalette([0, 0, 0, 9, 9, 9, 0, 0, 128])
    elif mode == "I;16":
        image = Image.fromarray(expected.astype(np.uint16) * 300)
    else:
        image = Image.fromarray(expected.astype(np.uint8) * 255).convert(mode)
    image.save(tmp_path / "mask.png")
    mask = read_mask(tmp_path / "mask.png")
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, expected)


def test_a_truncated_or_huge_or_missing_mask_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mask.png"
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (64, 64), dtype=np.uint8)).save(path)
    whole = path.read_bytes()
    write(path, whole[: len(whole) // 2])
    with pytest.raises(InputError, match="expected a mask picture"):
        read_mask(path)
    write(path, whole)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(InputError, match="expected a mask picture"):
        read_mask(path)
    with pytest.raises(InputError, match="expected a mask picture"):
        read_mask(tmp_path / "absent.png")


SCENE = {
    "file": CLIP,
    "split": "test",
    "class": "bell",
    "bbox": [[0, 0, 0.5, 0.5]],
    "mask": f"masks/{CLIP}.png",
    "distractors": [
        {"class": "saw", "bbox": [[0.5, 0.5, 1, 1]], "mask": "masks/x.png", "sound": "other"}
    ],
}


def test_scenes(tmp_path: Path) -> None:
    path = write(tmp_path / "scenes.json", json.dumps([SCENE]))
    distractor = Distractor("saw", ((0.5, 0.5, 1.0, 1.0),), tmp_path / "masks" / "x.png", "other")
    mask = tmp_path / "masks" / f"{CLIP}.png"
    box = (0.0, 0.0, 0.5, 0.5)
    assert read_scenes(path) == [Scene(CLIP, "test", "bell", (box,), mask, (distractor,))]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mask": "../../secret.png"}, "expected a file below"),
        ({"mask": "/etc/passwd"}, "expected a file below"),
        ({"mask": 3}, "'mask' is int"),
        ({"split": None}, "'split' is NoneType"),
        ({"distractors": [{"class": "saw", "bbox": [], "mask": "x"}]}, "no 'sound'"),
        ({"distractors": [3]}, "found int, expected an object"),
    ],
)
def test_damaged_scenes(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = write(tmp_path / "scenes.json", json.dumps([{**SCENE, **change}]))
    with pytest.raises(InputError, match=message):
        read_scenes(path)


def test_real_vggss() -> None:
    clips = read_vggss(real("vggss.json"))
    boxes = [(clip.clip_id, box) for clip in clips for box in clip.boxes]
    assert len(clips) == 5158
    assert len({clip.label for clip in clips}) == 221
    assert sum(len(clip.boxes) == 1 for clip in clips) == 4619
    assert {len(clip.boxes) for clip in clips} <= set(range(1, 8))
    degenerate = {clip for clip, (x0, y0, x1, y1) in boxes if x1 <= x0 or y1 <= y0}
    outside = {clip for clip, box in boxes if min(box) < 0 or max(box) > 1}
    assert (len(degenerate), len(outside)) == (18, 12)
    assert min(min(box) for _, box in boxes) == pytest.approx(-2.9e16, rel=0.02)


def test_real_is3() -> None:
    entries = read_is3(real("is3_boxes.json"))
    assert len(entries) == 6480
    images: dict[str, int] = {}
    for entry in entries:
        image = entry.clip_id.rsplit("_", 1)[0]
        images[image] = images.get(image, 0) + 1
    assert len(images) == 3240
    assert set(images.values()) == {2}


def test_boxes_of_vpo_and_avsbench(tmp_path: Path) -> None:
    text = is3("/mnt/a/000000062491_432356.jpg", "/mnt/b/000000062491_432356.wav", "[5, 3, 28, 9]")
    assert read_vpo_boxes(write(tmp_path / "vpo.json", text)) == [
        Boxes("000000062491_432356", "", ((5.0, 3.0, 28.0, 9.0),))
    ]
    text = is3("/x/rq5RDUm2Hnk_1.mp4_2.png", "/y/rq5RDUm2Hnk_1.wav", "[0, 0, 0, 0]")
    assert read_avsbench_boxes(write(tmp_path / "ms3.json", text)) == [
        ("rq5RDUm2Hnk_1", 2, (0.0, 0.0, 0.0, 0.0))
    ]


@pytest.mark.parametrize(
    ("name", "count", "images"), [("vpo_ss", 890, {1: 890}), ("vpo_ms", 2157, None)]
)
def test_real_vpo(name: str, count: int, images: dict[int, int] | None) -> None:
    entries = read_vpo_boxes(real(f"{name}_boxes.json"))
    sizes = Counter(Counter(entry.clip_id.split("_")[0] for entry in entries).values())
    assert len(entries) == count
    assert sizes == (images or {1: 759, 2: 623, 3: 49, 5: 1})


@pytest.mark.parametrize(("subset", "count", "empty"), [("s4", 3700, 6), ("ms3", 320, 29)])
def test_real_avsbench_boxes_are_of_the_list(subset: str, count: int, empty: int) -> None:
    rows = read_avsbench_boxes(real(f"avsbench_{subset}_boxes.json"))
    listed = read_avsbench_list(real(f"avsbench_{subset}_test.csv"))
    frames = {(video, number) for video, number, _ in rows}
    assert len(rows) == count and frames == {(video, number) for video, number, _ in listed}
    assert sum(x1 <= x0 or y1 <= y0 for _, _, (x0, y0, x1, y1) in rows) == empty
