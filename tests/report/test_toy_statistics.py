"""Statistics of test sets: right on sets made by hand, and the toy's page has those of the toy."""

import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from pipeline.base.code import ROOT
from pipeline.report.toy_statistics import (
    SEVERAL,
    Clips,
    statistics_table,
    toy_clips,
    union_area,
    vggss_clips,
)
from pipeline.toy.annotations import write_conditions, write_scenes
from pipeline.toy.conditions import CONDITIONS
from pipeline.toy.corpus import SPLITS, plan_corpus
from pipeline.toy.samples import SamplePlan, SampleTruth, middle_truth
from pipeline.toy.scenes import draw_scene
from pipeline.toy.settings import Toy

REAL = ROOT / ".." / "shared" / "annotations"
PAGE = ROOT / "pipeline" / "toy" / "README.md"


def cells(table: str) -> dict[str, list[str]]:
    """The rows of a Markdown table by their names."""
    lines = [line for line in table.splitlines() if line.startswith("|")]
    found = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    return {name: values for name, *values in found if name and not re.fullmatch("-+", name)}


@pytest.mark.parametrize(
    ("boxes", "area"),
    [
        ([[0.0, 0.0, 0.5, 0.5]], 0.25),
        ([[0.0, 0.0, 0.5, 0.5], [0.25, 0.25, 0.75, 0.75]], 0.4375),
        ([[0.0, 0.0, 1.0, 0.1], [0.2, 0.0, 0.3, 0.1]], 0.1),
        ([[0.2, 0.2, 0.2, 0.9]], 0.0),
        ([[-1.0, 0.5, 2.0, 0.75]], 0.25),  # beyond the frame there is nothing
        ([], 0.0),
    ],
)
def test_boxes_that_overlap_count_once(boxes: list[list[float]], area: float) -> None:
    assert union_area(boxes) == pytest.approx(area)


def test_a_table_of_clips_made_by_hand() -> None:
    middle, corner = (0.15, 0.15, 0.85, 0.85), (0.0, 0.0, 0.1, 0.1)
    clips = Clips([[middle], [corner, (0.9, 0.9, 1.0, 1.0)]], {SEVERAL: 25.0, "unknown": None})
    rows = cells(statistics_table({"mine": clips}))
    assert rows["clips with boxes"] == ["2"] and rows["boxes a clip"] == ["1.50"]
    assert rows["area of what sounds, 50 % of clips below"] == ["0.255"]  # of 0.49 and 0.02
    assert rows["cIoU of a Gaussian in the centre, %"] == ["50.0"]
    assert rows[SEVERAL] == ["25"] and rows["unknown"] == [""]


@pytest.fixture(scope="module")
def toy_annotations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The truth of the default toy's test clips, without its media."""
    settings = yaml.safe_load((ROOT / "params.yaml").read_text())["toy"]["toy"]
    toy = Toy(**settings)
    clips = {split: settings[split] for split in SPLITS}
    plans = plan_corpus(toy.seed, clips, toy.conditions, toy.moving)
    folder = tmp_path_factory.mktemp("annotations")

    def truth(plan: SamplePlan) -> SampleTruth:
        scene = draw_scene(
            np.random.default_rng(plan.seed),
            sounding=plan.sounding,
            silent=plan.silent,
            width=toy.width,
            height=toy.height,
            frames=2 * int(toy.seconds * 5 / 2) + 1,
        )
        return middle_truth(plan, scene, folder)

    truths = {split: [truth(plan) for plan in plans[split]] for split in ("test", *CONDITIONS)}
    write_scenes(folder / "scenes.json", {"validation": [], **truths}, toy.seed)
    write_conditions(folder / "conditions.json", truths)
    return folder


def test_the_toy_s_page_has_the_toy_s_statistics(toy_annotations: Path) -> None:
    columns = toy_clips(toy_annotations)
    if REAL.is_dir():
        columns = {**vggss_clips(REAL), **columns}
    written = cells(PAGE.read_text().split("## Beside VGG-SS")[1].split("\n## ")[0])
    for name, values in cells(statistics_table(columns)).items():
        assert written[name][-len(values) :] == values, name
