"""Official lists out of the addresses that their `.dvc` files name."""

import hashlib
import io
from pathlib import Path

import pytest
import yaml

from pipeline.base.code import ROOT
from pipeline.corpora import official
from pipeline.corpora.official import fetch, official_lists
from pipeline.errors import InputError
from stages.corpus import lists as fetch_lists

CONTENT = b"-N_wJdhWCwk_000003\n"


@pytest.fixture
def annotations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two lists' `.dvc` files, and the network that has both."""
    folder = tmp_path / "data/annotations"
    folder.mkdir(parents=True)
    out = {"md5": hashlib.md5(CONTENT).hexdigest(), "size": len(CONTENT)}
    for name in ("a.txt", "b.txt"):
        entry = {
            "outs": [{**out, "path": name}],
            "deps": [{"path": f"https://example.org/{name}"}],
        }
        (folder / f"{name}.dvc").write_text(yaml.safe_dump(entry))
    monkeypatch.setattr(official, "urlopen", lambda address, timeout: io.BytesIO(CONTENT))
    monkeypatch.chdir(tmp_path)
    return folder


def test_every_list_of_the_project_says_where_it_comes_from() -> None:
    found = official_lists(ROOT / "data/annotations")
    assert len(found) == 28
    assert all(each.address.startswith("https://") and len(each.md5) == 32 for each in found)


def test_what_is_absent_is_brought_and_what_is_there_stays(
    annotations: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (annotations / "b.txt").write_bytes(CONTENT)
    fetch_lists(None)
    told = capsys.readouterr().out.splitlines()
    assert told == [
        "data/annotations/a.txt: fetched, 19 bytes",
        "data/annotations/b.txt: is there, as published",
    ]
    assert (annotations / "a.txt").read_bytes() == CONTENT
    (annotations / "b.txt").write_text("of one's own\n")
    with pytest.raises(InputError, match=r"not as published, remove them .*: \S+/b\.txt$"):
        fetch_lists(["b.txt"])
    assert (annotations / "b.txt").read_text() == "of one's own\n"


def test_a_list_that_nobody_published(annotations: Path) -> None:
    with pytest.raises(
        InputError, match=r"no list 'c\.txt' is published, expected one of a\.txt, "
    ):
        official_lists(annotations, ["c.txt"])
    (annotations / "a.txt.dvc").write_text("outs: []\n")
    with pytest.raises(InputError, match=r"a\.txt\.dvc: expected an import of DVC's"):
        official_lists(annotations, ["a.txt"])


@pytest.mark.parametrize("content", [b"", CONTENT[:-1], CONTENT + b"x"])
def test_other_bytes_are_not_written(
    annotations: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setattr(official, "urlopen", lambda address, timeout: io.BytesIO(content))
    with pytest.raises(InputError, match=r"a\.txt: https://example.org/a.txt gave .* expected 19"):
        fetch(official_lists(annotations)[0])
    assert not (annotations / "a.txt").exists()


def test_off_the_network_a_line_says_what_belongs_where(
    annotations: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(address: str, timeout: float) -> None:
        raise OSError("no network")

    monkeypatch.setattr(official, "urlopen", unreachable)
    with pytest.raises(
        InputError, match=r"a\.txt: could not be fetched \(no network\); place http"
    ):
        fetch(official_lists(annotations)[0])
