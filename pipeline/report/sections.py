"""The sections of a study's benchmarks, and on the way what the failure browser keeps of each."""

from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from markupsafe import Markup

from pipeline.base.files import map_npy, read_parquet, read_tsv
from pipeline.base.study import Study
from pipeline.benchmarks import Benchmark, open_benchmark
from pipeline.benchmarks.seen import as_seen
from pipeline.clips.decoded import DecodedCorpus
from pipeline.report.breakdown import by_class, by_size
from pipeline.report.clips import Clips
from pipeline.report.collect import Results
from pipeline.report.conditions import condition_table
from pipeline.report.disagreement import CARDS, Judged, share_of, side_by_side
from pipeline.report.facts import BenchmarkFacts, RunFacts, benchmark_facts, run_facts
from pipeline.report.gallery import gallery, retrieval_gallery
from pipeline.report.histogram import histogram
from pipeline.report.introduction import facts as words_of
from pipeline.report.names import benchmark_title
from pipeline.report.page import Section, benchmark_content
from pipeline.report.runs import Group, Scored, groups
from pipeline.report.scores import curve_charts, score_table
from pipeline.report.store import Seen, Store
from pipeline.report.trivial import Curves, trivial_curves

# Samples over all runs and benchmarks up to which every seed's maps are in the page, above it those
# of the first seeds alone.
_EVERY_SEED = 40_000


@dataclass(frozen=True)
class _Test:
    """A benchmark with all its runs: its section's key and title; `facts` and `seen` where it
    scores maps."""

    key: str
    title: str
    items: Sequence[Scored]
    benchmark: Benchmark
    facts: BenchmarkFacts | None = None
    seen: Sequence[Seen] = ()


