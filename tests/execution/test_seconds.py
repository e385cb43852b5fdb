"""What a training took: kept beside no output, and of the training that it was."""

from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.execution.seconds import keep_seconds, seconds_of


def test_seconds_are_those_of_the_history_that_they_stand_for(tmp_path: Path) -> None:
    history = tmp_path / "history.tsv"
    assert seconds_of(tmp_path / "work", history) == {}
    history.write_text("epoch\tloss\n1\t2\n")
    assert seconds_of(tmp_path / "work", history) == {}
    keep_seconds(tmp_path / "work", history, 12.345)
    assert seconds_of(tmp_path / "work", history) == {"seconds": 12.3}
    history.write_text("epoch\tloss\n1\t3\n")  # another training's, out of a cache
    assert seconds_of(tmp_path / "work", history) == {}
    (tmp_path / "work" / "seconds.json").write_text("{")
    with pytest.raises(InputError, match=r"seconds\.json"):
        seconds_of(tmp_path / "work", history)
