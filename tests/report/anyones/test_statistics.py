"""Intervals, the paired test, parts and the table, against direct computations."""

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.benchmarks.metrics.detection import published_average_precision
from pipeline.errors import InputError
from pipeline.report.anyones.arrays import Arrays
from pipeline.report.anyones.compare import compare
from pipeline.report.anyones.parts import by_class, by_size
from pipeline.report.anyones.score import Scored, score_arrays
from pipeline.report.anyones.score_table import latex, parts_text, score_text
from pipeline.report.anyones.statistics import estimates, mean_draws, row_draws

RNG = np.random.default_rng(8)
COUNT = 60
MAPS = RNG.normal(size=(COUNT, 7, 7)).astype(np.float32)
BOXES = [[[0.0, 0.0, 0.2 + 0.8 * n / COUNT, 1.0]] for n in range(COUNT)]


def score(maps: np.ndarray, kind: str = "localization", **more: np.ndarray) -> Scored:
    return score_arrays(
        Arrays("maps", {"maps": maps, "boxes": np.array(json.dumps(BOXES)), **more}), kind
    )


def detected(maps: np.ndarray) -> Scored:
    boxes = [[] if n % 3 == 0 else entry for n, entry in enumerate(BOXES)]
    return score(maps, "detection", boxes=np.array(json.dumps(boxes)))


def segmented(maps: np.ndarray) -> Scored:
    masks = np.zeros((COUNT, 224, 224), np.uint8)
    for n, mask in enumerate(masks[1:]):  # the first is empty
        mask[: 20 + 3 * n] = 1
    return score_arrays(Arrays("maps", {"maps": maps, "masks": masks}), "segmentation")


@pytest.mark.parametrize("make", [score, detected, segmented])
def test_estimates_are_the_metrics_and_their_intervals(make: object) -> None:
    scored = make(MAPS)  # type: ignore[operator]
    found = estimates(scored.kind, scored.columns)
    assert len(found) >= 2
    for name, (value, low, high) in found.items():
        assert value == pytest.approx(scored.metrics[name])
        assert low <= value <= high
        if f"{name}:low" in scored.metrics:
            ends = scored.metrics[f"{name}:low"], scored.metrics[f"{name}:high"]
            assert (low, high) == pytest.approx(ends)


def test_a_mean_s_draws_pass_over_what_does_not_count() -> None:
    values = np.array([0.0, np.nan, 1.0, 0.5])
    drawn = mean_draws([values], 4000)[:, 0]
    rows = np.random.default_rng(1).integers(4, size=(4000, 4))
    with np.errstate(invalid="ignore"):
        direct = np.nansum(values[rows], axis=1) / (~np.isnan(values[rows])).sum(axis=1)
    assert np.nanmean(drawn) == pytest.approx(np.nanmean(direct), abs=0.02)
    assert np.nanstd(drawn) == pytest.approx(np.nanstd(direct), abs=0.02)


def test_an_interval_of_a_curve_is_that_of_its_draws() -> None:
    scored = detected(MAPS)
    names = ("confidence", "iou", "sounding")
    confidence, iou, sounding = (np.array(scored.rows[name]) for name in names)
    drawn = [
        100 * published_average_precision(confidence[rows], iou[rows], sounding[rows])
        for rows in row_draws(COUNT)
    ]
    found = estimates("detection", scored.columns)["AP"]
    assert found[1:] == pytest.approx(np.quantile(drawn, [0.025, 0.975]))


def test_a_paired_test_sees_what_is_paired() -> None:
    first = score(MAPS)
    same = compare(first, score(MAPS))
    assert all((d.difference, d.low, d.high, d.p) == (0, 0, 0, 1) for d in same.values())
    truth = np.zeros_like(MAPS)
    for n, heat in enumerate(truth):
        heat[:, : round(7 * BOXES[n][0][2])] = 1
    better = compare(score(MAPS + 3 * truth), first)["AUC"]
    assert better.difference > 0 and better.low > 0 and better.p < 0.001
    assert better.difference == pytest.approx(better.first - better.second)
    back = compare(first, score(MAPS + 3 * truth))["AUC"]
    assert (back.difference, back.p) == (pytest.approx(-better.difference), better.p)


def test_p_is_even_where_nothing_differs() -> None:
    """Of files that differ by chance alone, p below 0.2 is as rare as it says."""
    found = []
    for seed in range(40):
        other = np.random.default_rng(100 + seed).normal(size=MAPS.shape).astype(np.float32)
        again = np.random.default_rng(900 + seed).normal(size=MAPS.shape).astype(np.float32)
        found.append(compare(score(other), score(again))["AUC"].p)
    share = np.mean(np.array(found) < 0.2)
    assert 0.02 <= share <= 0.45


