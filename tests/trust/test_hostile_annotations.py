"""Lists and annotation files that strangers wrote: a right reading, or one line with their name."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from outcomes import Outcomes

from pipeline.benchmarks.metrics.rasters import consensus_boxes, fraction_boxes
from pipeline.corpora.ground_truth import (
    read_flickr_boxes,
    read_is3,
    read_mask,
    read_scenes,
    read_vggss,
)
from pipeline.corpora.lists import read_avsbench_list, read_clip_list, read_labelled, read_pairs

pytestmark = pytest.mark.trust

HOSTILE_IDS = {
    "two dots": "../../etc/passwd",
    "a slash": "a/b",
    "a backslash": "a\\b",
    "a control character": "a\x1b[2Jb",
    "a bell": "a\x07b",
    "a line separator": "a\u2028b",
    "300 characters": "a" * 300,
    "a leading dot": ".hidden",
}
CLIP = "zpWuikVorYg_000032"


def vggss(name: str, box: Any = (0, 0, 1, 1)) -> dict[str, Any]:
    return {"file": name, "class": "dog", "bbox": [list(box)]}


def is3(name: str, box: Any = (0, 0, 9, 9)) -> dict[str, Any]:
    return {"image": f"x/{name}.jpg", "audio": f"x/{name}.wav", "gt_box": list(box)}


def scene(name: str, box: Any = (0, 0, 1, 1)) -> dict[str, Any]:
    entry = {**vggss(name, box), "split": "test", "mask": "m.png"}
    silent = {"class": "cat", "bbox": [], "mask": "n.png", "sound": "other"}
    return {**entry, "distractors": [silent]}


@dataclass(frozen=True)
class Kind:
    """A kind of file: its reader, a whole file of two entries, and a file whose id is given."""

    read: Callable[[Path], Any]
    whole: str
    of_id: Callable[[str], str]


LISTS = {
    "list": Kind(read_clip_list, f"{CLIP}\nb\n", lambda name: f"a\n{name}\n"),
    "labelled": Kind(read_labelled, f"{CLIP},dog\nb,cat\n", lambda name: f"a,x\n{name},dog\n"),
    "pairs": Kind(
        read_pairs,
        f"video,audio,label\n{CLIP},b,x\nb,{CLIP},x\n",
        lambda name: f"video,audio,label\na,{name},x\n",
    ),
    "AVSBench list": Kind(
        read_avsbench_list, "v_1,dog\nv_2,dog\n", lambda name: f"v_1,dog\n{name}_2,dog\n"
    ),
}
JSONS: dict[str, tuple[Callable[[Path], Any], Callable[..., dict[str, Any]]]] = {
    "VGG-SS": (read_vggss, vggss),
    "IS3": (read_is3, is3),
    "scenes": (read_scenes, scene),
}
BOXES = {
    "three numbers": [0, 0, 1],
    "five numbers": [0, 0, 1, 1, 1],
    "a text": [0, 0, "1", 1],
    "true": [0, 0, True, 1],
    "null": [0, None, 1, 1],
    "NaN": [0, 0, float("nan"), 1],
    "infinity": [0, 0, float("inf"), 1],
    "a list in it": [0, 0, [1], 1],
    "400 digits": [0, 0, 10**400, 1],
}
LAUGHS = (
    '<!DOCTYPE a [<!ENTITY l0 "lol">'
    + "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    + "]><a><bbox>&l9;</bbox></a>"
)
XML_FILES: dict[str, str | bytes] = {
    "billion laughs": LAUGHS,
    "quadratic": f'<!DOCTYPE a [<!ENTITY l "{"x" * 50_000}">]><a>{"&l;" * 50_000}</a>',
    "another file": '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><a>&x;</a>',
    "another host": '<!DOCTYPE a SYSTEM "http://localhost/x.dtd"><a/>',
    "cut off": "<a><bbox><x>1</x>",
    "an unknown encoding": '<?xml version="1.0" encoding="nonsense"?><a/>',
    "three numbers": "<a><bbox><x>1</x><x>2</x><x>3</x></bbox></a>",
    "a text": "<a><bbox>1 2 three 4</bbox></a>",
    "NaN": "<a><bbox>1 2 nan 4</bbox></a>",
    "1e17": "<a><bbox>1 2 1e17 4</bbox></a>",
    "5000 digits": f"<a><bbox>1 2 3 {'9' * 5000}</bbox></a>",
    "400 digits": f"<a><bbox>1 2 3 {'9' * 400}</bbox></a>",
    "no bbox value": "<a><bbox></bbox></a>",
    "NUL": b"<a>\x00</a>",
    "JSON": "[]",
    "nested 100000 deep": "<a>" * 100_000,
}


def test_hostile_annotations(tmp_path: Path) -> None:
    cases = Outcomes("annotations")

    def written(content: str | bytes, name: str = "file.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def refused(case: str, read: Callable[[Path], Any], content: str | bytes) -> None:
        path = written(content)
        cases.read(case, lambda: read(path), names=path)

    def same(case: str, read: Callable[[Path], Any], content: str | bytes, whole: str) -> None:
        expected = read(written(whole))
        path = written(content)
        cases.read(case, lambda: read(path), right=lambda found: found == expected)

    kinds = dict(LISTS)
    for name, (read, entry) in JSONS.items():
        ids = ("a_dog", "b_dog")
        whole = json.dumps([entry(ids[0]), entry(ids[1])], indent=1)
        kinds[name] = Kind(read, whole, lambda given, e=entry: json.dumps([e("a_dog"), e(given)]))
    for name, kind in kinds.items():
        read, whole = kind.read, kind.whole
        for case, text in HOSTILE_IDS.items():
            if name == "IS3" and "slash" in case:
                continue  # its names are paths of another machine, of which the last part counts
            refused(f"{name}: id with {case}", read, kind.of_id(text))
        refused(
            f"{name}: id with a newline", read, kind.of_id('"a\nb"' if name in LISTS else "a\nb")
        )
        same(f"{name}: BOM", read, "\ufeff" + whole, whole)
        same(f"{name}: CRLF", read, whole.replace("\n", "\r\n"), whole)
        same(f"{name}: BOM and CRLF", read, "\ufeff" + whole.replace("\n", "\r\n"), whole)
        refused(f"{name}: Latin-1", read, kind.of_id("sch\xf6n").encode("latin-1").replace(
            b"\\u00f6", b"\xf6"))  # fmt: skip
        refused(f"{name}: UTF-16", read, whole.encode("utf-16"))
        refused(f"{name}: NUL", read, whole.encode() + b"\x00")
        refused(f"{name}: empty", read, "")
        refused(f"{name}: random bytes", read, np.random.default_rng(0).bytes(999))
        cases.read(f"{name}: absent", lambda r=read: r(tmp_path / "absent"), names="absent")
        cases.read(f"{name}: a folder", lambda r=read: r(tmp_path), names=tmp_path)
        large = written("[")
        with large.open("r+b") as file:
            file.truncate(2**30)  # sparse: a gigabyte that takes no disk
        cases.read(f"{name}: 1 GB", lambda r=read, p=large: r(p), names=large, says="larger than")
    for name in LISTS:
        double = LISTS[name].whole.splitlines()
        refused(f"{name}: an entry twice", LISTS[name].read, "\n".join([*double, double[-1]]))
        if name != "list":
            refused(f"{name}: a column is missing", LISTS[name].read, f"{CLIP}\nb\n")
    for name, (read, entry) in JSONS.items():
        refused(f"{name}: an id twice", read, json.dumps([entry("a_dog"), entry("a_dog")]))
        refused(f"{name}: an object", read, json.dumps({"a": entry("a_dog")}))
        refused(f"{name}: an entry is a list", read, "[[]]")
        refused(f"{name}: cut off", read, json.dumps([entry("a_dog")])[:-9])
        refused(f"{name}: nested 200000 deep", read, "[" * 200_000)
        refused(f"{name}: two documents", read, "[] []")
        for key in entry("a_dog"):
            for case, change in (("missing", None), ("a number", 7), ("null", "null")):
                damaged = entry("a_dog")
                if change is None:
                    del damaged[key]
                else:
                    damaged[key] = None if change == "null" else change
                refused(f"{name}: {key} is {case}", read, json.dumps([damaged]))
        for case, box in BOXES.items():
            refused(f"{name}: a box with {case}", read, json.dumps([entry("a_dog", box)]))
        box = (-2.9e16, 0, 1e17, 1)
        path = written(json.dumps([entry("a_dog", box)]))
        cases.read(
            f"{name}: a box with 1e17",
            lambda r=read, p=path: r(p)[0].boxes[0],
            right=lambda found, b=box: found == b and fraction_boxes([found]).all(),
        )
    for case, content in XML_FILES.items():
        refused(f"XML: {case}", read_flickr_boxes, content)
    for case, coordinate in (("18 digits", 10**17), ("negative", -5)):
        path = written(f"<a><bbox>0 0 {coordinate} 256</bbox></a>")
        cases.read(
            f"XML: a coordinate of {case}",
            lambda p=path: consensus_boxes(read_flickr_boxes(p)),
            right=lambda heat, c=coordinate: heat.max() == (0.5 if c > 0 else 0),
        )
    for case, content in (
        ("empty", b""),
        ("text", b"no picture"),
        ("a PNG's head", b"\x89PNG\r\n\x1a\n" + bytes(40)),
        ("a script", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"),
    ):
        path = written(content, "mask.png")
        cases.read(f"mask: {case}", lambda p=path: read_mask(p), names=path)
    cases.judge(at_least=200)
