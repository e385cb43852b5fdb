"""Event files are what TensorBoard reads of them."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.execution import events
from pipeline.execution.events import event_files


def test_event_files_are_read_as_they_were_meant(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def read() -> dict[int, float]:
        found = EventAccumulator(str(tmp_path)).Reload()
        return {entry.step: entry.value for entry in found.Scalars("train/loss")}

    first = event_files(tmp_path, 0)
    assert first is not None
    for step in (2, 4, 6):
        first.numbers(step, {"train/loss": step / 2, "train/loss/part": 1.0})
    first.picture(6, "maps", np.full((8, 12, 3), 7, np.uint8))
    assert read() == {2: 1, 4: 2, 6: 3}  # without a close: who watches reads a run that goes on
    found = EventAccumulator(str(tmp_path)).Reload()
    (picture,) = found.Images("maps")
    assert (picture.step, picture.height, picture.width) == (6, 8, 12)

    again = event_files(tmp_path, 4)  # killed after step 6, goes on after step 4
    assert again is not None
    again.numbers(6, {"train/loss": 9.0})
    assert read() == {2: 1, 4: 2, 6: 9}

    anew = event_files(tmp_path, 0)
    assert anew is not None
    anew.numbers(2, {"train/loss": 5.0})
    assert read() == {2: 5}


def test_without_tensorboard_a_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(events, "find_spec", lambda name: None)
    monkeypatch.setattr(events.console, "print", lambda text, **_: said.append(text))
    assert event_files(tmp_path / "new", 0) is None
    (line,) = said
    assert "TensorBoard" in line and "pip install -e '.[watch]'" in line
    assert not (tmp_path / "new").exists()
