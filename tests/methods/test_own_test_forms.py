"""How each method's own published code scores, and that evaluation scores it so beside the rest."""

from pathlib import Path

import pytest

from pipeline.benchmarks.contract import OwnForm
from pipeline.benchmarks.metrics.heatmaps import RESIZES
from pipeline.methods.contract import OwnTest, load_method

FOLDER = Path(__file__).resolve().parents[2] / "pipeline/methods"
METHODS = sorted(p.stem for p in FOLDER.glob("*.py") if p.stem not in ("__init__", "contract"))
# Of each code: resize, threshold, inclusive, the map's share with an object map, both min-max.
PUBLISHED = {
    "lvs": ("half-pixel", "median", False, None, True),
    "ezvsl": ("corners", "median", True, 0.4, True),
    "slavc": ("bicubic-corners", "median", True, 0.9, False),
    "fnac": ("corners", "median", True, 0.4, True),
    "marginnce": ("corners", "median", False, 0.4, True),
    "ssltie": ("half-pixel", "median", False, None, True),
    "heartheflow": ("bicubic", "median", False, None, True),
    "sspl": ("half-pixel", "half", True, None, True),
    "sspl_pcm": ("half-pixel", "half", True, None, True),
}


def test_the_words_are_the_benchmarks_own() -> None:
    assert OwnTest._fields == OwnForm._fields
    assert tuple(OwnTest()) == tuple(OwnForm())


@pytest.mark.parametrize("name", METHODS)
def test_each_method_says_its_own(name: str) -> None:
    form = load_method(name).test_form
    assert (None if form is None else tuple(form)) == PUBLISHED.get(name)
    if form is not None:
        assert form.resize in RESIZES
