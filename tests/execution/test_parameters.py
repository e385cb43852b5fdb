"""All parameters of a study, bound at once and without what computes."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.base.code import ROOT
from pipeline.base.params import Parameters
from pipeline.errors import InputError
from pipeline.execution.excerpt import excerpt, settings_of_method
from pipeline.execution.parameters import check_names, check_parameters, check_rows
from pipeline.methods.contract import load_method, method_names

PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text())


def _told(field: Field[Any]) -> tuple[str, str]:
    return field.name, repr(field.type)


@pytest.mark.parametrize("name", method_names())
def test_settings_taken_out_of_a_method_are_the_method_s(name: str) -> None:
    taken, own = settings_of_method(name), load_method(name).Settings
    assert taken.__qualname__ == own.__qualname__ and taken is not own
    assert repr(taken()) == repr(own())
    assert list(map(_told, fields(taken))) == list(map(_told, fields(own)))


def test_a_name_that_a_module_does_not_bind() -> None:
    with pytest.raises(KeyError, match="binds no nothing"):
        excerpt("pipeline.train.settings", "nothing")


def test_what_a_class_refuses_it_refuses_alone_too() -> None:
    kind = settings_of_method("sspl_pcm")
    with pytest.raises(ValueError, match="pcm needs a map"):
        kind(side=200)


@pytest.mark.parametrize("study", PARAMS["studies"])
def test_every_study_passes(study: str, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump({**PARAMS, "active": PARAMS["studies"][study]}))
    check_parameters(Parameters(path))


def test_neither_torch_nor_a_decoder_is_imported() -> None:
    asked = (
        "import sys\n"
        "from pipeline.base.params import Parameters\n"
        "from pipeline.execution.parameters import check_parameters\n"
        "check_parameters(Parameters())\n"
        "print(sorted({'torch', 'timm', 'faiss', 'av', 'scipy'} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def _set(place: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        *above, last = place.split(".")
        for part in above:
            content = content[part]
        content[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_set("toy.train.epocs", 1), "toy.train.epocs: unknown key, expected one of epochs"),
        (_set("toy.toy.train", 0), "toy.toy.train: found 0, expected >= 1"),
        (_set("toy.encoders.threads", 0), "toy.encoders.threads: found 0"),
        (_set("toy.embed.batch", "a"), "toy.embed.batch: found 'a', expected a whole number"),
        (_set("toy.neighbours.index", "x"), "toy.neighbours.index: found 'x', expected one of"),
        (_set("toy.evaluate.seed", -1), "toy.evaluate.seed: found -1"),
        (_set("toy.training_list.shortest_seconds", -1), "toy.training_list.shortest_seconds"),
        (_set("toy.forms.alignment.hop", 5000), "toy.forms.alignment: hop is 5000, expected"),
        (_set("toy.methods.alignment.poling", "mean"), "toy.methods.alignment.poling: unknown"),
        (_set("toy.methods.alignment.blocks", [1]), "blocks, channels and strides hold 1, 4"),
        (_set("toy.methods.alignment.train", {"epochs": 0}), "toy.train.epochs: found 0"),
        (_set("active.runs.full", {"k": 0}), "toy.methods.alignment.k: found 0"),
        (_set("active.corpora.toy.decode", {"sied": 1}), "toy.decode.sied: unknown key"),
        (_set("active.methods", ["nobody"]), "toy.forms.nobody: not found"),
        (_set("active.tests.toy-test", ["vgs"]), "active.tests.toy-test: found 'vgs', expected"),
        (_set("active.settings", "tyo"), "tyo.training_list: not found; the file holds"),
        (_set("active.seeds", ["one"]), "active.seeds[0]: found 'one', expected a whole number"),
        (_set("execution.loaders", -1), "execution.loaders: found -1"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_slip_anywhere_is_told(
    change: Callable[[dict[str, Any]], None], message: str, tmp_path: Path
) -> None:
    content = json.loads(json.dumps(PARAMS))  # aliases written out
    change(content)
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(InputError) as caught:
        check_parameters(Parameters(path))
    said = str(caught.value)
    assert said.startswith(f"{path}: ") and message in said and "\n" not in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("figure localization a=nobody/vggss", "no study has an evaluation 'nobody/vggss'"),
        ("figure ogl --out x theirs=no.npz", "no.npz: no such file, expected maps"),
        ("figure ogl --out=x no.npz", "no.npz: no such file, expected maps"),
    ],
)
def test_rows_of_a_figure_that_are_nowhere(words: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_rows(Parameters(ROOT / "params.yaml"), words.split())


def test_rows_of_a_figure_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "maps.npz").touch()
    words = f"figure localization ours=alignment-full-0/vggss theirs={tmp_path}/maps.npz --on x"
    check_rows(Parameters(ROOT / "params.yaml"), words.split())


@pytest.mark.parametrize(
    "words", ["evaluate --weights x.pth", "report", "decode toy", "corpus ready"]
)
def test_words_that_name_nothing_or_what_is_there(words: str) -> None:
    check_names(Parameters(ROOT / "params.yaml"), words.split())
