"""The authors' weight file of each method, taken for a run and scored as one, and asked about
media; and what the command line says of a file that it cannot place."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from data_project import MINI, TRAIN_ON, avloc, off_the_network, project, save_image_network
from made_corpus import make_corpus
from made_media import tones, write_media
from made_published import (
    KINDS,
    METHODS,
    SAME,
    TILED,
    Published,
    made_networks,
    save_published,
)

from pipeline.base.files import read_parquet
from pipeline.base.params import Parameters
from pipeline.clips.sound_form import SoundForm
from pipeline.clips.spectrogram import to_spectrogram
from pipeline.errors import InputError
from pipeline.media.file import read_picture, read_sound
from stages import evaluate, load, tests

__all__ = ["off_the_network"]  # a fixture

FORM = SoundForm(window=64, hop=32)
STEPS, SIDE, BOXES = 30, 64, [0.4, 0.5, 0.6, 0.7]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A narrow file of each method."""
    folder = tmp_path_factory.mktemp("files")
    return {name: save_published(folder, name, made_networks(name)) for name in METHODS}


@pytest.fixture
def mini(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, Path]) -> Path:
    """A project of four decoded clips with a VGG-SS, whose study tests the methods' files."""
    content = project(
        tmp_path,
        "toy",
        toys=[],
        moving=[],
        corpora={"mini": MINI},
        weights="data/weights",
        annotations="data/annotations",
        train_on=TRAIN_ON,
        published={
            name: {"method": name, "weights": str(path), "list": "list.txt"}
            for name, path in files.items()
        },
        tests={"mini": ["vggss"]},
    )
    for name in METHODS:
        content["toy"]["forms"][name] = {"window": FORM.window, "hop": FORM.hop}
        strides = list(KINDS[name].strides)
        fed = {"strides": strides, "side": SIDE, "seconds": FORM.seconds(STEPS)}
        content["toy"]["methods"][name] = fed
    # As many steps as SSL-TIE's ten seconds have.
    content["toy"]["methods"]["ssltie"]["repeated_to"] = FORM.seconds(TILED)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    for path in (tmp_path / "data/annotations").glob("*.dvc"):
        path.unlink()
    entries = [
        {"file": f"clip{n:02d}", "class": "dog", "bbox": [[0, 0, 0.5, bottom]]}
        for n, bottom in enumerate(BOXES)
    ]
    (tmp_path / "data/annotations/vggss.json").write_text(json.dumps(entries))
    (tmp_path / "list.txt").write_text("clip03\nother\n")
    save_image_network(tmp_path / "data/weights")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def decode_for(name: str) -> None:
    """The corpus as its stages leave it for a method."""
    frames, sounds = clips()
    spectrograms = Path(f"data/spectrograms/mini/{name}")
    make_corpus(Path("data/decoded/mini"), frames, sounds, spectrograms=spectrograms, form=FORM)


def clips() -> tuple[np.ndarray, list[np.ndarray]]:
    """Frames of the network's side, and spectrograms of the window's length."""
    generator = np.random.default_rng(0)
    frames = generator.integers(0, 256, (len(BOXES), SIDE, SIDE, 3)).astype(np.uint8)
    return frames, [generator.normal(-9, 3, (STEPS, FORM.bins)) for _ in BOXES]


def networks_of(name: str) -> Published:
    """The networks in a method's file. SSL-TIE's are fed as they are stored, since its form is in
    dB and the made one is not: so divided by 12 as any other logarithm."""
    networks = made_networks(name)
    if name == "ssltie":
        as_stored = networks.fed
        networks.fed = lambda sounds: as_stored(sounds) / 12  # type: ignore[method-assign]
    return networks


