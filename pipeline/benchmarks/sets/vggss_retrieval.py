"""Cross-modal retrieval over all VGG-SS pairs (Table 6), with the classes of `vggss.json`.

The paper scores instances only; class metrics are added because a set with several clips of a
class cannot be ranked perfectly by anyone. Beside the toy's `scenes.json`, all numbers are given
once more over the scenes with a single object (`_single`), where a frame does not have two right
sounds.
"""

from pathlib import Path

from pipeline.benchmarks.contract import Available, Benchmark, Sample, available_rows
from pipeline.benchmarks.vggss import VGGSS_TEST_LISTS, read_subset
from pipeline.corpora.ground_truth import read_scenes

NAMES = ("retrieval",)
TEST_LISTS = VGGSS_TEST_LISTS


def open(name: str, annotations: Path, available: Available, root: Path | None) -> Benchmark:
    """'retrieval', see `open_benchmark`."""
    from pipeline.benchmarks.tasks.retrieval import SceneRetrievalBenchmark

    entries = read_subset("vggss", annotations)
    samples = [Sample(entry.clip_id, entry.clip_id, entry.clip_id) for entry in entries]
    classes = [entry.label for entry in entries]
    scenes = annotations / "scenes.json"
    single = frozenset(
        scene.clip_id
        for scene in (read_scenes(scenes) if scenes.is_file() else [])
        if not scene.distractors
    )
    benchmark = SceneRetrievalBenchmark(samples, len(samples), classes, single)
    return benchmark.select(available_rows(samples, available))
