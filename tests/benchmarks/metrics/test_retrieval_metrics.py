"""Retrieval against rankings written out, with every tie decided against the query."""

import numpy as np
import pytest

from pipeline.benchmarks.metrics.retrieval import (
    class_ranks,
    cosine_similarities,
    partner_ranks,
    recall_at,
    retrieval_metrics,
    retrieval_ranks,
)


def _ranking(row: np.ndarray, right: np.ndarray) -> list[bool]:
    """Whether the answer at each rank is right; wrong ones first among equals."""
    return [bool(right[i]) for i in sorted(range(len(row)), key=lambda i: (-row[i], right[i]))]


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("direction", ["a2i", "i2a"])
def test_against_a_written_out_ranking(ties: bool, direction: str) -> None:
    rng = np.random.default_rng(10)
    for count in (1, 2, 7, 60):
        matrix = rng.normal(size=(count, count)).astype(np.float32)
        matrix = np.round(matrix) if ties else matrix
        classes = [f"class {c}" for c in rng.integers(0, 5, count)]
        rows = matrix.T if direction == "a2i" else matrix
        ranks = partner_ranks(matrix, direction)
        first, precision = class_ranks(matrix, classes, direction)
        for query in range(count):
            own = _ranking(rows[query], np.arange(count) == query)
            assert ranks[query] == own.index(True) + 1
            same = _ranking(rows[query], np.array(classes) == classes[query])
            assert first[query] == same.index(True) + 1
            hits = [rank for rank, right in enumerate(same, 1) if right]
            mean = np.mean([(n + 1) / rank for n, rank in enumerate(hits)])
            assert precision[query] == pytest.approx(mean, abs=1e-9)


def test_a_collapsed_model_gets_nothing() -> None:
    metrics = retrieval_metrics(retrieval_ranks(np.ones((50, 50), dtype=np.float32)))
    assert set(metrics.values()) == {0.0}


def test_equal_embeddings_tie_exactly() -> None:
    rng = np.random.default_rng(11)
    image = np.repeat(rng.normal(size=(1, 100)), 97, axis=0).astype(np.float32)
    audio = rng.normal(size=(97, 100)).astype(np.float32)
    assert recall_at(partner_ranks(cosine_similarities(image, audio), "a2i"), 10) == 0.0


def test_cosines_by_hand() -> None:
    image = np.array([[3.0, 4.0], [0.0, 0.0], [1e38, 0.0]], dtype=np.float32)
    audio = np.array([[1.0, 0.0], [0.0, -2.0]], dtype=np.float32)
    expected = [[0.6, -0.8], [0.0, 0.0], [1.0, 0.0]]
    np.testing.assert_allclose(cosine_similarities(image, audio), expected, atol=1e-7)


def test_names_and_values_by_hand() -> None:
    # Frame 0 prefers sound 1; every sound prefers its own frame.
    matrix = np.array([[0.5, 0.6], [0.1, 0.9]], dtype=np.float32)
    columns = retrieval_ranks(matrix, ["dog", "cat"], "_x")
    metrics = retrieval_metrics(columns, "_x")
    assert metrics["R@1_a2i_x"] == 100.0
    assert metrics["R@1_i2a_x"] == 50.0
    assert metrics["R@5_i2a_x"] == metrics["class_R@5_i2a_x"] == 100.0
    assert metrics["mAP_i2a_x"] == pytest.approx(75.0)
    assert columns["rank_i2a_x"].tolist() == [2, 1]


def test_class_recall_as_the_authors_count_it() -> None:
    """Any of the k most similar answers, found by sorting, has the query's class."""
    rng = np.random.default_rng(17)
    similarities = rng.random((60, 60), dtype=np.float32)
    classes = np.array([f"class {n}" for n in rng.integers(0, 25, 60)])
    metrics = retrieval_metrics(retrieval_ranks(similarities, classes.tolist()))
    for direction, rows in (("i2a", similarities), ("a2i", similarities.T)):
        best = np.argsort(-rows, axis=1)
        for k in (1, 5, 10):
            right = (classes[best[:, :k]] == classes[:, None]).any(axis=1)
            assert metrics[f"class_R@{k}_{direction}"] == pytest.approx(100 * right.mean())
            own = (best[:, :k] == np.arange(60)[:, None]).any(axis=1)
            assert metrics[f"R@{k}_{direction}"] == pytest.approx(100 * own.mean())
            low, high = (metrics[f"class_R@{k}_{direction}:{end}"] for end in ("low", "high"))
            assert low <= metrics[f"class_R@{k}_{direction}"] <= high
    assert not any(name.startswith("mAP") and ":" in name for name in metrics)


def test_an_unknown_direction_is_refused() -> None:
    with pytest.raises(ValueError, match="a2i"):
        partner_ranks(np.ones((2, 2)), "sideways")
