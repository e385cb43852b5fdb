"""What comes next is begun when it is asked for, is in order, and fails where it is used."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline.train.ahead import Ahead


def test_the_next_item_is_begun_when_there_is_time_for_it() -> None:
    made: list[int] = []
    ready = threading.Event()

    def items() -> Iterator[int]:
        for item in range(4):
            made.append(item)
            yield item
            if item == 1:
                ready.set()  # the third is begun

    with ThreadPoolExecutor(1) as pool:
        ahead = Ahead(items(), pool)
        assert made == []
        assert [next(ahead), next(ahead)] == [0, 1]
        assert made == [0, 1] and not ready.is_set()  # nothing was asked for
        ahead.begin()
        ahead.begin()  # one item at most is ahead
        assert ready.wait(60)
        assert next(ahead) == 2
        assert list(ahead) == [3]
        assert list(ahead) == [] and made == [0, 1, 2, 3]


def test_what_making_an_item_raises_is_raised_where_it_is_asked_for() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("no such shard")

    with ThreadPoolExecutor(1) as pool:
        ahead = Ahead(items(), pool)
        assert next(ahead) == 1
        ahead.begin()
        with pytest.raises(OSError, match="no such shard"):
            next(ahead)
