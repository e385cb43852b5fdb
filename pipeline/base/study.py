"""What a study of params.yaml declares: a world, methods x runs x seeds, and benchmarks.

`active` is the study that `dvc repro` makes; its keys are what dvc.yaml's stages are spread over.
"""

from dataclasses import field, fields
from pathlib import Path
from typing import Any, Literal

from pipeline.base.params import Natural, Parameters, settings
from pipeline.errors import InputError

# A list that stands for every clip of a folder: a file, since DVC wants to look at each list.
EVERY_CLIP = "data/every-clip.txt"


@settings
class Corpus:
    """A corpus on disk: its layout, its folder, the list of its clips (`EVERY_CLIP` for all that
    are in the folder), and what of the settings `decode` differs."""

    reader: str
    root: str
    list: str
    decode: dict[str, Any] = field(default_factory=dict)


@settings
class TrainOn:
    """What the study's runs are trained on: a corpus, a list of its clips, and the name of the
    neighbour search among them, under which the runs lie."""

    corpus: str
    list: str
    search: str


@settings
class Encoders:
    """The off-the-shelf encoders of frames and of sounds, files of pipeline/encoders/.

    `image_model` and `sound_model` are the study's own in place of the settings' `embed`.
    `stand_ins` names what the toy's encoder stage trains beside its labelled pair: see
    `pipeline.toy.stand_ins`. A study that names any has a folder `weights` of its own."""

    image: str
    audio: str
    image_model: str | None = None
    sound_model: str | None = None
    stand_ins: list[str] = field(default_factory=list)

    def models(self) -> dict[str, str]:
        """What the study puts over the settings' `embed`."""
        named = {"image_model": self.image_model, "sound_model": self.sound_model}
        return {key: model for key, model in named.items() if model is not None}


@settings
class Published:
    """Somebody's localizer file in place of a training: its method, what of the method's settings
    differs, and the list that it was trained on (for the leakage count)."""

    method: str
    weights: str
    list: str
    settings: dict[str, Any] = field(default_factory=dict)


@settings
class OwnMaps:
    """A file of anyone's maps in place of a run: the `name` that it has as a run, the `corpus`
    whose clips it has maps of, the file or folder, as `avloc score` takes it with ids, and what
    tables call it, by default its name. One name may stand on several corpora."""

    name: str
    corpus: str
    file: str
    label: str = ""


@settings
class Study:
    """What one `dvc repro` makes.

    `settings` is the key of the sections that its stages read. `flow` lists, for each method that
    asks for optical flow, the forms in which it is stored. A run is what differs from its
    method's section; its own entry `train` is what differs from the section `train`. `tests` lists
    the benchmarks by the corpus that holds their clips. `index` names the corpora of which each run
    stores embeddings and maps, to be searched and looked at. `maps` are anyone's, scored and shown
    as a run is. `moving` names the toys on whose moving clips each run is scored. `left_out` are
    benchmarks that the study would test on too, each with the reason why it does not: their data
    are absent, say (`avloc plan --leave-out`)."""

    settings: str
    toys: list[str]
    corpora: dict[str, Corpus]
    weights: str
    encoders: Encoders
    annotations: str
    train_on: TrainOn
    methods: list[str]
    runs: dict[str, dict[str, Any]]
    seeds: list[Natural]
    published: dict[str, Published]
    tests: dict[str, list[str]]
    flow: dict[str, list[Literal["bytes", "signed"]]] = field(default_factory=dict)
    index: list[str] = field(default_factory=list)
    maps: list[OwnMaps] = field(default_factory=list)
    moving: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        named = {
            "train_on.corpus": [self.train_on.corpus],
            "tests": self.tests,
            "index": self.index,
        }
        for key, names in named.items():
            for name in names:
                if name not in self.corpora:
                    known = ", ".join(self.corpora)
                    raise ValueError(f"{key}: found {name}, expected one of its corpora, {known}")
        for name in self.moving:
            if name not in self.toys:
                known = ", ".join(self.toys) or "none"
                raise ValueError(f"moving: found {name}, expected one of its toys, {known}")
        for item in self.maps:
            if item.corpus not in self.tests:
                raise ValueError(
                    f"maps: {item.name} on {item.corpus}: expected a corpus that the study tests "
                    f"on: {', '.join(self.tests) or 'none'}"
                )
        for corpus, name in self.benchmarks():
            if name in self.left_out:
                raise ValueError(f"left_out: found {name}, which is tested on {corpus}")

    def trained(self) -> dict[str, "Trained"]:
        """The study's trained runs by their folder below data/runs."""
        return {
            run.folder: run
            for run in (
                Trained(self.train_on.search, method, name, seed)
                for method in self.methods
                for name in self.runs
                for seed in self.seeds
            )
        }

    def benchmarks(self) -> list[tuple[str, str]]:
        """Each corpus tested on with each of its benchmarks."""
        return [(corpus, name) for corpus, names in self.tests.items() for name in names]

    def maps_folder(self, item: OwnMaps) -> str:
        """Where the scores of anyone's maps lie below data/results, before the corpus."""
        return f"{self.train_on.search}/{item.name}"


