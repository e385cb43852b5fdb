"""Whether what a run reads is in place, told before hours are spent on it.

Everything is looked for by the readers that the stages use later, so a message here is the one that
a stage would have ended with. Lists and the first ground truth of a benchmark are really read; of
media only the names are, so a damaged video is still decode's to find.
"""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TypeVar

from pipeline.base.files import read_parquet
from pipeline.benchmarks import NOISE, SILENCE, open_benchmark
from pipeline.corpora import find_sources, layout
from pipeline.errors import InputError

T = TypeVar("T")


def collect(find: Callable[[], T], absent: list[str]) -> T | None:
    """What `find` returns; None where it raises `InputError`, whose message goes into `absent`
    unless it is there already."""
    try:
        return find()
    except InputError as error:
        if str(error) not in absent:
            absent.append(str(error))
        return None


def clips_on_disk(reader: str, root: Path) -> frozenset[str]:
    """The ids of a corpus' clips; raises as `find_sources` does, for an absent one too."""
    return frozenset(source.clip_id for source in find_sources(reader, root))


def rejected_clips(decoded: Path) -> dict[str, str] | None:
    """The cause of each clip that decoding refused, from the folder of the decoded corpus; None
    where it is not decoded yet."""
    if not (decoded / "rejects.parquet").is_file():
        return None
    table = read_parquet(decoded / "rejects.parquet")
    return dict(zip(table["clip_id"].to_pylist(), table["cause"].to_pylist(), strict=True))


def benchmark_clips(name: str, annotations: Path, root: Path) -> tuple[int, list[str]]:
    """The official number of samples of a benchmark, and the different clips that they are made of.

    Raises as `open_benchmark` does, for an absent list with the command that brings it.
    """
    benchmark = open_benchmark(name, annotations, lambda clip_id: True, root)
    pairs = [(sample.frame_clip, sample.sound_clip) for sample in benchmark.samples]
    clips = dict.fromkeys(clip for pair in pairs for clip in pair)
    return benchmark.official_count, [clip for clip in clips if clip not in (SILENCE, NOISE)]


def check_ground_truth(
    name: str, annotations: Path, root: Path, reader: str, on_disk: Collection[str]
) -> None:
    """Raise `InputError`, with the address of its corpus, where the first sample's ground truth is
    absent: Flickr's boxes and AVSBench's masks lie in a file of their own for each sample."""
    benchmark = open_benchmark(name, annotations, on_disk, root)
    if not benchmark.samples:
        return
    try:
        benchmark.ground_truth(0, 1)
    except InputError as error:
        raise InputError(f"{error}; {layout(reader).origin}") from error


def absent_imports(annotations: Path) -> str | None:
    """One message for all lists that a `.dvc` file promises in a folder and that are not there:
    whatever depends on the folder, DVC refuses to run without every one of them."""
    promised = [path.with_suffix("") for path in sorted(annotations.glob("*.dvc"))]
    gone = [path.name for path in promised if not path.exists()]
    if not gone:
        return None
    files = annotations / "*.dvc"
    return (
        f"{annotations}: DVC wants all {len(promised)} lists that have a .dvc file there and "
        f"misses {', '.join(gone)}; `dvc update {files}` brings them all from the addresses in "
        f"those files, or put them there and run `dvc repro --force --allow-missing {files}`"
    )
