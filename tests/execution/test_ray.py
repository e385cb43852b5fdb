"""A Ray cluster gives the bytes of one machine, and accounts for retries and rejects alike."""

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
import yaml
from made_corpus import make_corpus
from made_media import tones, write_media
from made_run import make_run
from ray_environment import ray_environment

from pipeline.base.files import read_parquet, write_npy
from pipeline.base.study import EVERY_CLIP
from pipeline.clips.decoded import DecodedCorpus
from pipeline.clips.sound_form import SoundForm
from pipeline.corpora.source import Source
from pipeline.decode.corpus import decode_corpus
from pipeline.decode.shard import ShardTask, decode_shard
from pipeline.encoders import embedding
from pipeline.encoders.embedding import embed_corpus
from pipeline.encoders.imagenet import ImageEncoder
from pipeline.encoders.vggsound import AudioEncoder
from pipeline.errors import InputError
from pipeline.evaluate.run import evaluate_run
from pipeline.execution import ray as distributor
from pipeline.execution.pool import Report
from pipeline.execution.ray import run_on_ray
from pipeline.execution.run import HERE, Engine
from pipeline.neighbours import exact
from pipeline.neighbours.search import Index, search_list
from stages.decode import decode
from stages.spectrograms import spectrograms

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def two_workers() -> Iterator[None]:
    """A Ray of two workers on this machine, which find this file's functions."""
    ray = pytest.importorskip("ray", reason="Ray is absent; pip install 'avloc[ray]'")
    with ray_environment():
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
        yield
        ray.shutdown()


