"""Which weights a command is asked with: a run's, a file, or a published one by its name."""

from pathlib import Path

from pipeline.errors import InputError
from pipeline.execution.checkpoints import given_weights
from stages.known import finished_runs, is_in_project
from stages.paths import published_weights, run_folder


def asked_weights(weights: str | None, run: str, method: str | None) -> tuple[Path, str | None]:
    """The weight file that `--weights` names or, without it, that of `--run`; and the method, as
    far as it is known. Raises `InputError` with the runs that there are, and as `given_weights`
    does."""
    if weights is not None:
        return given_weights(weights, method, published_weights())
    path = run_folder(run) / "weights.safetensors"
    if path.is_file():
        return path, method
    other = "--weights takes a file or a name of `avloc weights list`"
    if not is_in_project():
        raise InputError(
            f"{path}: not found, and no params.yaml here; run avloc in the project's folder, or "
            f"{other}"
        )
    runs = finished_runs()
    if not runs:
        raise InputError(f"{path}: not found, no run is here yet; `dvc repro` makes one; {other}")
    raise InputError(f"run {run!r}: not found, expected one of {', '.join(runs)}; {other}")
