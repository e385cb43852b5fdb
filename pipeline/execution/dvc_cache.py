"""DVC's cache against what dvc.lock promises: every object is read and hashed.

DVC takes an object for good as long as its file is read-only. A flipped bit then goes through
`dvc checkout`, `dvc push` and a colleague's `dvc pull` without a word, and the stages behind it
compute on it. Only reading everything tells; the price is one pass over the cache at the disk's
rate, which is why it is a command of its own and not a part of every run.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import InputError
from pipeline.execution.progress import track

_FOLDER = ".dir"  # ends the name of an object that lists the files of a folder


@dataclass(frozen=True)
class Place:
    """What an object is the content of: `path` (an output, or a file in one) of `stage`."""

    stage: str
    path: Path


@dataclass(frozen=True)
class Damage:
    """An object whose bytes are not those that its name says, and all places that it stands for.

    `found` is the md5 of its bytes, None where they cannot be read.
    """

    object: Path
    found: str | None
    places: tuple[Place, ...]


@dataclass(frozen=True)
class CacheReport:
    """How many different objects were named, and what became of them."""

    good: int
    absent: int
    damaged: tuple[Damage, ...]


def locked_outputs(root: Path, stages: Sequence[str] = ()) -> dict[str, list[Place]]:
    """The places of each output's object, by its name in the cache.

    Read from `root`/dvc.lock. `stages` keeps those named, `decode` standing for every `decode@...`.
    Raises `InputError` for a file that is not DVC's, and for a name that no file holds.
    """
    lock = root / "dvc.lock"
    locked = _entry(_read(lock), "stages", dict, lock)
    found: dict[str, list[Any]] = {name: each.get("outs", []) for name, each in locked.items()}
    for name in stages:
        if not any(name in (stage, stage.split("@")[0]) for stage in found):
            raise InputError(f"{lock}: holds no stage {name!r}, expected one of {', '.join(found)}")
    objects: dict[str, list[Place]] = {}
    for stage, outs in found.items():
        if stages and not {stage, stage.split("@")[0]} & set(stages):
            continue
        for out in outs:
            objects.setdefault(out["md5"], []).append(Place(stage, Path(out["path"])))
    return objects


def check_cache(root: Path, cache: Path, workers: int, stages: Sequence[str] = ()) -> CacheReport:
    """Hash every object of `cache` (DVC's `files/md5`) that the project in `root` names.

    An object that is not there is counted and no damage: a colleague pulls what he wants.
    Raises `InputError` as `locked_outputs` does.
    """
    objects = locked_outputs(root, stages)
    listings = {name: places for name, places in objects.items() if name.endswith(_FOLDER)}
    files = {name: list(places) for name, places in objects.items() if name not in listings}
    good = absent = 0
    damaged: list[Damage] = []
    with ThreadPoolExecutor(workers) as pool:

        def sort_out(named: dict[str, list[Place]]) -> Iterator[str]:
            """Count each object of `named`; yields the names of the good ones."""
            nonlocal good, absent
            paths = [cache / name[:2] / name[2:] for name in named]
            hashes = track(pool.map(_md5, paths), "cache check", len(paths))
            for (name, places), path, found in zip(named.items(), paths, hashes, strict=True):
                if found == "":
                    absent += 1
                elif found == name.removesuffix(_FOLDER):
                    good += 1
                    yield name
                else:
                    damaged.append(Damage(path, found, tuple(places)))

        for name in sort_out(listings):
            for entry in json.loads((cache / name[:2] / name[2:]).read_bytes()):
                files.setdefault(entry["md5"], []).extend(
                    Place(place.stage, place.path / entry["relpath"]) for place in listings[name]
                )
        for _ in sort_out(files):
            pass
    return CacheReport(good, absent, tuple(damaged))


def remove_damaged(root: Path, report: CacheReport) -> list[Path]:
    """Remove the damaged objects, and what was checked out from them; gives what was removed.

    A file in the project goes only where it has the very bytes of the damaged object: DVC would
    take it for good, since it put it there itself.
    """
    removed = []
    for damage in report.damaged:
        for place in damage.places:
            path = root / place.path
            if path.is_file() and _md5(path) == damage.found:
                path.unlink()
                removed.append(place.path)
        damage.object.unlink()
        removed.append(damage.object)
    return removed


def _md5(path: Path) -> str | None:
    """The md5 of a file's bytes; empty where there is no file, None where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    except FileNotFoundError:
        return ""
    except OSError:
        return None


def _read(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_bytes())
    except FileNotFoundError as error:
        raise InputError(f"{path}: not found; dvc repro or git makes it") from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(f"{path}: expected a file of DVC's, found: {error}") from error


def _entry(content: Any, key: str, kind: type, path: Path) -> Any:
    found = content.get(key) if isinstance(content, dict) else None
    if not isinstance(found, kind):
        raise InputError(f"{path}: expected a file of DVC's with the key {key!r}")
    return found
