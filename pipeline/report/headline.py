"""The few numbers that a study is known by, for `dvc metrics show` and `dvc exp show`."""

from collections.abc import Sequence
from statistics import fmean

from pipeline.report.runs import Scored

COLUMNS = 12  # of a terminal's table
_OF_A_CORPUS = 2  # benchmarks
# What is shown of a benchmark: of the toy's scenes these four, of others the first that it has.
SCENES = ("cIoU_adaptive", "pointing_distractors", "swap", "class_R@1_a2i")
_OTHERS = ("cIoU", "AP", "mIoU", "class_R@1_a2i", "R@1_a2i")


def headline(scored: Sequence[Scored]) -> dict[str, dict[str, float]]:
    """By benchmark, scores of a study's first run, the mean over its seeds: at most `COLUMNS` of
    them, of the first benchmarks of each corpus."""
    if not scored:
        return {}
    first = [item for item in scored if item.run.alike == scored[0].run.alike]
    found: dict[str, dict[str, float]] = {}
    for corpus in dict.fromkeys(item.corpus for item in first):
        names = dict.fromkeys(item.benchmark for item in first if item.corpus == corpus)
        for name in list(names)[:_OF_A_CORPUS]:
            seeds = [
                item.metrics for item in first if (item.corpus, item.benchmark) == (corpus, name)
            ]
            known = [m for m in SCENES if name.startswith("scenes") and m in seeds[0]]
            known = known or [m for m in _OTHERS if m in seeds[0]][:1]
            left = COLUMNS - sum(map(len, found.values()))
            if shown := known[:left]:
                found[name] = {m: round(fmean(seed[m] for seed in seeds), 2) for m in shown}
    return found
