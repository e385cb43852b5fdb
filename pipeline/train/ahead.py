"""Work that is done while the work before it still goes on: what comes next, begun on a thread."""

from collections.abc import Iterator
from concurrent.futures import Executor, Future
from itertools import islice
from typing import Generic, TypeVar

T = TypeVar("T")


class Ahead(Generic[T]):
    """The items of an iterator in their order, each made on a thread of `pool`.

    One item is ahead at most, and none before `begin` is called: who works on an item says when
    there is time for the next. What making it raises is raised where it is asked for."""

    def __init__(self, items: Iterator[T], pool: Executor) -> None:
        self._items, self._pool = items, pool
        self._begun: Future[list[T]] | None = None

    def begin(self) -> None:
        """Begin the next item, unless it is begun."""
        if self._begun is None:
            self._begun = self._pool.submit(self._next)

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        self.begin()
        assert self._begun is not None
        begun, self._begun = self._begun, None
        found = begun.result()
        if not found:
            raise StopIteration
        return found[0]

    def _next(self) -> list[T]:
        """The next item, or nothing: a future may not raise StopIteration."""
        return list(islice(self._items, 1))
