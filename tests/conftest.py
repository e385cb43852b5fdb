"""What every test runs under."""

import os
from pathlib import Path

import pytest
import torch

# Tests are many and small: a second thread costs more than it gives, and the bytes of a sum depend
# on how many threads take part in it.
torch.set_num_threads(1)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the tables that the full form of the trust tests wrote."""
    if os.environ.get("AVLOC_TRUST") == "full":
        tables = Path(__file__).resolve().parents[1] / "build" / "trust"
        for table in sorted(tables.glob("*.txt")):
            terminalreporter.section(f"trust: {table.stem}")
            terminalreporter.write(table.read_text())
