"""Ranks change nothing: two of them give the single process's loss, gradients and history."""

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from step_of_loop import RECIPE, SETTINGS, made_corpus, neighbours, one_step, run

# Each variant changes the method's settings and the loop's.
VARIANTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "mean": ({"pooling": "mean"}, {}),
    "top": ({"pooling": "top", "symmetric": True}, {}),
    "trimap": ({"pooling": "trimap", "symmetric": True}, {}),
    "cached": ({"pooling": "mean"}, {"cache_gradients": True}),
    "compiled": ({"pooling": "mean"}, {"compile": True}),
}

_RANK = """
import functools, json, sys
from dataclasses import replace
from pathlib import Path
import numpy as np, torch, torch.distributed as dist
from pipeline.clips.decoded import DecodedCorpus
from pipeline.errors import InputError
from pipeline.methods.alignment import Alignment, AlignmentSettings
from pipeline.methods.contract import Dice, Moment
from pipeline.networks import ranks
from pipeline.train.batches import Neighbours, TrainingSet
from pipeline.train.loop import train
from pipeline.train.settings import Train
from pipeline.train.step import Stepper

torch.set_num_threads(1)
torch.compile = functools.partial(torch.compile, backend="aot_eager")
dist.init_process_group("gloo")
cpu = torch.device("cpu")
given = json.loads(Path(sys.argv[1]).read_text())
settings, recipe, seed = AlignmentSettings(**given["settings"]), Train(**given["recipe"]), 3
ids = np.load(sys.argv[3])
corpus = DecodedCorpus(Path(sys.argv[2]), Path(sys.argv[2]) / "spectrograms")
rows, neighbours = np.arange(len(ids)), Neighbours(ids, ids[:, ::-1])
output = Path(sys.argv[4])
for name, (learnt, computed) in given["variants"].items():
    method = Alignment(replace(settings, **learnt), corpus.form, seed=1).train()
    ranks.synchronize_batch_norm(method)
    clips = TrainingSet(
        corpus, rows, neighbours, method.inputs(), seconds=settings.seconds, batch=recipe.batch,
        epochs=1, seed=0, part=ranks.rank(), parts=ranks.count(),
    )
    stepper = Stepper(method, replace(recipe, **computed), seed, cpu)
    dice = Dice(seed, 0, ranks.rank(), ranks.count())
    losses = stepper.backward(stepper.views(clips[0], dice), dice, Moment(0, 9, 0, 3))
    ranks.average([p.grad for p in method.parameters()])
    ranks.average([losses])
    found = {n: p.grad for n, p in method.named_parameters()}
    found |= {n: b for n, b in method.named_buffers()}
    torch.save({"losses": losses, **found}, output / f"{name}_{ranks.rank()}.pt")

def run(recipe, folder, work, **more):
    train(corpus, rows, neighbours, lambda: Alignment(settings, corpus.form, seed=seed), recipe,
          seed=seed, output=output / folder, work=output / work, device=cpu, **more)

run(replace(recipe, epochs=1, sync_batch_norm=True), "run", "work")

# A folder of its own for each rank, so that one alone finds the checkpoint.
class Killed(Exception):
    pass

def kill(epoch):
    raise Killed

try:
    run(replace(recipe, epochs=2), "apart", f"work{ranks.rank()}", epoch_done=kill)
except Killed:
    pass
try:
    run(replace(recipe, epochs=2), "apart", f"work{ranks.rank()}")
except InputError as error:
    (output / f"refused_{ranks.rank()}").write_text(str(error))
dist.destroy_process_group()
"""


def test_two_ranks_give_the_single_process_s_loss_and_gradients(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    corpus = made_corpus(tmp_path / "corpus")
    (tmp_path / "rank.py").write_text(_RANK)
    given = {"settings": asdict(SETTINGS), "recipe": asdict(RECIPE), "variants": VARIANTS}
    (tmp_path / "recipe.json").write_text(json.dumps(given))
    np.save(tmp_path / "ids.npy", neighbours().image)
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    paths = [tmp_path / "rank.py", tmp_path / "recipe.json", corpus.folder, tmp_path / "ids.npy"]
    done = subprocess.run(
        [*command, *map(str, paths), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for name, (learnt, _) in VARIANTS.items():
        losses, gradients, buffers = one_step(corpus, replace(SETTINGS, **learnt))
        for rank in range(2):
            found = torch.load(tmp_path / f"{name}_{rank}.pt", weights_only=True)
            torch.testing.assert_close(found["losses"], losses, atol=1e-5, rtol=1e-6)
            for part in (gradients, buffers):
                largest = max(float(expected.abs().max()) for expected in part.values())
                for key, expected in part.items():
                    apart = float((found[key] - expected).abs().max())
                    assert apart <= 1e-5 * largest, (name, key)
    run(corpus, tmp_path / "single", recipe=replace(RECIPE, epochs=1))
    split, single = (
        float((tmp_path / folder / "history.tsv").read_text().splitlines()[1].split("\t")[1])
        for folder in ("run", "single/run")
    )
    assert split == pytest.approx(single, rel=1e-3)
    for rank in range(2):
        told = (tmp_path / f"refused_{rank}").read_text()
        assert "found by the ranks after the epochs 1, 0" in told
