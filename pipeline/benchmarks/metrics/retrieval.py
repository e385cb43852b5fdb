"""Cross-modal retrieval: where a query's own partner, or its class, stands in the ranking.

Ties never help: whatever is as similar as the right answer stands before it, so a collapsed model
that finds everything equal gets 0 instead of chance. The price is that exact duplicates in a set
count against a model that cannot tell them apart either.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.benchmarks.metrics.bootstrap import with_intervals

RANKS = (1, 5, 10)
DIRECTIONS = ("a2i", "i2a")
ANSWERS = 5  # kept of each query, to be looked at


def cosine_similarities(image: np.ndarray, audio: np.ndarray) -> np.ndarray:
    """Cosines between image (N, d) and audio (M, d) embeddings, float32 (N, M).

    Computed in double precision and rounded, so that equal embeddings tie exactly, wherever the
    matrix product's own rounding would have put them. A zero vector is similar to nothing (0).
    """

    def unit(embeddings: np.ndarray) -> np.ndarray:
        double = embeddings.astype(np.float64)
        # Scaled first: the square of a large but finite value would overflow.
        largest = np.abs(double).max(axis=1, keepdims=True)
        double = double / np.where(largest == 0, 1, largest)
        norms = np.linalg.norm(double, axis=1, keepdims=True)
        return double / np.where(norms == 0, 1, norms)

    return (unit(image) @ unit(audio).T).astype(np.float32)


def _queries(similarities: np.ndarray, direction: str) -> np.ndarray:
    """One row a query: sounds query frames in 'a2i', frames query sounds in 'i2a'."""
    if direction not in DIRECTIONS:
        raise ValueError(f"direction {direction!r}: expected one of {', '.join(DIRECTIONS)}")
    return similarities.T if direction == "a2i" else similarities


def partner_ranks(similarities: np.ndarray, direction: str) -> np.ndarray:
    """The rank (1 is best) of each query's own partner, int64 (N,).

    `similarities` (N, N): rows are frames, columns sounds, partners on the diagonal.
    """
    ranks = np.empty(len(similarities), dtype=np.int64)
    own = np.diagonal(similarities)
    for query, row in enumerate(_queries(similarities, direction)):
        ranks[query] = np.count_nonzero(row >= own[query])  # the partner itself is the + 1
    return ranks


def class_ranks(
    similarities: np.ndarray, classes: Sequence[str], direction: str
) -> tuple[np.ndarray, np.ndarray]:
    """For each query the rank of the best answer of its class, int64 (N,), and the average
    precision over all answers of its class, float64 (N,).

    `classes` (N) are the classes of the pairs; a query's own partner is one of the right answers.
    Right answers come after equally similar wrong ones.
    """
    _, labels = np.unique(np.asarray(classes), return_inverse=True)
    members = [np.flatnonzero(labels == label) for label in range(labels.max(initial=-1) + 1)]
    first = np.empty(len(labels), dtype=np.int64)
    precision = np.empty(len(labels))
    for query, row in enumerate(_queries(similarities, direction)):
        right = np.sort(row[members[labels[query]]])
        best_first = right[::-1]
        at_least = len(row) - np.searchsorted(np.sort(row), best_first, side="left")
        right_at_least = len(right) - np.searchsorted(right, best_first, side="left")
        wrong_before = at_least - right_at_least
        place = np.arange(1, len(right) + 1)
        first[query] = 1 + wrong_before[0]
        precision[query] = np.mean(place / (place + wrong_before))
    return first, precision


def best_answers(similarities: np.ndarray, direction: str, count: int = ANSWERS) -> np.ndarray:
    """The `count` best answers to each query, the best first: int64 (N, min(count, N)), the places
    of their pairs. Its own partner comes after equally similar answers, as in `partner_ranks`, and
    these in their order."""
    count = min(count, len(similarities))
    best = np.empty((len(similarities), count), dtype=np.int64)
    for query, row in enumerate(_queries(similarities, direction)):
        worst = np.partition(row, len(row) - count)[len(row) - count]
        # Few reach the last place's value, and only those are put in order.
        reach = np.flatnonzero(row >= worst)
        best[query] = reach[np.lexsort((reach, reach == query, -row[reach]))][:count]
    return best


def recall_at(ranks: np.ndarray, k: int) -> float:
    """R@k: the share of queries with a rank of at most `k`."""
    return float(np.mean(ranks <= k))


def retrieval_ranks(
    similarities: np.ndarray, classes: Sequence[str] | None = None, suffix: str = ""
) -> dict[str, np.ndarray]:
    """The ranks of all queries, one column (N,) a direction: `rank_a2i` and `rank_i2a` int64, and
    with `classes` also `class_rank_*` int64 and `precision_*`, the average precision, float64.
    Names end in `suffix`."""
    columns: dict[str, np.ndarray] = {}
    for direction in DIRECTIONS:
        columns[f"rank_{direction}{suffix}"] = partner_ranks(similarities, direction)
        if classes is not None:
            first, precision = class_ranks(similarities, classes, direction)
            columns[f"class_rank_{direction}{suffix}"] = first
            columns[f"precision_{direction}{suffix}"] = precision
    return columns


def retrieval_metrics(
    ranks: Mapping[str, np.ndarray], suffix: str = "", part: str = ""
) -> dict[str, float]:
    """R@1, R@5, R@10 both ways in per cent with their intervals, of the columns of
    `retrieval_ranks` for the same `suffix`, or of some of their rows (N > 0).

    **Instance recall** `R@k_*` is the share of queries whose own partner is among the best k.
    **Class recall** `class_R@k_*` is the share of which any of the best k has the query's class,
    its own partner among them: so the authors of the paper count in the training code that they
    published later, and Table 6 is very probably that (an inference: the paper does not say, and
    the file of labels is not published). `mAP_*` is the mean average precision over the answers of
    the query's class. Names end in `a2i` or `i2a`, `suffix` and `part`.
    """
    hits: dict[str, np.ndarray] = {}
    metrics: dict[str, float] = {}
    for direction in DIRECTIONS:
        own = f"{direction}{suffix}"
        for prefix in ("", "class_"):
            if f"{prefix}rank_{own}" in ranks:
                for k in RANKS:
                    name = f"{prefix}R@{k}_{own}"
                    hits[name] = ranks[f"{prefix}rank_{own}"] <= k
                    metrics[name] = 100 * recall_at(ranks[f"{prefix}rank_{own}"], k)
        if f"precision_{own}" in ranks:
            metrics[f"mAP_{own}"] = 100 * float(ranks[f"precision_{own}"].mean())
    return with_intervals(metrics, hits, part)
