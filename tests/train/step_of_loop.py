"""A small training for the tests of the loop: its corpus, its settings, one step, the whole run."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from made_corpus import make_corpus
from made_method import small_settings
from torch import Tensor

from pipeline.clips.decoded import DecodedCorpus
from pipeline.clips.sound_form import SoundForm
from pipeline.methods.alignment import Alignment, AlignmentSettings
from pipeline.methods.contract import Dice, Moment
from pipeline.train.batches import Neighbours, TrainingSet
from pipeline.train.loop import train
from pipeline.train.settings import Train
from pipeline.train.step import Stepper

CLIPS, K = 24, 3
ROWS = np.arange(CLIPS)
FORM = SoundForm(bands=16)
SETTINGS = small_settings(FORM, 12, k=K, pooling="top")
RECIPE = Train(epochs=3, batch=8, learning_rate=3e-3, schedule="one-cycle", threads=1)
SEED = 3
CPU = torch.device("cpu")


def made_corpus(folder: Path) -> DecodedCorpus:
    """Four classes: a coloured square over noise, and a loud band of the spectrogram."""
    generator = np.random.default_rng(0)
    frames = generator.integers(60, 120, (CLIPS, 36, 36, 3)).astype(np.uint8)
    sounds = []
    for clip in range(CLIPS):
        kind = clip % 4
        y, x = generator.integers(0, 20, 2)
        frames[clip, y : y + 16, x : x + 16] = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255,) * 3][
            kind
        ]
        sound = generator.normal(-12, 1, (20, 16))
        sound[:, 4 * kind : 4 * kind + 4] += 10
        sounds.append(sound)
    return make_corpus(folder, frames, sounds)


def neighbours() -> Neighbours:
    """Other clips of the same class."""
    ids = np.array([[c for c in range(CLIPS) if c % 4 == i % 4 and c != i][:K] for i in ROWS])
    return Neighbours(ids.astype(np.int32), ids[:, ::-1].astype(np.int32))


def run(
    corpus: DecodedCorpus,
    folder: Path,
    settings: AlignmentSettings = SETTINGS,
    recipe: Train = RECIPE,
    form: SoundForm = FORM,
    **options: Any,
) -> Path:
    return train(
        corpus,
        ROWS,
        neighbours(),
        lambda: Alignment(settings, form, seed=SEED),
        recipe,
        seed=SEED,
        output=folder / "run",
        work=folder / "work",
        device=CPU,
        **options,
    )


def one_step(
    corpus: DecodedCorpus, settings: AlignmentSettings = SETTINGS, recipe: Train = RECIPE
) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
    """Losses, gradients and buffers after the backward pass of the first batch."""
    layout = torch.channels_last if recipe.channels_last else torch.contiguous_format
    method = Alignment(settings, FORM, seed=1).train().to(memory_format=layout)
    clips = TrainingSet(
        corpus, ROWS, neighbours(), method.inputs(),
        seconds=settings.seconds, batch=recipe.batch, epochs=1, seed=0,
    )  # fmt: skip
    stepper, dice = Stepper(method, recipe, SEED, CPU), Dice(SEED, 0)
    losses = stepper.backward(stepper.views(clips[0], dice), dice, Moment(0, 9, 0, 3))
    gradients = {name: p.grad for name, p in method.named_parameters() if p.grad is not None}
    return losses, gradients, dict(method.named_buffers())
