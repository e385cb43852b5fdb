"""The work, the disk and the memory of each stage of a study, by arithmetic from its sizes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch

from pipeline.base.params import Parameters
from pipeline.base.study import Study
from pipeline.clips.sound_form import SoundForm
from pipeline.decode.settings import Decode
from pipeline.encoders.common.settings import Embed
from pipeline.evaluate.settings import Evaluate
from pipeline.execution.settings import Execution
from pipeline.methods.common.sections import method_settings
from pipeline.methods.contract import Method, load_method
from pipeline.neighbours.settings import Neighbours
from pipeline.networks.device import best_device, has_bfloat16
from pipeline.speed.planning.encoders import Network, network
from pipeline.speed.planning.shapes import Shapes, shapes_of
from pipeline.speed.planning.sizes import SMALL, Sizes
from pipeline.toy.conditions import CONDITIONS
from pipeline.toy.settings import Encoders, Toy
from pipeline.train.settings import Train
from pipeline.train.step import on_device

_WIDE = 16 / 9  # of a picture whose aspect is kept
# Measured on the toy's outputs, bytes: a clip's rows in the tables of decode and of spectrograms, a
# clip of the toy of 96 x 72 px and 3 s, a sample's row of scores, a sample in the report's page.
_ROW, _SOUND_ROW, _TOY_CLIP, _SCORES, _SHOWN = 250, 20, 40_000, 400, 4_500
# Measured, bytes: a process that has imported torch and the library; one without; one that decodes.
_PROCESS, _SMALL, _DECODER = 450e6, 150e6, 120e6
_SEARCHING = 2.5  # times inputs and outputs that a search holds (pipeline/speed/README.md)


@dataclass(frozen=True)
class Work:
    """So many units of a kind of work; `label` says what exactly a unit is, `operations` how much
    one is beside another of its kind. Where it `spreads`, each core does its share; else the rate
    is of all its `threads`. `units` is None where nobody knows it yet."""

    kind: str
    label: str
    unit: str
    units: float | None
    operations: float = 1.0
    spreads: bool = False
    threads: int = 1


@dataclass(frozen=True)
class Stage:
    """A stage: its command, its work; bytes that its outputs take, that it holds in memory at once,
    and on a GPU, where it uses one: None for none or where nobody knows it yet."""

    command: str
    works: tuple[Work, ...]
    disk: float | None = 0.0
    memory: float | None = _PROCESS
    gpu_memory: float | None = None


@dataclass(frozen=True)
class Trained:
    """A run's method and how it is trained, with the shapes of a step."""

    name: str
    make: Callable[[], Method]
    recipe: Train
    shapes: Shapes

    @property
    def label(self) -> str:
        """What a clip of a training step is."""
        made = self.make()
        return (
            f"{self.name}, {made.side} px, {made.settings.seconds:g} s, batch {self.recipe.batch}, "
            f"{self.recipe.precision}, {self.shapes.operations / 1e9:.3g} GFLOP"
        )


