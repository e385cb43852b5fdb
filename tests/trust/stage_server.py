"""Runs stages of a project for the tests: each in a process forked from one that has imported
everything, so that a kill hits the stage's work and not seconds of imports.

One order a line on stdin, as JSON; one answer a line on stdout. Nothing heavy is imported above
`main`, because the workers that a stage spawns import this file again.
"""

import contextlib
import json
import os
import resource
import signal
import sys
import time
import traceback
from typing import Any, NoReturn


def main() -> None:
    import faiss
    import timm
    import torch

    from pipeline.benchmarks import open_benchmark
    from pipeline.corpora import check
    from pipeline.decode import corpus as decode
    from pipeline.encoders import embedding
    from pipeline.evaluate import evaluation
    from pipeline.neighbours import search as neighbours
    from pipeline.neighbours import training_list
    from pipeline.report import scenes
    from pipeline.toy import corpus, encoders
    from pipeline.train import loop as training
    from stages import cli

    loaded = (faiss, timm, torch, decode, embedding, evaluation, neighbours, training)
    loaded += (training_list, open_benchmark, check, scenes, corpus, encoders)
    assert all(loaded)
    for name in cli.COMMANDS:  # which are imported when they are given
        cli.command(name)
    for line in sys.stdin:
        print(json.dumps(_serve(json.loads(line), cli)), flush=True)


def _serve(order: dict[str, Any], cli: Any) -> dict[str, Any]:
    """Run one stage; `after` seconds send `signal` to it or, with `group`, to its whole group."""
    begun = time.monotonic()
    pid = os.fork()
    if pid == 0:
        _stage(order, cli)
    os.setpgid(pid, pid)
    sent = None
    while (ended := os.waitpid(pid, os.WNOHANG)) == (0, 0):
        now = time.monotonic() - begun
        if sent is None and order.get("after") is not None and now >= order["after"]:
            (os.killpg if order.get("group", True) else os.kill)(pid, order["signal"])
            sent = time.monotonic()
        if now > 500:
            os.killpg(pid, signal.SIGKILL)
        time.sleep(0.002)
    seconds = time.monotonic() - (sent or begun)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)  # what is left of the group
    code = os.waitstatus_to_exitcode(ended[1])
    return {"code": code, "seconds": seconds, "sent": sent is not None}


def _stage(order: dict[str, Any], cli: Any) -> NoReturn:
    os.setpgid(0, 0)
    code = 70
    try:
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(0)
        os.chdir(order["folder"])
        if order.get("workers"):
            os.sched_getaffinity = lambda pid: set(range(order["workers"]))  # type: ignore[assignment]
        if order.get("largest_file"):  # the write that goes past it fails, as on a full disk
            resource.setrlimit(resource.RLIMIT_FSIZE, (order["largest_file"],) * 2)
        sys.argv = ["avloc", *order["command"]]
        try:
            cli.main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
