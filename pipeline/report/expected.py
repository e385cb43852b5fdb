"""Whether a toy run scores what such runs score: the committed scores of five seeds, and the range
in which the next seed's lies.

With the mean m and Student's 95 % interval m +- h of n seeds, one more seed lies within
m +- h sqrt(n + 1) as often: h is t s / sqrt(n), and a new value differs from the mean by
t s sqrt(1 + 1/n). So one score in twenty lies outside where nothing is wrong.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.base.files import read_json, write_json
from pipeline.report.tables import over_seeds

EXPECTED = Path("data/toy-expected.json")
_NO_MATTER = ("threads",)  # of a recipe: other sums' order, the same scores


@dataclass(frozen=True)
class Score:
    """A score beside the range that the next seed's lies in, per cent."""

    name: str
    found: float
    low: float
    high: float

    @property
    def right(self) -> bool:
        """Whether it lies there."""
        return self.low <= self.found <= self.high

    def __str__(self) -> str:
        return f"{self.name} {self.found:.1f}, expected {self.low:.1f} to {self.high:.1f}"


def write_expected(
    path: Path, benchmark: str, seeds: Sequence[Mapping[str, float]], run: Mapping[str, Any]
) -> None:
    """Write what a toy run is expected to score.

    That is of each metric of `seeds`, the scores of one run on a benchmark under several seeds, the
    mean, half of its 95 % interval, the smallest and the largest. `run` is one seed's run.json,
    whose settings tell which runs the file is about.

    Raises ValueError for fewer than two seeds."""
    scores = {}
    for name in seeds[0]:
        spread = over_seeds([metrics[name] for metrics in seeds])
        if spread.half is None:
            raise ValueError("one seed has no interval")
        numbers = (spread.mean, spread.half, spread.low, spread.high)
        rounded = (round(number, 2) for number in numbers)
        scores[name] = dict(zip(("mean", "half", "low", "high"), rounded, strict=True))
    write_json(
        path,
        {"benchmark": benchmark, "seeds": len(seeds), "scores": scores, **_settings_of(run)},
    )


def compared(
    path: Path, headline: Mapping[str, Mapping[str, float]], run: Mapping[str, Any]
) -> list[Score]:
    """The scores of a run that the file at `path` knows; none where it is about runs of other
    settings. headline: data/report/scores.json. run: run.json of the run that it is of."""
    expected = read_json(path)
    if differing(expected, run):
        return []
    found = headline.get(expected["benchmark"], {})
    scores = []
    for name, spread in expected["scores"].items():
        if name in found:
            half = spread["half"] * math.sqrt(expected["seeds"] + 1)
            scores.append(Score(name, found[name], spread["mean"] - half, spread["mean"] + half))
    return scores


def differing(expected: Mapping[str, Any], run: Mapping[str, Any]) -> list[str]:
    """What of a run's settings and recipe is not as in the expected ones: 'epochs 2 (26)'."""
    own = _settings_of(run)
    told = [f"method {own['method']} ({expected['method']})"] * (
        own["method"] != expected["method"]
    )
    for part in ("settings", "recipe"):
        names = dict.fromkeys([*expected[part], *own[part]])
        told += [
            f"{name} {own[part].get(name)} ({expected[part].get(name)})"
            for name in names
            if own[part].get(name) != expected[part].get(name)
        ]
    return told


def verdict(scores: Sequence[Score]) -> str:
    """One sentence about the scores of `compared`, of which there is one at least."""
    off = [str(score) for score in scores if not score.right]
    if not off:
        return f"The scores are as expected, {len(scores)} of {len(scores)} (avloc doctor)."
    return (
        f"{len(off)} of {len(scores)} scores are not as expected: {'; '.join(off)} (avloc doctor)."
    )


def _settings_of(run: Mapping[str, Any]) -> dict[str, Any]:
    # A published file's run has neither settings nor a recipe.
    recipe = {key: value for key, value in run.get("recipe", {}).items() if key not in _NO_MATTER}
    return {"method": run["method"], "settings": run.get("settings", {}), "recipe": recipe}
