"""What is left out of a training list, each cause by its switch and counted once."""

from typing import Any

import pyarrow as pa
import pytest

from pipeline.errors import InputError
from pipeline.neighbours.training_list import choose_clips

LISTED = list("hgfedcba")
CLIPS = pa.table(
    {
        "clip_id": list("abcdefg"),  # h is listed and was not decoded
        "silent": [True, None, False, False, False, True, False],
        "still": [True, True, False, False, None, False, False],
        "sound_seconds": [9.0, None, 2.0, 10.0, 3.0, 10.0, 10.0],
        "content": ["1", "2", "3", "4", "4", "6", "4"],
    }
)
NOTHING = dict.fromkeys(["test_clips", "silent", "still", "too_short", "duplicates"], 0)


@pytest.mark.parametrize(
    ("tested", "switches", "chosen", "left_out"),
    [
        ((), {}, "hgfedcba", {}),
        ("ga", {}, "hfedcb", {"test_clips": 2}),
        ((), {"silent": True}, "hgedcb", {"silent": 2}),
        ((), {"still": True}, "hgfedc", {"still": 2}),
        ((), {"shortest_seconds": 3.0}, "hgfedba", {"too_short": 1}),
        ((), {"duplicates": True}, "hfdcba", {"duplicates": 2}),
        ("d", {"duplicates": True}, "hfecba", {"test_clips": 1, "duplicates": 1}),
        (
            "a",
            {"silent": True, "still": True, "shortest_seconds": 9.5, "duplicates": True},
            "hd",
            {"test_clips": 1, "silent": 1, "still": 1, "too_short": 2, "duplicates": 1},
        ),
    ],
)
def test_each_cause_is_counted(
    tested: str, switches: dict[str, Any], chosen: str, left_out: dict[str, int]
) -> None:
    expected = {f"left_out_{cause}": n for cause, n in {**NOTHING, **left_out}.items()}
    assert choose_clips(LISTED, CLIPS, tested, **switches) == (list(chosen), expected)


def test_switches_that_are_off_ask_for_no_health() -> None:
    """A clip table without those columns is enough then."""
    assert choose_clips(["b", "a"], CLIPS.select(["clip_id"]), "b")[0] == ["a"]


def test_a_list_of_which_nothing_remains_is_an_error() -> None:
    with pytest.raises(InputError, match="none of 2 clips remains; 1 left_out_test_clips, 1 left"):
        choose_clips(["a", "f"], CLIPS, "f", silent=True)
