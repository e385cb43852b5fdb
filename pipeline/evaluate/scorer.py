"""A method on the benchmarks of one corpus, opened once for all of them."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import torch

from pipeline.benchmarks import open_benchmark
from pipeline.benchmarks.seen import as_seen
from pipeline.clips.decoded import DecodedCorpus
from pipeline.encoders.imagenet import load_image_encoder
from pipeline.evaluate.evaluation import Evaluation, ObjectMaps, evaluate_method
from pipeline.evaluate.results import open_promised
from pipeline.evaluate.settings import Evaluate
from pipeline.methods.contract import Method
from pipeline.networks.device import best_device, has_bfloat16


@dataclass(frozen=True)
class Inputs:
    """What a method is scored on, and how: the folders of a decoded corpus, of its spectrograms in
    the method's form, of its sources (`media`), of the annotations and of the off-the-shelf
    encoders, and the settings."""

    decoded: Path
    spectrograms: Path
    media: Path
    annotations: Path
    encoders: Path
    values: Evaluate


class Scorer:
    """A method, and what it is scored on. Torch has the settings' threads from here on."""

    def __init__(self, method: Method, inputs: Inputs) -> None:
        """Raises `InputError` where a part of `inputs` is missing or damaged."""
        values = inputs.values
        torch.set_num_threads(values.threads)
        self.method, self.inputs, self.device = method, inputs, best_device()
        self.corpus = DecodedCorpus(inputs.decoded, inputs.spectrograms)
        encoder = load_image_encoder(inputs.encoders, values.object_model, values.object_side)
        half = values.object_precision == "native" and has_bfloat16(self.device)
        self.objects = ObjectMaps(self.corpus, encoder.to(self.device), values.batch, half)

    def score(
        self, name: str, training_clips: Collection[str] | None, promised: object = None
    ) -> Evaluation:
        """The method on a benchmark, which has to be what `promised` (see `describe`) says where
        that is given. Raises as opening and scoring the benchmark do."""
        inputs = self.inputs
        if promised is None:
            benchmark = open_benchmark(name, inputs.annotations, self.corpus, inputs.media)
        else:
            benchmark = open_promised(name, inputs.annotations, self.corpus, inputs.media, promised)
        if inputs.values.cropped_truth == "seen":
            benchmark = as_seen(benchmark, self.corpus)
        return evaluate_method(
            benchmark,
            self.method,
            self.corpus,
            self.objects,
            training_clips,
            seed=inputs.values.seed,
            batch=inputs.values.batch,
            device=self.device,
        )
