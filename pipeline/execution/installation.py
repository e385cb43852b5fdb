"""What a project needs of the machine that it is on, looked at thing by thing."""

import os
import platform
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from pipeline.base.code import ROOT
from pipeline.errors import InputError
from pipeline.execution.cores import usable_cores

_PROJECT = "avloc"
# Of the toy: data and cache are 0.8 GB, and its stages stay below this memory.
_DISK, _MEMORY = 2e9, 4e9


@dataclass(frozen=True)
class Look:
    """What was found of a thing; `advice` says what to do, and is empty where all is well."""

    name: str
    found: str
    advice: str = ""


def look_at_machine(folder: Path = Path()) -> Iterator[Look]:
    """Python, the packages, the device and what they can do, cores, memory, disk and the project in
    `folder`, one after the other. Where packages are wrong, none of them is imported."""
    packages = _packages()
    yield from (_python(), packages, _code())
    if not packages.advice:  # else they may be what cannot be imported
        yield from (_torch(), _search(), _codecs())
    yield from (_cores(), _memory())
    yield _disk(folder)
    yield _project(folder)


def _python() -> Look:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    old = sys.version_info < (3, 11)
    return Look("python", found, "make the environment with Python 3.11 or newer" if old else "")


def _packages() -> Look:
    from packaging.requirements import Requirement

    wanted = [Requirement(text) for text in _dependencies()]
    wanted = [need for need in wanted if need.marker is None or need.marker.evaluate({"extra": ""})]
    wrong = []
    for need in wanted:
        # FAISS's two builds are one package by two names; without CUDA the other one is at home.
        found = _version(need.name) or (_version("faiss-cpu") if need.name == "faiss-gpu" else None)
        if found is None:
            wrong.append(f"{need.name} is missing")
        elif not need.specifier.contains(found, prereleases=True):
            wrong.append(f"{need.name} {found}, expected {need.specifier}")
    if wrong:
        return Look("packages", "; ".join(wrong), "pip install -e .")
    main = ", ".join(f"{name} {version(name)}" for name in ("torch", "timm", "av", "dvc"))
    return Look("packages", f"{len(wanted)} as pyproject.toml has them, among them {main}")


def _dependencies() -> list[str]:
    """What pyproject.toml asks for; of a copy without it, what was installed asks for."""
    project = ROOT / "pyproject.toml"
    if project.is_file():
        return list(tomllib.loads(project.read_text())["project"]["dependencies"])
    return requires(_PROJECT) or []


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _code() -> Look:
    here = Path().resolve()
    advice = "" if here.is_relative_to(ROOT) else f"pip install -e {here}, or run avloc in {ROOT}"
    return Look("code", f"of {ROOT}", advice)


def _torch() -> Look:
    import torch

    if not torch.cuda.is_available():
        built = (
            "" if torch.version.cuda is None else f" (torch is built for CUDA {torch.version.cuda})"
        )
        return Look("device", f"CPU; no GPU that torch sees{built}")
    names = [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())]
    memory = torch.cuda.get_device_properties(0).total_memory / 2**30
    try:
        torch.ones(8, 8, device="cuda").mm(torch.ones(8, 8, device="cuda")).sum().item()
    except RuntimeError as error:
        return Look(
            "device", f"{names[0]}: {error}", "mend its driver, or set CUDA_VISIBLE_DEVICES="
        )
    return Look("device", f"{', '.join(names)}, {memory:.0f} GiB")


def _search() -> Look:
    import faiss
    import numpy as np

    index = faiss.IndexFlatIP(4)
    index.add(np.eye(4, dtype=np.float32))
    nearest = index.search(np.eye(4, dtype=np.float32), 1)[1][:, 0]
    gpus = getattr(faiss, "get_num_gpus", lambda: 0)()
    found = f"FAISS {faiss.__version__}, {f'{gpus} GPU' if gpus else 'on the CPU'}"
    right = nearest.tolist() == [0, 1, 2, 3]
    return Look("search", found, "" if right else "install FAISS again: its nearest are wrong")


def _codecs() -> Look:
    import av

    wanted = ("h264", "aac", "libx264")
    absent = [name for name in wanted if name not in av.codecs_available]
    found = f"PyAV {av.__version__} with FFmpeg's {', '.join(wanted)}"
    if not absent:
        return Look("media", found)
    return Look("media", f"no {', '.join(absent)}", "install PyAV's own build: pip install av")


def _cores() -> Look:
    cores = usable_cores()
    try:
        load = os.getloadavg()[0]
    except OSError:
        return Look("cores", f"{cores}")
    found = f"{cores}, a load of {load:.1f} in the last minute"
    return Look("cores", f"{found}; stages take as much longer" if load > cores else found)


def _memory() -> Look:
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    advice = "" if whole >= _MEMORY else f"the toy wants {_MEMORY / 1e9:.0f} GB"
    return Look("memory", f"{whole / 1e9:.1f} GB", advice)


def _disk(folder: Path) -> Look:
    free = shutil.disk_usage(folder).free
    cache = folder / ".dvc/cache"
    apart = cache.exists() and cache.stat().st_dev != (folder / "data").stat().st_dev
    found = f"{free / 1e9:.1f} GB free"
    if free < _DISK:
        return Look("disk", found, f"make room: the toy takes {_DISK / 1e9:.0f} GB")
    return Look("disk", f"{found}; DVC's cache is on another one, so all is there twice"
                if apart else found)  # fmt: skip


def _project(folder: Path) -> Look:
    absent = [name for name in ("params.yaml", "dvc.yaml", ".dvc") if not (folder / name).exists()]
    if absent:
        return Look("project", f"no {', '.join(absent)} here", "run avloc in the project's folder")
    return _asked(
        "project",
        _parameters_of(folder),
        "in this folder; the active study's settings are known ones",
        "mend params.yaml",
    )


def _asked(name: str, ask: Callable[[], None], found: str, advice: str) -> Look:
    try:
        ask()
    except InputError as error:
        return Look(name, str(error), advice)
    return Look(name, found)


def _parameters_of(folder: Path) -> Callable[[], None]:
    from pipeline.base.params import Parameters
    from pipeline.execution.parameters import check_parameters

    return lambda: check_parameters(Parameters(folder / "params.yaml"))
