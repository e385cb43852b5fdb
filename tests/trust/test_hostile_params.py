"""params.yaml as a careless or hostile hand leaves it: the key's path, what was found, what is
allowed, in one line."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from outcomes import Outcomes
from stage_project import ROOT

from pipeline.base.params import (
    CorpusItem,
    Decode,
    Embed,
    Encoders,
    Evaluate,
    Neighbours,
    Parameters,
    PublishedItem,
    Study,
    Toy,
    Train,
)

pytestmark = pytest.mark.trust

SECTIONS: dict[str, type] = {
    "toy": Toy,
    "decode": Decode,
    "encoders": Encoders,
    "embed": Embed,
    "neighbours": Neighbours,
    "train": Train,
    "evaluate": Evaluate,
}
HUGE = 10**400  # no float holds it
# Section, key and value, and what the line says is allowed.
VALUES: list[tuple[str, str, Any, str]] = [
    ("train", "epochs", -1, "expected >= 1"),
    ("train", "epochs", "ten", "expected a whole number"),
    ("train", "epochs", 1e3, "expected a whole number"),
    ("train", "epochs", True, "expected a whole number"),
    ("train", "epochs", None, "expected a whole number"),
    ("train", "epochs", [1], "expected a whole number"),
    ("train", "epochs", {"a": 1}, "expected a whole number"),
    ("train", "batch", 1, "expected >= 2"),
    ("train", "learning_rate", 0, "expected >= 1e-12"),
    ("train", "learning_rate", float("nan"), "expected a finite number"),
    ("train", "learning_rate", float("inf"), "expected a finite number"),
    ("train", "learning_rate", HUGE, "expected a finite number"),
    ("train", "learning_rate", "1e", "expected a finite number"),
    ("train", "pooling", "median", "expected one of mean, top"),
    ("train", "pooling", [], "expected one of mean, top"),
    ("train", "schedule", None, "expected one of constant, one-cycle"),
    ("train", "semantic", 1, "expected true or false"),
    ("train", "semantic", "true", "expected true or false"),
    ("train", "pooling_share", 1.01, "expected 1e-06 to 1"),
    ("train", "network", "deep", "expected a mapping"),
    ("train", "workers", -1, "expected >= 0"),
    ("decode", "max_reject_share", 1.5, "expected 0 to 1"),
    ("decode", "sample_rate", 0, "expected >= 1"),
    ("decode", "bands", -1, "expected >= 0"),
    ("decode", "seconds_limit", -3, "expected >= 1e-12"),
    ("decode", "shards", "many " * 500, "expected a whole number"),
    ("embed", "image_model", 18, "expected text"),
    ("neighbours", "index", "flat", "expected one of exact, ivf, hnsw"),
    ("neighbours", "shortest_seconds", -1, "expected >= 0"),
    ("toy", "width", 1, "expected >= 16"),
    ("encoders", "threads", 0, "expected >= 1"),
    ("evaluate", "seed", -1, "expected >= 0"),
]
# Values that are fine one by one.
CONTRADICTIONS: list[tuple[str, dict[str, Any], str]] = [
    ("train", {"network.blocks": [1]}, "train.network: blocks, channels and strides hold 1, 4"),
    ("decode", {"max_seconds": 1.0}, "decode: max_seconds is 1, expected at least seconds, 3"),
    ("decode", {"hop": 2000}, "decode: hop is 2000, expected at most window, 1024"),
    ("decode", {"bands": 513}, "decode: bands is 513, expected at most window // 2, 512"),
]
FILES: list[tuple[str, bytes, str]] = [
    ("not YAML", b"train: [1, 2", "expected YAML"),
    ("a tab", b"train:\n\tepochs: 1", "expected YAML"),
    ("code", b"train: !!python/object/apply:os.getcwd []", "expected YAML"),
    ("NUL", b"train: \x00", "expected YAML"),
    ("Latin-1", "train: {name: sch\xf6n}".encode("latin-1"), "expected YAML"),
    ("a date that is none", b"train: 2026-13-45", "expected YAML"),
    ("a number of 5000 digits", b"train: " + b"9" * 5000, "expected YAML"),
    ("nested 5000 deep", b"[" * 5000, "expected YAML"),
    ("a key given twice", b"train:\n  epochs: 1\n  epochs: 2\n", "'epochs' is given twice"),
    ("a list", b"[1, 2]", "not found"),
    ("empty", b"", "not found"),
    ("a key that is a list", b"{[1]: 2}", "expected YAML"),
    ("laughs", b"a: &a [x,x,x,x,x,x,x,x,x,x]\n" + b"".join(
        b"%c: &%c [%s]\n" % (98 + n, 98 + n, b",".join([b"*%c" % (97 + n)] * 10)) for n in range(9)
    ) + b"train: *j\n", "expected a mapping"),
    ("a loop", b"train: &a {seed: *a}", "expected a whole number"),
]  # fmt: skip


def test_hostile_parameters(tmp_path: Path) -> None:
    plain: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text())
    path = tmp_path / "params.yaml"
    cases = Outcomes("params")

    def read(content: Any, key: str, kind: type) -> Any:
        path.write_text(yaml.safe_dump({key: content[key]}))
        return Parameters(path).read(key, kind)

    for section, kind in SECTIONS.items():
        content = copy.deepcopy(plain)
        content[section]["sede"] = 1
        cases.read(
            f"{section}: unknown key",
            lambda c=content, s=section, k=kind: read(c, s, k),
            names=f"{path}: {section}.sede: unknown key",
            says="expected one of",
        )
        content = copy.deepcopy(plain)
        gone = next(iter(content[section]))
        del content[section][gone]
        cases.read(
            f"{section}: missing key",
            lambda c=content, s=section, k=kind: read(c, s, k),
            names=f"{path}: {section}.{gone}: missing",
        )
        content = {**plain, section: None}
        cases.read(
            f"{section}: nothing in it",
            lambda c=content, s=section, k=kind: read(c, s, k),
            names=f"{path}: {section}: found None",
            says="expected a mapping",
        )
    for section, key, value, allowed in VALUES:
        content = copy.deepcopy(plain)
        content[section][key] = value
        cases.read(
            f"{section}.{key}: {str(value)[:20]!r} ({type(value).__name__})",
            lambda c=content, s=section: read(c, s, SECTIONS[s]),
            names=f"{path}: {section}.{key}: found ",
            says=allowed,
        )
    for section, changes, said in CONTRADICTIONS:
        content = copy.deepcopy(plain)
        for key, value in changes.items():
            *above, last = key.split(".")
            place = content[section]
            for part in above:
                place = place[part]
            place[last] = value
        cases.read(
            f"{section}: contradictory {', '.join(changes)}",
            lambda c=content, s=section: read(c, s, SECTIONS[s]),
            names=f"{path}: {said}",
        )
    for name, text, said in FILES:
        path.write_bytes(text)
        cases.read(
            f"the file: {name}",
            lambda: Parameters(path).read("train", Train),
            names=path,
            says=said,
        )
    cases.read("the file: a folder", lambda: Parameters(tmp_path), names=tmp_path)
    cases.read("the file: absent", lambda: Parameters(tmp_path / "x"), says="not found")

    entry = {"corpus": "a", "weights": "b", "list": "c", "train": "d"}
    for case, item, kind, said in (
        ("one projection", {**entry, "projections": ["p"]}, PublishedItem, "p_v's and p_a's name"),
        ("an unknown reader", {"reader": "x", "root": "y", "decode": "z"}, CorpusItem, "flickr"),
        ("a study that is a list", [], Study, "expected a mapping"),
    ):
        cases.read(case, lambda i=item, k=kind: read({"item": i}, "item", k), names=path, says=said)
    path.write_bytes(b"\xef\xbb\xbf" + yaml.safe_dump(plain).replace("\n", "\r\n").encode())
    cases.read(
        "the file: BOM and CRLF",
        lambda: Parameters(path).read("train", Train),
        right=lambda train: train.epochs == plain["train"]["epochs"],
    )
    cases.judge(at_least=60)
