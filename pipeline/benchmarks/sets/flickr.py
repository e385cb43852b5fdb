"""SoundNet-Flickr (Table 2): 250 test clips, the consensus of several annotators as the truth."""

from pathlib import Path

from pipeline.benchmarks.contract import Available, Benchmark, Sample, available_rows
from pipeline.benchmarks.flickr import FLICKR_TEST_LISTS, read_consensus, read_flickr

NAMES = ("flickr",)
TEST_LISTS = FLICKR_TEST_LISTS


def open(name: str, annotations: Path, available: Available, root: Path | None) -> Benchmark:
    """'flickr', see `open_benchmark`."""
    from pipeline.benchmarks.metrics.rasters import Truth
    from pipeline.benchmarks.tasks.localization import LocalizationBenchmark

    clips, paths = read_flickr(annotations)
    samples = [Sample(clip, clip, clip) for clip in clips]
    benchmark = LocalizationBenchmark(samples, len(clips), Truth(paths, read_consensus), "corners")
    return benchmark.select(available_rows(samples, available))
