"""What is stored of a corpus is what the network says when it is asked about each clip."""

from pathlib import Path

import faiss
import numpy as np
import pyarrow as pa
import pytest
import torch
from made_corpus import make_corpus
from made_method import small_method

from pipeline.base.files import read_parquet
from pipeline.clips.decoded import DecodedCorpus
from pipeline.clips.sound_form import SoundForm
from pipeline.clips.windows import sound_window
from pipeline.methods.alignment import Alignment
from pipeline.methods.common.files import save_weights
from pipeline.predict import indexed
from pipeline.predict.indexed import hash_of_file, index_corpus, stored_in
from pipeline.predict.predictor import Predictor, synthetic_sounds
from pipeline.predict.ranking import best_clips
from pipeline.predict.searched import Question, maps_of, stored_clips, usable
from pipeline.predict.sights import stored_sight

STEPS = 20
FORM = SoundForm(window=64, hop=32)
MUTE, BLIND = 2, 4  # rows of the clips without a sound and without a picture


@pytest.fixture
def corpus(tmp_path: Path) -> DecodedCorpus:
    generator = np.random.default_rng(0)
    frames = generator.integers(0, 256, (7, 40, 40, 3)).astype(np.uint8)
    sounds = [generator.normal(-9, 3, (STEPS + 3 * n, 33)) for n in range(7)]
    made = make_corpus(tmp_path / "corpus", frames, sounds, form=FORM)
    made._sound_starts = np.where(np.arange(7) == MUTE, -1, made._sound_starts)
    made._frame_rows = np.where(np.arange(7) == BLIND, -1, made._frame_rows)
    return made


@pytest.fixture
def localizer() -> Alignment:
    return small_method(FORM, STEPS, seed=2, pooling="top")


def index(method: Alignment, corpus: DecodedCorpus, folder: Path) -> dict[str, int]:
    work = folder.parent / "work"
    return index_corpus(method, "weights", corpus, folder, work=work, batch=2)


def test_maps_and_their_strength_are_the_predictor_s(
    localizer: Alignment, corpus: DecodedCorpus, tmp_path: Path
) -> None:
    counted = index(localizer, corpus, tmp_path / "index")
    table = read_parquet(tmp_path / "index/clips.parquet").to_pydict()
    assert table["clip_id"] == corpus.clip_ids
    whole = [row for row in range(7) if row not in (MUTE, BLIND)]
    for column in ("peak", "silence", "noise", "across", "down", "place", "sure", "strength"):
        assert [row for row in range(7) if table[column][row] is not None] == whole
    assert counted["clips"] == 7 and counted["without a map"] == 2 and sum(counted.values()) == 14
    made = dict(zip(("silence", "noise"), synthetic_sounds(localizer), strict=True))
    predictor = Predictor(localizer, corpus, reserved=made, device=torch.device("cpu"))
    maps = np.load(tmp_path / "index/maps.npy")
    assert maps.dtype == np.float16 and np.isnan(maps[[MUTE, BLIND]]).all()
    for row in whole:
        clip = corpus.clip_ids[row]
        own, silent, noisy = predictor.maps([(clip, each) for each in (clip, "silence", "noise")])
        np.testing.assert_allclose(maps[row], own, atol=1e-3)
        found = [table[name][row] for name in ("peak", "silence", "noise")]
        np.testing.assert_allclose(found, [own.max(), silent.max(), noisy.max()], atol=1e-5)
        y, x = np.unravel_index(own.argmax(), own.shape)
        assert (table["across"][row], table["down"][row]) == ((x + 0.5) / 4, (y + 0.5) / 4)
        margin = own.max() - max(silent.max(), noisy.max())
        word = "sure" if margin >= 0.1 else "hardly sure" if margin > 0 else "not sure"
        assert table["sure"][row] == word


def test_a_silent_clip_is_told_as_silent(
    localizer: Alignment, corpus: DecodedCorpus, tmp_path: Path
) -> None:
    corpus.clips = corpus.clips.append_column("silent", pa.array([False, True, *[None] * 5]))
    index(localizer, corpus, tmp_path / "index")
    table = read_parquet(tmp_path / "index/clips.parquet").to_pydict()
    assert table["sure"][1] == "silent" and table["strength"][1] == 0
    assert table["sure"].count("silent") == 1 and table["strength"][0] >= 0.1


