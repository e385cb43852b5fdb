"""The toy corpus as files: complete, consistent, in the real sets' forms, the same every time."""

import csv
import hashlib
import json
import re
from pathlib import Path

import av
import defusedxml.ElementTree
import numpy as np
import pytest
from PIL import Image
from scipy.io import wavfile

from pipeline.errors import InputError
from pipeline.toy.classes import CLASSES
from pipeline.toy.corpus import make_toy_corpus, plan_corpus
from pipeline.toy.samples import draw_sound, make_sample
from pipeline.toy.scenes import draw_scene, render

REAL = Path(__file__).parents[2] / ".." / "shared" / "annotations"
SIZES = {"train": 30, "validation": 12, "test": 24, "labelled": 12}
CLIP = re.compile(r"[A-Za-z0-9_-]{11}_\d{6}")


def make(folder: Path, workers: int = 1, seed: int = 1) -> dict[str, int]:
    return make_toy_corpus(
        folder,
        work=folder.with_name("work"),
        seed=seed,
        clips=SIZES,
        width=64,
        height=48,
        seconds=1.0,
        workers=workers,
        conditions=4,
        moving=4,
    )


def hashes(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "toy"
    counts = make(folder)
    assert {split: counts[split] for split in SIZES} == SIZES
    return folder


def read(path: Path) -> list[dict]:
    return json.loads(path.read_text())


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_two_workers_make_the_same_bytes_and_leave_nothing_else(toy: Path, tmp_path: Path) -> None:
    make(tmp_path / "toy", workers=2)
    assert hashes(tmp_path / "toy") == hashes(toy)
    assert [path.name for path in tmp_path.iterdir()] == ["toy"]


def test_another_seed_makes_another_corpus() -> None:
    one, two = (plan_corpus(seed, SIZES) for seed in (1, 2))
    names = [{plan.sample_id for plan in plans["train"]} for plans in (one, two)]
    assert not names[0] & names[1]


def test_lists_share_no_clip_and_every_clip_has_its_video(toy: Path) -> None:
    listed = [lines(toy / "lists" / f"{split}.txt") for split in ("train", "validation", "test")]
    listed.append(lines(toy / "lists" / "silent.txt"))
    listed.append([clip for clip, _ in rows(toy / "lists" / "labelled.csv")])
    listed.append(sorted(entry["file"] for entry in read(toy / "annotations" / "conditions.json")))
    everything = [clip for names in listed for clip in names]
    assert lines(toy / "lists" / "tested.txt") == sorted(
        clip for place in (1, 2, 3, 5) for clip in listed[place]
    )
    assert all(names == sorted(names) for names in listed)
    assert len(everything) == len(set(everything)) == len({clip[:11] for clip in everything})
    assert {path.stem for path in (toy / "vggsound").iterdir()} == set(everything)
    assert all(CLIP.fullmatch(clip) for clip in everything)
    assert any(clip.startswith("-") for clip in everything)
    assert any("_" in clip[:11] for clip in everything)


def test_labelled_classes_are_quoted_where_they_hold_a_comma(toy: Path) -> None:
    labelled = rows(toy / "lists" / "labelled.csv")
    assert sorted({name for _, name in labelled}) == sorted(kind.name for kind in CLASSES)
    assert '"bell, fm"' in (toy / "lists" / "labelled.csv").read_text()


def test_silent_objects_keep_their_shares_and_differ_from_the_sounding_class() -> None:
    clips = {"train": 200, "validation": 100, "test": 100, "labelled": 36}
    plans = plan_corpus(0, clips)
    for split, shares in (("train", (120, 60, 20)), ("test", (40, 40, 20)), ("labelled", (36,))):
        numbers = np.bincount([len(plan.silent) for plan in plans[split]])
        assert tuple(numbers) == shares
        assert all(not set(plan.sounding) & set(plan.silent) for plan in plans[split])
        classes = np.bincount([plan.sounding[0] for plan in plans[split]])
        assert classes.max() - classes.min() <= 1


def test_a_clip_is_h264_and_aac_and_moves_around_its_exact_middle(toy: Path) -> None:
    scenes = json.loads((toy / "annotations" / "scenes.json").read_text())
    plans = {plan.sample_id: plan for plan in plan_corpus(1, SIZES)["test"]}
    for entry in [entry for entry in scenes if entry["split"] == "test"][:4]:
        with av.open(str(toy / "vggsound" / f"{entry['file']}.mp4")) as container:
            video, audio = container.streams.video[0], container.streams.audio[0]
            assert (video.codec_context.name, audio.codec_context.name) == ("h264", "aac")
            assert (audio.rate, audio.channels) == (16000, 1)
            assert float(video.duration * video.time_base) == pytest.approx(1.0, abs=1e-3)
            frames = [
                (float(f.time), f.to_ndarray(format="rgb24")) for f in container.decode(video)
            ]
        shown = [picture for time, picture in frames if time <= 0.5][-1]
        np.testing.assert_array_equal(shown, frames[len(frames) // 2][1])
        assert (frames[0][1] != shown).any()
        # The mask is the middle frame's: what lies inside is what was drawn there.
        plan = plans[entry["file"]]
        scene = draw_scene(
            np.random.default_rng(plan.seed),
            sounding=plan.sounding,
            silent=plan.silent,
            width=64,
            height=48,
            frames=5,
        )
        drawn = render(scene, 2).astype(float)
        assert np.abs(shown - drawn).mean() < 12


def test_sound_and_video_start_together(toy: Path) -> None:
    """The decoded sound is the made one, sample for sample, but for what the codec loses."""
    plan = plan_corpus(1, SIZES)["labelled"][0]
    with av.open(str(toy / "vggsound" / f"{plan.sample_id}.mp4")) as container:
        parts = [frame.to_ndarray()[0] for frame in container.decode(audio=0)]
    decoded = np.concatenate(parts)[:16000]
    rng = np.random.default_rng(plan.seed)
    draw_scene(rng, sounding=plan.sounding, silent=(), width=64, height=48, frames=5)
    made = draw_sound(rng, plan, 1.0)
    assert np.corrcoef(decoded, made)[0, 1] > 0.95


def test_boxes_masks_and_sounds_of_the_truth_agree(toy: Path) -> None:
    annotations = toy / "annotations"
    scenes = json.loads((annotations / "scenes.json").read_text())
    assert len(scenes) == SIZES["validation"] + SIZES["test"]
    class_of = {entry["file"]: entry["class"] for entry in scenes}
    split_of = {entry["file"]: entry["split"] for entry in scenes}
    for entry in scenes:
        covered = np.zeros((48, 64), dtype=int)
        for item in [entry, *entry["distractors"]]:
            mask = np.array(Image.open(annotations / item["mask"]))
            assert set(np.unique(mask)) == {0, 255}
            ys, xs = np.nonzero(mask)
            box = [xs.min() / 64, ys.min() / 48, (xs.max() + 1) / 64, (ys.max() + 1) / 48]
            assert item["bbox"] == [pytest.approx(box)]
            covered += mask > 0
        assert covered.max() == 1  # visible masks do not overlap
        for item in entry["distractors"]:
            assert class_of[item["sound"]] == item["class"] != entry["class"]
            assert split_of[item["sound"]] == entry["split"]
    boxes = json.loads((annotations / "vggss.json").read_text())
    by_clip = {entry["file"]: entry for entry in scenes}
    assert all(entry["bbox"] == by_clip[entry["file"]]["bbox"] for entry in boxes)
    assert sorted(entry["file"] for entry in boxes) == lines(toy / "lists" / "test.txt")


def test_heard_and_unheard_halves_share_nothing(toy: Path) -> None:
    annotations = toy / "annotations"
    class_of = dict(rows(annotations / "vggsound_test.csv"))
    test = set(lines(toy / "lists" / "test.txt"))
    halves = []
    for heard, unheard, suffix in (
        ("vggss_heard_test.csv", "vggss_unheard_test.csv", ""),
        ("ssltie_openset_test_heard.txt", "ssltie_openset_test_unheard.txt", ".jpg"),
    ):
        names = [[n.removesuffix(suffix) for n in lines(annotations / f)] for f in (heard, unheard)]
        classes = [{class_of[f"{clip}.mp4"] for clip in half} for half in names]
        assert set(names[0]) | set(names[1]) == test
        assert not classes[0] & classes[1]
        halves.append(classes[0])
    assert halves[0] != halves[1]  # two published splits
    for training in ("vggss_heard.txt", "ssltie_openset_train.txt"):
        assert set(lines(annotations / training)) < set(lines(toy / "lists" / "train.txt"))


def test_the_available_list_is_part_of_the_test_list_in_milliseconds(toy: Path) -> None:
    spelled = lines(toy / "annotations" / "vggss_available.txt")
    found = [re.fullmatch(r"(.{11})_(\d+)_(\d+)", name) for name in spelled]
    clips = {f"{m[1]}_{int(m[2]) // 1000:06d}" for m in found if m}
    assert len(clips) == len(spelled) == 22
    assert clips < set(lines(toy / "lists" / "test.txt"))
    assert all(int(m[3]) - int(m[2]) == 1000 for m in found if m)


def test_extended_rows_never_sound(toy: Path) -> None:
    header, *extended = rows(toy / "annotations" / "vggss_test_plus_silent.csv")
    assert header == ["video", "audio", "label"]
    assert {label for *_, label in extended} == {"non-sounding"}
    scenes = json.loads((toy / "annotations" / "scenes.json").read_text())
    seen = {e["file"]: {e["class"], *(d["class"] for d in e["distractors"])} for e in scenes}
    class_of = {entry["file"]: entry["class"] for entry in scenes}
    silent = set(lines(toy / "lists" / "silent.txt"))
    assert {video for video, *_ in extended} == set(lines(toy / "lists" / "test.txt")) | silent
    assert any(audio in silent and video not in silent for video, audio, _ in extended)
    for video, audio, _ in extended:
        assert audio in silent or class_of[audio] not in seen[video]


def test_some_silent_clips_are_digital_silence_and_some_noise(toy: Path) -> None:
    loudest = []
    for clip in lines(toy / "lists" / "silent.txt"):
        with av.open(str(toy / "vggsound" / f"{clip}.mp4")) as container:
            loudest.append(max(np.abs(f.to_ndarray()).max() for f in container.decode(audio=0)))
    assert sum(level == 0 for level in loudest) == 8
    assert sum(level > 0.05 for level in loudest) == 4


def test_flickr_boxes_follow_the_last_four_integers_of_each_bbox(toy: Path) -> None:
    names = [name for name, _ in rows(toy / "annotations" / "flickr_test.csv")]
    assert len(names) == 40 and all(name.isdigit() for name in names)
    numbers = []
    for name in names:
        assert Image.open(toy / "flickr" / "frames" / f"{name}.jpg").size == (64, 48)
        rate, sound = wavfile.read(toy / "flickr" / "audio" / f"{name}.wav")
        assert (rate, sound.shape, sound.dtype) == (16000, (16000,), np.int16)
        root = defusedxml.ElementTree.parse(toy / "annotations" / "flickr" / f"{name}.xml")
        boxes = [[int(e.text) for e in list(box)[-4:]] for box in root.iter("bbox")]
        numbers.append(len(boxes))
        for x0, y0, x1, y1 in boxes:
            assert 0 <= x0 < x1 <= 256 and 0 <= y0 < y1 <= 256
    assert set(numbers) == {2, 3}


@pytest.mark.parametrize(("subset", "videos"), [("s4", 16), ("ms3", 8)])
def test_avsbench_frames_masks_and_sounds_are_where_the_real_ones_are(
    toy: Path, subset: str, videos: int
) -> None:
    listed = rows(toy / "annotations" / f"avsbench_{subset}_test.csv")
    assert len(listed) == 5 * videos
    root = toy / "avsbench" / subset.upper()
    empty = 0
    for name, category in listed:
        video = name.rpartition("_")[0]
        inner = Path("test") / category if subset == "s4" else Path()
        sounds = root / "audio_wav" / "test" / (category if subset == "s4" else "")
        assert Image.open(root / "visual_frames" / inner / video / f"{name}.png").mode == "RGB"
        mask = np.array(Image.open(root / "gt_masks" / inner / video / f"{name}.png"))
        assert mask.shape == (48, 64) and set(np.unique(mask)) <= {0, 255}
        empty += not mask.any()
        assert len(wavfile.read(sounds / f"{video}.wav")[1]) == 80000
    assert empty == (0 if subset == "s4" else 1)


def test_is3_holds_one_picture_and_two_sounds_per_pair(toy: Path) -> None:
    entries = json.loads((toy / "annotations" / "is3_boxes.json").read_text())
    assert len(entries) == 120
    pictures: dict[str, list[bytes]] = {}
    for entry in entries:
        stem = Path(entry["image"]).stem
        first, second, number, sounding = stem.split("_")
        assert sounding in (first, second) and Path(entry["audio"]).stem == stem
        x0, y0, x1, y1 = entry["gt_box"]
        assert 0 <= x0 < x1 <= 224 and 0 <= y0 < y1 <= 224
        assert (toy / "is3" / entry["audio"]).is_file()
        pictures.setdefault(number, []).append((toy / "is3" / entry["image"]).read_bytes())
    assert all(len(pair) == 2 and pair[0] == pair[1] for pair in pictures.values())


@pytest.mark.parametrize(
    ("made", "real"),
    [
        ("vggss_test.csv", "vggss_test.csv"),
        ("vggss_test_plus_silent.csv", "vggss_test_plus_silent.csv"),
        ("flickr_test_plus_silent.csv", "flickr_test_plus_silent.csv"),
        ("flickr_test.csv", "flickr_test.csv"),
        ("vggss_available.txt", "vggss_available_4654.txt"),
        ("ssltie_openset_test_heard.txt", "ssltie_openset_test_heard_2425.txt"),
        ("ssltie_openset_train.txt", "ssltie_openset_train_110_70k.txt"),
        ("vggsound_test.csv", "vggsound_test.csv"),
        ("classes.csv", "vggsound_classes.csv"),
        ("avsbench_s4_test.csv", "avsbench_s4_test.csv"),
        ("avsbench_ms3_test.csv", "avsbench_ms3_test.csv"),
    ],
)
def test_lists_have_the_form_of_their_real_counterparts(toy: Path, made: str, real: str) -> None:
    if not REAL.is_dir():
        pytest.skip("../shared/annotations with the real lists is absent")
    forms = []
    for path in (toy / "annotations" / made, REAL / real):
        table = rows(path)
        header = [row for row in table[:1] if row[0] == "video"]
        # Only what the names are made of counts, not the names.
        kinds = [re.sub(r"[A-Za-z_-]+", "a", re.sub(r"\d+", "0", cell)) for cell in table[-1][1:]]
        forms.append((header, len(table[-1]), kinds[:1] if made.endswith(".txt") else []))
    assert forms[0] == forms[1]


@pytest.mark.parametrize(("made", "real"), [("vggss", "vggss"), ("is3_boxes", "is3_boxes")])
def test_boxes_have_the_keys_of_the_real_ones(toy: Path, made: str, real: str) -> None:
    if not REAL.is_dir():
        pytest.skip("../shared/annotations with the real lists is absent")
    ours = json.loads((toy / "annotations" / f"{made}.json").read_text())[0]
    theirs = json.loads((REAL / f"{real}.json").read_text())[0]
    assert {key: type(value) for key, value in ours.items()} == {
        key: type(value) for key, value in theirs.items()
    }


def test_an_older_toy_is_replaced_but_nothing_else_is(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "mine.mp4").write_bytes(b"precious")
    with pytest.raises(InputError, match="videos: holds something else"):
        make(tmp_path / "videos")
    assert (tmp_path / "videos" / "mine.mp4").read_bytes() == b"precious"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"width": 63}, "toy width: found 63"),
        ({"seconds": 0.1}, "toy seconds: found 0.1"),
        ({"workers": 0}, "toy workers: found 0"),
        ({"clips": {"train": 5}}, "toy clips: found the lists"),
        ({"clips": {**SIZES, "test": 3}}, r"toy clips\.test: found 3, expected at least 12"),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, wrong: dict, message: str) -> None:
    right = {"seed": 1, "clips": SIZES, "width": 64, "height": 48, "seconds": 1.0, "workers": 1}
    with pytest.raises(InputError, match=message):
        make_toy_corpus(tmp_path / "toy", work=tmp_path / "work", **{**right, **wrong})
    assert not list(tmp_path.iterdir())


def test_one_sample_can_be_made_alone(toy: Path, tmp_path: Path) -> None:
    (tmp_path / "vggsound").mkdir()
    plan = plan_corpus(1, SIZES)["train"][7]
    truth = make_sample(plan, tmp_path, 64, 48, 1.0)
    name = f"vggsound/{plan.sample_id}.mp4"
    assert (tmp_path / name).read_bytes() == (toy / name).read_bytes()
    assert truth.objects[0].class_index == plan.sounding[0]
