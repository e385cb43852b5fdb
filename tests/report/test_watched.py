"""What a training that is looked at is asked: the scores of a benchmark, and eight maps."""

import json
from pathlib import Path

import numpy as np
import pytest
from made_corpus import make_corpus
from made_method import small_method

from pipeline.benchmarks import Predictions
from pipeline.clips.decoded import DecodedCorpus
from pipeline.clips.sound_form import SoundForm
from pipeline.errors import InputError
from pipeline.predict.predictor import Predictor
from pipeline.report.watched import SHOWN, Validation, open_validation

FORM = SoundForm(bands=16)
METHOD = small_method(FORM, 12)
IDS = [f"{n:011d}_000010" for n in range(24)]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> DecodedCorpus:
    generator = np.random.default_rng(0)
    frames = generator.integers(0, 255, (24, 36, 36, 3)).astype(np.uint8)
    sounds = list(generator.normal(-8, 3, (24, 20, 16)))
    return make_corpus(tmp_path_factory.mktemp("corpus"), frames, sounds, clip_ids=IDS)


@pytest.fixture
def boxes(tmp_path: Path) -> str:
    """Boxes of the corpus' clips, and of one that it lacks."""
    entries = [
        {"file": clip, "class": "dog", "bbox": [[0.1, 0.1, 0.6, 0.7]]}
        for clip in [*IDS, "99999999999_000010"]
    ]
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(entries))
    return str(path)


def test_boxes_of_one_s_own_give_the_benchmark_s_scores(
    corpus: DecodedCorpus, boxes: str, tmp_path: Path
) -> None:
    benchmark = open_validation(boxes, tmp_path, corpus)
    seen = Validation(benchmark, corpus, batch=5)(METHOD)
    maps = Predictor(METHOD, corpus).maps([(clip, clip) for clip in IDS])
    metrics = benchmark.score(Predictions(maps)).metrics
    assert list(seen.scores)[:3] == ["cIoU", "AUC", "cIoU_adaptive"]
    assert seen.scores == {name: metrics[name] for name in seen.scores}
    assert all(
        "samples" in name or ":" in name or "@" in name for name in metrics.keys() - seen.scores
    )


def test_a_list_of_clips_gives_retrieval_and_maps(corpus: DecodedCorpus, tmp_path: Path) -> None:
    path = tmp_path / "clips.txt"
    path.write_text("".join(f"{clip}\n" for clip in IDS[:10]))
    seen = Validation(open_validation(str(path), tmp_path, corpus), corpus)(METHOD)
    assert 0 <= seen.scores["R@1_a2i"] <= seen.scores["R@10_a2i"] == 100
    assert seen.picture.dtype == np.uint8 and seen.picture.ndim == 3


def test_the_same_eight_clips_are_shown_each_time(
    corpus: DecodedCorpus, boxes: str, tmp_path: Path
) -> None:
    asked = Validation(open_validation(boxes, tmp_path, corpus), corpus)
    assert len(asked.shown) == SHOWN and asked.shown[0] == 0 and asked.shown[-1] == 23
    first, second = asked(METHOD).picture, asked(METHOD).picture
    assert (first == second).all()
    other = asked(small_method(FORM, 12, seed=2)).picture
    assert other.shape == first.shape and (other != first).any()


def test_of_few_clips_each_is_shown_once(corpus: DecodedCorpus, tmp_path: Path) -> None:
    path = tmp_path / "clips.txt"
    path.write_text("".join(f"{clip}\n" for clip in IDS[:3]))
    asked = Validation(open_validation(str(path), tmp_path, corpus), corpus)
    assert asked.shown == [0, 1, 2]
    wide, high = asked(METHOD).picture.shape[1::-1]
    assert wide > 3 * high / 2


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("none.json", r"none\.json"),
        (
            "other.txt",
            r"has none of the 1 samples of .*other\.txt, expected some; execution\.watch",
        ),
        ("vgg", "vgg"),
    ],
)
def test_what_cannot_be_asked_is_told(
    corpus: DecodedCorpus, tmp_path: Path, name: str, said: str
) -> None:
    (tmp_path / "other.txt").write_text("99999999999_000010\n")
    asked = str(tmp_path / name) if "." in name else name
    with pytest.raises(InputError, match=said):
        open_validation(asked, tmp_path, corpus)
