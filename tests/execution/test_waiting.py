"""Threads sleep at their barriers only where another process has the cores."""

import os
from pathlib import Path

import pytest

from pipeline.execution import waiting

STAT = """cpu  400 0 100 1500 50 0 0 0 0 0
cpu0 100 0 50 800 50 0 0 0 0 0
cpu1 300 0 50 700 0 0 0 0 0 0
cpu12 9 0 0 1 0 0 0 0 9 9
intr 12345
"""


def test_ticks_of_the_cores_that_may_be_used() -> None:
    assert waiting.idle_ticks(STAT, {0, 1}) == (1550, 2050)
    assert waiting.idle_ticks(STAT, {12}) == (1, 10)


@pytest.mark.parametrize(("idle", "busy"), [(20, False), (15, False), (14, True), (0, True)])
def test_under_three_quarters_free_is_busy(idle: int, busy: bool) -> None:
    assert waiting.is_busy((100, 1000), (100 + idle, 1020)) == busy
    assert not waiting.is_busy((100, 1000), (100, 1000))


def test_the_policy_is_set_beside_a_busy_process_and_never_over_the_user_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cores = os.sched_getaffinity(0)

    def stat(idle: int, work: int) -> str:
        return "".join(f"cpu{core} {work} 0 0 {idle} 0 0 0 0 0 0\n" for core in cores)

    path = tmp_path / "stat"
    monkeypatch.setattr(waiting, "_STAT", path)
    for said, (idle, work), expected in (
        ({}, (110, 10), None),
        ({}, (104, 16), "PASSIVE"),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, (100, 20), "ACTIVE"),
        ({"GOMP_SPINCOUNT": "5"}, (100, 20), None),
    ):
        monkeypatch.setattr(os, "environ", dict(said))
        path.write_text(stat(100, 10))
        then = stat(idle, work)
        monkeypatch.setattr(waiting.time, "sleep", lambda _, then=then: path.write_text(then))
        waiting.choose_waiting()
        assert os.environ.get("OMP_WAIT_POLICY") == expected
