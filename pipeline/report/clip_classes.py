"""The class of a few clips of a corpus, out of whatever names it: the benchmarks on the corpus, a
list of labels beside its own, or the folders that its files are sorted into."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from pipeline.benchmarks import open_benchmark
from pipeline.corpora.lists import read_labelled
from pipeline.errors import InputError

# Lists `clip,class` by their published names, and the toy's own.
_LABELLED = ("labelled.csv", "vggsound.csv", "vggsound_test.csv")


def clip_classes(
    paths: Mapping[str, str],
    benchmarks: Sequence[str],
    annotations: Path,
    folders: Sequence[Path],
    media: Path | None,
) -> dict[str, str]:
    """The classes of the clips in `paths` (their files below the corpus' root), where something
    names them: first the `benchmarks` on the corpus, then lists of labels in `folders` and in
    `annotations`, last the folder that a file lies in. What is not there is passed over."""
    found: dict[str, str] = {}
    for name in benchmarks:
        if left := set(paths).difference(found):
            found.update(_of_benchmark(name, annotations, left, media))
    for folder in dict.fromkeys([*folders, annotations]):
        for file in _LABELLED:
            left = set(paths).difference(found)
            if left and (folder / file).is_file():
                known = _labelled(folder / file)
                found.update({clip: known[clip] for clip in left & known.keys()})
    for clip, path in paths.items():
        sorted_into = PurePosixPath(path).parent.name
        if clip not in found and sorted_into and sorted_into not in _NO_CLASS:
            found[clip] = sorted_into
    return found


# Folders of the layouts, which say what a file is and not what sounds in it.
_NO_CLASS = frozenset(
    {"frames", "audio", "images", "audio_waw", "audio_wav", "visual_frames", "mp3"}
)


def _of_benchmark(
    name: str, annotations: Path, clips: set[str], media: Path | None
) -> dict[str, str]:
    try:
        benchmark = open_benchmark(name, annotations, clips, media)
    except InputError:
        return {}  # its lists are not there, which is nothing to a question about a corpus
    labels: Iterable[str] = benchmark.classes or benchmark.labels
    pairs = zip(benchmark.samples, labels, strict=False)  # of some no sample has a label
    return {s.sound_clip: label for s, label in pairs if s.sound_clip == s.frame_clip}


def _labelled(path: Path) -> dict[str, str]:
    try:
        return read_labelled(path)
    except InputError:
        return {}  # of another form: no class, and no reason to answer nothing
