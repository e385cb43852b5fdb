"""Training on frames whose aspect was kept: crops of the rectangle, or squashed from one corpus."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_corpus import make_corpus
from made_media import tones, write_media
from PIL import Image
from step_of_loop import FORM, RECIPE, ROWS, SEED, SETTINGS, made_corpus, neighbours, run
from two_ranks import run_ranks

from pipeline.clips.decoded import DecodedCorpus
from pipeline.clips.frames import Frames
from pipeline.corpora.source import Source
from pipeline.decode.corpus import decode_corpus
from pipeline.decode.spectrograms import make_spectrograms
from pipeline.errors import InputError
from pipeline.execution.run import Engine
from pipeline.methods.alignment import Alignment
from pipeline.methods.common.files import load_weights
from pipeline.predict.predictor import Predictor
from pipeline.train.batches import TrainingSet
from pipeline.train.loop import train
from pipeline.train.settings import Train

KEPT = replace(RECIPE, aspect="kept")


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> DecodedCorpus:
    """The loop's clips, stretched to four shapes."""
    folder = tmp_path_factory.mktemp("kept")
    squares = made_corpus(folder / "squares")
    frames = []
    for row in ROWS:
        size = [(36, 36), (64, 36), (36, 48), (64, 36), (36, 100)][row % 5]
        frames.append(np.asarray(Image.fromarray(squares.frame(row)).resize(size)))
    sounds = [np.array(squares.spectrogram(row)) for row in ROWS]
    return make_corpus(folder / "corpus", frames, sounds, form=FORM)


def batches(corpus: DecodedCorpus, aspect: Any, **part: int) -> TrainingSet:
    return TrainingSet(
        corpus, ROWS, neighbours(), Alignment(SETTINGS, FORM).inputs(), seconds=SETTINGS.seconds,
        batch=RECIPE.batch, epochs=3, seed=SEED, aspect=aspect, **part,
    )  # fmt: skip


def test_a_batch_holds_the_same_clips_in_either_form(corpus: DecodedCorpus) -> None:
    kept, squashed = batches(corpus, "kept"), batches(corpus, "squashed")
    sizes = set()
    for step in range(4):
        rectangles, squares = kept[step], squashed[step]
        assert rectangles.keys() == squares.keys()
        for name in ("sounds", "shifted_sounds", "conceptual_sounds"):
            assert torch.equal(rectangles[name], squares[name])
        for name in ("frames", "conceptual_frames"):
            assert isinstance(rectangles[name], Frames)
            assert squares[name].shape == (RECIPE.batch, 36, 36, 3)
            sizes |= {tuple(group.shape[1:3]) for group in rectangles[name].groups}
            expected = rectangles[name].each(
                lambda group, _: torch.stack([
                    torch.from_numpy(np.array(
                        Image.fromarray(frame.numpy()).resize((36, 36), Image.Resampling.BICUBIC)
                    )) for frame in group
                ])
            )  # fmt: skip
            assert torch.equal(squares[name], expected)
    assert sizes == {(36, 36), (36, 64), (48, 36), (100, 36)}


def test_the_parts_of_a_batch_are_the_batch(corpus: DecodedCorpus) -> None:
    def content(batch: Any) -> list[bytes]:
        frames = batch["frames"]
        found: dict[int, bytes] = {}
        for group, clips in zip(
            frames.groups, frames.clips.split([len(g) for g in frames.groups]), strict=True
        ):
            for frame, clip in zip(group, clips.tolist(), strict=True):
                found[clip] = bytes(frame.numpy().tobytes())
        return [found[clip] for clip in range(len(frames))]

    whole = content(batches(corpus, "kept")[5])
    parts = [content(batches(corpus, "kept", part=part, parts=2)[5]) for part in range(2)]
    assert parts[0] + parts[1] == whole and len(set(whole)) == len(whole)


def test_a_corpus_of_squares_cannot_be_kept(corpus: DecodedCorpus, tmp_path: Path) -> None:
    squares = made_corpus(tmp_path / "squares")
    assert (squares.aspect, corpus.aspect) == ("squashed", "kept")
    with pytest.raises(
        InputError, match=r"squares: decode.aspect: found squashed, expected kept, "
    ):
        run(squares, tmp_path, recipe=KEPT)


