"""params.yaml: values come back typed; what is wrong is named by its path."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from pipeline.base.params import Parameters
from pipeline.base.study import Study, all_studies
from pipeline.clips.sound_form import SoundForm
from pipeline.corpora.layouts import reader_names
from pipeline.decode.settings import Decode
from pipeline.errors import InputError
from pipeline.evaluate.settings import Evaluate
from pipeline.execution.settings import Execution
from pipeline.methods.alignment import AlignmentSettings
from pipeline.methods.common.sections import method_settings
from pipeline.methods.contract import load_method
from pipeline.neighbours.settings import Neighbours
from pipeline.train.settings import Train

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def content() -> dict[str, Any]:
    """params.yaml's content, through JSON, so that what its parts share is written out."""
    return json.loads(json.dumps(yaml.safe_load((ROOT / "params.yaml").read_text())))


def _parameters(tmp_path: Path, content: dict[str, Any]) -> Parameters:
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(content))
    return Parameters(path)


def _read(
    tmp_path: Path, content: dict[str, Any], key: str, kind: type, *overrides: dict[str, Any]
) -> Any:
    return _parameters(tmp_path, content).read(key, kind, *overrides)


def test_the_papers_values() -> None:
    parameters = Parameters(ROOT / "params.yaml")
    train = parameters.read("paper.train", Train)
    assert (train.epochs, train.learning_rate, train.schedule, train.batch) == (
        50,
        1e-4,
        "constant",
        128,
    )
    method = parameters.read("paper.methods.alignment", AlignmentSettings)
    assert (method.temperature, method.k, method.pooling) == (0.07, 1000, "mean")
    assert method.semantic and method.multi_view and method.feature_alignment
    assert not method.symmetric and not method.synthetic_negatives
    assert (method.side, method.seconds) == (224, 3.0)
    assert method.blocks == [2, 2, 2, 2] and method.strides == [1, 2, 2, 1]
    form = parameters.read("paper.forms.alignment", SoundForm)
    assert (form.sample_rate, form.window, form.hop, form.bands) == (16000, 512, 159, 0)
    assert form.steps(3.0) == 299


def test_every_study_is_valid(tmp_path: Path, content: dict[str, Any]) -> None:
    parameters = _parameters(tmp_path, content)
    assert len(all_studies(parameters)) == len(content["studies"])
    for study in all_studies(parameters).values():
        world = study.settings
        assert study.train_on.corpus in study.corpora and set(study.tests) <= set(study.corpora)
        for method in study.methods:
            form = parameters.read(f"{world}.forms.{method}", SoundForm)
            for changes in study.runs.values():
                own, loops = method_settings(parameters, world, method, changes)
                parameters.read(f"{world}.train", Train, *loops)
                with torch.device("meta"):  # the shapes alone
                    load_method(method)(own, form)
        for corpus in study.corpora.values():
            parameters.read(f"{world}.decode", Decode, corpus.decode)
            assert corpus.reader in reader_names()
        parameters.read(f"{world}.evaluate", Evaluate)


def test_the_ablations_of_table_8(tmp_path: Path, content: dict[str, Any]) -> None:
    parameters = _parameters(tmp_path, content)
    study = parameters.read("studies.ablations", Study)
    full = parameters.read("paper.methods.alignment", AlignmentSettings)
    switches = {}
    for name, changes in study.runs.items():
        own, loops = method_settings(parameters, "paper", "alignment", changes)
        switches[name] = (own.semantic, own.multi_view, own.feature_alignment)
        assert replace(own, semantic=True, multi_view=True, feature_alignment=True) == full
        assert not loops
    assert switches == {
        "full": (True, True, True),
        "B": (True, True, False),
        "C": (True, False, True),
        "D": (True, False, False),
        "E": (False, True, True),
        "F": (False, True, False),
        "G": (False, False, True),
        "H": (False, False, False),
    }


def test_a_run_changes_its_methods_section_and_the_loop(
    tmp_path: Path, content: dict[str, Any]
) -> None:
    content["toy"]["methods"]["alignment"]["train"] = {"epochs": 7, "batch": 10}
    parameters = _parameters(tmp_path, content)
    changes = {"projection_layers": 1, "train": {"batch": 20}}
    own, loops = method_settings(parameters, "toy", "alignment", changes)
    assert own.projection_layers == 1 and own.k == content["toy"]["methods"]["alignment"]["k"]
    train = parameters.read("toy.train", Train, *loops)
    assert (train.epochs, train.batch) == (7, 20)  # the run's word is the last
    assert train.learning_rate == content["toy"]["train"]["learning_rate"]
    with pytest.raises(InputError, match=r"toy\.methods\.alignment\.temprature: unknown key"):
        method_settings(parameters, "toy", "alignment", {"temprature": 0.1})
    with pytest.raises(
        InputError, match=r"toy\.methods\.alignement: not found; toy\.methods holds"
    ):
        method_settings(parameters, "toy", "alignement", {})
    content["toy"]["methods"]["alignement"] = {}
    said = r"params\.yaml: toy\.methods\.alignement: method 'alignement': expected one of alignment"
    with pytest.raises(InputError, match=said):
        method_settings(_parameters(tmp_path, content), "toy", "alignement", {})


