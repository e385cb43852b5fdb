"""A minute's measurement of this machine: one small piece of each kind of work of a study.

What a study does most of is measured first. A machine that is busy is measured busy: that is how
fast it is now.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from pipeline.benchmarks.metrics.localization import localize
from pipeline.clips.sound_form import SoundForm
from pipeline.corpora.layouts import find_sources
from pipeline.corpora.source import Source
from pipeline.decode.clip import ClipFiles, Settings
from pipeline.decode.shard import ShardTask, decode_shard
from pipeline.decode.sounds import SoundsTask, make_sounds
from pipeline.errors import InputError
from pipeline.methods.contract import Features
from pipeline.neighbours.search import search
from pipeline.neighbours.settings import Neighbours
from pipeline.networks.device import deterministic
from pipeline.speed import made
from pipeline.speed.evaluate import made_maps
from pipeline.speed.method import LATE
from pipeline.speed.planning.encoders import built
from pipeline.speed.planning.rates import Rate
from pipeline.speed.planning.shapes import made_batch
from pipeline.speed.planning.stages import Planner, Stage, Trained, Work, learns_in_half
from pipeline.speed.train import made_stepper
from pipeline.toy.classes import CLASSES
from pipeline.toy.corpus import SPLITS, make_toy_corpus
from pipeline.toy.encoders import train_audio_encoder, train_image_encoder
from pipeline.toy.settings import Encoders, Toy

_CLIPS = 12  # decoded
_STEP = 3e11  # operations of a training step that is timed, at most, but for its smallest batch
_LEAST = 2
_LEARNT = 256  # clips of an encoder's epoch
_ROWS, _WIDEST = 4096, 512  # of a search
_MAPS = 128
_LONG = 4.0  # s of a first turn that is enough
# Scores of a sample beside one `localize` of it: its baselines, parts and intervals, as the toy's
# ten benchmarks took.
_SCORINGS = 10.0


def measure(planner: Planner, stages: Sequence[Stage], seconds: float) -> Iterator[Rate]:
    """The rates of a study's kinds of work, until about so many `seconds` are over."""
    started = time.monotonic()
    works: dict[tuple[str, str], Work] = {}
    amounts: dict[tuple[str, str], float] = {}
    for work in (work for stage in stages for work in stage.works):
        key = (work.kind, work.label)
        works.setdefault(key, work)
        amounts[key] = amounts.get(key, 0.0) + (work.units or 0.0) * work.operations
    # Of a kind the most work first, and a first one of every kind before a second of any.
    by_kind: dict[str, list[Work]] = {}
    for key in sorted(works, key=lambda key: -amounts[key]):
        by_kind.setdefault(key[0], []).append(works[key])
    turns = [
        turn for place in range(99) for turn in (w[place : place + 1] for w in by_kind.values())
    ]
    with tempfile.TemporaryDirectory() as folder:
        bench = _Bench(planner, Path(folder))
        for work in (work for turn in turns for work in turn):
            if time.monotonic() - started > seconds:
                return
            timed = bench.timed(work)
            if timed is not None:
                yield Rate(work.kind, work.label, work.operations, timed, work.threads)


