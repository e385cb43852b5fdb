"""The truth about the toy corpus in the real sets' annotation formats, one function per family.

Every file has the name, header, quoting and line ends of its real counterpart, so the readers that
serve VGG-SS, SoundNet-Flickr, AVSBench and IS3 serve the toy as well; that is why the same boxes
are written several times over. Only `scenes.json`, `conditions.json` and `moving.json` are the
toy's own.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from pipeline.base.files import write_json
from pipeline.toy.classes import CLASSES
from pipeline.toy.conditions import CONDITIONS
from pipeline.toy.samples import (
    AVSBENCH_FRAMES,
    MOVING_SECONDS,
    SampleTruth,
    avsbench_category,
    moving_strip,
)

_ANNOTATORS = 3
_FLICKR_SCALE = 256  # pixels that Flickr-SoundNet's boxes are given in
_IS3_SCALE = 224
_HEARD = range(0, len(CLASSES), 2)  # every second class, so that both halves share shapes
_HEARD_TIE = range(len(CLASSES) // 2)  # the other published split divides otherwise


def write_list(path: Path, names: Iterable[str]) -> None:
    """One name per line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(f"{name}\n" for name in names).encode())


def write_csv(path: Path, rows: Iterable[Sequence[object]], line_end: str = "\n") -> None:
    """Comma-separated rows, quoted where a value holds a comma."""
    text = io.StringIO()
    csv.writer(text, lineterminator=line_end).writerows(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.getvalue().encode())


def _names(truths: Iterable[SampleTruth], classes: Iterable[int] | None = None) -> list[str]:
    wanted = None if classes is None else set(classes)
    return [
        truth.plan.sample_id
        for truth in truths
        if wanted is None or truth.plan.sounding[0] in wanted
    ]


def write_lists(folder: Path, clips: Mapping[str, Sequence[SampleTruth]]) -> None:
    """The id lists `<split>.txt` and `labelled.csv` (clip, class) of the toy, and which clips
    a training corpus (`training.txt`) and a tested one (`tested.txt`) are made of."""
    for split in ("train", "validation", "test", "silent"):
        write_list(folder / f"{split}.txt", sorted(_names(clips[split])))
    for name, splits in (
        ("training", ("train", "labelled")),
        ("tested", ("validation", "test", "silent", *CONDITIONS)),
    ):
        write_list(folder / f"{name}.txt", sorted(n for s in splits for n in _names(clips[s])))
    labelled = sorted(clips["labelled"], key=lambda truth: truth.plan.sample_id)
    write_csv(folder / "labelled.csv", map(_clip_and_class, labelled))


def _clip_and_class(truth: SampleTruth, suffix: str = "") -> tuple[str, str]:
    return truth.plan.sample_id + suffix, CLASSES[truth.plan.sounding[0]].name


def write_vggss(
    folder: Path, clips: Mapping[str, Sequence[SampleTruth]], seconds: float, seed: int
) -> None:
    """VGG-SS and its relatives: boxes, test lists, heard and unheard classes, silent sounds."""
    test, train = clips["test"], clips["train"]
    for name, split in (("vggss.json", "test"), ("vggss_validation.json", "validation")):
        write_json(folder / name, [_vggss_entry(truth) for truth in clips[split]])
    write_csv(folder / "vggss_test.csv", [[name] for name in _names(test)], "\r\n")
    write_csv(folder / "classes.csv", _class_rows(clips))
    held_out = [*test, *clips["validation"]]
    write_csv(folder / "vggsound_test.csv", [_clip_and_class(truth, ".mp4") for truth in held_out])

    # A tenth of the clips 'cannot be downloaded any more'.
    available = [name for number, name in enumerate(_names(test)) if number % 10 != 9]
    write_list(
        folder / "vggss_available.txt", [_milliseconds_name(name, seconds) for name in available]
    )

    unheard = set(range(len(CLASSES))) - set(_HEARD)
    write_list(folder / "vggss_heard.txt", sorted(_names(train, _HEARD)))
    heard_test, unheard_test = _names(test, _HEARD), _names(test, unheard)
    write_csv(folder / "vggss_heard_test.csv", [[name] for name in heard_test], "\r\n")
    write_csv(folder / "vggss_unheard_test.csv", [[name] for name in unheard_test], "\r\n")

    unheard_tie = set(range(len(CLASSES))) - set(_HEARD_TIE)
    write_list(folder / "ssltie_openset_train.txt", _names(train, _HEARD_TIE))
    for name, classes in (("heard", _HEARD_TIE), ("unheard", unheard_tie)):
        names = [f"{clip}.jpg" for clip in _names(test, classes)]
        write_list(folder / f"ssltie_openset_test_{name}.txt", names)

    rows = _silent_rows(np.random.default_rng([seed, 101]), test, clips["silent"])
    _write_plus_silent(folder / "vggss_test_plus_silent.csv", rows)


