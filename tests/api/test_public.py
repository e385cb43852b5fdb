"""`import avloc`: the numbers of `avloc score` on arrays, the map of a clip, and nothing heavy."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from made_media import tones, write_media
from made_method import small_method
from PIL import Image

import avloc
from pipeline.clips.sound_form import SoundForm
from pipeline.methods.common.files import save_weights
from pipeline.report.anyones.files import open_arrays
from pipeline.report.anyones.score import score_arrays

CLIPS = [f"aaaaaaaaa{n:02d}_000010" for n in range(9)]
BOXES = [[[0.1, 0.1, 0.2 + n / 12, 0.9]] for n in range(9)]
MAPS = np.random.default_rng(5).normal(size=(9, 7, 7)).astype(np.float32)


@pytest.fixture
def annotations(tmp_path: Path) -> Path:
    entries = [
        {"file": clip, "class": "ab"[n % 2], "bbox": BOXES[n]} for n, clip in enumerate(CLIPS)
    ]
    (tmp_path / "vggss.json").write_text(json.dumps(entries))
    return tmp_path


def test_importing_takes_nothing_that_takes_long() -> None:
    code = (
        "import sys, avloc; print([m for m in ('torch', 'numpy', 'pyarrow') if m in sys.modules])"
    )
    paths = ["pipeline/api", "."]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {paths}; {code}"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_every_name_is_there_and_told() -> None:
    assert set(dir(avloc)) == set(avloc.__all__)
    assert all(getattr(avloc, name).__doc__ for name in avloc.__all__)
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = avloc.nothing_like_it


def test_scores_are_those_of_the_command(annotations: Path) -> None:
    path = annotations / "maps.npz"
    np.savez(path, maps=MAPS, ids=np.array(CLIPS))
    expected = score_arrays(open_arrays(path), "localization", "vggss", annotations).metrics
    assert avloc.ids("vggss", annotations=annotations) == CLIPS
    for maps, names in (
        (MAPS, CLIPS),
        (MAPS, None),  # in the list's order
        (torch.from_numpy(MAPS), CLIPS),
        (dict(zip(CLIPS, MAPS, strict=True)), None),
        (str(path), None),
        (path, None),
    ):
        found = avloc.score(maps, names, "vggss", annotations=str(annotations))
        assert found.metrics == expected
    assert found.samples.num_rows == 9
    assert "cIoU" in repr(found) and "Table 1 of the paper" in str(found)


def test_boxes_of_one_s_own_in_either_form() -> None:
    listed = avloc.score(MAPS, boxes=BOXES)
    numbers = np.full((9, 2, 4), np.nan)
    numbers[:, :1] = BOXES
    assert avloc.score(MAPS, boxes=numbers).metrics == listed.metrics
    numbers[:, 1] = 0
    assert avloc.score(MAPS, boxes=numbers).metrics == listed.metrics
    with pytest.raises(avloc.InputError, match="looks like pixels"):
        avloc.score(MAPS, boxes=[[[10, 10, 100, 120]]] * 9)
    with pytest.raises(avloc.InputError, match="expected a list for each map"):
        avloc.score(MAPS, boxes=[0.1, 0.2])


def test_parts_and_a_comparison_are_printed(annotations: Path) -> None:
    mine = avloc.score(MAPS, CLIPS, "vggss", annotations=annotations, label="mine")
    theirs = avloc.score(-MAPS[::-1], CLIPS[::-1], "vggss", annotations=annotations, label="their")
    by_class = mine.by("class")
    assert [(part.name, part.samples) for part in sorted(by_class)] == [("a", 5), ("b", 4)]
    assert "of the frame" in str(mine.by("size"))
    found = mine.against(theirs)
    assert set(found) >= {"cIoU", "AUC"} and "mine" in str(found) and len(found) == 6
    with pytest.raises(avloc.InputError, match="class or size"):
        mine.by("colour")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("maps", "names", "message"),
    [
        (MAPS, CLIPS[:3], "expected 9, one per map"),
        (MAPS[:4], None, "4 maps without ids"),
        (MAPS, ["nobody", *CLIPS[1:]], "nobody"),
        (dict(zip(CLIPS, [*MAPS[:8], MAPS[8, :5]], strict=True)), None, "shapes"),
        ({CLIPS[0]: MAPS[0]}, CLIPS, "expected one of them"),
        ("nothing.npz", None, "nothing.npz: not found"),
        ([[["a"]]], ["x"], "maps"),
    ],
)
def test_what_does_not_fit_is_one_line(
    annotations: Path, maps: object, names: list[str] | None, message: str
) -> None:
    with pytest.raises(avloc.InputError, match=message) as caught:
        avloc.score(maps, names, "vggss", annotations=annotations)
    assert "\n" not in str(caught.value) and "maps: maps" not in str(caught.value)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    method = small_method(SoundForm(hop=320, bands=64), 60)
    for run in ("toy/alignment-full-0", "toy/slavc-full-0", "other/alone-0"):
        save_weights(tmp_path / "data/runs" / run / "weights.safetensors", method)
    return tmp_path / "data"


def test_a_run_is_loaded_by_its_name(runs: Path) -> None:
    for name, run in {
        "toy": "toy/alignment-full-0",
        "toy/slavc-full-0": "toy/slavc-full-0",
        "other": "other/alone-0",
    }.items():
        assert avloc.load(name, data=str(runs)).weights.parent == runs / "runs" / run
    file = runs / "runs/other/alone-0/weights.safetensors"
    assert avloc.load(str(file)).weights == file
    with pytest.raises(avloc.InputError, match=r"nobody: .*toy/slavc-full-0"):
        avloc.load("nobody", data=runs)


def test_a_clip_is_localized_and_saved(runs: Path, tmp_path: Path) -> None:
    clip = write_media(tmp_path / "clip.mp4", sound=tones(2.0, 16000))
    model = avloc.load("other", data=runs)
    found = model.localize(str(clip))
    assert found.map.shape == (4, 4) and found.map.dtype == np.float32
    row, column = divmod(int(found.map.argmax()), 4)
    assert found.place == ((column + 0.5) / 4, (row + 0.5) / 4)
    assert found.sureness in ("sure", "hardly sure", "not sure")
    assert found.sureness in str(found)
    found.save(str(tmp_path / "map.png"))
    with Image.open(tmp_path / "map.png") as picture:
        assert picture.format == "PNG"
    assert found.facts()["sureness"] == found.sureness
    pair = model.localize(image=clip, audio=clip)
    assert np.array_equal(pair.map, found.map)
    with pytest.raises(avloc.InputError, match=r"expected a picture ending in \.png"):
        found.save(tmp_path / "map.gif")
    with pytest.raises(avloc.InputError, match="has no sound beside it"):
        model.localize(image=clip)
