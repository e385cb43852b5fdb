"""README.md's examples at work, in a process of their own that finds a copy of the library in which
they are files like any other: `python -m readme_examples <scratch folder> <examples>`, which leaves
what is wrong with each in its `mistake.txt`.

`tests/test_readme.py` makes the copy and starts this.
"""

import json
import sys
import traceback
from pathlib import Path

import numpy as np
import torch
from made_corpus import make_corpus

from pipeline.base.params import Parameters
from pipeline.benchmarks import Predictions, benchmark_names, open_benchmark
from pipeline.benchmarks.sets import test_lists
from pipeline.clips.sound_form import SoundForm
from pipeline.corpora.layouts import find_sources
from pipeline.encoders.common.contract import load_encoder
from pipeline.encoders.common.settings import Embed
from pipeline.encoders.embedding import embed_corpus
from pipeline.methods.common.files import load_weights
from pipeline.methods.common.sections import method_settings
from pipeline.predict.predictor import Predictor
from pipeline.train.begin import begin
from pipeline.train.loop import train
from pipeline.train.settings import Train

CLIPS, BATCH, SIDE, BINS, STEPS = 8, 4, 36, 16, 30
# A map of 4 x 4 of a frame of 32 px, and a window of 12 time steps.
NARROW = {
    "blocks": [1, 1],
    "channels": [6, 8],
    "strides": [1, 2],
    "side": 32,
    "seconds": 0.15,
    "projection_width": 8,
    "vision": "scratch",
}


def meanpair(folder: Path) -> None:
    """The method has its form and its settings in params.yaml, learns two steps, and draws maps."""
    parameters = Parameters()
    published = parameters.read("paper.forms.meanpair", SoundForm)
    assert published == SoundForm(16000, 512, 159, 0), published
    settings, _ = method_settings(parameters, "paper", "meanpair", NARROW)
    dice = np.random.default_rng(0)
    frames = dice.integers(0, 256, (CLIPS, SIDE, SIDE, 3)).astype(np.uint8)
    sounds = [dice.normal(-9, 3, (STEPS, BINS)) for _ in range(CLIPS)]
    corpus = make_corpus(folder / "corpus", frames, sounds)
    cpu = torch.device("cpu")
    weights = train(
        corpus,
        np.arange(CLIPS),
        None,
        lambda: begin("meanpair", settings, corpus.form, 0, folder / "no weights"),
        Train(epochs=1, batch=BATCH, learning_rate=1e-3, threads=1),
        seed=0,
        output=folder / "run",
        work=folder / "work",
        device=cpu,
    )
    untrained = begin("meanpair", settings, corpus.form, 0, folder / "no weights").state_dict()
    learned = load_weights(weights)
    moved = [n for n, p in learned.named_parameters() if not torch.equal(p, untrained[n])]
    assert {name.split(".")[0] for name in moved} == {"imgnet", "audnet", "img_proj", "aud_proj"}
    history = (folder / "run/history.tsv").read_text().splitlines()
    loss = dict(zip(history[0].split("\t"), history[1].split("\t"), strict=True))
    # Two steps from the start a batch's pairs are hardly told apart: about log of their number.
    assert float(loss["contrastive"]) == float(loss["loss"])
    assert 0.2 * np.log(BATCH) < float(loss["loss"]) < 5 * np.log(BATCH), loss
    predictor = Predictor(learned, corpus, device=cpu)
    maps = predictor.maps([("clip00", "clip00"), ("clip00", "clip01")])
    assert maps.shape == (2, 4, 4) and np.abs(maps).max() <= 1 + 1e-5
    assert not np.array_equal(maps[0], maps[1])  # it hears the sound
    found = predictor.similarities(corpus.clip_ids, corpus.clip_ids)
    assert found["s_mean"].shape == (CLIPS, CLIPS)


def kitchen(folder: Path) -> None:
    """The benchmark is found by its name, leaves out the clip that is not there, and scores."""
    entries = [
        {"file": "tap", "class": "tap", "bbox": [[0.0, 0.0, 0.5, 1.0]]},
        {"file": "pan~lid", "class": "lid", "bbox": [[0.5, 0.0, 1.0, 1.0]]},
        {"file": "absent", "class": "tap", "bbox": [[0.0, 0.0, 1.0, 0.5]]},
    ]
    (folder / "kitchen.json").write_text(json.dumps(entries))
    assert "kitchen" in benchmark_names()
    benchmark = open_benchmark("kitchen", folder, {"tap", "pan~lid"})
    assert [sample.sample_id for sample in benchmark.samples] == ["tap", "pan~lid"]
    left = np.repeat(np.linspace(1, -1, 14, dtype=np.float32)[None], 14, axis=0)
    scores = benchmark.score(Predictions(maps=np.stack([left, left])))
    # The warmer half of the map is the left one, which is right for the first clip alone.
    assert scores.metrics["cIoU"] == 50.0, scores.metrics
    assert scores.metrics["samples"] == 2 and scores.metrics["official_samples"] == 3
    clips = {p: list(read(folder / p)) for p, read in test_lists() if p == "kitchen.json"}
    assert clips == {"kitchen.json": ["tap", "pan~lid", "absent"]}


def shelf(folder: Path) -> None:
    """The layout finds pairs, and says what it expects where there is none."""
    for place in ("emma/page.png", "emma/voice.ogg", "dune/page.png"):
        path = folder / "books" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = find_sources("shelf", folder / "books")
    names = [(s.clip_id, s.picture and s.picture.name, s.sound and s.sound.name) for s in found]
    assert names == [("dune", "page.png", None), ("emma", "page.png", "voice.ogg")]


def brightness(folder: Path) -> None:
    """The encoder is found by its name, and embeds a corpus that has no spectrograms."""
    frames = np.zeros((2, 32, 32, 3), np.uint8)
    frames[1, :16] = 240  # a bright upper half
    corpus = make_corpus(folder / "corpus", frames, [np.zeros((STEPS, BINS))] * 2)
    settings = Parameters().read("paper.embed", Embed)
    encoder = load_encoder("brightness", folder, settings)
    path = folder / "features.npy"
    embed_corpus(corpus, encoder, path, work=folder / "work", batch=2, sound_steps=STEPS)
    found = np.load(path)
    assert found.shape == (2, 16) and not found[0].any()
    assert (found[1, :8] > 0).all() and not found[1, 8:].any()


if __name__ == "__main__":
    examples = {"meanpair": meanpair, "kitchen": kitchen, "shelf": shelf, "brightness": brightness}
    for name in sys.argv[2:]:
        place = Path(sys.argv[1]) / name
        place.mkdir()
        mistake = ""
        try:
            examples[name](place)
        except Exception:  # whichever: the example's own test fails by it, and the next one runs
            mistake = traceback.format_exc()
        (place / "mistake.txt").write_text(mistake)
