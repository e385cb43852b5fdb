"""Small annotation files of every benchmark, and the masks of AVSBench."""

import json
from pathlib import Path

import numpy as np
import pytest
from four_clips import BOXES, CLASSES, CLIPS, CONDITIONED, SEEN
from PIL import Image

from pipeline.benchmarks.metrics.rasters import fraction_boxes


@pytest.fixture
def annotations(tmp_path: Path) -> Path:
    folder = tmp_path / "annotations"
    (folder / "flickr").mkdir(parents=True)
    (folder / "masks").mkdir()

    def write(name: str, lines: list[str]) -> None:
        (folder / name).write_text("".join(f"{line}\n" for line in lines))

    entries = [
        {"file": c, "class": k, "bbox": b} for c, k, b in zip(CLIPS, CLASSES, BOXES, strict=True)
    ]
    (folder / "vggss.json").write_text(json.dumps(entries))
    write("vggss_available.txt", ["-aaaaaaaaaa_1000_11000", "ccccccccccc_120000_130000"])
    write("vggss_heard_test.csv", CLIPS[:1])
    write("vggss_unheard_test.csv", CLIPS[1:])
    write("ssltie_openset_test_heard_2.txt", [f"{c}.jpg" for c in CLIPS[:2]])
    write("ssltie_openset_test_unheard_2.txt", [f"{c}.jpg" for c in CLIPS[2:]])
    pairs = [f"{CLIPS[0]},{CLIPS[1]},non-sounding", f"{CLIPS[3]},{CLIPS[3]},non-sounding"]
    write("vggss_test_plus_silent.csv", ["video,audio,label", *pairs])
    write("flickr_test.csv", ["101,5", "102,"])
    write("flickr_test_plus_silent.csv", ["video,audio,label", "101,102,non-sounding"])
    box = "<bbox><name>x</name><a>0</a><b>0</b><c>128</c><d>256</d></bbox>"
    half = "<bbox><name>x</name><a>128</a><b>0</b><c>256</c><d>256</d></bbox>"
    for clip in (101, 102):
        boxes = f"<a>{box}</a><a>{box}</a><a>{half}</a>"
        write(f"flickr/{clip}.xml", [f"<annotations>{boxes}</annotations>"])
    write("avsbench_s4_test.csv", [f"vid_{n},dog" for n in range(1, 6)])
    write("avsbench_ms3_test.csv", [f"two_0_{n},dog" for n in range(1, 6)])
    is3 = [("dog_cat_1_dog", [0, 0, 112, 224]), ("dog_cat_1_cat", [112, 0, 224, 224])]
    is3 += [("cat_dog_2_cat", [0, 0, 224, 112]), ("cat_dog_2_dog", [0, 112, 224, 224])]
    listed = [{"image": f"/x/{n}.jpg", "audio": f"/y/{n}.wav", "gt_box": b} for n, b in is3]
    (folder / "is3_boxes.json").write_text(json.dumps(listed))
    sets = {
        "vpo_ss": [("000000000007_1", "000000000007_1", [0, 0, 112, 224])],
        "vpo_ms": [
            ("000000000007_1", "000000000007_1", [0, 0, 112, 224]),
            ("000000000007_2", "000000000007_2", [112, 0, 224, 224]),
            ("000000000009_5", "000000000009_5", [0, 0, 224, 112]),
        ],
        "avsbench_s4": [(f"vid_{n}", "vid", [0, 0, 224, 112]) for n in range(1, 6)],
        "avsbench_ms3": [
            (f"{v}.mp4_{n}", v, [0, 0, 0, 0] if (v, n) == ("b_1", 3) else [0, 112, 224, 224])
            for v in ("a_0", "b_1")
            for n in range(1, 6)
        ],
    }
    for name, rows in sets.items():
        pairs = [{"image": f"/x/{i}.png", "audio": f"/y/{a}.wav", "gt_box": b} for i, a, b in rows]
        (folder / f"{name}_boxes.json").write_text(json.dumps(pairs))
    scenes = [{**e, "split": "test", "mask": f"masks/{e['file']}.png"} for e in entries]
    for scene, boxes in zip(scenes, BOXES, strict=True):
        scene["distractors"] = []
        Image.fromarray(fraction_boxes(boxes)).save(folder / scene["mask"])
    silent = {"class": "cat", "bbox": [[0.5, 0.5, 1, 1]], "mask": "masks/s.png", "sound": CLIPS[3]}
    scenes[0]["distractors"] = [silent]
    Image.fromarray(fraction_boxes([[0.5, 0.5, 1, 1]])).save(folder / "masks" / "s.png")
    (folder / "scenes.json").write_text(json.dumps(scenes))
    conditions = []
    for condition, clip in CONDITIONED.items():
        objects = []
        for number, (label, sounding, box) in enumerate(SEEN[condition]):
            mask = f"masks/{clip}.{number}.png"
            Image.fromarray(fraction_boxes([box])).save(folder / mask)
            objects.append({"class": label, "sounding": sounding, "bbox": [box], "mask": mask})
        unseen = None if condition == "several" else "bell"
        entry = {"file": clip, "condition": condition, "unseen": unseen, "objects": objects}
        conditions.append(entry)
    (folder / "conditions.json").write_text(json.dumps(conditions))
    return folder


@pytest.fixture
def media(tmp_path: Path) -> Path:
    for subset, video in (("S4", "vid"), ("MS3", "two_0")):
        folder = tmp_path / "avsbench" / subset / "gt_masks" / video
        folder.mkdir(parents=True)
        for number in range(1, 6):
            mask = np.zeros((224, 224), dtype=bool)
            mask[:112] = number < 5  # the fifth frame's mask is empty
            Image.fromarray(mask).save(folder / f"{video}_{number}.png")
    return tmp_path / "avsbench"
