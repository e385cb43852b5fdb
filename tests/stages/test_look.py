"""`avloc localize`, `retrieve` and `figure` as a user runs them, in a small finished project."""

import base64
import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
import yaml
from made_corpus import make_corpus
from made_media import tones, write_media
from made_method import small_method
from PIL import Image
from running import Avloc

from pipeline.base.files import read_parquet, write_json, write_npy, write_parquet
from pipeline.benchmarks import open_benchmark
from pipeline.clips.decoded import DecodedCorpus
from pipeline.clips.sound_form import SoundForm
from pipeline.clips.windows import sound_window
from pipeline.errors import InputError
from pipeline.media.file import read_sound
from pipeline.methods.alignment import Alignment
from pipeline.methods.common.files import save_weights
from pipeline.predict.moving import INTERVAL, localize_stored
from pipeline.predict.predictor import Predictor
from pipeline.predict.ranking import best_clips
from pipeline.report.players import sound_uri

ROOT = Path(__file__).resolve().parents[2]
FORM, STEPS = SoundForm(window=512, hop=256, bands=16), 20
CLIPS = [f"{letter * 11}_00000{n}" for n, letter in enumerate("abcdef")]
RUN = "toy/alignment-full-0"
SCENES = "alignment-full-0/scenes"
RESULTS = f"data/results/{RUN}/toy"
SPECTROGRAMS = Path("data/spectrograms/toy/alignment")


@pytest.fixture(scope="module")
def localizer() -> Alignment:
    return small_method(FORM, STEPS)


def corpus_in(folder: Path, second: int = 40, spectrograms: Path | None = None) -> DecodedCorpus:
    rng = np.random.default_rng(3)
    frames = rng.integers(0, 256, (6, 35, 35, 3), dtype=np.uint8)
    sounds = [rng.normal(-8, 3, (length, 16)) for length in (20, second, 60, 20, 31, 12)]
    return make_corpus(folder, frames, sounds, clip_ids=CLIPS, spectrograms=spectrograms, form=FORM)


def store(second: int = 40) -> None:
    """The corpus as its stages leave it; its second sound lasts `second` steps."""
    folder = Path("data/decoded/toy")
    corpus_in(folder, second, SPECTROGRAMS)
    table = read_parquet(folder / "clips.parquet")
    names = pa.array([f"{clip}.mp4" for clip in CLIPS])
    for column in ("picture_path", "sound_path"):
        table = table.append_column(column, names)
    for column, size in (("width", 96), ("height", 72)):
        table = table.append_column(column, pa.array([size] * len(CLIPS), pa.int32()))
    write_parquet(folder / "clips.parquet", table)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, localizer: Alignment) -> Path:
    """A working folder with a decoded corpus, its media, a run and one evaluation of it."""
    monkeypatch.chdir(tmp_path)
    # Through JSON, so that what its parts share is written out.
    content = json.loads(json.dumps(yaml.safe_load((ROOT / "params.yaml").read_text())))
    content["active"]["tests"] = {"toy": ["scenes", "negatives"]}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    store()
    for clip in CLIPS[:2]:
        path = tmp_path / f"data/toys/toy/vggsound/{clip}.mp4"
        write_media(path, seconds=0.4, sound=tones(0.4, 16000))
    save_weights(tmp_path / f"data/runs/{RUN}/weights.safetensors", localizer)
    annotations = tmp_path / "data/toys/toy/annotations"
    (annotations / "masks").mkdir(parents=True)
    scenes = []
    for clip in CLIPS[:3]:
        for name, side in (("own", slice(0, 20)), ("silent", slice(20, 40))):
            mask = np.zeros((40, 40), bool)
            mask[:, side] = True
            Image.fromarray(mask).save(annotations / f"masks/{clip}-{name}.png")
        silent = {"class": "cat", "bbox": [[0.5, 0, 1, 1]], "mask": f"masks/{clip}-silent.png"}
        scene = {"file": clip, "split": "test", "class": "dog", "bbox": [[0, 0, 0.5, 1]]}
        scenes.append(
            {
                **scene,
                "mask": f"masks/{clip}-own.png",
                "distractors": [{**silent, "sound": CLIPS[3]}],
            }
        )
    write_json(annotations / "scenes.json", scenes)
    ids = [*CLIPS[:3], *(f"{clip}+{CLIPS[3]}" for clip in CLIPS[:3])]
    details = tmp_path / RESULTS / "details/scenes"
    write_parquet(details / "samples.parquet", pa.table({"sample_id": ids}))
    write_npy(details / "maps.npy", np.random.default_rng(0).random((6, 4, 4), np.float32))
    return tmp_path