@dataclass
class Planner:
    """A study, stage by stage. `study_key` is where it stands in params.yaml."""

    parameters: Parameters
    study: Study
    sizes: Sizes
    cores: int
    _runs: dict[str, Trained] = field(default_factory=dict)
    _forms: set[tuple[str, str]] = field(default_factory=set)

    def stages(self, commands: Sequence[str]) -> list[Stage]:
        """The stages of the study's commands, without `avloc`, in their order."""
        return [self._stage(command, command.split()) for command in commands]

    def trained(self, method: str, run: str) -> Trained:
        """A run of the study. Raises `InputError` as `method_settings` does."""
        return self._run(method, run, self.study.runs[run])

    def runs(self) -> list[Trained]:
        """All runs that were asked for, each once."""
        return list(self._runs.values())

    @cached_property
    def image(self) -> Network:
        """The image encoder of the neighbours."""
        return network(self.embed, self.study, "image", 0)

    @cached_property
    def audio(self) -> Network:
        """Their sound encoder."""
        steps = self.form(self.study.encoders.audio).steps(self.embed.sound_seconds)
        bins = self.form(self.study.encoders.audio).bins
        return network(self.embed, self.study, "audio", steps, bins)

    @cached_property
    def objects(self) -> Network:
        """The network of object maps."""
        side = self._read("evaluate", Evaluate).object_side
        return network(self.embed, self.study, "image", 0, side=side)

    # --- a stage -------------------------------------------------------------------------------

    def _stage(self, command: str, words: list[str]) -> Stage:
        kinds: dict[str, Callable[..., Stage]] = {
            "corpus": self._ready,
            "toy": self._toy,
            "decode": self._decode,
            "spectrograms": self._spectrograms,
            "flow": self._flow,
            "encoders": self._encoders,
            "embed": self._embedding,
            "training-list": self._light,
            "neighbours": self._neighbours,
            "train": self._train,
            "load": self._load,
            "tests": self._light,
            "evaluate": self._evaluate,
            "evaluate-maps": self._score_maps,
            "index": self._index,
            "moving": self._moving,
            "report": self._report,
        }
        return kinds.get(words[0], self._unknown)(command, *words[1:])

    def _unknown(self, command: str, *_: str) -> Stage:
        """A stage that nobody wrote the arithmetic of: it has a row, and no figure."""
        work = Work(command.split()[0], "all of it", "start", 1.0)
        return Stage(command, (_START, work), None, None)

    def _ready(self, command: str, _: str) -> Stage:
        return Stage(command, (_LIGHT,), memory=_SMALL)

    def _light(self, command: str, *_: str) -> Stage:
        return Stage(command, (_LIGHT,), memory=_SMALL)

    def _toy(self, command: str, _: str) -> Stage:
        toy = self._read("toy", Toy)
        clips = toy.train + toy.validation + toy.test + toy.labelled + SMALL
        clips += toy.conditions * len(CONDITIONS) + toy.moving
        label, size = _media((toy.width, toy.height, toy.seconds))
        work = Work("toy", label, "clips", clips, size, spreads=True)
        disk = clips * _TOY_CLIP * size / (96 * 72 * 3)
        return Stage(command, (_LIGHT, work), disk, self._decoders)

    def _decode(self, command: str, corpus: str) -> Stage:
        clips = self.sizes.corpus(corpus).count
        values = self.decoded(corpus)
        label, size = _media(self.sizes.media(corpus))
        work = Work("decode", label, "clips", clips, size, spreads=True)
        frame = values.side**2 * 3 * (_WIDE if values.aspect == "kept" else 1)
        return Stage(command, (_LIGHT, work), _times(clips, frame + _ROW), self._decoders)

    def _spectrograms(self, command: str, corpus: str, name: str) -> Stage:
        form, clips = self.form(name), self.sizes.corpus(corpus).count
        seconds, bins = self.sizes.seconds(corpus), form.bins
        rows = _times(clips, _SOUND_ROW)
        if (corpus, repr(form)) in self._forms:  # its shards become hard links
            return Stage(command, (_LIGHT,), rows)
        self._forms.add((corpus, repr(form)))
        label = f"{seconds:.3g} s, {form.sample_rate} Hz, {bins} bins"
        size = seconds * form.sample_rate
        work = Work("spectrograms", label, "clips", clips, size, spreads=True)
        disk = _times(clips, form.steps(seconds) * bins * 2 + _SOUND_ROW)
        return Stage(
            command, (_START, _START, work), disk, self._decoders
        )  # its workers import too

    def _flow(self, command: str, corpus: str, method: str) -> Stage:
        clips, values = self.sizes.corpus(corpus).count, self.decoded(corpus)
        forms = self.study.flow[method]
        pixels = values.side**2 * (_WIDE if values.aspect == "kept" else 1)
        stored = pixels * sum(2 if form == "bytes" else 4 for form in forms)
        work = Work("flow", f"{values.side} px", "clips", clips, pixels, spreads=True)
        return Stage(command, (_START, work), _times(clips, stored), self._decoders)

    def _encoders(self, command: str, _: str) -> Stage:
        toy, values = self._read("toy", Toy), self._read("encoders", Encoders)
        learnt = 0.9 * toy.labelled
        more = len(self.study.encoders.stand_ins) * values.alone_epochs
        works = [_START]
        for name, epochs, of in (
            ("image", values.image_epochs + more, self.image),
            ("audio", values.audio_epochs, self.audio),
        ):
            units, threads = learnt * epochs, self.threads(values.threads)
            label = f"{of.label}, {'bfloat16' if learns_in_half(values) else 'float32'}"
            work = Work(f"{name} encoder", label, "clips", units, 3 * of.operations)
            works.append(replace(work, threads=threads))
        held = toy.labelled * (self.image.stored + self.audio.stored)
        return Stage(command, tuple(works), 2e6, _PROCESS + held)

    def _embedding(self, command: str, corpus: str, modality: str) -> Stage:
        clips, of = self.sizes.corpus(corpus).count, getattr(self, modality)
        work = Work("embed", of.label, "clips", clips, of.operations)
        work = replace(work, threads=self.threads(self.embed.threads))
        held = self.embed.batch * of.held
        features = _times(clips, of.features * 4)
        return Stage(command, (_START, work), features, _PROCESS + held, held)

    def _neighbours(self, command: str, _: str) -> Stage:
        clips, values = self.sizes.trained_on.count, self._read("neighbours", Neighbours)
        if clips is None:
            return Stage(command, (_START,), None, None)
        features = (self.image.features + self.audio.features) / 2
        label = f"{values.index}, {features:.0f} features"
        work = Work("search", label, "pairs", 2.0 * clips**2, features)
        work = replace(work, threads=self.threads(values.threads))
        found = clips * min(values.k, clips - 1) * 6  # an int32 and a float16
        index = 2 * clips * features * 4 if values.store_index else 0
        held = _SEARCHING * (clips * features * 2 + found)
        return Stage(command, (_LIGHT, work), 2 * found + index, _SMALL + held)

    def _train(self, command: str, method: str, run: str, _: str) -> Stage:
        trained, clips = self.trained(method, run), self.sizes.trained_on.count
        shapes, recipe = trained.shapes, trained.recipe
        if clips is None:
            return Stage(command, (_START,), None, None)
        batch = min(recipe.batch, clips)
        units = recipe.epochs * (clips // batch * batch)
        work = Work("train", trained.label, "clips", units, shapes.operations)
        execution = self.parameters.read("execution", Execution)
        apart = execution.side_by_side and self.cores >= 2 * recipe.threads
        work = replace(work, threads=self.threads(recipe.threads * (2 if apart else 1)))
        held = shapes.largest_view if recipe.cache_gradients else shapes.activations
        wide = 1.0 if recipe.precision == "float32" else 0.5
        state = shapes.weights + 3 * shapes.learnt  # gradients, and Adam's two moments
        step = batch * (held * wide + shapes.inputs) + state
        checkpoint = shapes.weights + 2 * shapes.learnt
        return Stage(command, (_START, work), shapes.weights + checkpoint, _PROCESS + step, step)

    def _load(self, command: str, name: str) -> Stage:
        item = self.study.published[name]
        weights = self._run(item.method, f"published {name}", item.settings).shapes.weights
        return Stage(command, (_START,), weights, _PROCESS + 2 * weights)

    def _evaluate(self, command: str, run: str, corpus: str) -> Stage:
        trained = self._named(run)
        counts = [self.sizes.samples(corpus, name).count for name in self.study.tests[corpus]]
        samples = _sum(counts)
        batch = self._read("evaluate", Evaluate).batch
        made = self._work_of_maps(trained, samples, times=2)
        score = Work("score", "a sample, baselines and intervals", "samples", samples)
        cells = trained.shapes.map_cells * 4
        held = batch * trained.shapes.largest_view / 4 + trained.shapes.weights * 2
        most = max((count or 0 for count in counts), default=0)
        truth = 224 * 224 * 4 * 64 * 8  # blocks of ground truth and of maps at 224 px
        memory = _PROCESS + held + most * (cells * 8 + 4000) + truth
        disk = _times(samples, cells + _SCORES)
        return Stage(command, (_START, made, score), disk, memory, held)

    def _score_maps(self, command: str, _: str, corpus: str) -> Stage:
        samples = _sum([self.sizes.samples(corpus, n).count for n in self.study.tests[corpus]])
        score = Work("score", "a sample, baselines and intervals", "samples", samples)
        return Stage(command, (_START, score), _times(samples, _SCORES), 2 * _PROCESS)

    def _index(self, command: str, folder: str, corpus: str) -> Stage:
        clips = self.sizes.corpus(corpus).count
        trained = self._named(folder.rpartition("/")[2])
        made = self._work_of_maps(trained, clips, times=1)
        stored = trained.shapes.map_cells * 4 + 2 * 512 * 4
        held = 64 * trained.shapes.largest_view / 4 + trained.shapes.weights
        return Stage(command, (_START, made), _times(clips, stored), _PROCESS + held, held)

    def _moving(self, command: str, *_: str) -> Stage:
        clips = self._read("toy", Toy).moving
        work = Work("moving", "a moving clip, every moment", "clips", clips)
        return Stage(command, (_START, work), _times(clips, 10 * _SCORES))

    def _report(self, command: str) -> Stage:
        runs = max(1, len(self.study.trained()) + len(self.study.published))
        samples = _sum([self.sizes.samples(*each).count for each in self.study.benchmarks()])
        shown = Work("report", "a sample of a run", "samples", _times(samples, runs))
        return Stage(command, (_START, shown), _times(samples, _SHOWN), 2 * _PROCESS)

    # --- what several need -----------------------------------------------------------------------

    def _work_of_maps(self, trained: Trained, samples: float | None, times: int) -> Work:
        operations = times * trained.shapes.forward + (times - 1) * self.objects.operations
        label = f"{trained.name}, {operations / 1e9:.3g} GFLOP"
        work = Work("maps", label, "samples", samples, operations)
        return replace(work, threads=self.threads(self._read("evaluate", Evaluate).threads))

    def _named(self, run: str) -> Trained:
        for trained in self.study.trained().values():
            if trained.name == run:
                return self.trained(trained.method, trained.run)
        item = self.study.published[run]
        return self._run(item.method, f"published {run}", item.settings)

    def _run(self, method: str, run: str, changes: dict[str, Any]) -> Trained:
        key = f"{method} {run}"
        if key not in self._runs:
            world = self.study.settings
            own, loops = method_settings(self.parameters, world, method, changes)
            recipe = on_device(self._read("train", Train, *loops), best_device())
            form, kind = self.form(method), load_method(method)

            def make() -> Method:
                made: Method = kind(own, form, seed=0)  # type: ignore[call-arg]
                return made

            self._runs[key] = Trained(method, make, recipe, shapes_of(make()))
        return self._runs[key]

    @property
    def _decoders(self) -> float:
        return _PROCESS + self.cores * _DECODER

    def threads(self, asked: int) -> int:
        """Of the threads that settings ask for, as many as there are cores."""
        return min(asked, self.cores)

    @cached_property
    def embed(self) -> Embed:
        """How features are extracted."""
        return self._read("embed", Embed, self.study.encoders.models())

    def form(self, name: str) -> SoundForm:
        """What a method or an encoder hears."""
        return self._read(f"forms.{name}", SoundForm)

    def decoded(self, corpus: str) -> Decode:
        """How a corpus is decoded."""
        return self._read("decode", Decode, self.study.corpora[corpus].decode)

    def _read(self, section: str, kind: Any, *over: Any) -> Any:
        return self.parameters.read(f"{self.study.settings}.{section}", kind, *over)


def learns_in_half(values: Encoders) -> bool:
    """Whether the toy's encoders learn in bfloat16 here."""
    return values.precision == "native" and has_bfloat16(torch.device("cpu"))


_START = Work("start", "imports with torch", "start", 1.0)
_LIGHT = Work("start", "imports", "start", 1.0, 0.3)


def _media(of: tuple[int, int, float]) -> tuple[str, float]:
    """What a clip on disk is, in words and as one size: pixels times seconds."""
    width, height, seconds = of
    return f"{width} x {height}, {seconds:g} s", width * height * seconds


def _times(count: float | None, by: float) -> float | None:
    return None if count is None else count * by


def _sum(counts: Sequence[int | None]) -> float | None:
    """The sum of what is known; None where nothing is."""
    known = [count for count in counts if count is not None]
    return float(sum(known)) if known or not counts else None
