"""A small run and what it is scored on, for tests of evaluation."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from made_corpus import make_corpus
from made_method import small_method

from pipeline.benchmarks import open_benchmark
from pipeline.benchmarks.manifest import describe
from pipeline.clips.sound_form import SoundForm
from pipeline.encoders.common.plain_resnet import PlainResNet
from pipeline.evaluate.scorer import Inputs
from pipeline.evaluate.settings import Evaluate
from pipeline.methods.common.files import save_weights
from pipeline.networks.weights import save_torch

FORM, STEPS = SoundForm(window=64, hop=32), 20
BENCHMARKS = ("retrieval", "vggss", "vggss-4655")


@dataclass(frozen=True)
class MadeRun:
    """What `evaluate_run` is given."""

    weights: Path
    training_clips: Path
    inputs: Inputs
    benchmarks: dict[str, Any]


def make_run(folder: Path) -> MadeRun:
    """An untrained run in `folder`, and three benchmarks of its six clips, two of which are left
    out of the shorter list."""
    generator = np.random.default_rng(0)
    clips = [f"madeclip{number:03d}_{number:06d}" for number in range(6)]
    frames = generator.integers(0, 256, (6, 40, 40, 3)).astype(np.uint8)
    sounds = [generator.normal(-9, 3, (24, 33)) for _ in clips]
    corpus = make_corpus(folder / "decoded", frames, sounds, clip_ids=clips, form=FORM)
    annotations = folder / "annotations"
    annotations.mkdir()
    boxes = [[[0.1 * n, 0.1, 0.1 * n + 0.4, 0.7]] for n in range(6)]
    entries = [
        {"file": clip, "class": "dog", "bbox": box} for clip, box in zip(clips, boxes, strict=True)
    ]
    (annotations / "vggss.json").write_text(json.dumps(entries))
    (annotations / "vggss_available_4655.txt").write_text("\n".join(clips[:4]) + "\n")
    state = PlainResNet([1, 1, 1, 1], [4, 4, 4, 8]).state_dict()
    save_torch(folder / "encoders" / "image.pth", state)
    save_weights(folder / "weights.safetensors", small_method(FORM, STEPS))
    (folder / "training_clips.txt").write_text(f"{clips[1]}\nanother\n")
    sounds_folder = corpus.sounds_folder
    values = Evaluate(0, 4, 1, "resnet18", 40)
    return MadeRun(
        folder / "weights.safetensors",
        folder / "training_clips.txt",
        Inputs(corpus.folder, sounds_folder, folder, annotations, folder / "encoders", values),
        {
            name: describe(name, open_benchmark(name, annotations, corpus, folder))
            for name in BENCHMARKS
        },
    )
