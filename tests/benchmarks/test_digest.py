"""The digest of a benchmark: the same for the same content, another for every other one."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.benchmarks import benchmark_names, open_benchmark
from pipeline.benchmarks.digest import digest
from pipeline.errors import InputError


def _digest(name: str, annotations: Path, media: Path) -> str:
    return digest(open_benchmark(name, annotations, lambda _: True, media))


def test_equal_content_has_one_digest_wherever_it_lies(
    annotations: Path, media: Path, tmp_path: Path
) -> None:
    names = [name for name in benchmark_names() if name != "scenes-validation"]
    first = {name: _digest(name, annotations, media) for name in names}
    elsewhere = shutil.copytree(annotations, tmp_path / "b" / "lists")
    other = shutil.copytree(media, tmp_path / "b" / "media")
    assert {name: _digest(name, elsewhere, other) for name in names} == first
    assert len(set(first.values())) == len(names)
    assert all(len(value) == 32 and int(value, 16) for value in first.values())


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_every_other_content_has_another_digest(annotations: Path, media: Path) -> None:
    found = {_digest("vggss", annotations, media), digest(_some(annotations, 3))}
    path = annotations / "vggss.json"
    entries = json.loads(path.read_text())
    for place, key, value in (
        (0, "bbox", [[0, 0, 0.5, 0.51]]),
        (1, "class", "dog"),
        (2, "file", "zzzzzzzzzzz_000001"),
    ):
        changed = json.loads(json.dumps(entries))
        changed[place][key] = value
        path.write_text(json.dumps(changed))
        found.add(_digest("vggss", annotations, media))
    path.write_text(json.dumps(entries[::-1]))
    found.add(_digest("vggss", annotations, media))
    path.write_text(json.dumps(entries[:3]))
    found.add(_digest("vggss", annotations, media))
    assert len(found) == 7


def _some(annotations: Path, count: int):
    clips = [entry["file"] for entry in json.loads((annotations / "vggss.json").read_text())]
    return open_benchmark("vggss", annotations, set(clips[:count]))


def test_a_mask_an_xml_and_a_visible_mask_count(annotations: Path, media: Path) -> None:
    before = {n: _digest(n, annotations, media) for n in ("avsbench-s4", "flickr", "scenes")}
    mask = np.zeros((224, 224), dtype=bool)
    mask[0, 0] = True
    Image.fromarray(mask).save(media / "S4" / "gt_masks" / "vid" / "vid_5.png")
    _edit(annotations / "flickr" / "102.xml", "<c>128</c>", "<c>130</c>")
    scene = json.loads((annotations / "scenes.json").read_text())[3]
    Image.fromarray(mask).save(annotations / scene["mask"])
    after = {n: _digest(n, annotations, media) for n in before}
    assert all(after[name] != before[name] for name in before)


def test_a_missing_mask_is_an_error(annotations: Path, media: Path) -> None:
    (media / "S4" / "gt_masks" / "vid" / "vid_5.png").unlink()
    with pytest.raises(InputError, match="no mask of frame s4-vid_5"):
        _digest("avsbench-s4", annotations, media)
