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
from typing import Any, NamedTuple

import yaml
from test_end_to_end import SMALL, merged

from pipeline.base.study import EVERY_CLIP

ROOT = Path(__file__).resolve().parents[2]
FULL = os.environ.get("AVLOC_TRUST") == "full"
TABLES = ROOT / "build" / "trust"  # what the full form found, for people


class Stage(NamedTuple):
    """A stage: the words of its command, its output below data/, and what it keeps below data/work
    while it is at it (and, of shards, beside it in a .json)."""

    command: str
    output: str
    work: str


RUN = "toy/alignment-full-0"
STAGES = {
    "toy": Stage("toy toy", "toys/toy", "toy/toy"),
    "decode": Stage("decode toy", "decoded/toy", "decode/toy"),
    "spectrograms": Stage(
        "spectrograms toy alignment", "spectrograms/toy/alignment", "spectrograms/toy/alignment"
    ),
    # Of one form with `linked`, so that each of the two takes what the other has made.
    "encoder-sounds": Stage(
        "spectrograms toy vggsound", "spectrograms/toy/vggsound", "spectrograms/toy/vggsound"
    ),
    "linked": Stage("spectrograms toy ezvsl", "spectrograms/toy/ezvsl", "spectrograms/toy/ezvsl"),
    "encoders": Stage("encoders toy", "encoders/toy", "encoders/toy"),
    "embed-image": Stage("embed toy image", "embeddings/toy/image.npy", "embed/toy/image"),
    "embed-audio": Stage("embed toy audio", "embeddings/toy/audio.npy", "embed/toy/audio"),
    "training-list": Stage("training-list toy", "lists/toy.json", ""),
    "neighbours": Stage("neighbours toy", "neighbours/toy", "neighbours/toy"),
    "train": Stage("train alignment full 0", f"runs/{RUN}", f"train/{RUN}"),
    "tests": Stage("tests toy", "tests/toy.json", ""),
    "evaluate": Stage("evaluate alignment-full-0 toy", f"results/{RUN}/toy", f"evaluate/{RUN}/toy"),
}
# Several epochs and shards, so that there is something to resume from; a form of the method's own.
MORE: dict[str, dict[str, Any]] = {
    "toy": {"train": 30},
    "decode": {"shards": 6},
    "forms": {"alignment": {"bands": 32}},
    "encoders": {"image_epochs": 4, "audio_epochs": 4},
    "train": {"epochs": 5},
}


class StageProject:
    """A folder with the shrunk params.yaml, and the server that runs stages in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seconds: dict[str, float] = {}  # that each stage took, undisturbed
        self.expected: dict[str, dict[str, str]] = {}  # and the hashes of what it wrote
        # Through JSON, so that what the studies share is written out instead of as aliases.
        content = json.loads(json.dumps(yaml.safe_load((ROOT / "params.yaml").read_text())))
        active = {
            **content["active"],
            "corpora": {"toy": {**content["active"]["corpora"]["toy"], "list": EVERY_CLIP}},
            "tests": {"toy": ["scenes"]},
        }
        self.params: dict[str, Any] = {
            "execution": content["execution"],
            "toy": merged(merged(content["toy"], SMALL), MORE),
            "active": active,
        }
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
        """The parameters, with some of one section changed ('toy.forms.alignment')."""
        change: dict[str, Any] = changes
        for part in reversed(section.split(".") if section else []):
            change = {part: change}
        content = merged(self.params, change)
        (self.folder / "params.yaml").write_text(yaml.safe_dump(content, sort_keys=False))

    def run(self, stage: str, **order: Any) -> dict[str, Any]:
        """Run a stage; gives exit code, seconds, whether a signal was sent, and what it said."""
        log = self.folder / "log.txt"
        command = STAGES[stage].command.split()
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
        """The folder, or the file, that a stage writes."""
        return self.folder / "data" / STAGES[stage].output

    def hashes(self, stage: str) -> dict[str, str]:
        """The hash of every file of a stage's output, hidden ones included; of an output that is a
        file also of what lies half-written beside it."""
        output = self.output(stage)
        files = [output, *output.parent.glob(f"*{output.name}*.partial"), *output.rglob("*")]
        return {
            path.relative_to(output.parent).as_posix(): hashlib.sha256(
                path.read_bytes()
            ).hexdigest()
            for path in sorted(files)
            if path.is_file()
        }

    def remove_output(self, stage: str) -> None:
        """What DVC does before it runs a stage."""
        _remove(self.output(stage))

    def remove_all(self, stage: str) -> None:
        """Outputs and work in progress, and what it says of the output's shards."""
        self.remove_output(stage)
        if STAGES[stage].work:
            work = self.folder / "data/work" / STAGES[stage].work
            _remove(work)
            work.with_name(f"{work.name}.json").unlink(missing_ok=True)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


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