class _Bench:
    """What is measured, each by the code of its stage."""

    def __init__(self, planner: Planner, folder: Path) -> None:
        self.planner, self.folder = planner, folder
        self._sources: tuple[Path, list[Source]] | None = None
        self._toy_seconds: float | None = None

    def timed(self, work: Work) -> float | None:
        """Seconds of a unit of the work; None for a kind that is not measured."""
        kinds: dict[str, Callable[[Work], float | None]] = {
            "start": self._start,
            "toy": self._toy,
            "decode": self._decode,
            "spectrograms": self._spectrograms,
            "image encoder": self._image_encoder,
            "audio encoder": self._audio_encoder,
            "embed": self._embed,
            "search": self._search,
            "train": self._train,
            "maps": self._maps,
            "score": self._score,
        }
        make = kinds.get(work.kind)
        return None if make is None else make(work)

    def _start(self, work: Work) -> float:
        module = "train" if "torch" in work.label else "decode"
        command = [sys.executable, "-c", f"import stages.{module}"]
        return _seconds(partial(subprocess.run, command, check=True), 2)

    def _toy(self, work: Work) -> float:
        self._clips()
        assert self._toy_seconds is not None
        return self._toy_seconds

    def _decode(self, work: Work) -> float:
        root, sources = self._clips()
        corpus = self.planner.study.train_on.corpus
        values = self.planner.decoded(corpus)
        settings = Settings(
            values.side,
            values.max_seconds,
            values.seconds_limit,
            values.aspect,
            values.taken,
            values.antialias,
        )
        clips: tuple[ClipFiles, ...] = tuple(sources)
        task = ShardTask(self.folder / "decoded", root, clips, settings)
        return _seconds(lambda: decode_shard(task, _nobody), 1) / len(clips)

    def _spectrograms(self, work: Work) -> float:
        root, sources = self._clips()
        names = [s.sound.relative_to(root).as_posix() for s in sources if s.sound is not None]
        values = self.planner.decoded(self.planner.study.train_on.corpus)
        form = self._form(work)
        task = SoundsTask(
            self.folder / f"sounds-{work.label}".replace(" ", ""),
            root,
            tuple((str(number), name) for number, name in enumerate(names)),
            form,
            values.seconds,
            values.max_seconds,
            values.seconds_limit,
            values.taken,
        )
        threads = torch.get_num_threads()
        took = _seconds(lambda: make_sounds(task, _nobody), 1)
        torch.set_num_threads(threads)
        return took / len(names)

    def _form(self, work: Work) -> SoundForm:
        study = self.planner.study
        for name in (*study.methods, study.encoders.audio):
            form = self.planner.form(name)
            if work.label.endswith(f"{form.sample_rate} Hz, {form.bins} bins"):
                return form
        raise ValueError(f"no form of the study is {work.label}")

    def _image_encoder(self, work: Work) -> float:
        frames = _drawn(self.planner.image.size, _LEARNT)
        return self._learnt(train_image_encoder, frames, work.threads)

    def _audio_encoder(self, work: Work) -> float:
        sounds = _drawn(self.planner.audio.size, _LEARNT).astype(np.float16)
        return self._learnt(train_audio_encoder, sounds, work.threads)

    def _learnt(self, learn: Callable[..., object], inputs: np.ndarray, threads: int) -> float:
        values = self.planner.parameters.read(f"{self.planner.study.settings}.encoders", Encoders)
        said = {"seed": 0, "epochs": 1, "threads": threads, "half": learns_in_half(values)}
        call = partial(learn, inputs, np.arange(len(inputs)) % 8, **said)
        return _seconds(call, 2) / (0.9 * len(inputs))

    def _embed(self, work: Work) -> float:
        planner, modality = self.planner, "audio"
        of = planner.audio
        if work.label.startswith(planner.image.label):
            modality, of = "image", planner.image
        encoder = built(planner.study, modality, planner.embed.image_model, planner.embed.side)
        count = int(np.clip(_STEP / 10 / of.operations, _LEAST, planner.embed.batch))
        stored = torch.from_numpy(_drawn(of.size, count))
        stored = stored if modality == "image" else stored.float()
        with _threads(work.threads), torch.inference_mode():
            return _seconds(lambda: encoder(stored), 2) / count

    def _search(self, work: Work) -> float:
        planner = self.planner
        world = planner.study.settings
        values = planner.parameters.read(f"{world}.neighbours", Neighbours)
        clips = min(planner.sizes.trained_on.count or _ROWS, _ROWS)
        features = made.features(clips, min(planner.image.features, _WIDEST))
        with _threads(work.threads):
            call = partial(search, features, min(values.k, clips - 1), index="exact", gpu=False)
            return _seconds(call, 2) / clips**2

    def _train(self, work: Work) -> float:
        trained = next(each for each in self._runs() if each.label == work.label)
        recipe = trained.recipe
        count = int(np.clip(_STEP / trained.shapes.operations, _LEAST, recipe.batch))
        # As many threads a network as the settings ask for and as there are cores.
        threads = min(work.threads, recipe.threads)
        recipe = replace(recipe, batch=count, compile=False, threads=threads)
        apart, cpu = work.threads > threads, torch.device("cpu")
        with deterministic(cpu, threads):
            stepper = made_stepper(trained.make().train(), recipe, cpu, side_by_side=apart)
            batch = made_batch(stepper.method, count)
            whole = _seconds(lambda: stepper.step(batch, LATE), 3)
            adam = _seconds(stepper.optimiser.step, 2)  # of the weights, whatever the batch
        return (whole - adam) / count + adam / trained.recipe.batch

    def _maps(self, work: Work) -> float:
        trained = next(each for each in self._runs() if work.label.startswith(f"{each.name}, "))
        method = trained.make().eval()
        count = int(np.clip(_STEP / 20 / trained.shapes.forward, _LEAST, 64))
        form, side = method.form, method.side
        frames = torch.from_numpy(_drawn((side, side, 3), count))
        sounds = torch.randn(count, form.steps(method.settings.seconds), form.bins).half()

        def call() -> None:
            v: Features = method.frame_features(frames)
            method.maps(v, method.sound_features(sounds))

        with _threads(work.threads), torch.no_grad():
            once = _seconds(call, 2) / count
        # Twice for the network and its untrained twin, and object maps at the same speed.
        return once * work.operations / trained.shapes.forward

    def _score(self, work: Work) -> float:
        maps, object_maps, truth = made_maps(_MAPS)
        call = partial(localize, maps, truth.maps, "half-pixel", object_maps)
        return _SCORINGS * _seconds(call, 2) / _MAPS

    def _runs(self) -> list[Trained]:
        return list(self.planner.runs())

    def _clips(self) -> tuple[Path, list[Source]]:
        """A few clips with picture and sound: of the corpus that is trained on, of a toy that is
        made here, or one made clip, several times."""
        if self._sources is None:
            self._sources = self._found()
        return self._sources

    def _found(self) -> tuple[Path, list[Source]]:
        study = self.planner.study
        item = study.corpora[study.train_on.corpus]
        if study.toys:
            return self._made_toy()
        try:
            found = find_sources(item.reader, Path(item.root))
        except InputError:  # absent: the plan tells of it
            found = []
        whole = [s for s in found if s.picture is not None and s.sound is not None]
        if whole:
            every = max(1, len(whole) // _CLIPS)
            return Path(item.root), list(islice(whole[::every], _CLIPS))
        from pipeline.speed.made_clip import clip  # PyAV, which few need

        width, height, seconds = self.planner.sizes.media(study.train_on.corpus)
        path = clip(self.folder / "clip.mp4", seconds=seconds, width=width, height=height)
        return self.folder, [Source(f"clip{n}", path, path) for n in range(_CLIPS // 3)]

    def _made_toy(self) -> tuple[Path, list[Source]]:
        # Twice, since of a small one the processes' start is the most.
        fewest, some = len(CLASSES), max(2 * len(CLASSES), 8 * _CLIPS)
        first, second = self._make_toy(fewest), self._make_toy(some)
        place = self.folder / f"toy-{some}"
        each = (second - first) / (len(SPLITS) * (some - fewest))
        self._toy_seconds = self.planner.cores * max(each, second / len(SPLITS) / some / 4)
        return place / "vggsound", find_sources("vggsound", place / "vggsound")[: 4 * _CLIPS]

    def _make_toy(self, clips: int) -> float:
        """Seconds that a toy with lists of so many clips takes."""
        toy = self.planner.parameters.read(f"{self.planner.study.settings}.toy", Toy)
        started = time.monotonic()
        make_toy_corpus(
            self.folder / f"toy-{clips}",
            seed=toy.seed,
            work=self.folder / "toy-work",
            clips=dict.fromkeys(SPLITS, clips),
            width=toy.width,
            height=toy.height,
            seconds=toy.seconds,
            workers=self.planner.cores,
        )
        return time.monotonic() - started


def _seconds(call: Callable[[], object], turns: int) -> float:
    """The least seconds of a call's turns, before which one goes that is not counted, unless it
    takes long; on a busy machine the least is nearest to an idle one's."""
    took: list[float] = []
    for turn in range(turns + (turns > 1)):
        started = time.perf_counter()
        call()
        took.append(time.perf_counter() - started)
        if turn == 0 and took[0] > _LONG:
            break
    return min(took)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Torch's threads while a piece is measured."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _drawn(size: tuple[int, ...], count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *size), dtype=np.uint8)


def _nobody(number: int) -> None:
    """The report of a piece that nobody watches."""
