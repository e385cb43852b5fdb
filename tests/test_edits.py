"""The table of data/README.md, 'What an edit reruns': each row's edits, and the stages of the toy
study that declare what they touch."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from dvc.dependency.param import ParamsDependency
from dvc.repo import Repo
from dvc.stage import PipelineStage

from pipeline.base.code import ROOT


class Edit(NamedTuple):
    """What a row of the table says, files and keys that such an edit touches, and the kinds of
    stages that see it at once."""

    row: str
    touched: tuple[str, ...]
    stages: str


LOOKS = "corpus, training-list, tests, report"  # at benchmarks and layouts, by their names
EDITS = [
    Edit(
        "a message in `errors.py`; a column of the terminal's table; how work is spread",
        ("pipeline/errors.py", "pipeline/execution/summary.py", "pipeline/execution/ray.py"),
        "none",
    ),
    Edit(
        "README.md, a room's README or DECISIONS.md; a test; a new command's file",
        (
            "README.md",
            "tests/test_edits.py",
            "stages/greet.py",
            "execution.loaders",
            "execution.watch.every",
        ),
        "none",
    ),
    Edit(
        "a new method's or encoder's file; a line or a key of a method that the study does not",
        (
            "pipeline/methods/meanpair.py",
            "pipeline/encoders/brightness.py",
            "pipeline/methods/lvs.py",
        ),
        "none",
    ),
    Edit(
        "a new benchmark's or layout's file; a line of one that the study does not decode with",
        (
            "pipeline/benchmarks/sets/kitchen.py",
            "pipeline/corpora/shelf.py",
            "pipeline/corpora/vpo.py",
        ),
        LOOKS,
    ),
    Edit(
        "a line of the layout that decoded a corpus",
        ("pipeline/corpora/is3.py", "pipeline/corpora/avsbench.py"),
        f"decode, moving, {LOOKS}",
    ),
    Edit(
        "a line of `methods/alignment.py`",
        ("pipeline/methods/alignment.py",),
        "train, evaluate, moving",
    ),
    Edit("a key of the method's settings", ("toy.methods.alignment.k",), "corpus, train"),
    Edit("another number of epochs", ("toy.train.epochs",), "corpus, train"),
    Edit("the method's form of spectrogram", ("toy.forms.alignment.hop",), "corpus, spectrograms"),
    Edit("another k", ("toy.neighbours.k",), "corpus, neighbours"),
    Edit("another seed", ("active.seeds",), "corpus, report"),
    Edit("another batch of the evaluation", ("toy.evaluate.batch",), "corpus, evaluate, moving"),
    Edit(
        "one benchmark less of a corpus",
        ("active.tests.toy-is3",),
        "corpus, tests, evaluate, report",
    ),
    Edit("one more clip of the training list", ("data/toys/toy/lists/train.txt",), "training-list"),
    Edit("one more clip in the corpus' folder", ("data/toys/toy/vggsound/new.mp4",), "decode"),
    Edit("one more clip of a tested corpus' list", ("data/toys/toy/lists/tested.txt",), "decode"),
    Edit(
        "another box of an official file",
        ("data/toys/toy/annotations/vggss.json",),
        "training-list, tests",
    ),
    Edit(
        "the report's code or style sheet",
        ("pipeline/report/rows.py", "pipeline/report/templates/style.css"),
        "report",
    ),
]


@pytest.fixture(scope="module")
def stages() -> Iterator[list[PipelineStage]]:
    with Repo(str(ROOT)) as repo:
        yield [s for s in repo.index.stages if isinstance(s, PipelineStage)]


def sees(stage: PipelineStage, touched: str) -> bool:
    """Whether a stage declares a file, a folder above it, or a key, one above it or below it."""
    for dep in stage.deps:
        if isinstance(dep, ParamsDependency):
            inside = (
                f"{a}.".startswith(f"{b}.")
                for k in dep.params
                for a, b in ((k, touched), (touched, k))
            )
            if any(inside):
                return True
        elif dep.fs_path and (ROOT / touched).is_relative_to(Path(dep.fs_path)):
            return True
    return False


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.row[:40])
def test_an_edit_reruns_what_the_page_says(stages: list[PipelineStage], edit: Edit) -> None:
    found = {s.name.split("@")[0] for s in stages if any(sees(s, t) for t in edit.touched)}
    expected = set(edit.stages.split(", ")) - {"none"}
    assert found == expected
    lines = (ROOT / "data/README.md").read_text().splitlines()
    rows = [line for line in lines if line.startswith(f"| {edit.row}")]
    assert len(rows) == 1, edit.row
    assert expected <= set(
        rows[0].replace(";", ",").replace("|", ",").replace(",", " ").split()
    ) | {""}
