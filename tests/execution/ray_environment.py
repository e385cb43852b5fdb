"""What a Ray started by a test needs of the environment."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def ray_environment() -> Iterator[None]:
    """For Rays started meanwhile: nobody is told of them, their workers are as urgent as the tests
    and find the tests' modules."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_worker_niceness", "0")  # its own 15 starves beside other tests
        for folder in (Path(__file__).parent, Path(__file__).parents[1]):
            patch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
        yield