class _Killed(BaseException):
    pass


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "run").iterdir())}


def test_loaders_and_kills_change_no_byte(corpus: DecodedCorpus, tmp_path: Path) -> None:
    run(corpus, tmp_path / "plain", recipe=KEPT)
    run(corpus, tmp_path / "loaders", recipe=KEPT, workers=2)

    def kill(epoch: int) -> None:
        if epoch == 2:
            raise _Killed

    with pytest.raises(_Killed):
        run(corpus, tmp_path / "killed", recipe=KEPT, epoch_done=kill)
    run(corpus, tmp_path / "killed", recipe=KEPT, workers=1)
    plain = content(tmp_path / "plain")
    assert content(tmp_path / "loaders") == plain == content(tmp_path / "killed")
    run(corpus, tmp_path / "squashed")
    assert content(tmp_path / "squashed") != plain


def _rank(corpus: DecodedCorpus, folder: Path, recipe: Train) -> None:
    for aspect in ("kept", "squashed"):
        run(corpus, folder / aspect, recipe=replace(recipe, aspect=aspect))


def test_two_ranks_have_one_rank_s_losses(corpus: DecodedCorpus, tmp_path: Path) -> None:
    # Networks without batch statistics of a part: all of them normalise by the whole batch.
    recipe = replace(RECIPE, epochs=1, sync_batch_norm=True)
    run_ranks(_rank, corpus, tmp_path / "two", recipe)
    losses = {}
    for aspect in ("kept", "squashed"):
        run(corpus, tmp_path / "one" / aspect, recipe=replace(recipe, aspect=aspect))
        losses[aspect], split = (
            float((tmp_path / number / aspect / "run/history.tsv").read_text().split()[6])
            for number in ("one", "two")
        )
        assert split == pytest.approx(losses[aspect], rel=1e-3)
    assert losses["kept"] != losses["squashed"]


def test_videos_of_several_shapes_go_from_decode_to_maps(tmp_path: Path) -> None:
    sizes = [(64, 36), (36, 64), (48, 36), (40, 40)]
    sources = [
        Source(f"clip{clip:02d}", path, path)
        for clip in range(8)
        for path in [
            write_media(
                tmp_path / f"clip{clip:02d}.mp4", seconds=1, size=sizes[clip % 4],
                sound=(clip + 1) / 8 * tones(1, 16000),
            )
        ]
    ]  # fmt: skip
    engine = Engine(workers=1)
    decode_corpus(
        sources, Path("/"), tmp_path / "decoded", work=tmp_path / "work/decode", side=18,
        max_seconds=4.0, shards=2, seconds_limit=60.0, max_reject_share=0.0, engine=engine,
        aspect="kept",
    )  # fmt: skip
    make_spectrograms(
        tmp_path / "decoded", Path("/"), tmp_path / "sounds/alignment",
        work=tmp_path / "work/sounds", form=FORM, seconds=1.0, max_seconds=4.0, shards=2,
        seconds_limit=60.0, engine=engine,
    )  # fmt: skip
    corpus = DecodedCorpus(tmp_path / "decoded", tmp_path / "sounds/alignment")
    assert {corpus.frame_size(row) for row in range(8)} == {(18, 32), (32, 18), (18, 24), (18, 18)}
    settings = replace(SETTINGS, side=16, semantic=False)
    weights = train(
        corpus, np.arange(8), None, lambda: Alignment(settings, FORM, seed=SEED),
        Train(epochs=2, batch=4, threads=1, aspect="kept"), seed=SEED,
        output=tmp_path / "run", work=tmp_path / "work/train", device=torch.device("cpu"),
    )  # fmt: skip
    predictor = Predictor(load_weights(weights), corpus, batch=3, device=torch.device("cpu"))
    maps = predictor.maps([(clip, clip) for clip in corpus.clip_ids])
    assert maps.shape == (8, *predictor.method.map_size()) and np.isfinite(maps).all()
