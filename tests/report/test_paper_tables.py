"""Which of our numbers stands in which cell of the paper's tables."""

import re
from dataclasses import asdict, dataclass, replace

import numpy as np
import pytest

from pipeline.benchmarks import Predictions, Sample
from pipeline.benchmarks.contract import OwnForm
from pipeline.benchmarks.metrics.rasters import Truth, fraction_boxes
from pipeline.benchmarks.tasks import (
    DetectionBenchmark,
    LocalizationBenchmark,
    RetrievalBenchmark,
    SegmentationBenchmark,
)
from pipeline.methods.alignment import Alignment, AlignmentSettings
from pipeline.report.comparison import comparison
from pipeline.report.paper_numbers import TABLES
from pipeline.report.runs import Run, Scored

SETTINGS = AlignmentSettings()
RUN = Run(
    "alignment-A-1", "toy/alignment-A-1", "alignment", "list.txt", "vggsound", "A",
    Alignment.label(SETTINGS), asdict(SETTINGS), 1, 2, 3,
)  # fmt: skip
COUNTS = {"samples": 9, "official_samples": 10, "leaked_clips": 0}


def _scored(benchmark: str, **metrics: float) -> Scored:
    values = {name.replace("__", "@"): value for name, value in metrics.items()}
    return Scored(RUN, benchmark, "c", False, None, {**COUNTS, **values})


@dataclass(frozen=True)
class Line:
    """A row of ours: what its head says and its cells."""

    head: str
    cells: list[str]


def _ours(table: str) -> list[Line]:
    lines = []
    for row in re.findall(r"<tr.*?</tr>", table, re.DOTALL):
        cells = re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL)
        words = [" ".join(re.sub(r"<[^>]*>", " ", cell).split()) for cell in cells]
        if words[0].startswith("ours alignment-"):
            lines.append(Line(words[0], words[1:]))
    return lines


def test_the_paper_s_clips_stand_first_and_the_full_list_below() -> None:
    vggss = {"cIoU__available": 41.0, "AUC__available": 42.0, "samples__available": 7}
    scored = [
        _scored("vggss", cIoU=31.0, AUC=32.0, **vggss),
        _scored("flickr", cIoU=81.0, AUC=62.0),
    ]
    text = comparison(scored)[0]
    first, full = _ours(text)
    assert first.cells[:4] == ["41.00", "42.00", "81.00", "62.00"]
    assert "vggss: over the 7 samples that the paper scored" in text
    assert full.cells[:4] == ["31.00", "32.00", "", ""] and "full official list" in full.head
    for table in (7, 8):  # ablations and k
        first, full = _ours(comparison(scored)[table])
        assert first.cells[-2:] == ["41.00", "42.00"]
        assert full.cells[-2:] == ["31.00", "32.00"] and "full official list" in full.head


def test_an_own_form_is_on_the_full_list_only_where_no_list_is_the_paper_s() -> None:
    plain = {"cIoU": 31.0, "cIoU_published": 33.0, "cIoU_half": 12.0}
    part = {
        "cIoU__available": 41.0,
        "cIoU_published__available": 43.0,
        "cIoU_half__available": 22.0,
    }
    both = _ours(comparison([_scored("vggss", **plain, **part)])[0])
    assert [line.cells[0] for line in both] == ["41.00", "31.00", "43.00", "22.00"]
    alone = _ours(comparison([_scored("vggss", **plain)])[0])
    assert [line.cells[0] for line in alone] == ["31.00", "33.00", "12.00"]
    assert all("the full official list" in line.head for line in alone)
    assert "scored as its authors do" in both[2].head and "half of the map" in both[3].head


def test_a_baseline_is_of_the_same_samples_as_the_first_line() -> None:
    metrics = {
        "cIoU": 31.0,
        "cIoU@available": 41.0,
        "cIoU.centre": 30.0,
        "cIoU@available.centre": 34.0,
    }
    table = comparison([Scored(RUN, "vggss", "c", False, None, {**COUNTS, **metrics})])[0]
    assert "34.00" in table and "30.00" not in table.partition("centre Gaussian")[2]


def test_table_6_is_class_recall_with_instances_and_unseen_queries_below() -> None:
    metrics = {
        "class_R@1_a2i@available": 16.0,
        "R@1_a2i@available": 3.0,
        "class_R@1_a2i@available-unseen": 12.0,
        "R@1_a2i@available-unseen": 1.0,
        "class_R@1_a2i": 15.0,
        "R@1_a2i": 2.0,
        "class_R@1_a2i@unseen": 11.0,
    }
    scored = Scored(RUN, "retrieval", "c", False, None, {**COUNTS, **metrics})
    lines = _ours(comparison([scored])[5])
    assert [line.cells[0] for line in lines] == [
        "16.00",
        "3.00",
        "12.00",
        "1.00",
        "15.00",
        "2.00",
        "11.00",
    ]
    assert "any of the class" in lines[0].head and "own partner" in lines[1].head
    chance = {"class_R@1_a2i@available.random": 0.55, "R@1_a2i@available.random": 0.03}
    scored = replace(scored, metrics={**scored.metrics, **chance})
    table = comparison([scored])[5].rpartition("random")[2]
    assert "0.55" in table and "0.03" not in table
    assert all("not trained on" in lines[n].head for n in (2, 3, 6))
    assert all("full official list" in lines[n].head for n in (4, 5, 6))


def test_table_5_is_f_of_the_median_cut_mask() -> None:
    first, best = _ours(
        comparison([_scored("avsbench-s4", mIoU=29.0, F_median=35.0, F_max=44.0)])[4]
    )
    assert first.cells[:2] == ["29.00", "35.00"]
    assert best.cells[:2] == ["", "44.00"] and "best threshold" in best.head


SAMPLES = [Sample(str(n), str(n), str(n)) for n in range(6)]
TRUTH = Truth([[[0, 0, 0.2 * n, 1]] for n in range(6)], fraction_boxes)
PART = {"available": np.arange(6) != 2}
MAPS = Predictions(
    np.random.default_rng(0).random((6, 7, 7), dtype=np.float32),
    np.random.default_rng(1).random((6, 7, 7), dtype=np.float32),
    form=OwnForm("corners", share=0.4),
)
BOTH = {"s_A": np.eye(6, dtype=np.float32), "s_L": np.eye(6, dtype=np.float32)}
OF_EACH = {
    "loc": LocalizationBenchmark(SAMPLES, 6, TRUTH, parts=PART).score(MAPS),
    "det": DetectionBenchmark(SAMPLES, 6, TRUTH, np.arange(6) > 0, parts=PART).score(MAPS),
    "seg": SegmentationBenchmark(SAMPLES, 6, TRUTH).score(MAPS),
    "ret": RetrievalBenchmark(SAMPLES, 6, list("aabbcc"), PART).score(
        Predictions(similarities=BOTH, trained={"0", "3"})
    ),
}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: str(table.number))
def test_every_cell_of_ours_is_a_metric_of_its_benchmark(table) -> None:
    kinds = {"avsbench-s4": "seg", "retrieval": "ret"}
    for column in table.columns:
        kind = "det" if column.benchmark.startswith("extended") else "loc"
        metrics = OF_EACH[kinds.get(column.benchmark, kind)].metrics
        for line in table.ours:
            name = line.metric(column)
            # Detection by other thresholds, and by SLAVC's share, has no LocAcc of its own.
            if name and not name.startswith(("LocAcc_exact", "LocAcc_ogl_slavc")):
                assert name in metrics, (column, line)
