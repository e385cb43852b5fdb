"""Every method of the study `toy-methods` begins with the toy's own settings."""

from pathlib import Path

import pytest
import yaml

from pipeline.base.params import Parameters
from pipeline.clips.spectrogram import SoundForm
from pipeline.methods.common.sections import method_settings
from pipeline.train.begin import begin

ROOT = Path(__file__).resolve().parents[2]
METHODS = yaml.safe_load((ROOT / "params.yaml").read_text())["studies"]["toy-methods"]["methods"]


@pytest.mark.parametrize("name", METHODS)
def test_it_begins_and_hears_its_form(name: str, tmp_path: Path) -> None:
    parameters = Parameters(ROOT / "params.yaml")
    settings, _ = method_settings(parameters, "toy", name, {})
    form = parameters.read(f"toy.forms.{name}", SoundForm)
    method = begin(name, settings, form, 0, tmp_path)  # no weight file lies there
    assert method.training and method.form == form and method.inputs()