def test_a_paired_test_of_curves_and_of_masks() -> None:
    found = compare(detected(MAPS), detected(MAPS[:, ::-1].copy()))
    assert set(found) == {"AP", "max_F1", "LocAcc"}
    assert all(
        0 < each.p <= 1 and each.low <= each.difference <= each.high for each in found.values()
    )
    assert set(compare(segmented(MAPS), segmented(-MAPS))) == {"mIoU", "F_median"}


def test_other_samples_truths_and_kinds_are_refused() -> None:
    with pytest.raises(InputError, match="60 samples and 30"):
        compare(score(MAPS), score(MAPS[:30], boxes=np.array(json.dumps(BOXES[:30]))))
    with pytest.raises(InputError, match="other boxes"):
        compare(score(MAPS), score(MAPS, boxes=np.array(json.dumps(BOXES[::-1]))))
    with pytest.raises(InputError, match="localization with segmentation"):
        compare(score(MAPS), segmented(MAPS))


def _annotated(folder: Path) -> Scored:
    clips = [f"aaaaaaaaa{n:02d}_000010" for n in range(COUNT)]
    entries = [
        {"file": clip, "class": "abc"[n % 3], "bbox": BOXES[n]} for n, clip in enumerate(clips)
    ]
    (folder / "vggss.json").write_text(json.dumps(entries))
    (folder / "vggss_available_4655.txt").write_text("\n".join(clips[:40]))
    arrays = Arrays("maps", {"maps": MAPS, "ids": np.array(clips)})
    return score_arrays(arrays, None, "vggss", folder)


def test_parts_are_scores_over_their_samples(tmp_path: Path) -> None:
    scored = _annotated(tmp_path)
    iou, area = scored.columns["iou"], scored.columns["area"]
    parts = by_class(scored)
    assert sorted(part.name for part in parts) == ["a", "b", "c"]
    for part in parts:
        chosen = iou["abc".index(part.name) :: 3]
        assert part.samples == 20
        assert part.estimates["cIoU"].value == pytest.approx(100 * np.mean(chosen >= 0.5))
    values = [part.estimates["cIoU"].value for part in parts]
    assert values == sorted(values, reverse=True)
    sizes = by_size(scored)
    assert sum(part.samples for part in sizes) == COUNT
    large = iou[area >= 0.3]
    assert sizes[-1].estimates["cIoU"].value == pytest.approx(100 * np.mean(large >= 0.5))
    assert set(by_size(detected(MAPS))[0].estimates) == {"LocAcc"}
    with pytest.raises(InputError, match="names no classes"):
        by_class(score(MAPS))


def test_the_table_has_the_paper_s_rows_and_the_toy_s_has_none(tmp_path: Path) -> None:
    scored = _annotated(tmp_path)
    text = score_text(scored, "mine")
    assert "mine, the paper's 40 clips" in text and "60 of 60 samples" in text
    assert "Table 1 of the paper" in text and "39.94" in text and "SoundNet" not in text
    value, low, high = estimates("localization", scored.columns)["cIoU"]
    assert f"{value:.2f} [{low:.2f}, {high:.2f}]" in text
    (tmp_path / "scenes.json").write_text("[]")
    toy = score_text(_annotated(tmp_path), "mine")
    assert "of the paper" not in toy and "mine, the shorter list's 40 clips" in toy


def test_retrieval_stands_beside_table_6_by_its_classes() -> None:
    image = RNG.normal(size=(COUNT, 8)).astype(np.float32)
    arrays = Arrays("maps", {"image": image, "audio": image + 1})
    scored = score_arrays(arrays, "retrieval")
    assert "the own partner" in score_text(scored, "mine")
    with pytest.raises(InputError, match="no sizes"):
        by_size(scored)


def test_latex_is_a_row_that_compiles() -> None:
    objects = np.abs(MAPS)
    scored = score_arrays(
        Arrays("maps", {"maps": MAPS, "object_maps": objects, "boxes": np.array(json.dumps(BOXES))})
    )
    head, *rows = latex(scored, "A_1 & 50%").splitlines()
    assert head == "% method & cIoU & AUC" and len(rows) == 2
    assert rows[0].startswith(r"A\_1 \& 50\% & ") and "with OGL" in rows[1]
    assert all(row.endswith(r" \\") and row.count(" & ") == 2 for row in rows)
    assert "[" in parts_text(by_size(scored), "localization", "size")
