"""What every test runs under."""

import multiprocessing
import os
import signal
import sys
from multiprocessing.context import BaseContext
from pathlib import Path

import pytest

# Before torch is imported: threads of a stage that wait for each other on busy cores sleep instead
# of spinning, here and in processes that tests start. No byte depends on it.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from running import Avloc

from pipeline.execution.progress import console
from stages import cli

# Tests are many and small: a second thread costs more than it gives, and the bytes of a sum depend
# on how many threads take part in it.
torch.set_num_threads(1)

# What processes of tests are forked from imports the library once for all files of tests; the first
# stage that runs would have it import its own modules alone, and each process of others theirs.
FORKED = (
    "pytest",
    "pipeline.decode.corpus",
    "pipeline.decode.flow",
    "pipeline.decode.spectrograms",
    "pipeline.methods.heartheflow",
    "pipeline.toy.corpus",
    "pipeline.train.loop",
)
_preload = BaseContext.set_forkserver_preload


def _preload_more(context: BaseContext, names: list[str]) -> None:
    _preload(context, [*FORKED, *names])


BaseContext.set_forkserver_preload = _preload_more  # type: ignore[method-assign]
multiprocessing.get_context("forkserver").set_forkserver_preload([])


# Files whose tests take longest, the longest first: begun last, one of them would keep one core
# busy while the others have nothing left to do.
LONGEST = (
    "trust/test_kills.py",
    "stages/test_rehearse.py",
    "test_end_to_end.py",
    "execution/test_dying_node.py",
    "execution/test_torchrun.py",
    "decode/test_real_clips.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first."""
    tests = Path(__file__).parent
    places = {tests / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the tables that the full form of the trust tests wrote."""
    if os.environ.get("AVLOC_TRUST") == "full":
        tables = Path(__file__).resolve().parents[1] / "build" / "trust"
        for table in sorted(tables.glob("*.txt")):
            terminalreporter.section(f"trust: {table.stem}")
            terminalreporter.write(table.read_text())


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Every test begins with one thread: a stage that a test runs in this process sets as many as
    its parameters say, as befits a process that ends with it, and they stay."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _console(monkeypatch: pytest.MonkeyPatch) -> None:
    """The console speaks in every test, although a benchmark turns it off for its process."""
    monkeypatch.setattr(console, "quiet", False)


@pytest.fixture
def avloc(monkeypatch: pytest.MonkeyPatch) -> Avloc:
    """Runs `avloc` as the console does, in this process; gives the exit code."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what `main` sets goes with the test
    monkeypatch.setattr(signal, "signal", lambda *_: None)

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["avloc", *arguments])
        try:
            cli.main()
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    return run
