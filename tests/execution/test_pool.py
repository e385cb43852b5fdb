"""The server of a stage's processes, started before there is a task; what a task is asked for."""

import inspect
import subprocess
import sys

from asked_task import AskedTask, asked, nothing_to_do

from pipeline.decode.corpus import decode_corpus
from pipeline.decode.flow import make_flow
from pipeline.decode.spectrograms import make_spectrograms
from pipeline.execution.pool import run_in_processes
from stages.cli import COMMANDS

_ASKED = """
import multiprocessing, sys
from pipeline.execution.pool import warm_up
if sys.argv[1:]:
    warm_up(sys.argv[1])
question = "import sys; sys.exit('pipeline.decode.naming' in sys.modules)"
process = multiprocessing.get_context("forkserver").Process(target=exec, args=(question,))
process.start()
process.join()
print(process.exitcode)
"""


def has_imported(*module: str) -> bool:
    """Whether a process of a server that was warmed up for `module` begins with it."""
    command = [sys.executable, "-c", _ASKED, *module]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return {"0": False, "1": True}[done.stdout.strip()]


def test_processes_begin_with_what_the_server_was_warmed_up_for() -> None:
    assert has_imported("pipeline.decode.naming")
    assert not has_imported()


def test_stages_warm_up_for_the_workers_that_they_have() -> None:
    made_by = {"decode": decode_corpus, "spectrograms": make_spectrograms, "flow": make_flow}
    workers = {
        name: inspect.signature(make).parameters["worker"].default.__module__
        for name, make in made_by.items()
    }
    assert {name: entry.worker for name, entry in COMMANDS.items() if entry.worker} == workers


def test_a_task_is_asked_once_for_the_names_of_its_items() -> None:
    # Thousands of them, made anew for each one, took the square of their number.
    tasks = [AskedTask(30), AskedTask(20)]
    names = list(run_in_processes(tasks, 1, nothing_to_do))
    assert names == [f"item {number}" for count in (30, 20) for number in range(count)]
    assert len(asked) == len(tasks)
