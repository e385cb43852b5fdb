"""A Ray node that dies with its task half done costs that task's work alone: another node does it
again, and the outputs are those of one machine, whole.

Two nodes stand in for two machines: each has processes of its own, a core and a store, which die
together. The driver's node is the cluster's head, which no Ray survives the loss of.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_corpus import make_corpus
from made_media import tones, write_media
from made_run import make_run
from ray_environment import ray_environment

from pipeline.base.files import write_npy
from pipeline.corpora.source import Source
from pipeline.decode.corpus import decode_corpus
from pipeline.decode.shard import ShardTask, decode_shard
from pipeline.evaluate.run import evaluate_run
from pipeline.execution import ray as distributor
from pipeline.execution.pool import Report
from pipeline.execution.ray import run_on_ray
from pipeline.execution.run import HERE, Engine
from pipeline.neighbours import exact
from pipeline.neighbours.search import search_list

SECONDS = 300  # in which a node has begun with a task, however busy the machine is
Stage = Callable[[Engine, Path], None]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A cluster of one node with one core, whose workers find this file's functions."""
    ray = pytest.importorskip("ray", reason="Ray is absent; pip install 'avloc[ray]'")
    from ray.cluster_utils import Cluster

    with ray_environment():
        # A node that does not answer twice is lost; Ray's own five times take 15 s.
        soon = {"health_check_period_ms": 500, "health_check_failure_threshold": 2}
        made = Cluster(
            initialize_head=True,
            head_node_args={"include_dashboard": False, "_system_config": soon},
        )
        ray.init(made.address, log_to_driver=False)
        yield made
        ray.shutdown()
        made.shutdown()


# --- what happens on the nodes -------------------------------------------------------------------


def beside_the_dying(worker: Any, place: Path, doomed: str, task: Any) -> Any:
    """A task on its node. On the doomed one it gets to its first file and no further; on the other
    it waits until it has come so far there, so that the loss hits a task in flight."""
    import ray

    if ray.get_runtime_context().get_node_id() == doomed:
        (place / "task").write_text(str(task))
        os.environ["AVLOC_DYING"] = str(place)  # for a process that the task has of its own
        never_flushed(place)
    else:
        wait_for(place / "dying")
    return worker(task)


def never_flushed(place: Path) -> None:
    """From here on a file that this process writes stays without its name; it tells so."""

    def hangs(opened: int) -> None:
        (place / "dying").touch()
        node = os.getppid()
        while os.getppid() == node:
            time.sleep(0.02)
        os._exit(1)  # what it belonged to is gone

    os.fsync = hangs


def wait_for(path: Path) -> None:
    begun = time.monotonic()
    while not path.exists():
        assert time.monotonic() - begun < SECONDS, f"{path}: never written"
        time.sleep(0.02)


def dying_shard(task: ShardTask, report: Report) -> None:
    """The shard of clips in a process that its worker has begun."""
    if place := os.environ.get("AVLOC_DYING"):
        never_flushed(Path(place))
    decode_shard(task, report)


# --- three stages --------------------------------------------------------------------------------


def searching(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    generator = np.random.default_rng(0)
    frames = np.zeros((60, 2, 2, 3), np.uint8)
    corpus = make_corpus(folder / "c", frames, [np.zeros((3, 4))] * 60)
    for modality in ("image", "audio"):
        features = generator.standard_normal((60, 8)).astype(np.float32)
        write_npy(folder / f"embeddings/{modality}.npy", features)
    monkeypatch.setattr(exact, "_BLOCK_BYTES", 4 * 60 * 25)  # three blocks

    def run(engine: Engine, place: Path) -> None:
        work, found = place / "work", place / "out"
        search_list(
            corpus, folder / "embeddings", corpus.clip_ids, 7, found, work=work, engine=engine
        )

    return run


def decoding(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    paths = [folder / "corpus" / f"clip{number}.mp4" for number in range(4)]
    paths[0].parent.mkdir()
    for path in paths:
        write_media(path, seconds=1, sound=tones(1, 16000))
    sources = [Source(path.stem, path, path) for path in paths]

    def run(engine: Engine, place: Path) -> None:
        decode_corpus(
            sources, folder / "corpus", place / "out", work=place / "work", side=16,
            max_seconds=4, shards=2, seconds_limit=60, max_reject_share=0.5, engine=engine,
            worker=dying_shard,
        )  # fmt: skip

    return run


def evaluating(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    made = make_run(folder)

    def run(engine: Engine, place: Path) -> None:
        told = evaluate_run(
            made.weights, made.training_clips, made.inputs, made.benchmarks, place / "out",
            work=place / "work", engine=engine,
        )  # fmt: skip
        assert sorted(name for name, _ in told) == sorted(made.benchmarks)

    return run


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("stage", [searching, decoding, evaluating])
def test_a_node_that_dies_midway_loses_nothing(
    cluster: Any,
    stage: Callable[[Path, pytest.MonkeyPatch], Stage],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    run = stage(tmp_path, monkeypatch)
    run(HERE, tmp_path / "here")
    doomed = cluster.add_node(num_cpus=1)
    half_done: list[str] = []

    def sent(worker: Any, tasks: Any, **options: Any) -> Iterator[Any]:
        held = partial(beside_the_dying, worker, tmp_path, doomed.node_id)
        return run_on_ray(held, tasks, **options)

    def kill() -> None:
        wait_for(tmp_path / "dying")
        half_done.extend(str(path) for path in (tmp_path / "ray").rglob("*.partial"))
        cluster.remove_node(doomed, allow_graceful=False)

    monkeypatch.setattr(distributor, "run_on_ray", sent)
    killer = threading.Thread(target=kill)
    killer.start()
    run(Engine("ray"), tmp_path / "ray")
    killer.join()
    assert (tmp_path / "task").read_text()  # which the node that died had begun,
    assert half_done  # and left half done
    assert not list((tmp_path / "ray").rglob("*.partial"))
    assert content(tmp_path / "ray/out") == content(tmp_path / "here/out") != {}