def test_the_best_clips_are_those_of_all_similarities(localizer: Alignment, tmp_path: Path) -> None:
    corpus = corpus_in(tmp_path)
    expected = Predictor(localizer, corpus, device=torch.device("cpu")).similarities(CLIPS, CLIPS)
    sound = np.array(sound_window(corpus, 2, STEPS))
    for name in ("s_A", "s_L"):
        used, found = best_clips(localizer, corpus, sound=sound, similarity=name, batch=4, count=6)
        assert used == name
        scores = {match.clip_id: match.score for match in found}
        np.testing.assert_allclose([scores[c] for c in CLIPS], expected[name][:, 2], atol=1e-5)
        assert list(scores.values()) == sorted(scores.values(), reverse=True)
        _, found = best_clips(localizer, corpus, picture=corpus.frame(4), similarity=name, count=6)
        scores = {match.clip_id: match.score for match in found}
        np.testing.assert_allclose([scores[c] for c in CLIPS], expected[name][4], atol=1e-5)
    used, few = best_clips(localizer, corpus, sound=sound, rows=[5, 1], count=10)
    assert used == "s_A" and {match.row for match in few} == {1, 5}
    with pytest.raises(InputError, match="no similarity s_X, expected one of s_A, s_L"):
        best_clips(localizer, corpus, sound=sound, similarity="s_X")


