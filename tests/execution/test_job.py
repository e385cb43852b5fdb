"""The example of a SLURM job: it hands SIGTERM on, waits for the checkpoint, and comes again."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from pipeline.base.code import ROOT

# What stands in for SLURM: a training that runs until SIGTERM, or ends with a code of its own.
_SRUN = """#!/bin/bash
echo "began: $*" >> told
[ -n "$CODE" ] && exit "$CODE"
trap 'echo kept >> told; exit 143' TERM
echo running
for _ in $(seq 600); do sleep 0.1; done
"""


def _start(folder: Path, **more: str) -> subprocess.Popen[str]:
    (folder / ".venv/bin").mkdir(parents=True)
    (folder / ".venv/bin/activate").write_text("")
    (folder / "bin").mkdir()
    for name, text in (("srun", _SRUN), ("scontrol", '#!/bin/bash\necho "$*" >> told\n')):
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    return subprocess.Popen(
        ["bash", str(ROOT / "pipeline/execution/job.slurm"), "alignment", "full", "0"],
        cwd=folder,
        env={**os.environ, "PATH": path, "SLURM_JOB_ID": "7", **more},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_job_whose_time_is_up_keeps_its_step_and_comes_again(tmp_path: Path) -> None:
    job = _start(tmp_path)
    assert job.stdout is not None and job.stdout.readline() == "running\n"
    job.send_signal(signal.SIGTERM)
    assert job.wait(60) == 0
    told = (tmp_path / "told").read_text().splitlines()
    assert told == ["began: avloc train alignment full 0", "kept", "requeue 7"]


@pytest.mark.parametrize("code", ["0", "1"])
def test_a_job_that_ends_by_itself_does_not_come_again(tmp_path: Path, code: str) -> None:
    job = _start(tmp_path, CODE=code)
    assert job.wait(60) == int(code)
    assert len((tmp_path / "told").read_text().splitlines()) == 1
