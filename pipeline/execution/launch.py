"""One rank of a command for each GPU of this machine, by torchrun's own agent within this process.

torchrun as a command answers a signal, or a rank's mistake, with a traceback and a report. Here a
signal ends the ranks and then this process as if it had trained itself, and of several ranks that
fail the one that did so first is told of, in one line.
"""

import json
import logging
import os
import signal
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.errors import InputError

_LAUNCHED = "AVLOC_LAUNCHED"  # set for the ranks started here
_REPORT = "TORCHELASTIC_ERROR_FILE"  # where the agent wants to read why a rank failed


def launch(arguments: Sequence[str], ranks: int) -> None:
    """Run `python <arguments>` as so many ranks and wait for them.

    SIGTERM and SIGINT end the ranks and are then raised again here. Raises `InputError` with what
    the rank that failed first says of it.
    """
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.disable(logging.ERROR)  # the agent's own account; its loggers have a level each
    os.environ[_LAUNCHED] = "1"
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        with tempfile.TemporaryDirectory() as reports:
            config = LaunchConfig(
                min_nodes=1,
                max_nodes=1,
                nproc_per_node=ranks,
                logs_specs=DefaultLogsSpecs(log_dir=reports),
                run_id=uuid.uuid4().hex,
                rdzv_backend="c10d",
                rdzv_endpoint="localhost:0",
                max_restarts=0,
                signals_to_handle="SIGTERM,SIGINT",
            )
            elastic_launch(config, sys.executable)(*arguments)
    except SignalException as stop:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.raise_signal(stop.sigval)
    except ChildFailedError as failed:
        rank, failure = failed.get_first_failure()
        if failure.exitcode < 0:
            what = f"was killed by {signal.Signals(-failure.exitcode).name}"
        else:
            told = failure.error_file_data.get("message")
            what = f"says: {told['message']}" if isinstance(told, dict) else "failed"
        raise InputError(f"rank {rank} of {ranks} {what}") from None
    finally:
        logging.disable(logging.NOTSET)


def is_launched(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process is a rank that `launch` started, which speaks for it."""
    return _LAUNCHED in environment and "RANK" in environment


def tell_launcher(message: str, environment: Mapping[str, str] = os.environ) -> None:
    """Leave the one line that says why this rank ends where `launch` finds it."""
    report = {"message": message, "extraInfo": {"timestamp": str(int(time.time()))}}
    Path(environment[_REPORT]).write_text(json.dumps({"message": report}))
