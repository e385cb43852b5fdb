"""Neighbour search against brute force, with copies, ties and hostile input."""

from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
import torch
from made_corpus import make_corpus

from pipeline.base.code import fingerprint
from pipeline.base.files import read_parquet, write_npy
from pipeline.clips.decoded import DecodedCorpus
from pipeline.errors import InputError
from pipeline.neighbours import exact
from pipeline.neighbours import search as neighbours
from pipeline.neighbours.exact import ExactSearch, entries_of, unit_rows
from pipeline.neighbours.search import recall, search, search_list


def clustered(n: int, d: int = 32, classes: int = 12, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((classes, d))
    return (centres[rng.integers(0, classes, n)] + rng.standard_normal((n, d))).astype(np.float32)


@pytest.mark.parametrize(("n", "k"), [(300, 20), (300, 299), (2, 1), (97, 1)])
def test_exact_search_is_brute_force(n: int, k: int) -> None:
    """In float64, one row after the other; ids may differ where similarities do not."""
    features = clustered(n)
    ids, similarities = search(features, k)
    assert ids.dtype == np.int32 and similarities.dtype == np.float16
    x = features.astype(np.float64)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    differing = 0
    for row in range(n):
        scores = x @ x[row]
        expected = sorted((i for i in range(n) if i != row), key=lambda i: (-scores[i], i))[:k]
        np.testing.assert_allclose(scores[ids[row]], scores[expected], atol=1e-6)
        np.testing.assert_allclose(similarities[row], scores[expected], atol=1e-3)
        assert len(set(ids[row])) == k and row not in ids[row]
        differing += int((ids[row] != expected).sum())
    assert differing <= n * k * 1e-3


def test_exact_search_finds_what_faiss_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    """In many blocks of rows, so that block borders are crossed."""
    features = clustered(3000, 64)
    monkeypatch.setattr(exact, "_BLOCK_BYTES", 4 * 3000 * 128)
    ids, similarities = search(features, 100)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    index = faiss.IndexFlatIP(64)
    index.add(unit)
    scores, found = index.search(unit, 101)
    for row in range(3000):
        others = found[row] != row
        last = scores[row][others][99]
        # The same set, but for those that tie with the last one within float32's noise.
        for differing in set(ids[row]) ^ set(found[row][others][:100]):
            assert abs(unit[differing] @ unit[row] - last) < 2e-6
    np.testing.assert_allclose(similarities, np.sort(scores[:, 1:])[:, ::-1], atol=1e-3)


@pytest.mark.parametrize("device", ["cpu", *["cuda"] * torch.cuda.is_available()])
def test_another_device_selects_what_the_cpu_does(device: str) -> None:
    """Of the same similarities: copies of clips, ties to all, and what is never chosen."""
    unit = unit_rows(np.concatenate([*[clustered(300)] * 2, np.ones((50, 32), np.float32)]))
    similarities = torch.from_numpy(unit @ unit.T)
    similarities.fill_diagonal_(-2)
    ours = ExactSearch(unit, 320)
    there = ours._selected_there(similarities.to(device))
    np.testing.assert_array_equal(there, entries_of(ours._selected(similarities)))


def test_copies_are_ordered_by_id_and_never_hide_the_clip_itself() -> None:
    rng = np.random.default_rng(1)
    base = rng.standard_normal((5, 32)).astype(np.float32)
    features = base[np.arange(60) % 5] * rng.uniform(0.5, 2, (60, 1)).astype(np.float32)
    ids, similarities = search(features, 11)
    for row in range(60):
        assert ids[row].tolist() == [i for i in range(row % 5, 60, 5) if i != row]
    assert (similarities == 1).all()


def test_when_all_are_equal_ids_decide() -> None:
    ids, _ = search(np.ones((40, 8), np.float32), 3)
    assert ids[0].tolist() == [1, 2, 3] and ids[1].tolist() == [0, 2, 3]
    assert (ids[4:] == [0, 1, 2]).all()


@pytest.mark.parametrize("block", [50, 133, 400])
def test_smaller_k_is_a_prefix_whatever_the_blocks(
    monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    features = clustered(400)
    ids, similarities = search(features, 50)
    monkeypatch.setattr(exact, "_BLOCK_BYTES", 4 * 400 * block)
    for k in (1, 10):
        fewer, less = search(features, k)
        np.testing.assert_array_equal(fewer, ids[:, :k])
        np.testing.assert_array_equal(less, similarities[:, :k])
    assert (np.diff(similarities.astype(np.float32), axis=1) <= 0).all()


@pytest.mark.parametrize("index", ["ivf", "hnsw"])
def test_approximate_indices(index: neighbours.Index) -> None:
    features = clustered(1500)
    ids, similarities = search(features, 30, index=index, effort=40)
    again, _ = search(features, 30, index=index, effort=40)
    np.testing.assert_array_equal(ids, again)
    assert not (ids == np.arange(1500)[:, None]).any() and (ids >= 0).all()
    assert all(len(set(row)) == 30 for row in ids.tolist())
    assert (np.diff(similarities.astype(np.float32), axis=1) <= 0).all()
    true, _ = search(features, 30)
    shared = np.mean([len(set(a) & set(b)) / 30 for a, b in zip(ids, true, strict=True)])
    assert 0.6 < shared <= 1
    assert recall(features, ids, sample=1500) == pytest.approx(shared, abs=1e-3)
    assert recall(features, true) == 1


def test_rows_for_which_an_index_finds_too_little_are_searched_exactly() -> None:
    features = clustered(500)
    ids, _ = search(features, 400, index="ivf", effort=1)
    np.testing.assert_array_equal(ids, search(features, 400)[0])


def test_an_index_of_a_handful_of_rows() -> None:
    features = clustered(5)
    for index in ("ivf", "hnsw"):
        np.testing.assert_array_equal(search(features, 4, index=index)[0], search(features, 4)[0])


def test_recall_counts_ties_as_found() -> None:
    ids = np.tile(np.array([[37, 38, 39]]), (30, 1))
    assert recall(np.ones((40, 8), np.float32), np.concatenate([ids, ids[:10] - 20])) == 1


@pytest.mark.parametrize("k", [0, -1, 10, 11])
def test_k_must_leave_room_for_the_clip_itself(k: int) -> None:
    with pytest.raises(InputError, match=f"k is {k}, expected 1 to 9"):
        search(clustered(10), k)


def test_rows_without_a_direction_are_counted() -> None:
    features = clustered(10)
    features[3], features[5, 2], features[7, 0] = 0, np.nan, np.inf
    with pytest.raises(InputError, match="3 of 10 rows of features hold NaN, infinity or only"):
        search(features, 2)


def embedded_corpus(folder: Path) -> DecodedCorpus:
    """Forty clips with features of 8 and 6 numbers; the last two have no features."""
    frames = np.zeros((40, 2, 2, 3), np.uint8)
    corpus = make_corpus(folder / "corpus", frames, [np.zeros((3, 4))] * 40)
    corpus._sound_starts = np.where(np.arange(40) == 39, -1, corpus._sound_starts)
    corpus._frame_rows = np.where(np.arange(40) == 38, -1, corpus._frame_rows)
    for modality, width in (("image", 8), ("audio", 6)):
        features = clustered(40, width, seed=width)
        features[38 if modality == "image" else 39] = np.nan
        write_npy(folder / f"embeddings/{modality}.npy", features)
    return corpus


def test_search_among_the_clips_of_a_list(tmp_path: Path) -> None:
    corpus = embedded_corpus(tmp_path)
    listed = ["clip31", "clip02", "gone", *(f"clip{n}" for n in range(10, 30)), "clip38", "clip39"]
    out, work = tmp_path / "out", tmp_path / "work"
    summary = search_list(corpus, tmp_path / "embeddings", listed, 5, out, work=work)
    rows = np.array([2, *range(10, 30), 31])
    assert read_parquet(out / "clips.parquet").to_pydict() == {
        "clip_id": [f"clip{row:02d}" for row in rows],
        "row": rows.tolist(),
    }
    for modality in ("image", "audio"):
        features = np.load(tmp_path / f"embeddings/{modality}.npy")[rows]
        ids, similarities = search(features, 5)
        np.testing.assert_array_equal(np.load(out / f"{modality}_ids.npy"), ids)
        np.testing.assert_array_equal(np.load(out / f"{modality}_similarities.npy"), similarities)
        mean = similarities.astype(np.float64).mean()
        assert summary[f"{modality}_similarity"] == pytest.approx(mean)
    assert {key: summary[key] for key in list(summary)[:4]} == {
        "listed": 25,
        "clips": 22,
        "not_in_corpus": 1,
        "without_picture_or_sound": 2,
    }
    assert "image_recall" not in summary and list(work.iterdir()) == []
    again = tmp_path / "again"
    search_list(corpus, tmp_path / "embeddings", listed[::-1], 5, again, work=work)
    for path in out.iterdir():
        assert path.read_bytes() == (again / path.name).read_bytes()


def test_a_killed_search_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = embedded_corpus(tmp_path)
    listed = corpus.clip_ids[:30]
    monkeypatch.setattr(exact, "_BLOCK_BYTES", 4 * 30 * 10)
    arguments = (corpus, tmp_path / "embeddings", listed, 4)
    search_list(*arguments, tmp_path / "whole", work=tmp_path / "work")
    original, calls = ExactSearch.__call__, []

    def killed(self: ExactSearch, rows: range) -> np.ndarray:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(self, rows)

    monkeypatch.setattr(ExactSearch, "__call__", killed)
    with pytest.raises(KeyboardInterrupt):
        search_list(*arguments, tmp_path / "out", work=tmp_path / "work")
    search_list(*arguments, tmp_path / "out", work=tmp_path / "work")
    assert len(calls) == 7  # three blocks a modality, one of them begun twice
    for path in (tmp_path / "whole").iterdir():
        assert path.read_bytes() == (tmp_path / "out" / path.name).read_bytes()


def test_another_number_of_threads_does_not_take_up_finished_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = embedded_corpus(tmp_path)
    made: list[str] = []

    def fingerprinted(parts: list[Any]) -> str:
        made.append(fingerprint(parts))
        return made[-1]

    monkeypatch.setattr(neighbours, "fingerprint", fingerprinted)
    before = torch.get_num_threads()
    for threads in (1, 1, 2):
        torch.set_num_threads(threads)
        search_list(
            corpus, tmp_path / "embeddings", corpus.clip_ids, 3, tmp_path / "out",
            work=tmp_path / "work",
        )  # fmt: skip
    torch.set_num_threads(before)
    assert made[:2] == made[2:4] and not set(made[4:]) & set(made[:4])


def test_an_approximate_search_reports_its_recall(tmp_path: Path) -> None:
    corpus = embedded_corpus(tmp_path)
    summary = search_list(
        corpus, tmp_path / "embeddings", corpus.clip_ids[:38], 3, tmp_path / "out",
        work=tmp_path / "work", index="ivf", effort=4,
    )  # fmt: skip
    assert 0 < summary["image_recall"] <= 1 and 0 < summary["audio_recall"] <= 1


def test_wrong_embeddings_and_lists_are_named(tmp_path: Path) -> None:
    corpus = embedded_corpus(tmp_path)
    embeddings, out, work = tmp_path / "embeddings", tmp_path / "out", tmp_path / "work"
    with pytest.raises(InputError, match=r"1 of 1 listed clips are there .*, expected at least 2"):
        search_list(corpus, embeddings, ["clip01"], 5, out, work=work)
    write_npy(embeddings / "audio.npy", np.full((40, 6), np.nan, np.float32))
    with pytest.raises(InputError, match=r"audio\.npy: 10 of 10 rows of features hold NaN"):
        search_list(corpus, embeddings, corpus.clip_ids[:10], 5, out, work=work)
    write_npy(embeddings / "image.npy", np.zeros((3, 8), np.float32))
    with pytest.raises(InputError, match=r"image\.npy: found shape \(3, 8\), .* the 40 clips"):
        search_list(corpus, embeddings, corpus.clip_ids[:10], 5, out, work=work)
