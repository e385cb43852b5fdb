"""Functions as the ranks of a process group, for tests of what ranks compute.

The processes are forked from a server that has imported the library already (see conftest.py), so
that two ranks cost a tenth of a second and not torchrun's and their own imports. That the command
starts ranks by itself is tested where it does (`tests/execution/test_torchrun.py`).
"""

import multiprocessing
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

SECONDS = 300  # that a rank may wait for another one


def run_ranks(function: Callable[..., None], *arguments: Any) -> None:
    """Call `function(*arguments)` in two processes of one group, on a thread each.

    The function and what it is given are pickled. A rank's traceback is on stderr."""
    context = multiprocessing.get_context("forkserver")
    with tempfile.TemporaryDirectory() as folder:
        meeting = Path(folder) / "meeting"
        processes = [
            context.Process(target=_rank, args=(rank, meeting, function, arguments), daemon=True)
            for rank in range(2)
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join(2 * SECONDS)
        codes = [process.exitcode for process in processes]
        for process in processes:
            process.kill()
    assert codes == [0, 0], "a rank failed; its traceback is on stderr"


def _rank(rank: int, meeting: Path, function: Callable[..., None], arguments: tuple[Any]) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo",
        init_method=meeting.as_uri(),
        rank=rank,
        world_size=2,
        timeout=timedelta(seconds=SECONDS),
    )
    function(*arguments)
    dist.destroy_process_group()
