"""How much a study's stages have to do: clips of corpora and lists, samples of benchmarks.

What is on the disk is counted. Of a list that is absent the number is that of the published one,
of a toy that is not made yet that of its settings; each says which it is.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pipeline.base.files import read_json
from pipeline.base.params import Parameters
from pipeline.base.study import EVERY_CLIP, Study
from pipeline.benchmarks import open_benchmark
from pipeline.corpora.layouts import find_sources
from pipeline.corpora.lists import read_clip_list, read_listed
from pipeline.decode.settings import Decode
from pipeline.errors import InputError
from pipeline.toy.conditions import CONDITIONS
from pipeline.toy.settings import Toy

# Clips of the published lists, by their files.
_LISTS = {
    "vggss_144k.txt": 144_000,
    "vggss_10k.txt": 10_000,
    "vggss_heard.txt": 59_468,
    "ssltie_vggsound_144k.txt": 144_000,
    "ssltie_openset_train_110_70k.txt": 70_000,
    "flickr_144k.txt": 144_000,
    "flickr_144k_senocak.txt": 144_000,
    "flickr_10k.txt": 10_000,
    "vggss_test_plus_silent.csv": 5_158,
    "flickr_test_plus_silent.csv": 250,
}
# Whole corpora by their readers: VGGSound as README.md counts it, Flickr's usual list, the tested
# frames of AVSBench, IS3's objects and their pictures.
_CORPORA = {"vggsound": 200_000, "flickr": 144_000, "avsbench": 4_020, "is3": 6_480}
# Samples of the published benchmarks.
_SAMPLES = {
    "vggss": 5_158,
    "vggss-4655": 4_655,
    "retrieval": 5_158,
    "extended-vggss": 10_000,
    "negatives": 5_158,
    "flickr": 250,
    "extended-flickr": 500,
    "avsbench-s4": 3_700,
    "avsbench-ms3": 320,
    "avsbench-s4-boxes": 3_700,
    "avsbench-ms3-boxes": 320,
    "is3": 6_480,
}
_SMALL_SETS = {"flickr": 40, "avsbench": 144, "is3": 120}  # of a toy, whatever its settings
_SILENT = 12  # of a toy's tested clips
SMALL = 136  # samples that a toy has beside its lists, whatever its settings


@dataclass(frozen=True)
class Size:
    """A number, None where nobody knows it before its list is there, and where it comes from."""

    count: int | None
    origin: str


class Sizes:
    """The sizes of one study, each looked for once."""

    def __init__(
        self, parameters: Parameters, study: Study, decoded: Callable[[str], Path]
    ) -> None:
        """`decoded` gives the folder of a corpus' decoded clips."""
        self.parameters, self.study, self.decoded = parameters, study, decoded
        self._corpora: dict[str, Size] = {}

    def corpus(self, name: str) -> Size:
        """The clips of a corpus that are decoded. Raises `InputError` for a damaged list."""
        if name not in self._corpora:
            self._corpora[name] = self._count(name)
        return self._corpora[name]

    @cached_property
    def trained_on(self) -> Size:
        """The clips of the training list. Raises `InputError` for a damaged one."""
        path = self.study.train_on.list
        if path == EVERY_CLIP:
            return self.corpus(self.study.train_on.corpus)
        if Path(path).is_file():
            return Size(len(read_clip_list(Path(path))), f"counted in {path}")
        if toy := self._toy(path):
            return Size(toy.train, "the toy's settings")
        return _published(_LISTS.get(Path(path).name))

    def samples(self, corpus: str, benchmark: str) -> Size:
        """The samples of a benchmark. Raises `InputError` for damaged annotations."""
        study = self.study
        toy = self._toy(study.annotations)
        if toy and not Path(study.annotations).exists():
            clips, listed = self.corpus(corpus), study.corpora[corpus].list != EVERY_CLIP
            return Size(toy.test if listed else clips.count, "about, by the toy's settings")
        try:
            root = Path(study.corpora[corpus].root)
            found = open_benchmark(benchmark, Path(study.annotations), lambda clip: True, root)
            return Size(found.official_count, "counted in its lists")
        except InputError:  # absent or damaged, which `left_out` tells of
            if benchmark in _SAMPLES:
                return _published(_SAMPLES[benchmark])
            return Size(self.corpus(corpus).count, "about as many as clips")

    def seconds(self, corpus: str) -> float:
        """How long a clip's stored sound is: the median where the corpus is decoded, else that of
        the toy's settings, else as long as is kept, at most ten seconds."""
        if (summary := self.decoded(corpus) / "summary.json").is_file():
            found = read_json(summary).get("sound_seconds_median")
            if found is not None:
                return float(found)
        item = self.study.corpora[corpus]
        values = self.parameters.read(f"{self.study.settings}.decode", Decode, item.decode)
        toy = self._toy(item.root)
        own = 10.0 if toy is None else toy.seconds
        return min(max(own, values.seconds), values.max_seconds)

    def media(self, corpus: str) -> tuple[int, int, float]:
        """Width, height and seconds of a clip as it lies on disk; of anyone's a guess, 720 lines
        and ten seconds."""
        toy = self._toy(self.study.corpora[corpus].root)
        return (1280, 720, 10.0) if toy is None else (toy.width, toy.height, toy.seconds)

    def _count(self, name: str) -> Size:
        item = self.study.corpora[name]
        if item.list != EVERY_CLIP and Path(item.list).is_file():
            return Size(len(read_listed(Path(item.list))), f"counted in {item.list}")
        if toy := self._toy(item.root):
            if Path(item.root).is_dir():
                return Size(len(find_sources(item.reader, Path(item.root))), "counted on disk")
            whole = {"training": toy.train + toy.labelled}
            whole["tested"] = toy.validation + toy.test + _SILENT
            whole["tested"] += toy.conditions * len(CONDITIONS)
            return Size(
                whole.get(Path(item.list).stem) or _SMALL_SETS.get(item.reader),
                "the toy's settings",
            )
        if item.list != EVERY_CLIP:
            return _published(_LISTS.get(Path(item.list).name))
        try:
            return Size(len(find_sources(item.reader, Path(item.root))), "counted on disk")
        except InputError:  # absent, which `left_out` tells of
            return _published(_CORPORA.get(item.reader))

    def _toy(self, path: str) -> Toy | None:
        """The settings of the toy that a path lies in, None where it lies in none."""
        if Path(path).is_relative_to("data/toys"):
            return self.parameters.read(f"{self.study.settings}.toy", Toy)
        return None


def _published(count: int | None) -> Size:
    return Size(count, "nobody knows before it is there" if count is None else "as published")
