"""Whether all that a study reads is in place, reported before hours are spent on it.

Everything is looked for by the readers that the stages use later, so a message here is the one that
a stage would have ended with. Lists and the first ground truth of a benchmark are really read; of
media only the names are, so a damaged video is still decode's to find.

This module asks later rooms (benchmarks, encoders) about their files, and `contradictions` about
their settings; no other of the room does.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from pipeline.base.files import read_parquet
from pipeline.base.params import Parameters
from pipeline.base.study import EVERY_CLIP, Study
from pipeline.benchmarks import NOISE, SILENCE, open_benchmark
from pipeline.corpora.check import ClipList, Row, check
from pipeline.corpora.contradictions import contradictions
from pipeline.corpora.layouts import find_sources, layout
from pipeline.corpora.lists import describe_lost_dashes, read_clip_list
from pipeline.encoders.common.settings import Embed
from pipeline.errors import InputError
from pipeline.evaluate.settings import Evaluate
from pipeline.neighbours.settings import Listed

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


@dataclass
class StudyData:
    """The data that a study names, and the messages of what of it is absent.

    `made` are the folders that the study's own stages make, `key` where the study stands in
    params.yaml. Each method looks for one thing, adds a message to `absent` where it is not there,
    and raises nothing for that. `wrong` are the settings that others contradict.
    """

    study: Study
    made: Collection[Path]
    key: str = "active"
    wrong: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _clips: dict[str, frozenset[str] | None] = field(default_factory=dict)

    def is_made(self, path: str) -> bool:
        """Whether the study's own stages make what lies there."""
        return any(Path(path).is_relative_to(folder) for folder in self.made)

    def clips(self, corpus: str) -> frozenset[str] | None:
        """The ids of a corpus' clips, None where it is absent; `notes` gets a line for clips that
        lie there with different files."""
        if corpus not in self._clips:
            item = self.study.corpora[corpus]
            find = partial(find_sources, item.reader, Path(item.root))
            sources = None if self._is_unmade(item.root) else collect(find, self.absent)
            self._clips[corpus] = (
                None if sources is None else frozenset(source.clip_id for source in sources)
            )
            if different := sum(bool(source.not_taken) for source in sources or ()):
                self.notes.append(
                    f"{corpus}: clips with different files, the largest taken: {different:,}"
                )
        return self._clips[corpus]

    def training_list(self, path: str) -> list[str]:
        """The clips of a list, none where it is absent; `notes` gets a line for ids that have lost
        their leading dash. `EVERY_CLIP` lists what lies in the folder that is trained on."""
        if path == EVERY_CLIP:
            return sorted(self.clips(self.study.train_on.corpus) or ())
        if self._is_unmade(path):
            return []
        clips = collect(partial(read_clip_list, Path(path)), self.absent) or []
        if lost := describe_lost_dashes(clips):
            self.notes.append(f"{path}: {lost}")
        return clips

    def benchmark(self, corpus: str, name: str) -> tuple[int, list[str]] | None:
        """The official number of samples of a benchmark and its clips, None where it is absent."""
        item = self.study.corpora[corpus]
        annotations, root = Path(self.study.annotations), Path(item.root)
        if self._is_unmade(self.study.annotations):
            return None
        found = collect(partial(benchmark_clips, name, annotations, root), self.absent)
        on_disk = self.clips(corpus)
        if found and on_disk:
            collect(
                partial(check_ground_truth, name, annotations, root, item.reader, on_disk),
                self.absent,
            )
        return found

    def encoders(self, embed: Embed, object_model: str) -> None:
        """Look for the networks of the neighbours and of object maps, and fetch ImageNet networks
        that are not there: a machine off the network shall not find out after days of decoding."""
        # The encoders import torch, seconds that the table of a study does not need.
        from pipeline.encoders.common.contract import load_encoder
        from pipeline.encoders.imagenet import load_image_encoder
        from pipeline.encoders.vggsound import AUDIO_WEIGHTS, audio_encoder

        folder, named = Path(self.study.weights), self.study.encoders
        collect(partial(load_encoder, named.image, folder, embed), self.absent)
        collect(partial(load_image_encoder, folder, object_model, side=224), self.absent)
        path = folder / AUDIO_WEIGHTS
        if named.audio != "vggsound":
            collect(partial(load_encoder, named.audio, folder, embed), self.absent)
        elif not path.is_file():
            collect(partial(audio_encoder, path), self.absent)

    def networks(self, parameters: Parameters) -> None:
        """Look for the networks that the study's methods begin with, and fetch those that are not
        there."""
        from pipeline.encoders.imagenet import image_network_state
        from pipeline.methods.common.sections import method_settings
        from pipeline.train.begin import sound_network_file, vision_model

        folder, world = Path(self.study.weights), self.study.settings
        found = [
            method_settings(parameters, world, method, changes)[0]
            for method in self.study.methods
            for changes in self.study.runs.values()
        ]
        for model in dict.fromkeys(map(vision_model, found)):
            if model is not None:
                collect(partial(image_network_state, folder, model), self.absent)
        for model in dict.fromkeys(getattr(each, "sound_model", None) for each in found):
            if model is not None:
                collect(partial(sound_network_file, folder, model), self.absent)

    def weights(self, file: str) -> None:
        """Look for a published localizer."""
        if not Path(file).is_file():
            self._note(
                f"{file}: not found, expected a localizer's weights; "
                "https://github.com/kaistmm/SSLalignment says where the authors' are"
            )

    def settings(self, parameters: Parameters) -> None:
        """Look for settings of the study that contradict each other."""
        found = collect(partial(contradictions, parameters, self.study, self.key), self.wrong)
        self.wrong += found or []

    def _is_unmade(self, path: str) -> bool:
        """Whether a stage makes what lies there and has not yet; then it is noted."""
        if not self.is_made(path) or Path(path).exists():
            return False
        self._note(f"{path}: not made yet; `dvc repro` makes it where its study is the active one")
        return True

    def _note(self, message: str) -> None:
        if message not in self.absent:
            self.absent.append(message)


