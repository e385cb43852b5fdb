"""The weights of a project that a person may choose among."""

from pathlib import Path

import pytest
from made_method import small_method

from pipeline.clips.sound_form import SoundForm
from pipeline.errors import InputError
from pipeline.execution import progress
from pipeline.execution.checkpoints import place_of
from pipeline.methods.common.files import save_weights
from pipeline.report.choices import Choice, choices

METHOD = small_method(SoundForm(bands=16), 12)


def test_runs_best_epochs_and_further_files_are_offered(tmp_path: Path) -> None:
    run = tmp_path / "data/runs/toy/alignment-full-0/weights.safetensors"
    best = tmp_path / "data/watched/toy/alignment-full-0/best.safetensors"
    mine = tmp_path / "mine.safetensors"
    for path in (run, best, mine):
        save_weights(path, METHOD)
    found = choices(tmp_path / "data", [(mine, None)])
    assert found == [
        Choice("alignment", str(mine), mine),
        Choice("alignment", "toy/alignment-full-0", run),
        Choice("alignment", "toy/alignment-full-0, best epoch", best),
    ]


def test_a_published_file_that_was_fetched_goes_by_its_name(tmp_path: Path) -> None:
    fetched = place_of(tmp_path / "weights/published", "lvs-vggsound")
    fetched.parent.mkdir(parents=True)
    fetched.write_bytes(b"read when it is asked")
    assert choices(tmp_path) == [Choice("lvs", "lvs-vggsound", fetched)]


def test_a_damaged_file_of_the_project_is_told_and_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(progress.console, "print", lambda text, **_: said.append(text))
    save_weights(tmp_path / "data/runs/toy/alignment-full-0/weights.safetensors", METHOD)
    damaged = tmp_path / "data/weights/theirs.safetensors"
    damaged.parent.mkdir()
    damaged.write_bytes(b"nothing")
    assert [choice.name for choice in choices(tmp_path / "data")] == ["toy/alignment-full-0"]
    (line,) = said
    assert line.startswith(f"left out: {damaged}: ")
    with pytest.raises(InputError, match=r"theirs\.safetensors"):
        choices(tmp_path / "data", [(damaged, None)])


def test_without_any_weights_it_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"data/runs: no weights found; dvc repro .* --weights"):
        choices(tmp_path / "data")