def test_an_override_reaches_nested_keys(tmp_path: Path, content: dict[str, Any]) -> None:
    override = {"seeds": [5], "train_on": {"search": "mine"}}
    study = _read(tmp_path, content, "active", Study, override)
    assert study.seeds == [5] and study.train_on.search == "mine"
    assert study.train_on.list == content["active"]["train_on"]["list"]


def test_numbers_as_experiments_write_them(tmp_path: Path, content: dict[str, Any]) -> None:
    content["toy"]["train"]["learning_rate"] = "1e-05"
    assert _read(tmp_path, content, "toy.train", Train).learning_rate == 1e-5


@pytest.mark.parametrize(
    ("section", "key", "value", "said"),
    [
        ("train", "epochs", 0, "found 0, expected >= 1"),
        ("train", "epochs", "many", "found 'many', expected a whole number"),
        ("train", "epochs", True, "found True, expected a whole number"),
        ("train", "epochs", 1.5, "found 1.5, expected a whole number"),
        ("train", "learning_rate", float("nan"), "found nan, expected a finite number"),
        ("train", "learning_rate", None, "found None, expected a finite number"),
        ("train", "learning_rate", -1, "found -1, expected >= 1e-12"),
        ("train", "epoch", 3, "unknown key, expected one of epochs, batch"),
        (
            "methods.alignment",
            "pooling",
            "median",
            "found 'median', expected one of mean, masked, trimap, top, softmax, max",
        ),
        ("methods.alignment", "pooling_share", 2, "found 2, expected 1e-06 to 1"),
        ("methods.alignment", "semantic", "yes", "found 'yes', expected true or false"),
        ("methods.alignment", "blocks", {}, "found {}, expected a list"),
        ("forms", "alignment", [], r"found \[\], expected a mapping"),
    ],
)
def test_a_wrong_value_is_named(
    tmp_path: Path, content: dict[str, Any], section: str, key: str, value: Any, said: str
) -> None:
    place = content["toy"]
    for part in section.split("."):
        place = place[part]
    place[key] = value
    kinds = {"train": Train, "methods.alignment": AlignmentSettings, "forms": dict[str, SoundForm]}
    with pytest.raises(InputError, match=rf"params\.yaml: toy\.{section}\.{key}: {said}"):
        _read(tmp_path, content, f"toy.{section}", kinds[section])  # type: ignore[arg-type]


def test_the_engine_is_local_unless_chosen(tmp_path: Path, content: dict[str, Any]) -> None:
    assert _read(tmp_path, content, "execution", Execution) == Execution("local", None)
    content["execution"] = {"engine": "ray", "address": "head:6379"}
    assert _read(tmp_path, content, "execution", Execution) == Execution("ray", "head:6379")
    content["execution"]["engine"] = "spark"
    with pytest.raises(InputError, match="engine: found 'spark', expected one of local, ray"):
        _read(tmp_path, content, "execution", Execution)
    content["execution"] = {"engine": "ray", "address": 6379}
    with pytest.raises(InputError, match=r"execution\.address: found 6379, expected text"):
        _read(tmp_path, content, "execution", Execution)


def test_contradictions_are_named(tmp_path: Path, content: dict[str, Any]) -> None:
    content["toy"]["methods"]["alignment"]["blocks"] = [1]
    key = "toy.methods.alignment"
    with pytest.raises(InputError, match=rf"{key}: blocks, channels and strides hold 1, 4"):
        _read(tmp_path, content, key, AlignmentSettings)
    content["toy"]["decode"]["max_seconds"] = 1.0
    with pytest.raises(
        InputError, match=r"toy\.decode: max_seconds is 1, expected at least seconds"
    ):
        _read(tmp_path, content, "toy.decode", Decode)


def test_a_missing_key_is_named(tmp_path: Path, content: dict[str, Any]) -> None:
    del content["toy"]["decode"]["side"]
    with pytest.raises(InputError, match=r"toy\.decode\.side: missing"):
        _read(tmp_path, content, "toy.decode", Decode)
    with pytest.raises(InputError, match=r"paper.nothing: not found; paper holds: decode"):
        _read(tmp_path, content, "paper.nothing", Neighbours)


def test_a_key_that_is_not_there_takes_the_default_beside_the_code(
    tmp_path: Path, content: dict[str, Any]
) -> None:
    del content["toy"]["train"]["epochs"]
    assert _read(tmp_path, content, "toy.train", Train).epochs == Train().epochs


def test_a_file_that_is_not_yaml(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    with pytest.raises(InputError, match="not found"):
        Parameters(path)
    path.write_text("train: [1, 2")
    with pytest.raises(InputError, match="expected YAML"):
        Parameters(path)
    path.write_text("train: !!python/object/apply:os.getcwd []")
    with pytest.raises(InputError, match="expected YAML"):
        Parameters(path)
