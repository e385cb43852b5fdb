"""Cross-modal retrieval over all VGG-SS pairs (Table 6), with the classes of `vggss.json`.

Class recall is what stands beside the paper, instance recall below it (`metrics/retrieval.py` says
why), both among the 4,655 pairs that the paper has (`@available`) and among all. Beside the toy's
`scenes.json`, all numbers are given once more over the scenes with a single object (`_single`),
where a frame does not have two right sounds.
"""

from pathlib import Path

from pipeline.benchmarks.contract import Available, Benchmark, Sample, available_rows
from pipeline.benchmarks.vggss import VGGSS_TEST_LISTS, available_clips, members, read_subset
from pipeline.corpora.ground_truth import read_scenes

NAMES = ("retrieval",)
TEST_LISTS = VGGSS_TEST_LISTS


def open(name: str, annotations: Path, available: Available, root: Path | None) -> Benchmark:
    """'retrieval', see `open_benchmark`."""
    from pipeline.benchmarks.tasks.retrieval import RetrievalBenchmark

    entries = read_subset("vggss", annotations)
    samples = [Sample(entry.clip_id, entry.clip_id, entry.clip_id) for entry in entries]
    classes = [entry.label for entry in entries]
    clips = [entry.clip_id for entry in entries]
    parts = {}
    listed = available_clips(annotations)
    if listed is not None:
        parts["available"] = members(clips, listed)
    singles = None
    scenes = annotations / "scenes.json"
    if scenes.is_file():
        single = {scene.clip_id for scene in read_scenes(scenes) if not scene.distractors}
        singles = members(clips, single)
    benchmark = RetrievalBenchmark(samples, len(samples), classes, parts, singles)
    return benchmark.select(available_rows(samples, available))
