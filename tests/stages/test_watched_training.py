"""`execution.watch` of params.yaml, as stage train reads it."""

from pathlib import Path

import numpy as np
import pytest
from made_corpus import make_corpus
from made_method import small_method

from pipeline.base.code import ROOT
from pipeline.base.params import Parameters
from pipeline.base.study import Trained
from pipeline.clips.sound_form import SoundForm
from pipeline.errors import InputError
from pipeline.execution.settings import Execution, Watching
from stages.train import watch_of

TRAINED = Trained("toy", "alignment", "full", 0)


@pytest.fixture
def parameters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Parameters:
    found = Parameters(ROOT / "params.yaml")
    monkeypatch.chdir(tmp_path)
    return found


def test_as_the_project_comes_nothing_is_looked_at(parameters: Parameters) -> None:
    asked = parameters.read("execution", Execution).watch
    assert asked.every == 0 and watch_of(parameters, asked, TRAINED) is None
    assert asked == Watching()  # what a params.yaml without the entry means


def test_what_is_asked_about_has_to_be_there(parameters: Parameters) -> None:
    with pytest.raises(InputError, match=r"data/decoded/toy-test: not there yet.*dvc repro decode"):
        watch_of(parameters, Watching(every=5), TRAINED)


def test_lines_alone_need_no_corpus(parameters: Parameters) -> None:
    watch = watch_of(parameters, Watching(every=5, validation=None), TRAINED)
    assert watch is not None and watch.ask is None and watch.every == 5


def test_a_list_of_one_s_own_is_asked_about(parameters: Parameters, tmp_path: Path) -> None:
    form = SoundForm(bands=16)
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 255, (3, 36, 36, 3)).astype(np.uint8)
    sounds = list(rng.normal(-8, 3, (3, 20, 16)))
    folder = Path("data/spectrograms/mine/alignment")
    make_corpus(Path("data/decoded/mine"), frames, sounds, spectrograms=folder)
    Path("mine.txt").write_text("clip00\nclip02\n")
    asked = Watching(every=5, corpus="mine", validation="mine.txt", best="R@1_a2i")
    watch = watch_of(parameters, asked, TRAINED)
    assert watch is not None and watch.ask is not None
    assert watch.folder == Path("data/watched/toy/alignment-full-0") and watch.best == "R@1_a2i"
    assert watch.ask(small_method(form, 12)).scores["R@5_a2i"] == 100
