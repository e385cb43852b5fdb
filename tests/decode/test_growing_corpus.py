"""One more clip in a corpus decodes the clips of its own shard alone, by real `dvc repro`."""

import json
import os
from pathlib import Path

import pytest
from made_media import tones, write_media
from test_end_to_end import Project, copy_project, ran, shrink

from pipeline.base.study import EVERY_CLIP
from pipeline.corpora.layouts import find_sources
from pipeline.decode.corpus import decode_corpus, shard_of
from pipeline.execution.run import Engine

pytestmark = pytest.mark.trust


def test_one_more_clip_decodes_its_shard_alone(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    copy_project(project.folder)
    shrink(project)
    content = project.params()
    root = project.folder / "data/mine"
    content["active"]["corpora"] = {
        "mine": {"reader": "folder", "root": "data/mine", "list": EVERY_CLIP}
    }
    content["active"]["tests"] = {}
    content["active"]["train_on"]["corpus"] = "mine"
    project.write_params(content)
    for number in range(6):
        write_media(root / f"clip{number}.mp4", seconds=1, sound=tones(1, 16000))
    project.run("git", "init", "--quiet")
    repro = ("dvc", "repro", "decode@mine")
    project.run(*repro)
    shards = project.folder / "data/decoded/mine/shards"
    before = {path.name: path.read_bytes() for path in shards.iterdir()}
    inodes = {path.name: path.stat().st_ino for path in shards.iterdir()}

    write_media(root / "one_more.mp4", seconds=1, sound=tones(1, 16000))
    output = project.run(*repro)
    assert ran(output) == {"decode@mine"}
    assert "decode: 2 of 3 shards are done" in output
    kept = inodes.items() & {path.name: path.stat().st_ino for path in shards.iterdir()}.items()
    assert len(kept) == len(inodes) - 3  # a frame file and two tables
    assert not (project.folder / "data/work/decode/mine").exists()
    record = project.folder / "data/work/decode/mine.json"  # which says whose the shards are
    assert len(json.loads(record.read_text())) == 3
    after = {path.name: path.read_bytes() for path in shards.iterdir()}
    changed = {name for name, content in after.items() if content != before[name]}
    number = shard_of("one_more", 3)
    names = ("frames_{}.npy", "clips_{}.parquet")
    assert changed == {name.format(f"{number:05d}") for name in names}

    names = ("side", "max_seconds", "shards", "seconds_limit", "max_reject_share")
    values = {name: content["toy"]["decode"][name] for name in names}
    decode_corpus(
        find_sources("folder", root),
        root,
        tmp_path / "fresh",
        work=tmp_path / "work",
        engine=Engine(workers=os.cpu_count() or 1),
        **values,
    )
    for name in ("clips.parquet", "rejects.parquet", "summary.json"):
        fresh = (tmp_path / "fresh" / name).read_bytes()
        assert (shards.parent / name).read_bytes() == fresh, name
    assert {path.name: path.read_bytes() for path in (tmp_path / "fresh/shards").iterdir()} == after