def test_stored_clips_are_those_that_the_network_finds(
    localizer: Alignment, corpus: DecodedCorpus, tmp_path: Path
) -> None:
    index(localizer, corpus, tmp_path / "index")
    stored = stored_in(tmp_path / "index")
    assert stored is not None and stored.similarity == "s_A"
    for name, missing in (("frame", BLIND), ("sound", MUTE)):
        opened = faiss.read_index(str(tmp_path / f"index/{name}s.faiss"))
        ids = faiss.vector_to_array(opened.id_map).tolist()
        assert ids == [row for row in range(7) if row != missing]
    sound = np.array(sound_window(corpus, 1, STEPS))
    sight = stored_sight(localizer, corpus, 3)
    for question, asked in (
        (Question(sound, None), {"sound": sound}),
        (Question(None, sight), {"picture": sight.frame}),
    ):
        for rows in (None, [0, 5, 6]):
            expected = best_clips(localizer, corpus, rows=rows, count=3, **asked)
            found = stored_clips(
                localizer, corpus, tmp_path / "index", stored, question, rows=rows, count=3
            )
            assert found[0] == expected[0] == "s_A"
            assert [m.row for m in found[1]] == [m.row for m in expected[1]]
            np.testing.assert_allclose(
                [m.score for m in found[1]], [m.score for m in expected[1]], atol=1e-5
            )
    # A found sound's map lies in the picture that was asked about.
    maps = maps_of(localizer, corpus, Question(None, sight), found[1])
    pairs = [("clip03", match.clip_id) for match in found[1]]
    expected_maps = Predictor(localizer, corpus, device=torch.device("cpu")).maps(pairs)
    np.testing.assert_allclose(maps, expected_maps, atol=1e-5)


def test_a_method_without_vectors_has_maps_alone(corpus: DecodedCorpus, tmp_path: Path) -> None:
    method = small_method(FORM, STEPS, feature_alignment=False, pooling="top")
    index(method, corpus, tmp_path / "index")
    stored = stored_in(tmp_path / "index")
    assert stored is not None and stored.similarity is None
    assert sorted(path.name for path in (tmp_path / "index").iterdir()) == [
        "clips.parquet", "index.json", "maps.npy",
    ]  # fmt: skip


def test_a_killed_index_goes_on_and_ends_in_the_same_bytes(
    localizer: Alignment,
    corpus: DecodedCorpus,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(indexed, "_BLOCK", 3)
    index(localizer, corpus, tmp_path / "whole/index")
    made, calls = indexed._Maker.block, []

    def killed(*arguments: object) -> np.ndarray:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return made(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(indexed._Maker, "block", killed)
    with pytest.raises(KeyboardInterrupt):
        index(localizer, corpus, tmp_path / "again/index")
    assert stored_in(tmp_path / "again/index") is None
    index(localizer, corpus, tmp_path / "again/index")
    assert len(calls) == 4  # three blocks, one of them begun twice
    for path in (tmp_path / "whole/index").iterdir():
        assert path.read_bytes() == (tmp_path / "again/index" / path.name).read_bytes()


def test_an_index_of_something_else_is_not_asked(
    localizer: Alignment, corpus: DecodedCorpus, tmp_path: Path
) -> None:
    weights, folder = tmp_path / "w.safetensors", tmp_path / "index"
    save_weights(weights, localizer)
    assert usable(folder, weights, corpus, None) == (None, f"{folder}: no index is stored")
    hashed = hash_of_file(weights)
    index_corpus(localizer, hashed, corpus, folder, work=tmp_path / "work")
    assert usable(folder, weights, corpus, None)[0] is not None
    assert usable(folder, weights, corpus, "s_L")[1].endswith("the index is of s_A, not of s_L")
    save_weights(weights, small_method(FORM, STEPS, seed=3))
    assert "of other weights than" in usable(folder, weights, corpus, None)[1]
    save_weights(weights, localizer)
    with (corpus.folder / "clips.parquet").open("ab") as file:
        file.write(b"x")
    assert "of other clips than" in usable(folder, weights, corpus, None)[1]
