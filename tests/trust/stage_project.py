"""A very small project whose stages the trust tests run, kill and compare."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from test_end_to_end import SMALL

ROOT = Path(__file__).resolve().parents[2]
FULL = os.environ.get("AVLOC_TRUST") == "full"
TABLES = ROOT / "build" / "trust"  # what the full form found, for people

# Each stage with the name it is called with, and the one folder of its outputs.
STAGES = {
    "toy": ("toy", "data/toys/toy"),
    "decode": ("toy", "data/decoded/toy"),
    "encoders": ("toy", "data/encoders/toy"),
    "embed": ("toy", "data/embeddings/toy"),
    "neighbours": ("toy", "data/neighbours/toy"),
    "train": ("toy", "data/runs/toy"),
    "evaluate": ("toy-scenes", "data/results/toy-scenes"),
}
# Several epochs and shards, so that there is something to resume from.
MORE: dict[str, dict[str, Any]] = {
    "toy": {"train": 30},
    "decode": {"shards": 6},
    "encoders": {"image_epochs": 4, "audio_epochs": 4},
    "train": {"epochs": 5},
}


class StageProject:
    """A folder with the shrunk params.yaml, and the server that runs stages in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seconds: dict[str, float] = {}  # that each stage took, undisturbed
        self.expected: dict[str, dict[str, str]] = {}  # and the hashes of what it wrote
        content = yaml.safe_load((ROOT / "params.yaml").read_text())
        for part in (SMALL, MORE):
            for section, values in part.items():
                content[section] |= values
        # Through JSON, so that what the studies share is written out instead of as aliases.
        self.params: dict[str, Any] = json.loads(json.dumps(content))
        self.write_params()
        self.server = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("stage_server.py"))],
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        assert self.server.stdin is not None
        self.server.stdin.close()
        self.server.wait()

    def write_params(self, section: str | None = None, **changes: Any) -> None:
        """The parameters, with some of one section changed."""
        content = {**self.params}
        if section is not None:
            content[section] = {**content[section], **changes}
        (self.folder / "params.yaml").write_text(yaml.safe_dump(content))

    def run(self, stage: str, **order: Any) -> dict[str, Any]:
        """Run a stage; gives exit code, seconds, whether a signal was sent, and what it said."""
        log = self.folder / "log.txt"
        command = [stage, STAGES[stage][0]]
        place = {"command": command, "folder": str(self.folder), "log": str(log)}
        # One worker in the short form: each costs seconds of imports before it works.
        order = {**place, "workers": None if FULL else 1, **order}
        assert self.server.stdin is not None and self.server.stdout is not None
        self.server.stdin.write(json.dumps(order) + "\n")
        self.server.stdin.flush()
        return {**json.loads(self.server.stdout.readline()), "said": log.read_text()}

    def finish(self, stage: str, **order: Any) -> dict[str, Any]:
        """Run a stage that has to end well."""
        ended = self.run(stage, **order)
        assert ended["code"] == 0, ended
        return ended

    def output(self, stage: str) -> Path:
        return self.folder / STAGES[stage][1]

    def hashes(self, stage: str) -> dict[str, str]:
        """The hash of every file of a stage's outputs, hidden ones included."""
        return {
            path.relative_to(self.output(stage)).as_posix(): hashlib.sha256(
                path.read_bytes()
            ).hexdigest()
            for path in sorted(self.output(stage).rglob("*"))
            if path.is_file()
        }

    def remove_output(self, stage: str) -> None:
        """What DVC does before it runs a stage."""
        shutil.rmtree(self.output(stage), ignore_errors=True)

    def remove_all(self, stage: str) -> None:
        """Outputs and work in progress."""
        self.remove_output(stage)
        shutil.rmtree(self.folder / "data/work" / stage, ignore_errors=True)


@contextmanager
def stage_project(folder: Path) -> Iterator[StageProject]:
    project = StageProject(folder)
    try:
        yield project
    finally:
        project.close()


def write_table(name: str, lines: list[str]) -> None:
    """Keep a table of the full form; the end of the test run prints it."""
    if FULL:
        TABLES.mkdir(parents=True, exist_ok=True)
        (TABLES / f"{name}.txt").write_text("\n".join(lines) + "\n")
