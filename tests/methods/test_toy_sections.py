"""Every method of the study `methods` begins with the toy's own settings, and where it begins
with ImageNet's network, with the one that the toy's encoder stage trains."""

from pathlib import Path

import pytest
import timm
import torch
import yaml

from pipeline.base.params import Parameters
from pipeline.clips.sound_form import SoundForm
from pipeline.methods.common.sections import method_settings
from pipeline.methods.common.two_resnets import TwoResNets
from pipeline.networks.weights import read_state, save_torch
from pipeline.toy.encoders import BLOCKS, CHANNELS
from pipeline.toy.stand_ins import check_stand_ins, small_resnet, small_vgg, small_vggish
from pipeline.train.begin import begin

ROOT = Path(__file__).resolve().parents[2]
STUDIES = yaml.safe_load((ROOT / "params.yaml").read_text())["studies"]
METHODS = STUDIES["methods"]["methods"]


def save_stand_ins(folder: Path, bins: int) -> None:
    """The image encoder's and the stand-ins' files as stages/encoders.py leaves them, untrained."""
    vgg = {f"features.{key}": tensor for key, tensor in small_vgg().state_dict().items()}
    save_torch(folder / "vgg.pth", vgg)
    save_torch(folder / "vggish.pth", small_vggish(bins).state_dict())
    save_torch(folder / "vision.pth", small_resnet().state_dict())
    image = timm.create_model("resnet18", num_classes=9, layers=BLOCKS, channels=CHANNELS)
    save_torch(folder / "image.pth", image.state_dict())


@pytest.mark.parametrize("name", METHODS)
def test_it_begins_and_hears_its_form(name: str, tmp_path: Path) -> None:
    parameters = Parameters(ROOT / "params.yaml")
    settings, _ = method_settings(parameters, "toy", name, {})
    form = parameters.read(f"toy.forms.{name}", SoundForm)
    save_stand_ins(tmp_path, form.bins)
    method = begin(name, settings, form, 0, tmp_path)
    assert method.training and method.form == form and method.inputs()
    if isinstance(method, TwoResNets) and settings.vision == "imagenet":
        expected = read_state(tmp_path / "image.pth")["conv1.weight"]
        assert torch.equal(method.imgnet.conv1.weight, expected)


def test_the_journal_s_vision_begins_with_the_stand_in(tmp_path: Path) -> None:
    parameters = Parameters(ROOT / "params.yaml")
    changes = STUDIES["toy-journal"]["runs"]["vision"]
    settings, _ = method_settings(parameters, "toy", "alignment", changes)
    form = parameters.read("toy.forms.alignment", SoundForm)
    save_stand_ins(tmp_path, form.bins)
    method = begin("alignment", settings, form, 0, tmp_path)
    expected = read_state(tmp_path / "vision.pth")
    for key, tensor in method.imgnet.state_dict().items():
        assert torch.equal(tensor, expected[key]), key


@pytest.mark.parametrize("study", ["methods", "toy-journal"])
def test_a_study_with_stand_ins_has_a_folder_of_its_own(study: str) -> None:
    named = STUDIES[study]["encoders"]["stand_ins"]
    check_stand_ins(named)
    used = [s["weights"] for key, s in STUDIES.items() if key != study]
    assert STUDIES[study]["weights"] not in used
