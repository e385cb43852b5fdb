"""params.yaml: values come back typed; what is wrong is named by its path."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from pipeline.base.params import Decode, Execution, Neighbours, Parameters, Study, Train
from pipeline.errors import InputError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def content() -> dict:
    return yaml.safe_load((ROOT / "params.yaml").read_text())


def _read(tmp_path: Path, content: dict, key: str, kind: type, override: dict | None = None):
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(content))
    return Parameters(path).read(key, kind, override)


def test_the_papers_values() -> None:
    train = Parameters(ROOT / "params.yaml").read("paper.train", Train)
    assert (train.epochs, train.learning_rate, train.temperature, train.k) == (50, 1e-4, 0.07, 1000)
    assert (train.pooling, train.schedule, train.batch) == ("mean", "constant", 128)
    assert train.semantic and train.multi_view and train.feature_alignment and not train.symmetric
    assert train.network.blocks == [2, 2, 2, 2] and train.network.strides == [1, 2, 2, 1]
    decode = Parameters(ROOT / "params.yaml").read("paper.decode", Decode)
    assert (decode.sample_rate, decode.window, decode.hop, decode.bands) == (16000, 512, 159, 0)


def test_every_study_is_valid(tmp_path: Path, content: dict) -> None:
    for name in content["studies"]:
        study = _read(tmp_path, content, f"studies.{name}", Study)
        for run in study.runs.values():
            assert run.corpus in study.corpora and run.search in study.searches
            _read(tmp_path, content, run.train, Train, run.override)
        for corpus in study.corpora.values():
            _read(tmp_path, content, corpus.decode, Decode, corpus.override)
        for evaluation in study.evaluations.values():
            assert evaluation.run in study.runs and evaluation.ground.corpus in study.corpora


def test_the_ablations_of_table_8(tmp_path: Path, content: dict) -> None:
    study = _read(tmp_path, content, "studies.ablations", Study)
    full = _read(tmp_path, content, "paper.train", Train)
    switches = {}
    for name, run in study.runs.items():
        train = _read(tmp_path, content, run.train, Train, run.override)
        switches[name] = (train.semantic, train.multi_view, train.feature_alignment)
        assert replace(train, semantic=True, multi_view=True, feature_alignment=True) == full
    assert switches == {
        "vggsound-144k": (True, True, True),
        "B": (True, True, False),
        "C": (True, False, True),
        "D": (True, False, False),
        "E": (False, True, True),
        "F": (False, True, False),
        "G": (False, False, True),
        "H": (False, False, False),
    }


def test_an_override_reaches_nested_keys(tmp_path: Path, content: dict) -> None:
    override = {"seed": 5, "network": {"projection_layers": 2}}
    train = _read(tmp_path, content, "train", Train, override)
    assert train.seed == 5 and train.network.projection_layers == 2
    assert train.network.blocks == content["train"]["network"]["blocks"]


def test_numbers_as_experiments_write_them(tmp_path: Path, content: dict) -> None:
    content["train"]["learning_rate"] = "1e-05"
    assert _read(tmp_path, content, "train", Train).learning_rate == 1e-5


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("epochs", 0, "train.epochs: found 0, expected >= 1"),
        ("epochs", "many", "train.epochs: found 'many', expected a whole number"),
        ("epochs", True, "train.epochs: found True, expected a whole number"),
        ("epochs", 1.5, "train.epochs: found 1.5, expected a whole number"),
        ("learning_rate", float("nan"), "train.learning_rate: found nan, expected a finite number"),
        ("learning_rate", None, "train.learning_rate: found None, expected a finite number"),
        ("learning_rate", -1, "train.learning_rate: found -1, expected >= 1e-12"),
        ("pooling", "median", "train.pooling: found 'median', expected one of mean, top"),
        ("pooling_share", 2, "train.pooling_share: found 2, expected 1e-06 to 1"),
        ("semantic", "yes", "train.semantic: found 'yes', expected true or false"),
        ("network", [], r"train.network: found \[\], expected a mapping"),
        ("epoch", 3, "train.epoch: unknown key, expected one of seed, network"),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, content: dict, key, value, said) -> None:
    content["train"][key] = value
    with pytest.raises(InputError, match=said):
        _read(tmp_path, content, "train", Train)


def test_the_engine_is_local_unless_chosen(tmp_path: Path, content: dict) -> None:
    assert _read(tmp_path, content, "execution", Execution) == Execution("local", None)
    content["execution"] = {"engine": "ray", "address": "head:6379"}
    assert _read(tmp_path, content, "execution", Execution) == Execution("ray", "head:6379")
    content["execution"]["engine"] = "spark"
    with pytest.raises(InputError, match="engine: found 'spark', expected one of local, ray"):
        _read(tmp_path, content, "execution", Execution)
    content["execution"] = {"engine": "ray", "address": 6379}
    with pytest.raises(InputError, match=r"execution\.address: found 6379, expected text"):
        _read(tmp_path, content, "execution", Execution)


def test_contradictions_are_named(tmp_path: Path, content: dict) -> None:
    content["train"]["network"]["blocks"] = [1]
    with pytest.raises(InputError, match=r"train.network: blocks, channels and strides hold 1, 4"):
        _read(tmp_path, content, "train", Train)
    content["decode"]["max_seconds"] = 1.0
    with pytest.raises(InputError, match="decode: max_seconds is 1, expected at least seconds"):
        _read(tmp_path, content, "decode", Decode)


def test_a_missing_key_is_named(tmp_path: Path, content: dict) -> None:
    del content["train"]["epochs"]
    with pytest.raises(InputError, match=r"train.epochs: missing"):
        _read(tmp_path, content, "train", Train)
    with pytest.raises(InputError, match=r"paper.nothing: not found; paper holds: decode"):
        _read(tmp_path, content, "paper.nothing", Neighbours)


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