def test_localize_draws_the_middle_and_the_film(
    project: Path, avloc: Avloc, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = f"data/toys/toy/vggsound/{CLIPS[0]}.mp4"
    assert avloc("localize", clip, "--out", "map.png", "--video", "m.mp4", "--height", "64") == 0
    line = capsys.readouterr().out
    assert re.match(r"sound: [a-z ,]+ \(\d+ % from the left, .*silence .*; map.png, m.mp4\n", line)
    with Image.open("map.png") as picture:
        assert picture.width >= 2 * 640 and picture.height > 480
    assert Path("m.mp4").stat().st_size > 1000
    capsys.readouterr()

    mute = write_media(Path("mute.mp4"), seconds=0.4)
    before = sorted(path.name for path in project.iterdir())
    assert avloc("localize", str(mute), "--out", "no.png", "--video", "no.mp4") == 1
    assert capsys.readouterr().err == "error: mute.mp4: no sound: the file has no sound stream\n"
    assert sorted(path.name for path in project.iterdir()) == before


def test_retrieve_a_clip_and_a_file(
    project: Path, avloc: Avloc, capsys: pytest.CaptureFixture[str]
) -> None:
    assert avloc("retrieve", CLIPS[1], "--page", "page.html", "--top", "3") == 0
    printed = capsys.readouterr().out
    assert sum(clip in line for line in printed.splitlines()[1:] for clip in CLIPS) == 3
    page = Path("page.html").read_text()
    shown = [clip for clip in CLIPS if f"{clip}.mp4</span>" in page]
    assert len(shown) == 3 and page.count("<img ") == 3  # the asked clip's frame was not asked
    assert page.count("<audio ") == 1 + len({CLIPS[0], CLIPS[1]} & set(shown))
    assert page.count("its own sound, which was not asked") == page.count("<audio ") - 1
    assert not re.search(r"""(src|href)=["'](?!data:)""", page)
    assert page.count("<main>") == page.count("</main>") == 1

    Image.new("RGB", (20, 20), (9, 99, 9)).save("green.png")
    assert avloc("retrieve", "green.png", "--similarity", "s_L", "--media", "nowhere") == 0
    assert "picture of green.png" in capsys.readouterr().out
    assert avloc("retrieve", CLIPS[1], "--by", "picture", "--page", "page.html", "--top", "2") == 0
    page = Path("page.html").read_text()
    assert page.count("<img ") == 3 and "Asked: this picture" in page  # and it under two maps
    assert avloc("retrieve", CLIPS[1], "--corpus", "nope") == 1
    assert "no decoded corpus 'nope', expected one of toy" in capsys.readouterr().err
    assert avloc("retrieve", CLIPS[1], "--run", "nope") == 1
    assert f"run 'nope': not found, expected one of {RUN}" in capsys.readouterr().err
    assert avloc("retrieve", "nothing.wav") == 1
    assert "nothing.wav: expected a media file or a clip of" in capsys.readouterr().err


def test_a_corpus_of_another_study_is_asked_of_that_study_s_run(
    project: Path, avloc: Avloc, localizer: Alignment, capsys: pytest.CaptureFixture[str]
) -> None:
    content = yaml.safe_load(Path("params.yaml").read_text())
    content["active"] = content["studies"]["mine"] = {
        **content["active"],
        "corpora": {"mine": {"reader": "folder", "root": "videos", "list": "data/every-clip.txt"}},
        "train_on": {"corpus": "mine", "list": "data/every-clip.txt", "search": "mine"},
        "tests": {},
    }
    Path("params.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    save_weights(Path("data/runs/mine/alignment-full-0/weights.safetensors"), localizer)
    assert avloc("retrieve", CLIPS[1], "--corpus", "toy") == 0
    assert f"sound of {CLIPS[1]}, in toy, as {RUN} hears it" in capsys.readouterr().out
    Path(f"data/runs/{RUN}/weights.safetensors").unlink()
    assert avloc("retrieve", CLIPS[1], "--corpus", "toy") == 0
    assert "in toy, as mine/alignment-full-0 hears it" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("localize own.mp4 --out own.mp4", "own.mp4: ends in .mp4, expected a picture ending in"),
        ("localize own.mp4 --video ./own.mp4", "own.mp4: is read by this command"),
        ("localize --image p.png --audio own.mp4 --out p.png", "p.png: is read by this"),
        ("localize --image p.png --audio own.mp4 --film own.mp4", "own.mp4: is read by this"),
        ("localize own.mp4 --weights w.mp4 --film w.mp4", "w.mp4: is read by this command"),
        ("localize own.mp4 --out m.png --json ../{here}/m.json --film m.json", "m.json: ends in"),
        ("localize own.mp4 --out map.gif", "map.gif: ends in .gif, expected a picture ending in"),
        ("localize own.mp4 --film f.gif", "f.gif: ends in .gif, expected a film, which has a"),
        ("localize own.mp4 --film film", "film: has no ending, expected a film, which has a sound"),
        ("localize own.mp4 --json j.txt", "j.txt: ends in .txt, expected a file ending in .json"),
        ("localize own.mp4 clips --out all.png", "all.png: has an ending, expected a folder for 2"),
        ("localize own.mp4 --out /proc/x/e.png", "/proc/x/e.png: cannot be written here: No such"),
        ("localize own.mp4 --out p.png/e.png", "p.png/e.png: cannot be written here: "),
        ("localize own.mp4 --out new/deep/e.png --film d.mp4", "d.mp4: found a folder, expected a"),
        ("localize own.mp4 --out null.png", "null.png: found a device, expected a file"),
        (
            "retrieve own.mp4 --page own.mp4",
            "own.mp4: ends in .mp4, expected a page ending in .html",
        ),
        ("retrieve {clip}.html --page {clip}.html", "{clip}.html: is read by this"),
        ("retrieve own.mp4 --page d.html", "d.html: found a folder"),
        (
            "figure localization theirs.npz --on {scenes} --out f.pdf --page x",
            "--page shows",
        ),
        (
            "figure sounds {scenes} --out f --page f.png",
            "f.png: ends in .png, expected a page ending in .html or .htm",
        ),
        ("figure sounds {scenes} --out .", "--out .: expected a path with a name"),
        ("report --out params.yaml", "params.yaml: ends in .yaml, expected a page ending in"),
        ("report --out data/decoded/x.html", "data/decoded/x.html: is read by this command"),
        ("report --out r.pdf", "r.pdf: ends in .pdf, expected a page ending in .html or .htm"),
        ("sheet toy --out s.jpg", "s.jpg: ends in .jpg, expected a picture ending in .png"),
        ("score retrieval theirs.npz --per-sample theirs.npz", "theirs.npz: is read by this"),
        ("bench decode --media own.mp4 --json own.mp4", "own.mp4: is read by this command"),
    ],
)
def test_no_output_takes_the_place_of_an_input(
    arguments: str, said: str, project: Path, avloc: Avloc, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("own.mp4", f"clips/{CLIPS[0]}.mp4"):
        write_media(Path(name), seconds=0.4, sound=tones(0.4, 16000))
    Image.new("RGB", (20, 20)).save("p.png")
    Path("w.mp4").write_bytes(b"weights of an odd name")
    for name in ("d.mp4", "d.html"):
        Path(name).mkdir()
    Path("null.png").symlink_to("/dev/null")
    Path(f"{CLIPS[0]}.html").write_bytes(b"media of an odd name")
    np.savez("theirs.npz", maps=np.ones((1, 4, 4)), ids=np.array(CLIPS[:1]))

    def files() -> dict[Path, bytes | None]:
        found = project.rglob("*")
        return {path: path.read_bytes() if path.is_file() else None for path in found}

    before = files()
    names = {"here": project.name, "clip": CLIPS[0], "scenes": SCENES}
    assert avloc(*arguments.format(**names).split()) == 1
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.count("\n") == 1
    assert printed.err.startswith("error: ") and said.format(**names) in printed.err
    assert files() == before


def test_a_sound_comes_through_a_page(tmp_path: Path) -> None:
    path = write_media(
        tmp_path / "a.wav", size=None, sound=tones(1.0, 16000), audio_codec="pcm_s16le"
    )
    kind, content = sound_uri(path).split(",")
    assert kind == "data:audio/mpeg;base64"
    (tmp_path / "a.mp3").write_bytes(base64.b64decode(content))
    heard = read_sound(tmp_path / "a.mp3").samples
    assert len(heard) == pytest.approx(16000, abs=2000)
    assert np.argmax(np.abs(np.fft.rfft(heard[2000:12000]))) * 1.6 == pytest.approx(300, abs=4)


def test_figures_of_evaluations_and_of_files(
    project: Path, avloc: Avloc, capsys: pytest.CaptureFixture[str]
) -> None:
    maps = np.random.default_rng(1).random((3, 7, 7))
    np.savez("theirs.npz", maps=maps, ids=np.array([f"{clip}.mp4" for clip in CLIPS[:3]]))
    rows = (f"ours={SCENES}", "theirs.npz")
    assert avloc("figure", "localization", *rows, "--count", "2", "--out", "out/three") == 0
    assert capsys.readouterr().out == "out/three.pdf, out/three.png\n"
    first = [Path(f"out/three.{ending}").read_bytes() for ending in ("pdf", "png")]
    assert first[0].startswith(b"%PDF")
    with Image.open("out/three.png") as picture:
        assert picture.width / picture.height == pytest.approx(2.32 / 3.37, abs=0.01)
    assert avloc("figure", "localization", *rows, "--count", "2", "--out", "out/three") == 0
    assert [Path(f"out/three.{ending}").read_bytes() for ending in ("pdf", "png")] == first

    capsys.readouterr()
    unknown = ("figure", "localization", SCENES, "--sample", CLIPS[4])
    assert avloc(*unknown) == 1
    assert f"sample '{CLIPS[4]}': the benchmark has none" in capsys.readouterr().err
    assert avloc("figure", "sounds", *rows) == 1
    assert f"holds no map of sample {CLIPS[0]}+{CLIPS[3]}" in capsys.readouterr().err
    assert avloc("figure", "ogl", "theirs.npz") == 1
    assert "--on has to name one" in capsys.readouterr().err
    assert {path.name for path in Path("out").iterdir()} == {"three.pdf", "three.png"}


def test_rows_of_other_studies(
    project: Path, avloc: Avloc, capsys: pytest.CaptureFixture[str]
) -> None:
    content = yaml.safe_load(Path("params.yaml").read_text())
    mine = {**content["active"], "runs": {"theirs": {}, "unmade": {}}}
    content["studies"] = {"mine": {**mine, "tests": {"toy": ["scenes"]}}}
    content["active"]["tests"] = {"toy": ["scenes"]}
    Path("params.yaml").write_text(yaml.safe_dump(content))
    Path("data/results/toy/alignment-full-0").rename("data/results/toy/alignment-theirs-0")
    theirs, unmade = "alignment-theirs-0/scenes", "toy/alignment-unmade-0/scenes"
    assert avloc("figure", "localization", theirs, "--count", "2", "--out", "f") == 0
    assert capsys.readouterr().out == "f.pdf, f.png\n"
    assert avloc("figure", "localization", unmade) == 1
    assert capsys.readouterr().err == (
        "error: data/results/toy/alignment-unmade-0/toy/details/scenes: not found; `dvc repro` "
        f"makes it where the study of {unmade} is the active one\n"
    )
    for arguments in (["nobody"], [theirs, "--on", "nobody"]):
        assert avloc("figure", "localization", *arguments) == 1
        assert capsys.readouterr().err == (
            "error: params.yaml: no study has an evaluation 'nobody', expected <run>/<benchmark>, "
            "one of toy/alignment-full-0/scenes, toy/alignment-theirs-0/scenes, "
            "toy/alignment-unmade-0/scenes\n"
        )


@pytest.mark.parametrize("value", [np.nan, -np.inf, 1e300])
def test_maps_that_are_not_finite_are_not_drawn(
    value: float, project: Path, avloc: Avloc, capsys: pytest.CaptureFixture[str]
) -> None:
    maps = np.random.default_rng(1).random((3, 7, 7))
    maps[1, 2, 3] = value
    np.savez("theirs.npz", maps=maps, ids=np.array(CLIPS[:3]))
    assert avloc("figure", "localization", "theirs.npz", "--on", SCENES, "--out", "f") == 1
    assert capsys.readouterr().err == (
        f"error: theirs.npz: map of {CLIPS[1]}: found NaN or infinity, expected finite values\n"
    )
    assert not Path("f.png").exists()


def test_one_frame_under_several_sounds(
    project: Path, avloc: Avloc, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("sounds", SCENES, "--sample", CLIPS[1], "--page", "five.html")
    assert avloc("figure", *arguments, "--out", "five") == 0
    page = Path("five.html").read_text()
    (text,) = re.findall(r'<script type="application/json" id="scenes">(.*)</script>', page)
    (scene,) = json.loads(text)
    assert [sound["label"] for sound in scene["sounds"]] == ["dog", "cat"]
    assert scene["sounds"][0]["uri"].startswith("data:audio/mpeg")
    assert scene["sounds"][1]["uri"] is None  # its media are absent
    assert scene["shape"] == 1.333 and all(sound["truth"] for sound in scene["sounds"])
    own = scene["sounds"][0]["maps"][0]
    # 40 steps of 256 samples behind a window of 512 are 0.66 s, seven moments.
    assert own["size"] == [4, 4]
    cells = np.frombuffer(base64.b64decode(own["cells"]), np.uint8)
    assert len(cells) == 7 * 16 and (cells.min(), cells.max()) == (0, 255)
    assert not re.search(r"""(src|href)=["']?(http|//)""", page)
    assert 'element("legend", choices' in page  # names the group of its radio buttons
    capsys.readouterr()


def test_made_sounds_have_their_map_and_no_player(project: Path, avloc: Avloc) -> None:
    annotations = Path("data/toys/toy/annotations")
    boxes = [
        {"file": clip, "class": "ab"[n % 2], "bbox": [[0, 0, 0.5, 1]]}
        for n, clip in enumerate(CLIPS[:3])
    ]
    (annotations / "vggss.json").write_text(json.dumps(boxes))
    corpus = DecodedCorpus(Path("data/decoded/toy"))
    samples = open_benchmark("negatives", annotations, corpus).samples
    details = Path(RESULTS) / "details/negatives"
    ids = [sample.sample_id for sample in samples]
    write_parquet(details / "samples.parquet", pa.table({"sample_id": ids}))
    maps = np.random.default_rng(0).random((len(ids), 4, 4), np.float32)
    write_npy(details / "maps.npy", maps)
    assert (
        avloc(
            "figure", "sounds", "alignment-full-0/negatives", "--count", "1", "--page", "five.html"
        )
        == 0
    )
    text = re.findall(r'id="scenes">(.*)</script>', Path("five.html").read_text())[0]
    sounds = {sound["label"]: sound for sound in json.loads(text)[0]["sounds"]}
    for name, moments in (("silence", 1), ("noise", 1), (CLIPS[0], 3)):
        cells = base64.b64decode(sounds[name]["maps"][0]["cells"])
        assert len(cells) == 16 * moments
        assert (sounds[name]["uri"] is None) == (moments == 1)


def test_a_page_that_cannot_be_made_leaves_no_figure(
    project: Path, avloc: Avloc, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("data/runs/toy/alignment-full-0/weights.safetensors").write_bytes(b"damaged")
    assert avloc("figure", "sounds", SCENES, "--out", "f", "--page", "five.html") == 1
    assert "data/runs/toy/alignment-full-0/weights.safetensors: " in capsys.readouterr().err
    assert not {"f.pdf", "f.png", "five.html"} & {path.name for path in project.iterdir()}


@pytest.mark.parametrize(("stored", "shown"), [(40.0, 30.0), (10.0, 10.0)])
def test_what_is_played_is_what_is_mapped(
    stored: float, shown: float, project: Path, avloc: Avloc
) -> None:
    store(second=round((stored * 16000 - 512) / 256) + 1)
    clip = Path(f"data/toys/toy/vggsound/{CLIPS[1]}.mp4")
    write_media(clip, seconds=40, rate=1, sound=tones(40, 16000))
    arguments = ("sounds", SCENES, "--sample", CLIPS[1], "--page", "five.html")
    assert avloc("figure", *arguments) == 0
    text = re.findall(r'id="scenes">(.*)</script>', Path("five.html").read_text())[0]
    own = json.loads(text)[0]["sounds"][0]
    moments = len(base64.b64decode(own["maps"][0]["cells"])) / 16
    assert moments * INTERVAL == pytest.approx(shown, abs=0.11)
    Path("own.mp3").write_bytes(base64.b64decode(own["uri"].split(",")[1]))
    heard = read_sound(Path("own.mp3")).samples
    assert len(heard) / 16000 == pytest.approx(shown, abs=0.2)


def test_a_long_sound_is_mapped_around_its_middle(tmp_path: Path, localizer: Alignment) -> None:
    corpus = corpus_in(tmp_path / "long", second=250)
    whole = localize_stored(localizer, corpus, CLIPS[0], CLIPS[1])
    middle = localize_stored(localizer, corpus, CLIPS[0], CLIPS[1], 2.0)
    assert (len(whole), len(middle)) == (40, 20)
    # 2.0 s are 124 of 250 steps, of which 63 come before.
    frames = corpus.frame(0)[None]
    cut = make_corpus(
        tmp_path / "cut", frames, [corpus.spectrogram(1, 63, 124)], 1, ["a"], form=FORM
    )
    np.testing.assert_array_equal(middle, localize_stored(localizer, cut, "a", "a"))