class Sections:
    """Makes the section of one benchmark after the other. `store` is filled before; `failing` is
    the section, the benchmark and the run whose failures the page tells first."""

    def __init__(
        self,
        study: Study,
        scored: Sequence[Scored],
        decoded: Callable[[str], Path],
        results: Results,
        trained: Collection[str],
    ) -> None:
        self.store = Store()
        self.failing: tuple[str, str, Seen] | None = None
        self._study, self._decoded, self._results = study, decoded, results
        self._trained = frozenset(trained)
        self._tests = {(item.corpus, item.benchmark) for item in scored}
        self._every_seed = sum(item.metrics["samples"] for item in scored) <= _EVERY_SEED
        self._opened: dict[str, Clips] = {}
        self._shown: dict[str, set[str]] = {}  # of each corpus, the sounds in its galleries
        self._textures: dict[tuple[str, int, int], dict[str, np.ndarray]] = {}
        self._labels: dict[str, dict[str, str]] = {}  # and what a clip's sound is

    def clips(self, corpus: str) -> Clips:
        """The clips of a corpus, opened once."""
        if corpus not in self._opened:
            root = Path(self._study.corpora[corpus].root)
            self._opened[corpus] = Clips(DecodedCorpus(self._decoded(corpus)), root)
        return self._opened[corpus]

    def benchmark(self, corpus: str, name: str) -> Benchmark:
        """A benchmark as the corpus' frames show it, and the classes that it names remembered."""
        clips = self.clips(corpus)
        root = Path(self._study.corpora[corpus].root)
        whole = open_benchmark(name, Path(self._study.annotations), clips.corpus, root)
        seen = as_seen(whole, clips.corpus)
        known = self._labels.setdefault(corpus, {})
        for sample, label in zip(seen.samples, seen.labels or seen.classes or (), strict=False):
            if sample.sound_clip == sample.frame_clip:
                known.setdefault(sample.sound_clip, label)
        return seen

    def sections(self, tests: Sequence[Sequence[Scored]]) -> Iterator[Section]:
        """The section of each benchmark with all its runs. Raises `InputError` where a table is of
        other samples than the benchmark's."""
        opened = [self._opened_test(items) for items in tests]
        self.store.read_ahead()  # while the sections are drawn, and beside them
        with ThreadPoolExecutor(1, "curves") as thread:
            curves = [thread.submit(self._trivial, test) for test in opened]
            try:
                for test, trivial in zip(opened, curves, strict=True):
                    yield self._section(test, trivial)
            finally:
                thread.shutdown(cancel_futures=True)

    def _opened_test(self, items: Sequence[Scored]) -> _Test:
        corpus, name = items[0].corpus, items[0].benchmark
        alone = sum(benchmark == name for _, benchmark in self._tests) == 1
        key = name if alone else f"{name}-{corpus}"
        title = benchmark_title(name) + ("" if alone else f", {corpus}")
        benchmark = self.benchmark(corpus, name)
        if not benchmark.wants_maps:
            return _Test(key, title, items, benchmark)
        facts, seen = self._facts(benchmark, corpus, groups(items))
        self.store.add(key, title, corpus, self.clips(corpus), facts, seen)
        self.failing = self.failing or (key, title, next(run for run in seen if run.first))
        return _Test(key, title, items, benchmark, facts, seen)

    def _section(self, test: _Test, trivial: Future[dict[str, Curves]]) -> Section:
        items, benchmark, facts = test.items, test.benchmark, test.facts
        corpus, name = items[0].corpus, items[0].benchmark
        clips, runs = self.clips(corpus), groups(items)
        words, scores = words_of(runs, corpus), score_table(name, runs)
        if facts is None:
            rows = read_parquet(self._details(items[0]) / "samples.parquet")
            cases = retrieval_gallery(benchmark, rows, benchmark.classes, clips)
            whose = items[0].run.name
            content = benchmark_content(words, [], scores, cases, whose)
            return Section(test.key, test.title, content, class_="benchmark")
        first = [run for run in test.seen if run.first]
        if len(runs) > 1:
            count = share_of(CARDS, len(self._tests))
            cases = side_by_side(benchmark, [self._judged(group) for group in runs], clips, count)
        else:
            shown = self._shown.setdefault(corpus, set())
            cases = gallery(benchmark, facts, first[0].facts, first[0].maps, clips, shown)
        charts = [
            (group.label, [*curve_charts(curves, trivial.result()), *_histograms(run.facts)])
            for group, curves, run in zip(runs, map(self._curves, runs), first, strict=True)
        ]
        content = benchmark_content(
            words,
            charts,
            scores,
            cases,
            "" if len(runs) > 1 else items[0].run.name,
            by_size(name, runs),
            by_class(facts, first),
            condition_table(name, runs),
        )
        return Section(test.key, test.title, content, class_="benchmark")

    def _facts(
        self, benchmark: Benchmark, corpus: str, runs: Sequence[Group]
    ) -> tuple[BenchmarkFacts, list[Seen]]:
        facts, seen = None, []
        for group in runs:
            for place, item in enumerate(group.scored):
                if place and not self._every_seed:
                    continue
                table = read_parquet(self._details(item) / "samples.parquet")
                if facts is None:
                    labels = self._labels.get(corpus, {})
                    facts = benchmark_facts(benchmark, table, labels, self._trained)
                maps = map_npy(self._details(item) / "maps.npy")
                threshold = item.metrics.get("universal_threshold")
                found = run_facts(benchmark, facts, table, maps, threshold)
                label = group.label if place == 0 and not self._every_seed else item.run.name
                seen.append(Seen(label, place == 0, found, maps))
        assert facts is not None
        return facts, seen

    def _details(self, scored: Scored) -> Path:
        return self._results(scored.run.folder, scored.corpus) / "details" / scored.benchmark

    def _curves(self, group: Group) -> dict[str, dict[str, list[float]]]:
        """The curves of a run's first seed on its only benchmark."""
        first = group.scored[0]
        folder = self._results(first.run.folder, first.corpus) / "curves" / first.benchmark
        return {path.stem: read_tsv(path) for path in sorted(folder.glob("*.tsv"))}

    def _trivial(self, test: _Test) -> dict[str, Curves]:
        """The curves of the baselines on a benchmark on which some run has curves."""
        if not test.seen or not any(self._curves(group) for group in groups(test.items)):
            return {}
        corpus = test.items[0].corpus
        height, width = next(run for run in test.seen if run.first).maps.shape[1:]
        textures = self._textures.setdefault((corpus, height, width), {})
        return trivial_curves(test.benchmark, self.clips(corpus).corpus, height, width, textures)

    def _judged(self, group: Group) -> Judged:
        """A run's samples of each seed on its only benchmark, and the maps of the first one."""
        tables = [read_parquet(self._details(item) / "samples.parquet") for item in group.scored]
        return Judged(group.label, tables, map_npy(self._details(group.scored[0]) / "maps.npy"))


def _histograms(run: RunFacts) -> list[Markup]:
    low, high = float(run.sureness.min()), float(run.sureness.max())
    span = (low, high) if low < high else (low - 0.5, low + 0.5)
    return [
        histogram("How far maps meet", "IoU", run.cuts[run.lead], run.kinds, (0.0, 1.0)),
        histogram("How sure they are", "sureness", run.sureness, run.kinds, span),
    ]
