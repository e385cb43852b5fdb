"""params.yaml as a careless or hostile hand leaves it: the key's path, what was found, what is
allowed, in one line."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from outcomes import Outcomes
from stage_project import ROOT

from pipeline.base.params import Parameters
from pipeline.base.study import Corpus, Published, Study
from pipeline.clips.sound_form import SoundForm
from pipeline.decode.settings import Decode
from pipeline.encoders.common.settings import Embed
from pipeline.evaluate.settings import Evaluate
from pipeline.execution.settings import Execution
from pipeline.methods.alignment import AlignmentSettings
from pipeline.methods.slavc import METHOD as SLAVC
from pipeline.neighbours.settings import Listed, Neighbours
from pipeline.toy.settings import Encoders, Toy
from pipeline.train.settings import Train

pytestmark = pytest.mark.trust

# Sections of the toy's world, by what stands above and its name.
SECTIONS: dict[str, type] = {
    "toy": Toy,
    "decode": Decode,
    "forms.alignment": SoundForm,
    "encoders": Encoders,
    "embed": Embed,
    "training_list": Listed,
    "neighbours": Neighbours,
    "train": Train,
    "evaluate": Evaluate,
    "methods.alignment": AlignmentSettings,
    "methods.slavc": SLAVC.Settings,
}
# Those whose every key has a default, so that none can be missing.
OPTIONAL = {"forms.alignment", "train", "methods.alignment", "methods.slavc"}
HUGE = 10**400  # no float holds it
# Section, key and value, and what the line says is allowed.
POOLINGS = "expected one of mean, masked, trimap, top, softmax, max"
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
    ("train", "schedule", None, "expected one of constant, one-cycle"),
    ("train", "compile", 1, "expected true or false"),
    ("methods.alignment", "pooling", "median", POOLINGS),
    ("methods.alignment", "pooling", [], POOLINGS),
    ("methods.alignment", "semantic", 1, "expected true or false"),
    ("methods.alignment", "semantic", "true", "expected true or false"),
    ("methods.alignment", "pooling_share", 1.01, "expected 1e-06 to 1"),
    ("methods.alignment", "blocks", "deep", "expected a list"),
    ("methods.alignment", "k", 0, "expected >= 1"),
    ("methods.slavc", "seconds", -1, "expected >= 1e-12"),
    ("methods.slavc", "vision", "nature", "expected one of scratch, imagenet"),
    ("decode", "max_reject_share", 1.5, "expected 0 to 1"),
    ("decode", "side", 0, "expected >= 1"),
    ("decode", "seconds_limit", -3, "expected >= 1e-12"),
    ("decode", "shards", "many " * 500, "expected a whole number"),
    ("decode", "aspect", "bent", "expected one of squashed, kept, cropped"),
    ("decode", "antialias", "no", "expected true or false"),
    ("train", "aspect", "cropped", "expected one of squashed, kept"),
    ("evaluate", "cropped_truth", None, "expected one of seen, whole"),
    ("forms.alignment", "sample_rate", 16000.0, "expected a whole number"),
    ("forms.alignment", "scale", "loud", "expected one of log, db"),
    ("embed", "image_model", 18, "expected text"),
    ("neighbours", "index", "flat", "expected one of exact, ivf, hnsw"),
    ("training_list", "shortest_seconds", -1, "expected >= 0"),
    ("training_list", "leave_out_still", "no", "expected true or false"),
    ("toy", "width", 1, "expected >= 16"),
    ("encoders", "threads", 0, "expected >= 1"),
    ("evaluate", "seed", -1, "expected >= 0"),
]
# Values that are fine one by one, or that a form refuses by a rule of its own.
CONTRADICTIONS: list[tuple[str, dict[str, Any], str]] = [
    ("methods.alignment", {"blocks": [1]}, "blocks, channels and strides hold 1, 4"),
    ("methods.alignment", {"projection_layers": 0}, "feature_alignment needs projections"),
    ("decode", {"max_seconds": 1.0}, "max_seconds is 1, expected at least seconds, 3"),
    ("forms.alignment", {"hop": 2000}, "hop is 2000, expected 1 to window, 1024"),
    ("forms.alignment", {"bands": 514}, "bands is 514, expected 0 to the 513 linear bins"),
    ("forms.alignment", {"bands": -1}, "bands is -1, expected 0 to the 513 linear bins"),
    ("forms.alignment", {"sample_rate": 0}, "sample_rate is 0, expected at least 1 Hz"),
    ("forms.alignment", {"bands": 0, "highest": 4000.0}, "lowest and highest are for mel bands"),
    ("forms.alignment", {"highest": 9000.0}, "highest is 9000.0, expected at most the Nyquist"),
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
    ("a loop", b"train: &a {epochs: *a}", "expected a whole number"),
]  # fmt: skip


def place_in(content: dict[str, Any], section: str) -> tuple[dict[str, Any], str]:
    """Where a section of the toy's world hangs in the content, and by which key."""
    *above, last = section.split(".")
    place = content["toy"]
    for part in above:
        place = place[part]
    return place, last