@settings
class Trained:
    """One training: of a method, with a run's changes, from a seed."""

    search: str
    method: str
    run: str
    seed: int

    @property
    def name(self) -> str:
        """As DVC names its stage: method, run and seed."""
        return f"{self.method}-{self.run}-{self.seed}"

    @property
    def folder(self) -> str:
        """Where it lies below data/runs and data/results."""
        return f"{self.search}/{self.name}"


def active_study(parameters: Parameters) -> Study:
    """The study that `dvc repro` makes."""
    return parameters.read("active", Study)


def check_listed(parameters: Parameters, key: str, name: str) -> None:
    """Raise `InputError` unless `key` of the active study, a list, a mapping or a name, has `name`.

    It is asked by commands whose stage reads nothing under that name, so that a slip makes no
    folder of its own; no byte depends on it, and it is no parameter of a stage."""
    listed: Any = parameters.read(f"active.{key}", Any)
    known: list[Any] = [listed] if isinstance(listed, str) else [*(listed or ())]
    if name not in known:
        raise InputError(
            f"{parameters.path}: active.{key}.{name}: not found; active.{key} holds: "
            f"{', '.join(map(str, known))}"
        )


def all_studies(parameters: Parameters) -> dict[str, Study]:
    """All studies by their names, the active one first under the name that it has among them, as
    `<name>-in-part` where it is one of them with benchmarks left out, or as `active` where it has
    none. Raises as `Parameters.read` does."""
    active, studies = active_study(parameters), parameters.read("studies", dict[str, Study])
    names = [key for key, study in studies.items() if study == active]
    if active.left_out:
        names += [f"{key}-in-part" for key, study in studies.items() if _is_part(active, study)]
    return {next(iter(names), "active"): active, **studies}


_TESTED = {"corpora", "tests", "index", "maps", "left_out"}


def _is_part(part: Study, whole: Study) -> bool:
    """Whether a study is another but for what it tests on."""
    rest = {entry.name for entry in fields(Study)} - _TESTED
    return all(getattr(part, name) == getattr(whole, name) for name in rest)


def is_of_toy(study: Study, corpus: str) -> bool:
    """Whether a corpus is part of a toy that a stage of the study makes."""
    root = Path(study.corpora[corpus].root)
    return any(root.is_relative_to(Path("data/toys") / toy) for toy in study.toys)


@settings
class Evaluated:
    """A run, by its folder below data/runs, on one benchmark, whose clips a corpus holds."""

    study: Study
    folder: str
    corpus: str
    benchmark: str

    @property
    def name(self) -> str:
        """As commands take it: '<search>/<run>/<benchmark>'."""
        return f"{self.folder}/{self.benchmark}"


def find_evaluated(parameters: Parameters, text: str) -> Evaluated:
    """The evaluation that '<run>/<benchmark>' or '<search>/<run>/<benchmark>' names, of the first
    study that has it, the active one before the others. Raises `InputError` with what there is."""
    known: list[str] = []
    for study in all_studies(parameters).values():
        published = (f"{study.train_on.search}/{key}" for key in study.published)
        for folder in (*study.trained(), *published):
            for corpus, benchmark in study.benchmarks():
                found = Evaluated(study, folder, corpus, benchmark)
                if text in (found.name, found.name.split("/", 1)[1]):
                    return found
                known.append(found.name)
        for item in study.maps:
            for benchmark in study.tests.get(item.corpus, ()):
                found = Evaluated(study, study.maps_folder(item), item.corpus, benchmark)
                if text in (found.name, found.name.split("/", 1)[1]):
                    return found
                known.append(found.name)
    known = list(dict.fromkeys(known))
    more = f" and {len(known) - 12} more" if len(known) > 12 else ""
    raise InputError(
        f"{parameters.path}: no study has an evaluation {text!r}, expected <run>/<benchmark>, one "
        f"of {', '.join(known[:12])}{more}"
    )