@pytest.mark.parametrize("name", METHODS)
def test_a_published_file_is_scored_like_any_run(
    mini: Path, files: dict[str, Path], name: str
) -> None:
    decode_for(name)
    load.load(name)
    run = mini / f"data/runs/mini/{name}"
    assert json.loads((run / "run.json").read_text())["method"] == name
    tests.tests("mini")
    evaluate.evaluate(name, "mini")
    results = mini / f"data/results/mini/{name}/mini"
    found = np.load(results / "details/vggss/maps.npy")
    frames, sounds = clips()
    stored = torch.from_numpy(np.stack(sounds).astype(np.float16))
    expected = networks_of(name).maps(torch.from_numpy(frames), stored)
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)
    # The share of maps whose upper half covers the box to an IoU of 0.5.
    large = torch.nn.functional.interpolate(expected[:, None], (224, 224), mode="bilinear")
    overlaps = []
    for heat, bottom in zip(large[:, 0].numpy(), BOXES, strict=True):
        predicted = heat > np.sort(heat.ravel())[heat.size // 2]
        truth = np.zeros((224, 224), bool)
        truth[: int(224 * bottom), :112] = True
        overlaps.append((predicted & truth).sum() / (predicted | truth).sum())
    metrics = json.loads((results / "metrics.json").read_text())["vggss"]
    assert metrics["cIoU"] == pytest.approx(100 * np.mean(np.array(overlaps) >= 0.5))
    samples = read_parquet(results / "details/vggss/samples.parquet")["iou"].to_numpy()
    np.testing.assert_allclose(samples, overlaps, atol=2e-3)  # a pixel at the threshold
    assert (metrics["samples"], metrics["leaked_clips"]) == (4, 1)
    # The same file without a run.
    arguments = ["--weights", str(files[name]), "--method", name, "--benchmark", "vggss"]
    done = avloc("evaluate", *arguments, "--trained-on", "list.txt")
    assert json.loads(done.stdout) == metrics


@pytest.mark.parametrize("name", METHODS)
def test_media_are_asked_about_in_the_paper_s_form(
    mini: Path, files: dict[str, Path], name: str
) -> None:
    picture = write_media(mini / "picture.mp4", seconds=0.5, size=(64, 48))
    sound = write_media(
        mini / "sound.wav", size=None, sound=tones(11.0, 16000), audio_codec="pcm_s16le"
    )
    path = str(files[name])
    asked = ["localize", "--image", str(picture), "--audio", str(sound), "--weights", path]
    done = avloc(*asked, "--method", name, "--out", "map.png")
    assert done.exit_code == 0, done.exception
    form = Parameters(mini / "params.yaml").read(f"paper.forms.{name}", SoundForm)
    samples = torch.from_numpy(read_sound(sound, sample_rate=form.sample_rate).samples)
    steps = form.steps(3.0)
    start = (len(samples) - form.samples(steps)) // 2
    window = to_spectrogram(samples[start : start + form.samples(steps)], form).T[None]
    frame = torch.from_numpy(read_picture(picture, side=224).frame.copy())[None]
    heat = made_networks(name).maps(frame, window)[0].numpy()
    row, column = divmod(int(heat.argmax()), heat.shape[1])
    across, down = (100 * (place + 0.5) / len(heat) for place in (column, row))
    assert f"({across:.0f} % from the left, {down:.0f} % from the top)" in done.stdout
    assert f"cosine {heat.max():.2f}," in done.stdout and (mini / "map.png").is_file()
    guessed = avloc(*asked, "--out", "map.png")
    if name in ("slavc", "ssltie"):
        assert guessed.stdout == done.stdout
    elif name != "heartheflow":
        assert isinstance(guessed.exception, InputError)
        message = str(guessed.exception)
        assert message.startswith(f"{path}: the entries of ") and "expected --method " in message
        named = SAME if name in SAME else ("alignment", "lvs")
        assert all(other in message for other in named) and "\n" not in message


def test_a_file_of_another_method_is_no_run(mini: Path, files: dict[str, Path]) -> None:
    published = yaml.safe_load((mini / "params.yaml").read_text())
    published["active"]["published"]["slavc"]["weights"] = str(files["lvs"])
    (mini / "params.yaml").write_text(yaml.safe_dump(published, sort_keys=False))
    with pytest.raises(InputError, match=r"tar: holds the entries of alignment or lvs, expected"):
        load.load("slavc")
    asked = ["evaluate", "--weights", str(files["lvs"]), "--benchmark", "vggss"]
    with pytest.raises(InputError, match=r"tar: the entries of alignment or lvs have the same"):
        raise avloc(*asked).exception  # type: ignore[misc]
    with pytest.raises(InputError, match=r"tar: holds the entries of alignment or lvs, expected"):
        raise avloc(*asked, "--method", "fnac").exception  # type: ignore[misc]
