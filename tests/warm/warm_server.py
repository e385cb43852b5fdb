"""Runs `avloc` in processes forked from one that has imported what the library builds on, and
nothing of the library: the command is the code that its folder's PYTHONPATH finds, without the
seconds that every stage of a `dvc repro` takes to begin.

`warm_server.py <socket>` serves the stand-in `avloc` beside it until its standard input ends.
"""

import json
import os
import select
import socket
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

OTHERS = (
    "av faiss matplotlib.pyplot PIL.Image pyarrow.parquet pydantic rich.progress safetensors.torch "
    "scipy.signal tabulate timm torch torchaudio torchvision typer yaml"
)


def main() -> None:
    for name in OTHERS.split():
        __import__(name)
    assert not {"pipeline", "stages"} & sys.modules.keys()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(sys.argv[1])
        server.listen()
        print("ready", flush=True)
        while server in select.select([server, sys.stdin], [], [])[0]:
            connection, _ = server.accept()
            with connection:
                _serve(connection)


def _serve(connection: socket.socket) -> None:
    text, streams, *_ = socket.recv_fds(connection, 2**20, 3)
    while not text.endswith(b"\n"):
        text += connection.recv(2**20)
    pid = os.fork()
    if pid == 0:
        _run(json.loads(text), streams)
    for stream in streams:
        os.close(stream)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    connection.sendall(f"{code if code >= 0 else 128 - code}\n".encode())


def _run(order: dict[str, Any], streams: list[int]) -> NoReturn:
    code = 70
    try:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        os.chdir(order["folder"])
        os.environ.clear()
        os.environ.update(order["environment"])
        sys.path.remove(str(Path(__file__).parent))
        sys.argv = ["avloc", *order["words"]]
        from stages.cli import main

        main()
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
