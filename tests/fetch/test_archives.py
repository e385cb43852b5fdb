"""Clips out of archives, whole, damaged and hostile."""

import gzip
import io
import tarfile
import zipfile

import pytest

from pipeline.errors import InputError
from pipeline.fetch.archives import unpack

CLIPS = {f"{n}___________"[:11] + f"_{n:06d}.mp4": bytes([n]) * 5000 for n in range(6)}


def tar(path, mode, files):
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            item = tarfile.TarInfo(name)
            item.size = len(content)
            archive.addfile(item, io.BytesIO(content))
    return path


def last(archive, folder):
    return list(unpack(archive, folder))[-1]


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("name, mode", [("a.tar", "w"), ("a.tar.gz", "w:gz"), ("a.zip", None)])
def test_clips_of_any_folder_come_out_once(tmp_path, name, mode):
    inside = {f"deep/er/{name}": content for name, content in CLIPS.items()}
    inside["notes.txt"] = b"no clip"
    if mode:
        archive = tar(tmp_path / name, mode, inside)
    else:
        archive = tmp_path / name
        with zipfile.ZipFile(archive, "w") as file:
            for path, content in inside.items():
                file.writestr(path, content)
    found = last(archive, tmp_path / "to")
    assert (found.written, found.there, found.left_out, found.damaged) == (6, 0, 1, [])
    assert files(tmp_path / "to") == CLIPS
    again = last(archive, tmp_path / "to")
    assert (again.written, again.there) == (0, 6)


def test_no_path_leads_out_of_the_folder(tmp_path):
    name = next(iter(CLIPS))
    archive = tar(tmp_path / "a.tar", "w", {f"../../{name}": b"x", f"/etc/{name}": b"xy"})
    with tarfile.open(archive, "a") as file:
        link = tarfile.TarInfo("1___________"[:11] + "_000009.mp4")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        file.addfile(link)
    last(archive, tmp_path / "to")
    assert files(tmp_path / "to") == {name: b"xy"}


def test_a_tar_that_ends_early_is_named_with_the_clip(tmp_path):
    whole = tar(tmp_path / "a.tar", "w", CLIPS)
    names = list(CLIPS)
    whole.write_bytes(whole.read_bytes()[: 2 * 5632 + 3000])  # a header and ten blocks a clip
    found = last(whole, tmp_path / "to")
    assert files(tmp_path / "to") == {name: CLIPS[name] for name in names[:2]}
    assert len(found.damaged) == 1 and names[2] in found.damaged[0]


def test_a_damaged_gzip_is_named(tmp_path):
    archive = tar(tmp_path / "a.tar.gz", "w:gz", {k: v[:100] * 50 for k, v in CLIPS.items()})
    content = gzip.decompress(archive.read_bytes())
    archive.write_bytes(gzip.compress(content)[:-40])
    found = last(archive, tmp_path / "to")
    assert len(found.damaged) == 1 and str(archive) in found.damaged[0]


def test_a_damaged_clip_of_a_zip_is_skipped_alone(tmp_path):
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for name, content in CLIPS.items():
            file.writestr(name, content)
    content = bytearray(archive.read_bytes())
    content[content.index(bytes([2]) * 5000) + 10] = 77
    archive.write_bytes(content)
    found = last(archive, tmp_path / "to")
    damaged = list(CLIPS)[2]
    assert set(files(tmp_path / "to")) == set(CLIPS) - {damaged}
    assert len(found.damaged) == 1 and damaged in found.damaged[0]


def test_what_is_no_archive_is_refused(tmp_path):
    (tmp_path / "a.tar").write_bytes(b"nothing of the kind")
    for name, words in (("a.tar", "neither a tar nor a zip"), ("b.tar", "no such file")):
        with pytest.raises(InputError, match=words):
            last(tmp_path / name, tmp_path / "to")