def _vggss_entry(truth: SampleTruth) -> dict[str, object]:
    boxes = [item.box for item in truth.objects if item.sounding]
    file, class_name = _clip_and_class(truth)
    return {"file": file, "class": class_name, "bbox": boxes}


def _class_rows(clips: Mapping[str, Sequence[SampleTruth]]) -> list[tuple[str, int, str]]:
    """Class, number of clips, group: as VGGSound's own table."""
    sounding = [t.plan.sounding[0] for split in clips.values() for t in split if t.plan.sounding]
    counts = np.bincount(sounding, minlength=len(CLASSES))
    rows = [(kind.name, int(counts[i]), kind.group) for i, kind in enumerate(CLASSES)]
    return sorted(rows)


def _milliseconds_name(clip_id: str, seconds: float) -> str:
    """`<id>_<second>` as KAIST's lists spell it: `<id>_<start ms>_<end ms>`."""
    start = 1000 * int(clip_id[12:])
    return f"{clip_id[:11]}_{start}_{start + round(1000 * seconds)}"


def _off_screen(rng: np.random.Generator, truth: SampleTruth, others: Sequence[SampleTruth]) -> str:
    """A sample whose sounding class is nowhere in the picture of `truth`."""
    seen = {item.class_index for item in truth.objects}
    fitting = [o.plan.sample_id for o in others if o.plan.sounding[0] not in seen]
    return fitting[int(rng.integers(len(fitting)))]


def _silent_rows(
    rng: np.random.Generator, test: Sequence[SampleTruth], silent: Sequence[SampleTruth]
) -> list[tuple[str, str]]:
    """Frame and sound ids: of every test frame with an off-screen sound (three in five) or a clip
    without one, and of every clip without a sounding object with itself."""
    rows = []
    for number, truth in enumerate(test):
        if number % 5 < 3:
            sound = _off_screen(rng, truth, test)
        else:
            sound = silent[int(rng.integers(len(silent)))].plan.sample_id
        rows.append((truth.plan.sample_id, sound))
    return [*rows, *((t.plan.sample_id, t.plan.sample_id) for t in silent)]


def _write_plus_silent(path: Path, rows: Iterable[tuple[str, str]]) -> None:
    header = ("video", "audio", "label")
    write_csv(path, [header, *((*row, "non-sounding") for row in rows)], "\r\n")


def write_scenes(path: Path, clips: Mapping[str, Sequence[SampleTruth]], seed: int) -> None:
    """The toy's own exact truth, with a sound of the same split for every silent object."""
    rng = np.random.default_rng([seed, 102])
    entries = []
    for split in ("validation", "test"):
        for truth in clips[split]:
            sounding, *silent = truth.objects
            distractors = []
            for item in silent:
                sounds = _names(clips[split], {item.class_index})
                distractors.append(
                    {
                        "class": CLASSES[item.class_index].name,
                        "bbox": [item.box],
                        "mask": item.mask,
                        "sound": sounds[int(rng.integers(len(sounds)))],
                    }
                )
            entry = {**_vggss_entry(truth), "split": split, "mask": sounding.mask}
            entries.append({**entry, "distractors": distractors})
    write_json(path, entries)


