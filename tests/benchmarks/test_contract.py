"""What everybody may ask of any benchmark, and what it refuses."""

import re
from pathlib import Path

import numpy as np
import pytest
from four_clips import CLASSES, CLIPS
from PIL import Image

from pipeline.benchmarks import Predictions, open_benchmark
from pipeline.benchmarks.metrics.heatmaps import RESIZES
from pipeline.errors import InputError


def everything(_: str) -> bool:
    return True


CONTRACT = [
    ("vggss", CLASSES, 0, False),
    ("flickr", [], 0, False),
    ("is3", ["dog", "cat", "cat", "dog"], 2, False),
    ("extended-vggss", [], 0, False),
    ("avsbench-s4", ["dog"] * 5, 0, False),
    ("negatives", [], 0, False),
    ("retrieval", CLASSES, 0, True),
    ("scenes", [*CLASSES, "cat"], 0, False),
    ("conditions", [*CLASSES, "", "cat", "dog", ""], 0, False),
]


@pytest.mark.parametrize(("name", "labels", "images", "classes"), CONTRACT)
def test_what_figures_and_pages_ask_of_any_benchmark(
    annotations: Path, media: Path, name: str, labels: list[str], images: int, classes: bool
) -> None:
    benchmark = open_benchmark(name, annotations, everything, media)
    assert list(benchmark.labels) == labels
    assert len(set(benchmark.images)) == images
    assert benchmark.classes == (CLASSES if classes else None)
    if benchmark.wants_maps:
        assert benchmark.resize in RESIZES
        outline = benchmark.outline(0)
        assert outline.dtype == bool and outline.shape == (224, 224) and outline.any()
        if name != "scenes":  # scenes draw the visible mask, here that of the boxes
            np.testing.assert_array_equal(outline, benchmark.ground_truth(0, 1)[0] > 0)


METRIC = re.compile(r"[A-Za-z0-9_@]+?(@(?P<part>[a-z][a-z0-9-]*))?(:(low|high))?")


@pytest.mark.parametrize("name", sorted({case[0] for case in CONTRACT}))
def test_names_of_metrics_follow_one_form(annotations: Path, media: Path, name: str) -> None:
    benchmark = open_benchmark(name, annotations, everything, media)
    count, rng = len(benchmark.samples), np.random.default_rng(0)
    asked = Predictions(trained=CLIPS[:1])
    if benchmark.wants_maps:
        asked.maps = rng.random((count, 7, 7), dtype=np.float32)
        asked.object_maps = rng.random((count, 7, 7), dtype=np.float32)
    if own := benchmark.retrieval_count:
        asked.similarities = {s: rng.random((own, own), dtype=np.float32) for s in ("s_A", "s_L")}
    metrics = benchmark.score(asked).metrics
    for key, value in metrics.items():
        form = METRIC.fullmatch(key)
        assert form and np.isfinite(value), key
        metric, colon, _ = key.partition(":")
        if colon:
            assert metrics[f"{metric}:low"] <= metrics[metric] <= metrics[f"{metric}:high"]
        if form["part"] and not key.startswith(("samples", "sounding_samples")):
            assert metrics[f"samples@{form['part']}"] > 0


def test_a_scene_s_outline_is_its_visible_mask(annotations: Path) -> None:
    mask = np.zeros((224, 224), dtype=bool)
    mask[3:9, 5:20] = True
    Image.fromarray(mask).save(annotations / "masks" / f"{CLIPS[1]}.png")
    benchmark = open_benchmark("scenes", annotations, everything)
    np.testing.assert_array_equal(benchmark.outline(1), mask)


@pytest.mark.parametrize(
    "maps",
    [
        None,
        np.zeros((3, 7, 7), np.float32),
        np.zeros((4, 7), np.float32),
        np.full((4, 7, 7), np.nan, np.float32),
        np.full((4, 7, 7), 1e300),
        np.zeros((4, 7, 7), dtype=np.complex64),
    ],
)
def test_unfit_maps_are_refused(annotations: Path, maps: np.ndarray | None) -> None:
    benchmark = open_benchmark("vggss", annotations, everything)
    with pytest.raises(InputError, match="maps"):
        benchmark.score(Predictions(maps))
