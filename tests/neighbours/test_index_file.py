"""FAISS index files: anyone's `faiss.read_index` opens them and finds what the ids say."""

from pathlib import Path

import faiss
import numpy as np
import pytest
from test_search import embedded_corpus

from pipeline.base.files import read_parquet
from pipeline.errors import InputError
from pipeline.neighbours.index_file import flat_index, nearest, open_index, write_index
from pipeline.neighbours.search import search_list


def unit(rows: int, width: int = 8) -> np.ndarray:
    vectors = np.random.default_rng(0).normal(size=(rows, width)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_a_file_answers_with_ids_and_products_best_first(tmp_path: Path) -> None:
    vectors, ids = unit(50), 3 * np.arange(50) + 1
    write_index(tmp_path / "a.faiss", flat_index(vectors, ids))
    index = open_index(tmp_path / "a.faiss")
    question = unit(60)[55]
    products = vectors @ question
    order = np.argsort(-products)
    found = nearest(index, question, 4)
    assert [each for each, _ in found] == ids[order[:4]].tolist()
    np.testing.assert_allclose([product for _, product in found], products[order[:4]], atol=1e-6)
    among = ids[order[[7, 20, 9]]].tolist()
    assert [each for each, _ in nearest(index, question, 10, among)] == ids[
        order[[7, 9, 20]]
    ].tolist()
    assert len(nearest(index, question, 99)) == 50
    with pytest.raises(InputError, match="vectors of 8 numbers, expected 5"):
        nearest(index, question[:5], 1)


def test_equal_vectors_give_equal_bytes_and_a_wrong_file_is_named(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_index(tmp_path / name, flat_index(unit(9), np.arange(9)))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    (tmp_path / "c").write_bytes(b"no index at all")
    with pytest.raises(
        InputError, match=r"c: cannot be read, expected a FAISS index: .*recognized"
    ):
        open_index(tmp_path / "c")
    with pytest.raises(InputError, match="d: not found, expected a FAISS index"):
        open_index(tmp_path / "d")


@pytest.mark.parametrize("index", ["exact", "ivf", "hnsw"])
def test_a_search_leaves_the_index_that_finds_its_ids(tmp_path: Path, index: str) -> None:
    corpus = embedded_corpus(tmp_path)
    out = tmp_path / "out"
    arguments = (corpus, tmp_path / "embeddings", corpus.clip_ids[:38], 3)
    search_list(*arguments, out, work=tmp_path / "work", index=index, effort=32)  # type: ignore[arg-type]
    rows = read_parquet(out / "clips.parquet")["row"].to_numpy()
    for modality in ("image", "audio"):
        stored = faiss.read_index(str(out / f"{modality}.faiss"))
        features = np.load(tmp_path / f"embeddings/{modality}.npy")[rows]
        features /= np.linalg.norm(features, axis=1, keepdims=True)
        _, found = stored.search(features, 4)
        assert found[:, 0].tolist() == list(range(38))  # the clip itself
        np.testing.assert_array_equal(found[:, 1:], np.load(out / f"{modality}_ids.npy"))
    search_list(*arguments, tmp_path / "no", work=tmp_path / "work", store_index=False)
    assert not list((tmp_path / "no").glob("*.faiss"))


def test_of_a_small_list_all_others_are_neighbours(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus, out = embedded_corpus(tmp_path), tmp_path / "out"
    embeddings = tmp_path / "embeddings"
    summary = search_list(corpus, embeddings, corpus.clip_ids[:4], 20, out, work=tmp_path / "work")
    assert summary["neighbours"] == 3
    assert "4 clips to search: each has the other 3 for neighbours" in capsys.readouterr().err
    ids = np.load(out / "image_ids.npy")
    assert [sorted([row, *others]) for row, others in enumerate(ids.tolist())] == [[0, 1, 2, 3]] * 4