def write_conditions(path: Path, clips: Mapping[str, Sequence[SampleTruth]]) -> None:
    """The exact truth of the clips of each condition: their objects, and what is heard unseen."""
    write_json(
        path,
        [
            {
                "file": truth.plan.sample_id,
                "condition": condition,
                "unseen": None if (heard := truth.plan.unseen) is None else CLASSES[heard].name,
                "objects": [
                    {
                        "class": CLASSES[item.class_index].name,
                        "sounding": item.sounding,
                        "bbox": [item.box],
                        "mask": item.mask,
                    }
                    for item in truth.objects
                ],
            }
            for condition in CONDITIONS
            for truth in clips[condition]
        ],
    )


def write_moving(path: Path, truths: Iterable[SampleTruth]) -> None:
    """The exact truth of moving clips. `masks` is a picture of the clip's moments of 0.1 s below
    each other: 0 the backdrop, n the n-th of `objects`. `turns` says which object sounds from when
    on, until the next one does."""
    entries = []
    for truth in truths:
        turns = len(truth.plan.sounding)
        entries.append(
            {
                "file": truth.plan.sample_id,
                "seconds": MOVING_SECONDS,
                "objects": [CLASSES[item.class_index].name for item in truth.objects],
                "turns": [[MOVING_SECONDS * turn / turns, turn + 1] for turn in range(turns)],
                "masks": moving_strip(truth.plan),
            }
        )
    write_json(path, entries)


def write_flickr(folder: Path, truths: Sequence[SampleTruth], seed: int) -> None:
    """SoundNet-Flickr: one XML per picture with several annotators' boxes, and the test lists."""
    rng = np.random.default_rng([seed, 103])
    (folder / "flickr").mkdir(parents=True)
    for number, truth in enumerate(truths):
        root = ElementTree.Element("annotations")
        box = np.array(truth.objects[0].box) * _FLICKR_SCALE
        for annotator in range(_ANNOTATORS):
            child = ElementTree.SubElement(root, "annotator")
            ElementTree.SubElement(child, "filename").text = f"{truth.plan.sample_id}.jpg"
            if annotator == _ANNOTATORS - 1 and number % 5 == 4:
                continue  # an annotator who saw nothing that sounds
            element = ElementTree.SubElement(child, "bbox")
            ElementTree.SubElement(element, "name").text = "object"
            edges = np.rint(box + rng.normal(0, 4, 4)).clip(0, _FLICKR_SCALE).astype(int)
            for tag, edge in zip(("xmin", "ymin", "xmax", "ymax"), edges, strict=True):
                ElementTree.SubElement(element, tag).text = str(edge)
        ElementTree.indent(root)
        xml = ElementTree.tostring(root, encoding="utf-8")
        (folder / "flickr" / f"{truth.plan.sample_id}.xml").write_bytes(xml + b"\n")
    numbers = rng.integers(0, 900, len(truths))
    write_csv(folder / "flickr_test.csv", zip(_names(truths), numbers, strict=True), "\r\n")
    rows = [(t.plan.sample_id, _off_screen(rng, t, truths)) for t in truths]
    _write_plus_silent(folder / "flickr_test_plus_silent.csv", rows)


def write_avsbench(folder: Path, kind: str, truths: Iterable[SampleTruth]) -> None:
    """AVSBench's list of frames with their category; `kind` is 's4' or 'ms3'."""
    rows = [
        (f"{truth.plan.sample_id}_{frame + 1}", avsbench_category(truth.plan))
        for truth in truths
        for frame in range(AVSBENCH_FRAMES)
    ]
    write_csv(folder / f"avsbench_{kind}_test.csv", rows)


def write_is3(folder: Path, truths: Iterable[SampleTruth]) -> None:
    """IS3's boxes in 224-pixel coordinates, one entry per picture and sounding object."""
    entries = []
    for truth in truths:
        for item in truth.objects:
            name = f"{truth.plan.sample_id}_{CLASSES[item.class_index].key}"
            entries.append(
                {
                    "image": f"visual_frames/{name}.jpg",
                    "audio": f"audio_wav/{name}.wav",
                    "gt_box": [float(round(edge * _IS3_SCALE)) for edge in item.box],
                }
            )
    write_json(folder / "is3_boxes.json", entries)
