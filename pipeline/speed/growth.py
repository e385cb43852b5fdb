"""Time and memory of each stage at one, two and four times the work, each in a process of its own.

The alternative of a row is what its growth should be: so many times the smallest one's time, or its
square for exact search. A ratio of 1 is growth as expected, below 1 it grows faster. The recall of
an approximate search is the one that stage neighbours writes into its metrics. Inputs that are in
memory before the call are not counted, mapped files neither.
"""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import timm
import torch

from pipeline.benchmarks.metrics.localization import localize
from pipeline.clips.sound_form import SoundForm
from pipeline.corpora.source import Source
from pipeline.decode.corpus import decode_corpus
from pipeline.encoders.embedding import embed_corpus
from pipeline.encoders.imagenet import ImageEncoder
from pipeline.encoders.vggsound import AudioEncoder
from pipeline.execution.run import Engine
from pipeline.methods.alignment import Alignment, AlignmentSettings
from pipeline.methods.contract import Method
from pipeline.neighbours.search import Index, recall, search
from pipeline.speed import made
from pipeline.speed.decode import SETTINGS
from pipeline.speed.evaluate import made_maps
from pipeline.speed.harness import (
    MEBIBYTE,
    Fact,
    Row,
    Setup,
    memory_alone,
    scaled,
    time_alone,
    timed_row,
)
from pipeline.speed.made_clip import clip
from pipeline.train.batches import Neighbours
from pipeline.train.loop import train
from pipeline.train.settings import Train

# The smallest work of each stage, in clips. HNSW's graph is built on one thread.
DECODED, EMBEDDED, SEARCHED, GRAPHED, TRAINED, SCORED = 512, 1024, 10_000, 2500, 1024, 2000
WIDTH, K = 512, 100
FORM, SECONDS = SoundForm(bands=32), 0.66  # 64 time steps
NARROW: dict[str, Any] = {
    "blocks": [1], "channels": [8], "strides": [2], "side": 32, "seconds": SECONDS, "k": K
}  # fmt: skip


def measure(folder: Path, setup: Setup) -> Iterator[Row]:
    """Three rows a stage; `size` scales the smallest work. Clips are small (3 s, 160 x 128) and the
    networks narrow: it is the growth that is measured."""
    size, threads = setup.size, setup.threads
    path = setup.media or clip(folder / "clip.mp4", seconds=3.0, width=160, height=128)
    stages: list[tuple[str, int, int, Callable[..., Any], tuple[Any, ...]]] = [
        ("decode", DECODED, 1, _decode, (path, threads)),
        ("embed", EMBEDDED, 1, _embed, (folder,)),
        ("exact search", SEARCHED, 2, _search, ("exact",)),
        ("ivf search", SEARCHED, 1, _search, ("ivf",)),
        ("hnsw search", GRAPHED, 1, _search, ("hnsw",)),
        ("train, one epoch", TRAINED, 1, _train, (folder,)),
        ("evaluate", SCORED, 1, _evaluate, ()),
    ]
    for name, base, order, function, arguments in stages:
        counts = [scaled(base, size, least=16) * times for times in (1, 2, 4)]
        if folder in arguments:
            for count in counts:
                made.corpus(folder / f"corpus-{count}", count, side=32, form=FORM, seconds=SECONDS)
        turns = [
            [time_alone(function, count, *arguments) for count in counts]
            for _ in range(setup.repeats)
        ]
        seconds = np.array([[seconds for seconds, _ in turn] for turn in turns])
        for place, count in enumerate(counts):
            times = count // counts[0]
            memory = memory_alone(function, count, *arguments) / MEBIBYTE
            facts = [Fact("memory, MiB", round(memory, 1))]
            if name in ("ivf search", "hnsw search"):
                found = recall(made.features(count, WIDTH), turns[0][place][1])
                facts.append(Fact("recall", round(found, 4)))
            yield timed_row(
                f"{name}, {count}",
                f"{times**order} x the time of {counts[0]}",
                np.stack([seconds[:, place], times**order * seconds[:, 0]], axis=1),
                facts=facts,
            )


def _decode(clips: int, path: Path, workers: int) -> Callable[[], None]:
    def call(clips: int = clips) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            decode_corpus(
                [Source(f"clip{number:07d}", path, path) for number in range(clips)],
                path.parent,
                Path(scratch) / "decoded",
                work=Path(scratch) / "work",
                shards=2 * workers,
                max_reject_share=0.0,
                engine=Engine(workers=workers),
                **SETTINGS,
            )

    call(1)  # starts the server that the workers are forked from, which stays
    return call


def _embed(clips: int, folder: Path) -> Callable[[], None]:
    torch.manual_seed(0)
    image = ImageEncoder(timm.create_model("resnet10t", num_classes=0), 32).eval()
    audio = AudioEncoder((1, 1), (8, 16), stem=8, classes=4).eval()
    corpus = made.open_corpus(folder / f"corpus-{clips}")

    def call() -> None:
        with tempfile.TemporaryDirectory() as scratch:
            root = Path(scratch)
            for name, encoder in (("image", image), ("audio", audio)):
                embed_corpus(corpus, encoder, root / f"{name}.npy", work=root / "work")

    return call


def _train(clips: int, folder: Path) -> Callable[[], None]:
    corpus = made.open_corpus(folder / f"corpus-{clips}")
    found = made.neighbour_ids(clips, K)
    neighbours = Neighbours(found, found)
    recipe = Train(epochs=1, batch=16, threads=torch.get_num_threads())

    def make() -> Method:
        return Alignment(AlignmentSettings(**NARROW), FORM)

    def call() -> None:
        with tempfile.TemporaryDirectory() as scratch:
            root = Path(scratch)
            train(
                corpus,
                np.arange(clips),
                neighbours,
                make,
                recipe,
                seed=0,
                output=root / "run",
                work=root / "work",
            )

    return call


def _evaluate(samples: int) -> Callable[[], None]:
    maps, object_maps, truth = made_maps(samples)

    def call() -> None:
        localize(maps, truth.maps, "half-pixel", object_maps)

    return call


def _search(clips: int, index: Index) -> Callable[[], np.ndarray]:
    faiss.omp_set_num_threads(torch.get_num_threads())
    features = made.features(clips, WIDTH)
    return lambda: search(features, min(K, clips - 1), index=index, gpu=False)[0]