def absent_data(parameters: Parameters, data: StudyData) -> list[str]:
    """One message for each thing that the study reads, no stage of its own makes and is not there;
    `data.wrong` gets the settings that contradict each other.

    `parameters` give the networks of the neighbours, of object maps and of the methods.
    """
    study = data.study
    data.settings(parameters)
    for name, corpus in study.corpora.items():
        if not data.is_made(corpus.root):
            data.clips(name)
    if not data.is_made(study.weights):
        models = study.encoders.models()
        data.encoders(
            parameters.read(f"{study.settings}.embed", Embed, models),
            parameters.read(f"{study.settings}.evaluate", Evaluate).object_model,
        )
        data.networks(parameters)
    if not data.is_made(study.train_on.list):
        data.training_list(study.train_on.list)
    for published in study.published.values():
        data.weights(published.weights)
        if not data.is_made(published.list):
            data.training_list(published.list)
    for maps in study.maps:
        if not Path(maps.file).exists():
            data.absent.append(f"{maps.file}: absent, the maps {maps.name} on {maps.corpus}")
    if not data.is_made(study.annotations):
        for place, benchmark in study.benchmarks():
            data.benchmark(place, benchmark)
    return data.absent


@dataclass(frozen=True)
class StudyCheck:
    """What is there of a study's lists: one row for its training list `trained_on` (first) and one
    for each of its benchmarks. Without `has_list` the list is absent, and no leak is counted."""

    trained_on: str
    rows: list[Row]
    has_list: bool


def check_study(
    parameters: Parameters, data: StudyData, decoded: Callable[[str], Path], published: str | None
) -> StudyCheck:
    """Count a study's training list and benchmarks; `data` collects what is absent, the settings
    that contradict each other and the notes.

    `decoded` gives the folder of a corpus' decoded clips, where the rejects are. With `published`
    the training list is that of one of the study's published weight files.
    """
    study = data.study
    data.settings(parameters)
    path, corpus = study.train_on.list, study.train_on.corpus
    if published is not None:
        path = study.published[published].list
        data.weights(study.published[published].weights)
    elif parameters.read(f"{study.settings}.training_list", Listed).exclude_test_clips:
        data.notes.append("exclude_test_clips is on: runs drop them before they train")

    def counted(name: str, samples: int, clips: list[str], corpus: str) -> ClipList:
        return ClipList(
            name, samples, clips, data.clips(corpus) or (), rejected_clips(decoded(corpus))
        )

    listed = data.training_list(path)
    training = counted("training list", len(listed), listed, corpus)
    benchmarks = []
    for corpus, name in study.benchmarks():
        if found := data.benchmark(corpus, name):
            benchmarks.append(counted(name, *found, corpus))
    return StudyCheck(path, check(training, benchmarks), bool(listed))
