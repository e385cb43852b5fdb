"""Stage train on several devices: when it starts ranks, and that the command really does."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import yaml
from made_corpus import make_corpus

from pipeline.base.files import write_npy, write_parquet
from pipeline.clips.sound_form import SoundForm
from pipeline.errors import InputError
from pipeline.execution.seconds import seconds_of
from pipeline.methods.common.files import load_weights
from stages.train import ranks_to_start

ROOT = Path(__file__).resolve().parents[2]


def test_one_rank_a_gpu_unless_torchrun_is_there_already() -> None:
    assert ranks_to_start({}, 0, 128) == 0
    assert ranks_to_start({}, 1, 127) == 0
    assert ranks_to_start({}, 4, 128) == 4
    assert ranks_to_start({"WORLD_SIZE": "4"}, 4, 128) == 0
    with pytest.raises(InputError, match="batch of 128 clips cannot be split over 3 GPUs"):
        ranks_to_start({}, 3, 128)


# Two GPUs are seen and none can be used, so both ranks train on the CPU.
_COMMAND = """
import sys, torch
torch.cuda.device_count = lambda: 2
from stages.cli import main
sys.argv = ["avloc", "train", "alignment", "full", "0"]
main()
"""


RUN = "toy/alignment-full-0"
FORM = SoundForm(window=1024, hop=512, bands=64)


def _project(folder: Path, k: int = 3, **train: object) -> None:
    """A project before its stage train: eight small clips and their neighbours."""
    content = json.loads(json.dumps(yaml.safe_load((ROOT / "params.yaml").read_text())))
    content["toy"]["train"] |= {"epochs": 2, "batch": 4, "threads": 1, **train}
    content["toy"]["methods"]["alignment"] |= {
        "blocks": [1], "channels": [4], "strides": [1], "projection_layers": 1,
        "side": 16, "seconds": 0.5, "k": k,
    }  # fmt: skip
    (folder / "params.yaml").write_text(yaml.safe_dump(content))
    generator = np.random.default_rng(0)
    corpus = make_corpus(
        folder / "data/decoded/toy",
        generator.integers(0, 255, (8, 18, 18, 3)).astype(np.uint8),
        generator.normal(-9, 3, (8, 40, 64)),
        spectrograms=folder / "data/spectrograms/toy/alignment",
        form=FORM,
    )
    found = folder / "data/neighbours/toy"
    write_parquet(found / "clips.parquet", pa.table({"clip_id": corpus.clip_ids, "row": range(8)}))
    ids = (np.arange(8)[:, None] + np.arange(1, 4)) % 8
    for modality in ("image", "audio"):
        write_npy(found / f"{modality}_ids.npy", ids.astype(np.int32))


def _start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _COMMAND],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_command_trains_on_a_rank_for_each_gpu(tmp_path: Path) -> None:
    _project(tmp_path)
    run = _start(tmp_path)
    told = run.communicate()[1]
    assert run.returncode == 0, told[-3000:]
    # The second rank is silent, so a line that each would write is there once.
    assert told.count("train: epoch 2/2") == 1
    learnt = load_weights(tmp_path / f"data/runs/{RUN}/weights.safetensors")
    assert learnt.form == FORM and learnt.settings.side == 16
    work, history = tmp_path / f"data/work/train/{RUN}", tmp_path / f"data/runs/{RUN}/history.tsv"
    assert 0 < seconds_of(work, history)["seconds"] < 600
    assert len((tmp_path / f"data/runs/{RUN}/history.tsv").read_text().splitlines()) == 3


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all_ranks_in_one_line(tmp_path: Path, signum: signal.Signals) -> None:
    _project(tmp_path, epochs=10_000)
    run = _start(tmp_path)
    assert run.stderr is not None
    lines = []
    for line in run.stderr:
        lines.append(line)
        if "epoch 2/" in line:
            break
    run.send_signal(signum)
    rest = run.stderr.read().splitlines()
    assert run.wait() == 128 + signum
    told = [line for line in rest if "train: epoch" not in line and not line.startswith("train: ")]
    assert told == [f"stopped by {signum.name}; the same command goes on from what is done"]
    assert (tmp_path / f"data/work/train/{RUN}/checkpoint.pt").exists()


def test_what_ends_every_rank_is_told_once(tmp_path: Path) -> None:
    _project(tmp_path, k=7)
    run = _start(tmp_path)
    told = run.communicate()[1].splitlines()
    assert run.returncode == 1
    assert len(told) == 1 and "k = 7" in told[0], told
    assert told[0].startswith("error: rank ")
