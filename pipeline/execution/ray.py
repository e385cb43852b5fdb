"""Independent pieces of a stage on a Ray cluster, for corpora past one machine.

Only this file knows Ray: it takes a function and a list of small tasks, and each task writes its
own files whole or not at all. Nothing large crosses the network, since every node reads and writes
the project's folder itself; the price is that this folder has to be on shared storage, at the same
path on every node. A task whose node is lost is run again by Ray, which is
safe because a finished piece is left as it is and a repeated one gives the same bytes.
"""

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pipeline.errors import InputError

T = TypeVar("T")
R = TypeVar("R")

_PATIENCE = 10.0  # s that a cluster may take to answer; Ray itself retries for minutes


def run_on_ray(
    worker: Callable[[T], R],
    tasks: Sequence[T],
    *,
    address: str | None = None,
    workers: int = 1,
    cpus: int = 1,
    gpus: int = 0,
) -> Iterator[R]:
    """Yield `worker(task)` of every task, in the order in which they finish.

    `address` is a cluster's that this machine is a node of ("auto" or "host:port"; by default the
    environment variable RAY_ADDRESS); without one a Ray of `workers` tasks at a time is started on
    this machine and stopped at the end. No tasks start nothing. A task takes `cpus` cores and
    `gpus` GPUs of a node and runs in the caller's current folder. `worker` and the tasks are
    pickled; modules are imported on the nodes, where the project has to be installed.

    What a task raises is raised here as it was. Raises `InputError` where Ray is not installed, the
    cluster cannot be reached, no node of it could ever hold a task, or tasks are lost for good.
    """
    if not tasks:
        return
    # Ray reports its use to its makers unless told otherwise; it reads this when it is started.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ModuleNotFoundError as error:
        raise InputError(
            "execution on ray: Ray is not installed; pip install 'avloc[ray]'"
        ) from error
    address = address or os.environ.get("RAY_ADDRESS")
    own = not ray.is_initialized()
    if own:
        if address:
            _knock(address)
        on_term = signal.getsignal(signal.SIGTERM)
        try:
            ray.init(
                # Else it would find, and then refuse, one that somebody started on this machine.
                address=address or "local",
                num_cpus=None if address else workers * cpus,
                include_dashboard=None if address else False,
                logging_level=logging.ERROR,
            )
        except Exception as error:  # of a node that is slow to start Ray raises a bare one
            reason = " ".join(str(error).split())
            where = f"Ray at {address}" if address else "a Ray of this machine"
            raise InputError(f"{where}: cannot be used: {reason}") from error
        finally:
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, on_term)  # Ray's own ends a stage without a word
    try:
        _check_nodes(ray.nodes(), cpus, gpus)
        run: Any = ray.remote(num_cpus=cpus, num_gpus=gpus)(_run)
        shared = ray.put(worker)  # sent to a node once, however many tasks it gets
        folder = Path.cwd()
        waiting = [run.remote(shared, task, folder) for task in tasks]
        while waiting:
            done, waiting = ray.wait(waiting)
            try:
                yield ray.get(done[0])
            except ray.exceptions.RayTaskError as error:
                raise error.cause from error
            except ray.exceptions.RayError as error:
                reason = " ".join(str(error).split())
                raise InputError(f"Ray lost a task, again and again: {reason}") from error
    finally:
        if own:
            ray.shutdown()


def _knock(address: str) -> None:
    """Raise `InputError` where "host:port" accepts no connection; other forms are Ray's to read."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or "/" in host:
        return
    try:
        socket.create_connection((host, int(port)), _PATIENCE).close()
    except (OSError, OverflowError) as error:
        raise InputError(f"Ray at {address}: no cluster answers there: {error}") from error


def _check_nodes(nodes: Sequence[Mapping[str, Any]], cpus: int, gpus: int) -> None:
    """Raise `InputError` where no node could ever hold a task, which Ray would wait for."""
    found = [node["Resources"] for node in nodes if node["Alive"]]
    if not any(node.get("CPU", 0) >= cpus and node.get("GPU", 0) >= gpus for node in found):
        have = ", ".join(f"{node.get('CPU', 0):g} and {node.get('GPU', 0):g}" for node in found)
        raise InputError(
            f"Ray: found nodes with the numbers of cores and GPUs {have or 'of none'}, expected "
            f"one with {cpus} and {gpus}, which a task takes (`threads` in params.yaml)"
        )


def _run(worker: Callable[[T], R], task: T, folder: Path) -> R:
    """A task on its node."""
    os.chdir(folder)  # what the stages name is relative to the project's folder
    return worker(task)
