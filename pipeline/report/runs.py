"""Our runs and their scores as the page's tables take them: seeds together, conditions beside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

# What stands behind the dot of a baseline's score, and what a reader calls it.
BASELINES = {
    "random": "random",
    "centre": "centre Gaussian",
    "texture": "texture energy",
    "untrained": "untrained network",
    "bound": "the true box (bound)",
}

# The switches of the paper's method that its Table 8 turns off, by their settings' names.
SWITCHES = {
    "semantic": "semantic",
    "multi_view": "multi-view",
    "feature_alignment": "feature alignment",
}
PAPER = "alignment"  # the paper's own method


@dataclass(frozen=True)
class Run:
    """A run of ours. `folder` is where it lies below data/runs; `trained_on` the name of its
    training list, `layout` that of the corpus it trains on; `alike` is equal for runs that differ
    in their seed alone; `label` and `settings` are the method's. `seed`, `epochs` and `batch` are
    unknown, and so None, for published weights."""

    name: str
    folder: str
    method: str
    trained_on: str
    layout: str
    alike: str
    label: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict, hash=False)
    seed: int | None = None
    epochs: int | None = None
    batch: int | None = None

    @property
    def switches(self) -> tuple[bool, ...] | None:
        """Which of `SWITCHES` are on; None for another method than the paper's and for published
        weights."""
        if self.method != PAPER or self.seed is None:
            return None
        return tuple(bool(self.settings[name]) for name in SWITCHES)

    @property
    def k(self) -> int | None:
        """Among how many neighbours semantic positives are chosen; None where there are none."""
        return self.settings.get("k") if self.switches and self.settings["semantic"] else None

    @property
    def pretrained(self) -> bool | None:
        """Whether the image network began with ImageNet's weights; None for published weights."""
        return None if self.seed is None else self.settings.get("vision") == "imagenet"


@dataclass(frozen=True)
class Scored:
    """A run on a benchmark. `made`: the clips are of a toy corpus. `study`: the study of another
    report that it comes from, None for this one's. `metrics` as `metrics.json` holds them."""

    run: Run
    benchmark: str
    corpus: str
    made: bool
    study: str | None
    metrics: Mapping[str, float]

    @property
    def name(self) -> str:
        """The run's name and the benchmark's."""
        return f"{self.run.name}-{self.benchmark}"


@dataclass(frozen=True)
class Group:
    """Runs that differ in their seed alone, with their scores on some benchmarks."""

    runs: tuple[Run, ...]
    scored: tuple[Scored, ...]

    @property
    def label(self) -> str:
        """The run's name, or what the names of several have in common."""
        names = [run.name for run in self.runs]
        without_seed = {name.rstrip("-_0123456789") for name in names}
        return names[0] if len(names) == 1 else ", ".join(sorted(without_seed))

    @property
    def made(self) -> bool:
        """Whether any of the scores is on a toy corpus."""
        return any(scored.made for scored in self.scored)

    def values(self, benchmark: str, metric: str) -> list[float]:
        """The scores of all seeds that have one."""
        return [
            scored.metrics[metric]
            for scored in self.scored
            if scored.benchmark == benchmark and metric in scored.metrics
        ]

    def cell(self, benchmark: str, metric: str) -> str:
        """The score as the paper prints one; of several seeds the mean, with their range."""
        values = self.values(benchmark, metric)
        if not values:
            return ""
        mean = f"{fmean(values):.2f}"
        return mean if len(values) == 1 else f"{mean} ({min(values):.2f} to {max(values):.2f})"

    def settings(self) -> list[str]:
        """In one line what tells variants of a method apart; none where nothing does."""
        return [self.runs[0].label] if self.runs[0].label else []

    def conditions(self) -> list[str]:
        """Under what its scores were made: a line for the runs, one for their settings and one for
        each benchmark."""
        first = self.runs[0]
        seeds = sorted(run.seed for run in self.runs if run.seed is not None)
        seed = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {', '.join(map(str, seeds))}"
        lines = [f"trained on {first.trained_on}" + (f", {seed}" if seeds else ", published file")]
        lines += self.settings()
        for benchmark in dict.fromkeys(scored.benchmark for scored in self.scored):
            shown = [scored for scored in self.scored if scored.benchmark == benchmark]
            counts = {sample_counts(scored.metrics) for scored in shown}
            lines.append(f"{benchmark}: {'; '.join(sorted(counts))}")
        studies = sorted({scored.study for scored in self.scored if scored.study})
        if studies:
            lines.append(f"made by the study {', '.join(studies)}, which is not the active one")
        return lines


def sample_counts(metrics: Mapping[str, float]) -> str:
    """How many samples of how many were scored, and how many clips leaked."""
    return (
        f"{metrics['samples']:.0f} of {metrics['official_samples']:.0f} samples, "
        f"leaked clips: {metrics['leaked_clips']:.0f}"
    )


def groups(scored: Sequence[Scored], benchmarks: Sequence[str]) -> list[Group]:
    """The scores on `benchmarks`, runs that differ in their seed alone together; in the order in
    which they come."""
    together: dict[str, list[Scored]] = {}
    for item in scored:
        if item.benchmark in benchmarks:
            together.setdefault(item.run.alike, []).append(item)
    return [
        Group(tuple({item.run.name: item.run for item in items}.values()), tuple(items))
        for items in together.values()
    ]
