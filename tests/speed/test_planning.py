"""What a study takes: rates and where they are from, arithmetic from shapes, the measurement."""

import inspect
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from pipeline.base.code import ROOT
from pipeline.base.files import write_json
from pipeline.base.params import Parameters
from pipeline.base.study import all_studies
from pipeline.clips.sound_form import SoundForm
from pipeline.errors import InputError
from pipeline.execution.plan import read_stages, stage_commands
from pipeline.methods.alignment import Alignment, AlignmentSettings
from pipeline.methods.contract import method_names
from pipeline.speed import card
from pipeline.speed.method import made_method
from pipeline.speed.planning import measure as measuring
from pipeline.speed.planning.gpu import read_card
from pipeline.speed.planning.rates import (
    Machine,
    Rate,
    dvc_seconds,
    estimate,
    keep,
    kept_machine,
    stored_machines,
)
from pipeline.speed.planning.shapes import shapes_of
from pipeline.speed.planning.sizes import Sizes
from pipeline.speed.planning.stages import Planner, Stage, Work

PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text())
HERE = Machine("here", 4, (Rate("train", "small", 10.0, 0.1, 2), Rate("train", "big", 1e3, 5.0)))
OTHER = Machine("two-cores", 2, (Rate("train", "small", 10.0, 9.0), Rate("toy", "a", 1.0, 2.0)))


def nowhere(corpus: str) -> Path:
    return Path("data/decoded") / corpus


def planner(folder: Path, study: str, **changes: Any) -> tuple[Planner, list[Stage]]:
    """A study of params.yaml, its toy section changed, in a folder where nothing is made yet."""
    content = json.loads(json.dumps(PARAMS))
    for section, values in changes.items():
        content["toy"][section] |= values
    (folder / "params.yaml").write_text(yaml.safe_dump(content))
    parameters = Parameters(folder / "params.yaml")
    found = all_studies(parameters)[study]
    made = Planner(parameters, found, Sizes(parameters, found, nowhere), 2)
    own = {**content, "active": content["studies"][study]}
    return made, made.stages(stage_commands(read_stages(ROOT), own))


# --- rates ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("work", "seconds", "origin"),
    [
        (Work("train", "small", "clips", 50, 10.0, threads=2), 5.0, "measured here"),
        # Twice the operations of the nearest, and half its threads.
        (
            Work("train", "other", "clips", 50, 20.0, threads=1),
            20.0,
            "inferred, measured here: small on 2 threads",
        ),
        (Work("train", "other", "clips", 1, 2e3), 10.0, "inferred, measured here: big"),
        # Of another machine what was not measured here, over the cores where it spreads.
        (Work("toy", "a", "clips", 6, 1.0, spreads=True), 3.0, "two-cores"),
    ],
)
def test_a_time_is_a_size_times_a_rate_that_says_where_it_is_from(
    work: Work, seconds: float, origin: str
) -> None:
    found = estimate(work, [HERE, OTHER], cores=4)
    assert found is not None
    assert (found.seconds, found.origin) == (pytest.approx(seconds), origin)


def test_what_nobody_knows_has_no_time() -> None:
    assert estimate(Work("train", "small", "clips", None, 10.0), [HERE], 1) is None
    assert estimate(Work("report", "small", "clips", 3), [HERE, OTHER], 1) is None


