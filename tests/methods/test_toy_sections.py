"""Every method of the study `toy-methods` begins with the toy's own settings, and where it begins
with ImageNet's network, with the one that the toy's encoder stage trains."""

from pathlib import Path

import pytest
import timm
import torch
import yaml

from pipeline.base.params import Parameters
from pipeline.clips.spectrogram import SoundForm
from pipeline.methods.common.sections import method_settings
from pipeline.methods.common.two_resnets import TwoResNets
from pipeline.networks.weights import save_torch
from pipeline.toy.encoders import BLOCKS, CHANNELS
from pipeline.train.begin import begin

ROOT = Path(__file__).resolve().parents[2]
METHODS = yaml.safe_load((ROOT / "params.yaml").read_text())["studies"]["toy-methods"]["methods"]


@pytest.mark.parametrize("name", METHODS)
def test_it_begins_and_hears_its_form(name: str, tmp_path: Path) -> None:
    parameters = Parameters(ROOT / "params.yaml")
    settings, _ = method_settings(parameters, "toy", name, {})
    form = parameters.read(f"toy.forms.{name}", SoundForm)
    network = timm.create_model("resnet18", num_classes=9, layers=BLOCKS, channels=CHANNELS)
    save_torch(tmp_path / "image.pth", network.state_dict())  # as stages/encoders.py leaves it
    method = begin(name, settings, form, 0, tmp_path)
    assert method.training and method.form == form and method.inputs()
    if settings.vision == "imagenet":
        assert isinstance(method, TwoResNets)
        assert torch.equal(method.imgnet.conv1.weight, network.conv1.weight)