def content(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    assert files
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[Source]:
    """Five good clips and a bad one."""
    root = tmp_path_factory.mktemp("corpus")
    paths = [root / f"clip{number}.mp4" for number in range(5)]
    for path in paths:
        write_media(path, seconds=1, sound=tones(1, 16000))
    (root / "noise.mp4").write_bytes(b"no media")
    return [Source(path.stem, path, path) for path in [*paths, root / "noise.mp4"]]


def killing_shard(task: ShardTask, report: Report) -> None:
    """Dies at clip2, as a process does that the system kills for its memory."""

    def reported(number: int) -> None:
        report(number)
        condemned = {clip_id for clip_id, _, _ in task.condemned}
        if number < len(task.sources) and task.sources[number].clip_id == "clip2" not in condemned:
            os.kill(os.getpid(), signal.SIGKILL)

    decode_shard(task, reported)


def test_decoding_on_ray_gives_the_same_bytes_and_the_same_rejects(
    two_workers: None, sources: list[Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the stages' paths are relative, and so are these
    sent: list[int] = []

    def counted(worker: Any, tasks: list[Any], **options: Any) -> Iterator[Any]:
        sent.append(len(tasks))
        return run_on_ray(worker, tasks, **options)

    monkeypatch.setattr(distributor, "run_on_ray", counted)
    for where, engine in (("here", HERE), ("ray", Engine("ray")), ("ray", Engine("ray"))):
        summary = decode_corpus(
            sources, sources[0].picture.parent, Path(where) / "decoded", work=Path(where) / "work",
            side=16, max_seconds=4, shards=2, seconds_limit=60, max_reject_share=0.5,
            engine=engine, worker=killing_shard,
        )  # fmt: skip
        assert (summary["rejects_worker_died"], summary["rejects_unreadable"]) == (1, 1)
    assert sent == [2, 0]  # what is finished is left as it is
    assert content(tmp_path / "ray") == content(tmp_path / "here")
    rejects = read_parquet(tmp_path / "ray" / "decoded" / "rejects.parquet").to_pylist()
    assert {(reject["clip_id"], reject["cause"]) for reject in rejects} == {
        ("clip2", "worker died"),
        ("noise", "unreadable"),
    }


def test_embedding_on_ray_gives_the_same_bytes(
    two_workers: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = np.random.default_rng(0)
    frames = generator.integers(0, 255, (7, 32, 32, 3)).astype(np.uint8)
    corpus = make_corpus(tmp_path / "c", frames, generator.normal(-9, 3, (7, 20, 32)))
    torch.manual_seed(0)
    image = ImageEncoder(timm.create_model("resnet10t", num_classes=0), 32).eval()
    audio = AudioEncoder((1, 1), (4, 8), stem=4, classes=3).eval()
    monkeypatch.setattr(embedding, "_BLOCK", 3)
    for where, engine in (("here", HERE), ("ray", Engine("ray"))):
        for encoder in (image, audio):
            path = tmp_path / where / f"{encoder.modality}.npy"
            embed_corpus(corpus, encoder, path, work=tmp_path / "work", batch=2, engine=engine)
    assert {path.name for path in (tmp_path / "ray").iterdir()} == {"image.npy", "audio.npy"}
    assert content(tmp_path / "ray") == content(tmp_path / "here")


@pytest.mark.parametrize("index", ["exact", "ivf"])
def test_searching_on_ray_gives_the_same_bytes(
    two_workers: None, index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = np.random.default_rng(0)
    frames = np.zeros((60, 2, 2, 3), np.uint8)
    corpus = make_corpus(tmp_path / "c", frames, [np.zeros((3, 4))] * 60)
    for modality in ("image", "audio"):
        features = generator.standard_normal((60, 8)).astype(np.float32)
        write_npy(tmp_path / f"embeddings/{modality}.npy", features)
    monkeypatch.setattr(exact, "_BLOCK_BYTES", 4 * 60 * 25)  # three blocks
    monkeypatch.chdir(tmp_path)
    for where, engine in (("here", HERE), ("ray", Engine("ray"))):
        search_list(
            corpus, Path("embeddings"), corpus.clip_ids, 7, Path(where), work=Path("work"),
            index=index, effort=3, engine=engine,
        )  # fmt: skip
    assert list(Path("work").iterdir()) == []
    assert content(tmp_path / "ray") == content(tmp_path / "here")


def test_evaluating_on_ray_gives_the_same_bytes(
    two_workers: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = make_run(Path())
    for where, engine in (("here", HERE), ("ray", Engine("ray"))):
        told = evaluate_run(
            made.weights, made.training_clips, made.inputs, made.benchmarks, Path(where),
            work=Path("work"), engine=engine,
        )  # fmt: skip
        assert sorted(name for name, _ in told) == sorted(made.benchmarks)
    assert not Path("work").exists()
    assert content(tmp_path / "ray") == content(tmp_path / "here")


def test_an_error_of_an_evaluation_on_ray_is_told_as_here(
    two_workers: None, tmp_path: Path
) -> None:
    made = make_run(tmp_path)
    made.benchmarks["vggss"]["content"] = "another"
    with pytest.raises(InputError, match="benchmark vggss has changed since stage tests looked"):
        dict(
            evaluate_run(
                made.weights, made.training_clips, made.inputs, made.benchmarks, tmp_path / "out",
                work=tmp_path / "work", engine=Engine("ray"),
            )
        )  # fmt: skip
    assert not (tmp_path / "out").exists()


def test_the_stages_run_where_params_yaml_says(
    two_workers: None, sources: list[Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Through JSON, so that what its parts share is written out.
    params = json.loads(json.dumps(yaml.safe_load((ROOT / "params.yaml").read_text())))
    params["toy"]["forms"] = {"someone": {"hop": 239, "bands": 64, "scale": "db"}}
    changes = {"shards": 2, "side": 32, "max_reject_share": 0.5}
    root = str(sources[0].picture.parent)
    corpus = {"reader": "folder", "root": root, "list": EVERY_CLIP, "decode": changes}
    params["active"]["corpora"] = {"mine": corpus}
    used = []

    def watched(*arguments: Any, **options: Any) -> Iterator[Any]:
        used.append(Path.cwd())
        return run_on_ray(*arguments, **options)

    monkeypatch.setattr(distributor, "run_on_ray", watched)
    for engine in ("local", "ray"):
        (tmp_path / engine).mkdir()
        monkeypatch.chdir(tmp_path / engine)
        params["execution"]["engine"] = engine
        Path("params.yaml").write_text(yaml.safe_dump(params))
        decode("mine")
        spectrograms("mine", "someone")
    assert used == [tmp_path / "ray"] * 2
    assert content(tmp_path / "ray/data") == content(tmp_path / "local/data")
    decoded = DecodedCorpus(Path("data/decoded/mine"), Path("data/spectrograms/mine/someone"))
    assert len(decoded) == 5
    assert decoded.form == SoundForm(hop=239, bands=64, scale="db")
    assert not Path("data/work/decode/mine").exists()


def _fails(error: Exception, task: int) -> None:
    raise error


@pytest.mark.parametrize(
    "error", [InputError("clip: found, expected"), OSError(28, "No space left on device", "x")]
)
def test_a_task_s_error_arrives_as_it_was(two_workers: None, error: Exception) -> None:
    with pytest.raises(type(error)) as raised:
        list(run_on_ray(partial(_fails, error), [1]))
    assert str(raised.value) == str(error)


def test_a_task_that_no_node_can_hold_is_refused(two_workers: None) -> None:
    with pytest.raises(InputError, match="cores and GPUs 2 and 0, expected one with 3 and 0"):
        list(run_on_ray(str, [1], cpus=3))
    with pytest.raises(InputError, match="expected one with 1 and 1"):
        list(run_on_ray(str, [1], gpus=1))


_OWN = """
import signal
from pipeline.execution.ray import run_on_ray
from pipeline.execution.run import HERE, Engine
from pipeline.neighbours import exact
from pipeline.neighbours.search import Index, search_list
signal.signal(signal.SIGTERM, ours := lambda *_: None)
assert list(run_on_ray(str, [1, 2])) in (["1", "2"], ["2", "1"])
assert signal.getsignal(signal.SIGTERM) is ours
"""


def test_a_ray_of_its_own_leaves_sigterm_to_the_command(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="Ray is absent; pip install 'avloc[ray]'")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", _OWN], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_an_address_where_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray", reason="Ray is absent; pip install 'avloc[ray]'")
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    with pytest.raises(InputError, match=f"Ray at {address}: no cluster answers there: "):
        list(run_on_ray(str, [1], address=address))
    with pytest.raises(InputError, match="Ray at nonsense: cannot be used: "):
        list(run_on_ray(str, [1], address="nonsense"))


def test_no_tasks_need_no_cluster() -> None:
    assert list(run_on_ray(str, [], address="127.0.0.1:1")) == []


def test_without_ray_the_user_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install 'avloc\[ray\]'"):
        list(run_on_ray(str, [1]))
