"""Our runs and their scores as the page's tables take them: seeds together, conditions beside."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from pipeline.benchmarks.metrics.bootstrap import HIGH, LOW
from pipeline.report.html_tables import Cell
from pipeline.report.tables import over_seeds

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
MAPS = "maps"  # in a method's place: a file of anyone's maps, of which nothing else is known
# What a training does to a frame that is no square, by `train.aspect`.
ASPECTS = {"kept": "aspect ratio kept", "squashed": "frames squashed to squares"}


@dataclass(frozen=True)
class Run:
    """A run of ours. `folder` is where it lies below data/runs; `trained_on` the name of its
    training list, `layout` that of the corpus it trains on; `alike` is equal for runs that differ
    in their seed alone; `label` and `settings` are the method's. `seed`, `epochs`, `batch` and the
    training's `precision` and `aspect` are unknown, and so None, for published weights; of a file
    of maps, whose `method` is `MAPS`, nothing is known. `own_form` says how the method's own code
    scores, and with OGL, where that is known and not as ours."""

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
    precision: str | None = None
    aspect: str | None = None
    own_form: tuple[str, ...] = ()

    @property
    def without_seed(self) -> str:
        """The name that runs of other seeds share."""
        return self.name if self.seed is None else self.name.removesuffix(f"-{self.seed}")

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
    scored: tuple[Scored, ...] = ()

    @property
    def label(self) -> str:
        """The run's name, or what the names of several have in common."""
        names = {run.without_seed for run in self.runs}
        return self.runs[0].name if len(self.runs) == 1 else ", ".join(sorted(names))

    @property
    def title(self) -> str:
        """The method and the run."""
        method = self.runs[0].method
        if method == MAPS:
            return self.label
        return self.label if self.label.startswith(f"{method}-") else f"{method}, {self.label}"

    @property
    def made(self) -> bool:
        """Whether any of the scores is on a toy corpus."""
        return any(scored.made for scored in self.scored)

    def on(self, benchmark: str) -> list[Scored]:
        """The scores on one benchmark, of each seed that has some."""
        return [scored for scored in self.scored if scored.benchmark == benchmark]

    def values(self, benchmark: str, metric: str) -> list[float]:
        """The scores of all seeds that have one."""
        return [item.metrics[metric] for item in self.on(benchmark) if metric in item.metrics]

    def interval(self, benchmark: str, metric: str) -> tuple[float, float] | None:
        """The 95 % bootstrap interval over samples, of several seeds the mean of each end; None
        where the metric has none."""
        ends = [self.values(benchmark, f"{metric}{end}") for end in (LOW, HIGH)]
        return (fmean(ends[0]), fmean(ends[1])) if all(ends) else None

    def cell(self, benchmark: str, metric: str) -> Cell:
        """The score as the paper prints one; of several seeds their mean with its 95 % interval.
        Below it the range of the seeds and the interval over samples, where there are such."""
        values = self.values(benchmark, metric)
        if not values:
            return Cell()
        spread, below = over_seeds(values), []
        text = f"{spread.mean:.2f}"
        if spread.half is not None:
            text += f" ± {spread.half:.2f}"
            below.append(f"{spread.low:.1f} to {spread.high:.1f}")
        if interval := self.interval(benchmark, metric):
            below.append(f"[{interval[0]:.1f}, {interval[1]:.1f}]")
        return Cell(text, below)

    def settings(self) -> list[str]:
        """In one line what the training does to a frame that is no square, and what tells variants
        of a method apart; none where neither is known."""
        known = [ASPECTS.get(self.runs[0].aspect or "", ""), self.runs[0].label]
        return [", ".join(filter(None, known))] if any(known) else []

    @property
    def seeds(self) -> str:
        """The seeds in words; '' for a published file, which says none."""
        seeds = sorted(run.seed for run in self.runs if run.seed is not None)
        numbers = ", ".join(map(str, seeds))
        return f"seed{'s' if len(seeds) > 1 else ''} {numbers}" if seeds else ""

    def leaks(self) -> str:
        """How many of each benchmark's clips the runs were trained on."""
        benchmarks = list(dict.fromkeys(scored.benchmark for scored in self.scored))
        found = {name: sorted(set(self.values(name, "leaked_clips"))) for name in benchmarks}
        words = {name: " or ".join(f"{n:.0f}" for n in counts) for name, counts in found.items()}
        if not any(words.values()):
            return "leaked clips: not known"
        if len(words) == 1:
            return f"leaked clips: {next(iter(words.values()))}"
        return "leaked clips: " + ", ".join(f"{count} of {name}" for name, count in words.items())

    def full_counts(self, benchmarks: Collection[str] | None = None) -> list[str]:
        """How many samples of the official list of each benchmark (of `benchmarks` alone, where
        they are given) were scored, a line a benchmark."""
        lines = []
        for benchmark in dict.fromkeys(scored.benchmark for scored in self.scored):
            if benchmarks is not None and benchmark not in benchmarks:
                continue
            counts = {sample_counts(scored.metrics) for scored in self.on(benchmark)}
            lines.append(f"{benchmark}: {'; '.join(sorted(counts))}")
        return lines

    def conditions(self) -> list[str]:
        """Under what its scores were made: a line for the runs and their leaked clips, one for
        their settings and one for each benchmark."""
        first = self.runs[0]
        facts = [first.trained_on, self.seeds or "published file", first.precision or ""]
        lines = [f"trained on {', '.join(filter(None, [*facts, self.leaks()]))}"]
        if first.method == MAPS:
            lines = ["a file of maps; what they were trained on is not known"]
        lines += [*self.settings(), *self.full_counts()]
        studies = sorted({scored.study for scored in self.scored if scored.study})
        if studies:
            lines.append(f"made by the study {', '.join(studies)}, which is not the active one")
        return lines


def sample_counts(metrics: Mapping[str, float]) -> str:
    """How many samples of how many were scored."""
    return f"{metrics['samples']:.0f} of {metrics['official_samples']:.0f} samples"


def groups(scored: Sequence[Scored], benchmarks: Sequence[str] | None = None) -> list[Group]:
    """The scores on `benchmarks` (None: on all), runs that differ in their seed alone together; in
    the order in which they come."""
    together: dict[str, list[Scored]] = {}
    for item in scored:
        if benchmarks is None or item.benchmark in benchmarks:
            together.setdefault(item.run.alike, []).append(item)
    return [
        Group(tuple({item.run.name: item.run for item in items}.values()), tuple(items))
        for items in together.values()
    ]


def groups_of_runs(runs: Sequence[Run]) -> list[Group]:
    """Runs that differ in their seed alone together, without their scores."""
    together: dict[str, list[Run]] = {}
    for run in runs:
        together.setdefault(run.alike, []).append(run)
    return [Group(tuple(members)) for members in together.values()]
