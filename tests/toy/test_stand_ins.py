"""What the toy's encoder stage trains where a study asks for it: files that the real loaders take,
frozen networks that have learnt something, and the stage that asks."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from made_corpus import make_corpus
from test_toy_encoders import LABELS, made_frames

from pipeline.base.params import Parameters
from pipeline.clips.sound_form import SoundForm
from pipeline.errors import InputError
from pipeline.methods.common.sections import method_settings
from pipeline.networks.weights import read_state, save_torch
from pipeline.toy.settings import Encoders
from pipeline.toy.stand_ins import Material, train_stand_in
from pipeline.train.begin import begin
from stages import encoders as stage

ROOT = Path(__file__).resolve().parents[2]
BINS = 64


def made_sounds() -> np.ndarray:
    """Log-spectrograms of 64 bands with a line at one of three of them."""
    sounds = np.random.default_rng(1).normal(-8, 1, (len(LABELS), 60, BINS))
    for row, label in enumerate(LABELS):
        sounds[row, :, 8 + 20 * label : 12 + 20 * label] += 6
    return sounds.astype(np.float16)


def _material(work: Path) -> Material:
    return Material(made_frames(), made_sounds(), 12.0, LABELS, False, work)


@pytest.mark.parametrize(("name", "epochs"), [("vision", 6), ("vgg", 15), ("vggish", 20)])
def test_labelled_stand_ins_learn(name: str, epochs: int, tmp_path: Path) -> None:
    values = Encoders(seed=1, image_epochs=epochs, audio_epochs=1, threads=1)
    _, said = train_stand_in(name, _material(tmp_path), values)
    assert list(said) == [f"{name}_accuracy"] and said[f"{name}_accuracy"] > 60  # chance is 33


@pytest.mark.parametrize("method", ["sspl", "sspl_pcm"])
def test_sspl_begins_with_the_toy_s_files(method: str, tmp_path: Path) -> None:
    values = Encoders(seed=1, image_epochs=1, audio_epochs=1, threads=1)
    for name in ("vgg", "vggish"):
        state, _ = train_stand_in(name, _material(tmp_path / "work"), values)
        save_torch(tmp_path / f"{name}.pth", state)
    parameters = Parameters(ROOT / "params.yaml")
    settings, _ = method_settings(parameters, "toy", method, {})
    form = parameters.read(f"toy.forms.{method}", SoundForm)
    begun = begin(method, settings, form, 0, tmp_path)
    assert (begun.pcm is not None) == (method == "sspl_pcm") and begun.map_size() == (14, 14)
    expected = read_state(tmp_path / "vgg.pth")
    for key, tensor in begun.frame["feat_extractor"].state_dict().items():
        assert torch.equal(tensor, expected[f"features.{key}"])
    heard = read_state(tmp_path / "vggish.pth")
    assert torch.equal(begun.sound.embeddings[4].weight, heard["embeddings.4.weight"])


def test_a_name_that_is_none_is_refused(tmp_path: Path) -> None:
    values = Encoders(seed=1, image_epochs=1, audio_epochs=1, threads=1)
    with pytest.raises(InputError, match="stand_ins: 'resnet': expected one of pictures_alone, "):
        train_stand_in("resnet", _material(tmp_path), values)


def test_the_stage_trains_what_the_study_asks_for_and_the_pair_as_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text())
    content["toy"]["encoders"] |= {"image_epochs": 1, "audio_epochs": 1, "alone_epochs": 1}
    content["toy"]["encoders"]["threads"] = 1
    decoded = tmp_path / "data/decoded/toy"
    sounds = list(made_sounds()[:24])
    for encoder in ("vggsound", "sounds_alone"):
        heard = tmp_path / "data/spectrograms/toy" / encoder
        made = make_corpus(decoded, made_frames()[:24], sounds, spectrograms=heard)
    rows = "".join(f"{clip},{'abc'[n % 3]}\n" for n, clip in enumerate(made.clip_ids))
    (tmp_path / "data/toys/toy/lists").mkdir(parents=True)
    (tmp_path / "data/toys/toy/lists/labelled.csv").write_text(rows)
    monkeypatch.chdir(tmp_path)
    files: dict[str, dict[str, bytes]] = {}
    for study in ("toy", "toy-journal"):
        content["active"] = content["studies"][study]
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
        stage.encoders("toy")
        folder = tmp_path / content["active"]["weights"]
        files[study] = {path.name: path.read_bytes() for path in folder.iterdir()}
    usual = {"image.pth", "H.pth.tar", "summary.json"}
    assert set(files["toy"]) == usual
    further = {"pictures_alone.pth", "sounds_alone.pth", "vision.pth"}
    assert set(files["toy-journal"]) == usual | further
    for name in ("image.pth", "H.pth.tar"):
        assert files["toy"][name] == files["toy-journal"][name], name
    said = json.loads(files["toy-journal"]["summary.json"])
    assert said.keys() >= {"image_accuracy", "pictures_alone_loss", "vision_accuracy"}