def test_a_newer_measurement_takes_the_place_of_the_same(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    assert kept_machine(2, path) is None
    keep(HERE.rates, path)
    keep([Rate("train", "small", 10.0, 0.2, 2)], path)
    kept = kept_machine(2, path)
    assert kept is not None and {rate.seconds for rate in kept.rates} == {0.2, 5.0}
    path.write_text('{"rates": [{"kind": "train"}]}')
    with pytest.raises(InputError, match=r"plan\.json: expected what --measure keeps"):
        kept_machine(2, path)


def test_every_kind_of_work_has_a_stored_rate(tmp_path: Path) -> None:
    stored = {rate.kind for machine in stored_machines().values() for rate in machine.rates}
    for study in ("toy", "toy-flow", "toy-journal", "vggsound-144k"):
        _, stages = planner(tmp_path, study)
        assert {work.kind for stage in stages for work in stage.works} <= stored


# --- sizes and shapes ----------------------------------------------------------------------------


def test_shapes_are_those_that_the_readmes_count() -> None:
    found = shapes_of(Alignment(AlignmentSettings(), SoundForm()))
    assert found.activations / 1e6 == pytest.approx(3 * (25 + 39), rel=0.03)
    assert found.largest_view / 1e6 == pytest.approx(39, rel=0.03)
    # 50 epochs of 144,000 clips are 1.0e18 operations (README.md).
    assert 50 * 144_000 * found.operations == pytest.approx(1.0e18, rel=0.05)


@pytest.mark.parametrize("name", method_names())
def test_every_method_has_shapes(name: str) -> None:
    found = shapes_of(made_method(name, 0.25))
    assert found.operations >= found.forward > 0 and found.weights >= found.learnt > 0
    assert found.map_cells > 0


@pytest.mark.parametrize(("side_by_side", "threads"), [(True, 2), (False, 1)])
def test_a_training_takes_a_core_for_each_network(
    tmp_path: Path, side_by_side: bool, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PARAMS["execution"], "side_by_side", side_by_side)
    _, stages = planner(tmp_path, "toy")
    (train,) = [stage for stage in stages if stage.command.startswith("train ")]
    assert train.works[-1].threads == threads


def test_disk_of_a_study_is_arithmetic(tmp_path: Path) -> None:
    _, stages = planner(tmp_path, "vggsound-144k")
    disk = {stage.command: stage.disk or 0 for stage in stages}
    # README.md: 168 GB for VGGSound, with the paper's form of sounds once.
    whole = disk["decode vggsound"] + disk["spectrograms vggsound alignment"]
    assert whole / 1e9 == pytest.approx(168, rel=0.02)
    assert disk["spectrograms vggsound vggsound"] < 1e7  # hard links
    gpu = {stage.command: stage.gpu_memory for stage in stages}
    assert gpu["decode vggsound"] is None and (gpu["train alignment full 0"] or 0) > 1e9


def test_the_toy_is_counted_before_it_is_made(tmp_path: Path) -> None:
    made, stages = planner(tmp_path, "toy")
    sizes = {name: made.sizes.corpus(name).count for name in made.study.corpora}
    toy, recipe = PARAMS["toy"]["toy"], PARAMS["toy"]["train"]
    assert sizes["toy"] == toy["train"] + toy["labelled"]
    assert sizes["toy-test"] == toy["validation"] + toy["test"] + 12 + 3 * 60
    assert made.sizes.trained_on.count == toy["train"]
    train = next(stage for stage in stages if stage.command.startswith("train "))
    assert train.works[-1].units == recipe["epochs"] * (
        toy["train"] // recipe["batch"] * recipe["batch"]
    )


def test_every_stage_of_every_study_is_planned() -> None:
    planned = inspect.getsource(Planner)
    for study in PARAMS["studies"].values():
        for command in stage_commands(read_stages(ROOT), {**PARAMS, "active": study}):
            assert f'"{command.split()[0]}": self._' in planned, command


# --- a GPU's figures -----------------------------------------------------------------------------


def test_a_card_s_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "gpu.json"
    facts = [{"name": "clips/s", "value": 500.0, "at_most": None}]
    rows = [
        {"name": "alignment, batch 128, 224 px", "facts": facts},
        {"name": "alignment, batch 128, 224 px, channels first", "facts": []},
    ]
    write_json(path, {"machine": {"gpu": "a card"}, "rows": {"train": rows[:1]}})
    found = read_card(path)
    assert found.seconds("alignment", 1000) == 2.0 and found.seconds("lvs", 1000) is None
    write_json(path, {"machine": {"gpu": None}, "rows": {"train": rows[:1]}})
    with pytest.raises(InputError, match="measured on no GPU"):
        read_card(path)
    write_json(path, {"machine": {"gpu": "a card"}, "rows": {"train": rows}})
    with pytest.raises(InputError, match=r"expected what .avloc bench train --gpu --json"):
        read_card(path)


def test_a_card_s_file_is_what_the_bench_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow = partial(made_method, blocks=[1], channels=[8], strides=[2])
    monkeypatch.setattr(card, "made_method", narrow)
    row = next(card.measure(tmp_path, tiny=True, seconds=600, threads=1))
    path = tmp_path / "gpu.json"
    write_json(path, {"machine": {"gpu": "a card"}, "rows": {"train": [row.as_json()]}})
    assert (read_card(path).seconds("alignment", 1.0) or 0) > 0


# --- the measurement -----------------------------------------------------------------------------


def test_a_study_is_measured_by_its_own_stages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {"_CLIPS": 1, "_LEARNT": 24, "_ROWS": 128, "_MAPS": 4, "_STEP": 1e8}
    for name, value in small.items():
        monkeypatch.setattr(measuring, name, value)
    torch.set_num_threads(1)
    made, stages = planner(
        tmp_path,
        "toy",
        toy={"width": 32, "height": 32, "seconds": 1.0},
        decode={"seconds": 1.0},
    )
    rates = list(measuring.measure(made, stages, 600))
    kinds = {work.kind for stage in stages for work in stage.works}
    assert {rate.kind for rate in rates} == kinds - {"report", "moving"}
    assert all(rate.seconds > 0 for rate in rates)
    known = [Machine("here", 2, tuple(rates))]
    for stage in stages:
        for work in (work for work in stage.works if work.kind not in ("report", "moving")):
            found = estimate(work, known, 2)
            assert found is not None and found.origin == "measured here", work
    assert not list(measuring.measure(made, stages, 0.0))[1:]  # a budget of nothing


def test_dvc_takes_more_of_a_stage_the_more_stages_there_are() -> None:
    assert dvc_seconds(1) == pytest.approx(0.6)
    assert dvc_seconds(29) == pytest.approx(28.8, abs=0.1)  # measured: 29 x 1.1 s with hashing
    assert dvc_seconds(298) / 298 > 4 * dvc_seconds(29) / 29
