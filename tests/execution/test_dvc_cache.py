"""A damaged object of DVC's cache is found and named before anything is computed on it."""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import Result
from dvc.exceptions import DvcException
from dvc.repo import Repo
from typer.testing import CliRunner

from pipeline.errors import InputError
from pipeline.execution.dvc_cache import check_cache, locked_outputs
from stages.cli import app

pytestmark = pytest.mark.trust

STAGES = {
    "shards": {
        "foreach": ["toy"],
        "do": {"cmd": "mkdir data && echo 1 > data/a && echo 2 > data/b", "outs": ["data"]},
    },
    "sum": {"cmd": "cat data/a data/b > both", "deps": ["data"], "outs": ["both"]},
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Two stages that DVC ran and pushed to a folder; the working folder is theirs."""
    for which in ("GLOBAL", "SYSTEM"):
        monkeypatch.setenv(f"DVC_{which}_CONFIG_DIR", str(tmp_path / "nobody's"))
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    with Repo.init(no_scm=True) as repo, repo.config.edit() as config:
        config["core"] = {"no_scm": True, "analytics": False, "remote": "shared"}
        config["remote"]["shared"] = {"url": str(tmp_path / "remote")}
    Path("dvc.yaml").write_text(yaml.safe_dump({"stages": STAGES}))
    with Repo() as repo:
        repo.reproduce()
        repo.push()
    yield folder


def object_of(path: str) -> Path:
    """The object in the cache of an output, or of a file in the folder `data`."""
    name = hashlib.md5(Path(path).read_bytes(), usedforsecurity=False).hexdigest()
    return Path(".dvc/cache/files/md5", name[:2], name[2:])


def damage(path: Path) -> None:
    """Change the bytes of a file as a bad disk does: its length and mode stay."""
    mode = path.stat().st_mode
    path.chmod(0o644)
    path.write_bytes(b"?" + path.read_bytes()[1:])
    path.chmod(mode)


def check(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["cache", "check", *arguments])


def checked_out() -> None:
    """The outputs anew from the cache."""
    shutil.rmtree("data")
    with Repo() as repo:
        repo.checkout()


def test_a_whole_cache_is_good(project: Path) -> None:
    result = check()
    assert result.exit_code == 0, result.output
    assert result.stdout == "4 objects: 4 good, 0 not in the cache\n"


def test_a_damaged_object_is_named_removed_and_pulled_again(project: Path) -> None:
    damaged = object_of("data/a")
    damage(damaged)
    checked_out()
    assert Path("data/a").read_text() == "?\n"
    with Repo() as repo:
        assert repo.status() == {}  # which is why the command exists

    result = check()
    assert isinstance(result.exception, InputError)
    assert f"shards@toy: data/a: damaged: {damaged} holds md5 " in result.stdout
    assert "1 of 4 objects are damaged" in str(result.exception)
    assert check("sum").exit_code == 0
    assert "data/a" in check("shards").stdout
    assert damaged.exists()

    result = check("--remove")
    assert isinstance(result.exception, InputError)
    assert f"removed data/a\nremoved {damaged}\n" in result.stdout
    assert check().stdout == "4 objects: 3 good, 1 not in the cache\n"
    with Repo() as repo:
        repo.pull()
    assert Path("data/a").read_text() == "1\n"
    assert check().exit_code == 0


def test_without_a_remote_the_stage_runs_again(project: Path) -> None:
    damage(object_of("both"))
    assert check("--remove").exit_code == 1
    assert Path("both").read_text() == "1\n2\n"  # made before the damage, and right
    with Repo() as repo:
        assert [stage.name for stage in repo.reproduce()] == ["sum"]
    assert check().exit_code == 0


def test_a_damaged_listing_hides_its_files_from_nobody(project: Path) -> None:
    (listing,) = Path(".dvc/cache/files/md5").rglob("*.dir")
    damage(listing)
    result = check()
    assert f"shards@toy: data: damaged: {listing} holds md5 " in result.stdout
    assert check("--remove").exit_code == 1
    with Repo() as repo:
        repo.pull()
    assert check().stdout.startswith("4 objects: 4 good")


def test_a_remote_that_verifies_gives_nothing_damaged(project: Path, tmp_path: Path) -> None:
    damage(tmp_path / "remote" / object_of("data/a").relative_to(".dvc/cache"))
    shutil.rmtree(".dvc/cache")
    shutil.rmtree("data")
    with Repo() as repo, repo.config.edit() as config:
        config["remote"]["shared"]["verify"] = True
    with Repo() as repo, pytest.raises(DvcException, match="data"):
        repo.pull()
    assert not Path("data/a").exists()
    assert check().stdout.startswith("4 objects: 3 good, 1 not in the cache")


def test_what_names_no_objects_is_told(project: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no stage 'trian', expected one of shards@toy, sum"):
        check_cache(project, project / ".dvc/cache/files/md5", 1, ["trian"])
    with pytest.raises(InputError, match=r"dvc\.lock: not found"):
        locked_outputs(tmp_path)
    for text in ("[1, 2]", "stages: {", "\x00"):
        (tmp_path / "dvc.lock").write_text(text)
        with pytest.raises(InputError, match=r"dvc\.lock: expected a file of DVC's"):
            locked_outputs(tmp_path)
