"""Stage train on several devices: when it starts ranks, and that the command really does."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import yaml
from made_corpus import make_corpus

from pipeline.errors import InputError
from pipeline.localizer import load_localizer
from pipeline.shards import write_json, write_npy, write_parquet
from stages.train import ranks_to_start

ROOT = Path(__file__).resolve().parents[1]


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
sys.argv = ["avloc", "train", "toy"]
main()
"""


def test_the_command_replaces_itself_by_ranks(tmp_path: Path) -> None:
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    content["train"] |= {
        "network": {"blocks": [1], "channels": [4], "strides": [1], "projection_layers": 1},
        "input_side": 16, "window_seconds": 0.5, "k": 3, "epochs": 2, "batch": 4, "threads": 1,
    }  # fmt: skip
    content["active"]["runs"] = {"toy": {"corpus": "toy", "search": "toy", "train": "train"}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
    generator = np.random.default_rng(0)
    corpus = make_corpus(
        tmp_path / "data/decoded/toy",
        generator.integers(0, 255, (8, 18, 18, 3)).astype(np.uint8),
        generator.normal(-9, 3, (8, 40, 64)),
    )
    form = {"side": 18, "sample_rate": 16000, "window": 1024, "hop": 512, "bands": 64}
    write_json(corpus.folder / "settings.json", form)
    found = tmp_path / "data/neighbours/toy"
    write_parquet(found / "clips.parquet", pa.table({"clip_id": corpus.clip_ids, "row": range(8)}))
    ids = (np.arange(8)[:, None] + np.arange(1, 4)) % 8
    for modality in ("image", "audio"):
        write_npy(found / f"{modality}_ids.npy", ids.astype(np.int32))
    done = subprocess.run(
        [sys.executable, "-c", _COMMAND],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    # The second rank is silent, so a line that each would write is there once.
    assert done.stderr.count("train: epoch 2/2") == 1
    load_localizer(tmp_path / "data/runs/toy/weights.safetensors")
    assert len((tmp_path / "data/runs/toy/history.tsv").read_text().splitlines()) == 3
