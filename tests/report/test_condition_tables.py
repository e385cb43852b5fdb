"""The tables of the toy's harder questions: scores beside what learns nothing, and the bound."""

import json
from pathlib import Path

import numpy as np
import pytest
from made_pages import Reader

from pipeline.report.conditions import MOVING, condition_table, moments_table
from pipeline.report.names import benchmark_title
from pipeline.report.overview import shown_metrics
from pipeline.report.runs import BASELINES, Run, Scored, groups
from stages.table import table

METRICS = {
    "pointing@congruent": 70.0,
    "pointing@congruent:low": 60.0,
    "pointing@congruent:high": 80.0,
    "pointing@congruent.texture": 50.0,
    "pointing@congruent.bound": 100.0,
    "samples@congruent": 12,
    "pointing@several": 80.0,
    "all_lit@several": 60.0,
    "samples@several": 6,
    "cIoU_adaptive@congruent": 75.0,
    "AP_absent_maximum": 33.3,
    "AP_absent_maximum.texture": 20.0,
    "AP_absent_s_L": 44.4,
    "ROC_absent_s_L": 66.6,
    "samples": 20,
    "official_samples": 20,
}
MOMENTS = {
    "pointing": 61.0,
    "pointing:low": 52.0,
    "pointing:high": 71.0,
    "pointing.still": 29.0,
    "pointing.centre": 4.0,
    "swap": 21.0,
    "swap.still": 0.5,
    "samples": 24,
    "samples@changes": 12,
}


def scored(benchmark: str, *seeds: dict[str, float]) -> list[Scored]:
    """A run's scores, one mapping a seed."""
    return [
        Scored(
            Run(f"ours-full-{seed}", f"made/ours-full-{seed}", "ours", "", "", "ours", seed=seed),
            benchmark, "made", True, None, metrics,
        )
        for seed, metrics in enumerate(seeds)
    ]  # fmt: skip


def test_conditions_stand_beside_baselines_and_bound() -> None:
    together = groups(scored("conditions", METRICS))
    rows = {row[0]: row[1:] for row in Reader(str(condition_table("conditions", together))).rows}
    assert rows["sound"] == ["ours-full-0", BASELINES["texture"], BASELINES["bound"]]
    assert rows["two visible objects sound6 samples"] == ["80.00", "", ""]
    both = next(name for name in rows if name.startswith("... and each is hotter"))
    assert rows[both] == ["60.00", "", ""]
    assert rows["the map's maximum"] == ["33.30", "20.00", ""]
    assert rows["s_L"] == ["66.60", "", ""]  # the last group's: the area under the ROC curve
    assert "another visible object's sound" not in str(rows)  # what the scores lack has no row
    assert shown_metrics("conditions", together)[0] == "pointing@congruent"
    assert benchmark_title("conditions") == "Under which conditions"


def test_other_benchmarks_have_no_conditions() -> None:
    assert condition_table("scenes", groups(scored("scenes", {"cIoU": 1.0}))) is None


def test_moments_stand_beside_maps_that_stay() -> None:
    text = str(moments_table(groups(scored(MOVING, MOMENTS))))
    rows = {row[0]: row[1:] for row in Reader(text).rows}
    assert rows["maximum in what sounds, over all moments"] == [
        "61.00[52.0, 71.0]",
        "29.00",
        "4.00",
    ]
    assert rows["right both before and after it takes over"] == ["21.00", "0.50", ""]
    assert "where one object sounds throughout" not in rows
    assert "24 clips" in text and "in 12 another" in text
    seeds = str(moments_table(groups(scored(MOVING, MOMENTS, {**MOMENTS, "swap": 31.0}))))
    swap = {row[0]: row[1:] for row in Reader(seeds).rows}[
        "right both before and after it takes over"
    ]
    assert swap[0].startswith("26.00 ±") and swap[1].startswith("0.50 ±")


def test_the_command_shows_conditions_as_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "data/results/toy/ours-full-0/toy-test/metrics.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"conditions": METRICS}))
    root = Path(__file__).resolve().parents[2]
    (tmp_path / "params.yaml").write_text((root / "params.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    table(["ours-full"], "conditions", "toy", None)
    head, _, ours, *baselines = capsys.readouterr().out.splitlines()
    names = [cell.strip() for cell in head.split("|")[2:-1]]
    assert names == ["own sound", "several", "all lit", "absent, AP by maximum", "absent, by s_L"]
    values = [float(cell) for cell in ours.split("|")[2:-1]]
    np.testing.assert_array_equal(values, [70.0, 80.0, 60.0, 33.3, 44.4])
    assert [line.split("|")[1].strip() for line in baselines] == ["bound", "texture"]
