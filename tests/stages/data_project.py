"""A project in a folder of its own, on a machine that fetches nothing, for tests of its data."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import timm
import yaml
from click.testing import Result
from huggingface_hub.errors import LocalEntryNotFoundError
from typer.testing import CliRunner

from pipeline.base.files import write_parquet
from pipeline.base.study import EVERY_CLIP
from pipeline.encoders import imagenet as encoders
from pipeline.networks.weights import save_torch
from stages.cli import app

ROOT = Path(__file__).resolve().parents[2]
ANNOTATIONS = ROOT / ".." / "shared" / "annotations"
MEDIA = ROOT / ".." / "shared" / "media"


@pytest.fixture(autouse=True)
def off_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has fetched nothing and cannot."""

    def absent(*arguments: Any, **keywords: Any) -> None:
        raise LocalEntryNotFoundError("not in the cache")

    def unreachable(*arguments: Any, **keywords: Any) -> None:
        raise OSError("no network")

    monkeypatch.setattr(encoders, "hf_hub_download", absent)
    monkeypatch.setattr(encoders, "urlopen", unreachable)


def avloc(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def project(folder: Path, study: str, **changes: Any) -> dict[str, Any]:
    """The project's parameters, imports and stages in a folder, with a study switched on."""
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    content["active"] = {**content["studies"][study], **changes}
    folder.mkdir(exist_ok=True)
    plain = json.loads(json.dumps(content))  # aliases written out
    (folder / "params.yaml").write_text(yaml.safe_dump(plain, sort_keys=False))
    (folder / "dvc.yaml").write_text((ROOT / "dvc.yaml").read_text())
    (folder / ".dvc").mkdir(exist_ok=True)
    (folder / ".dvc" / "config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
    (folder / "data/annotations").mkdir(parents=True, exist_ok=True)
    (folder / EVERY_CLIP).write_text((ROOT / EVERY_CLIP).read_text())
    for path in (ROOT / "data/annotations").glob("*.dvc"):
        (folder / "data/annotations" / path.name).write_text(path.read_text())
    return plain


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("│")[1:-1]]


def table(output: str) -> dict[str, list[str]]:
    rows = [cells(line) for line in output.splitlines() if line.startswith("│")]
    return {row[0]: row[1:] for row in rows}


def save_image_network(folder: Path) -> None:
    """A narrow ImageNet network where a study looks for its own before it fetches one."""
    narrow = timm.create_model(
        "resnet18", num_classes=0, layers=(1, 1, 1, 1), channels=(4, 4, 4, 8)
    )
    save_torch(folder / "image.pth", narrow.state_dict())


def rejects(folder: Path, causes: dict[str, str]) -> None:
    columns = {"clip_id": list(causes), "cause": list(causes.values())}
    write_parquet(folder / "rejects.parquet", pa.table(columns))


MINI = {"reader": "folder", "root": "data/mini", "list": EVERY_CLIP}
TRAIN_ON = {"corpus": "mini", "list": "data/list.txt", "search": "mini"}