def test_hostile_parameters(tmp_path: Path) -> None:
    # Through JSON, so that what sections share is written out instead of as aliases.
    plain: dict[str, Any] = json.loads(
        json.dumps(yaml.safe_load((ROOT / "params.yaml").read_text()))
    )
    path = tmp_path / "params.yaml"
    cases = Outcomes("params")

    def read(content: Any, key: str, kind: type) -> Any:
        path.write_text(yaml.safe_dump({key.split(".")[0]: content[key.split(".")[0]]}))
        return Parameters(path).read(key, kind)

    for section, kind in SECTIONS.items():
        key = f"toy.{section}"
        content = copy.deepcopy(plain)
        place, last = place_in(content, section)
        place[last]["sede"] = 1
        cases.read(
            f"{section}: unknown key",
            lambda c=content, s=key, k=kind: read(c, s, k),
            names=f"{path}: {key}.sede: unknown key",
            says="expected one of",
        )
        if section not in OPTIONAL:
            content = copy.deepcopy(plain)
            place, last = place_in(content, section)
            gone = next(iter(place[last]))
            del place[last][gone]
            cases.read(
                f"{section}: missing key",
                lambda c=content, s=key, k=kind: read(c, s, k),
                names=f"{path}: {key}.{gone}: missing",
            )
        content = copy.deepcopy(plain)
        place, last = place_in(content, section)
        place[last] = None
        cases.read(
            f"{section}: nothing in it",
            lambda c=content, s=key, k=kind: read(c, s, k),
            names=f"{path}: {key}: found None",
            says="expected a mapping",
        )
    for section, key, value, allowed in VALUES:
        content = copy.deepcopy(plain)
        place, last = place_in(content, section)
        place[last][key] = value
        cases.read(
            f"{section}.{key}: {str(value)[:20]!r} ({type(value).__name__})",
            lambda c=content, s=section: read(c, f"toy.{s}", SECTIONS[s]),
            names=f"{path}: toy.{section}.{key}: found ",
            says=allowed,
        )
    for section, changes, said in CONTRADICTIONS:
        content = copy.deepcopy(plain)
        place, last = place_in(content, section)
        place[last] |= changes
        cases.read(
            f"{section}: contradictory {changes}",
            lambda c=content, s=section: read(c, f"toy.{s}", SECTIONS[s]),
            names=f"{path}: toy.{section}: {said}",
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

    published = {"method": "alignment", "weights": "b", "list": "c"}
    for case, item, kind, said in (
        ("projections' names", {**published, "projections": ["p"]}, Published, "unknown key"),
        ("no method", {"weights": "b", "list": "c"}, Published, "item.method: missing"),
        (
            "a reader that is none",
            {"reader": ["x"], "root": "y", "list": "z"},
            Corpus,
            "expected text",
        ),
        ("no list", {"reader": "x", "root": "y"}, Corpus, "item.list: missing"),
        ("a study that is a list", [], Study, "expected a mapping"),
        ("loaders", {**plain["execution"], "loaders": -1}, Execution, "expected >= 0"),
    ):
        cases.read(case, lambda i=item, k=kind: read({"item": i}, "item", k), names=path, says=said)
    path.write_bytes(b"\xef\xbb\xbf" + yaml.safe_dump(plain).replace("\n", "\r\n").encode())
    cases.read(
        "the file: BOM and CRLF",
        lambda: Parameters(path).read("toy.train", Train),
        right=lambda train: train.epochs == plain["toy"]["train"]["epochs"],
    )
    cases.judge(at_least=80)
