"""Where the tasks of a stage run: on this machine or on a Ray cluster, behind one call.

A stage hands over small tasks that write their own files whole or not at all, and a worker that
makes the same bytes wherever it is called and however often. So nothing here is a parameter of a
stage, and another engine reruns nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from pipeline.execution import ray
from pipeline.execution.pool import T, Worker, run_in_processes


@dataclass(frozen=True)
class Engine:
    """Where tasks run.

    `workers` tasks at a time on this machine ("local"), or on the cluster at `address` ("ray"; see
    `pipeline.execution.ray.run_on_ray`), where a task takes `cpus` cores and `gpus` GPUs of a node.
    """

    name: Literal["local", "ray"] = "local"
    address: str | None = None
    workers: int = 1
    cpus: int = 1
    gpus: int = 0


HERE = Engine()  # one task at a time, on this machine


def run(
    tasks: Sequence[T], worker: Worker[T], engine: Engine, *, processes: bool = True
) -> Iterator[str]:
    """Run `worker` on every task; yields the name of each item done, in any order.

    With `processes` each task has one of its own, on whatever machine it is, so that retries and
    what is left out are the same everywhere (see `run_in_processes`, for what is raised too).
    Without, a task runs in this process, one after the other, or in a Ray worker itself: for what
    holds a GPU or large weights and does not die of its items.
    """
    if engine.name == "ray":
        sent = ray.run_on_ray(
            partial(_items, worker, processes),
            tasks,
            address=engine.address,
            workers=engine.workers,
            cpus=engine.cpus,
            gpus=engine.gpus,
        )
        for items in sent:
            yield from items
    elif processes:
        yield from run_in_processes(tasks, engine.workers, worker)
    else:
        for task in tasks:
            yield from _items(worker, processes, task)


def _items(worker: Worker[T], processes: bool, task: T) -> list[str]:
    """One whole task; the names of its items."""
    if processes:
        return list(run_in_processes([task], 1, worker))
    worker(task, _tell_nobody)
    return list(task.items)


def _tell_nobody(number: int) -> None:
    """The report of a task whose process nobody watches."""
