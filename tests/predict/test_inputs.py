"""What somebody names to be looked at, and what is said of what cannot be."""

from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.predict.inputs import asked_clips


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in (
        "a.mp4",
        "b.MOV",
        "photo.jpg",
        "bark.wav",
        "trip/a.mp4",
        "trip/dogs/run.webm",
        "trip/dogs/cat.png",
        "trip/dogs/cat.wav",
        "trip/alone.jpg",
        "trip/.hidden.mp4",
        "texts/notes.txt",
        "halves/left.wav",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_files_and_folders_are_clips(here: Path) -> None:
    found = asked_clips(["b.MOV", "trip"])
    assert [clip.name for clip in found] == ["b", "a", "dogs~cat", "dogs~run"]
    cat = found[2]
    assert (cat.picture, cat.sound) == (Path("trip/dogs/cat.png"), Path("trip/dogs/cat.wav"))
    assert found[3].picture == found[3].sound == Path("trip/dogs/run.webm")


def test_a_picture_and_a_sound_are_a_clip(here: Path) -> None:
    photo, bark, video = Path("photo.jpg"), Path("bark.wav"), Path("a.mp4")
    for named, image, audio, halves, name in (
        ([], photo, bark, (photo, bark), "photo"),
        (["photo.jpg"], None, bark, (photo, bark), "photo"),
        (["bark.wav"], photo, None, (photo, bark), "bark"),
        (["a.mp4"], None, bark, (video, bark), "a"),
        (["a.mp4"], photo, None, (photo, video), "a"),
    ):
        (clip,) = asked_clips(named, image, audio)
        assert (clip.picture, clip.sound) == halves and clip.name == name


@pytest.mark.parametrize(
    ("named", "image", "audio", "said"),
    [
        (["https://a.example/b.mp4"], None, None, "https://a.example/b.mp4: is an address, exp"),
        (["photo.jpg"], None, None, "photo.jpg: is a picture and has no sound; give its sound by"),
        (["bark.wav"], None, None, "bark.wav: is a sound and has no picture; give its picture by"),
        (["photo.jpg"], "photo.jpg", None, "photo.jpg: is a picture and has no sound"),
        (["none.mp4"], None, None, "none.mp4: no such file"),
        (["texts"], None, None, "texts: holds no video, and no picture with a sound of the same"),
        (["halves"], None, None, "of the same name (1 halves of one)"),
        ([], None, None, "expected a clip, a folder of clips, or --image and --audio"),
        ([], "photo.jpg", None, "photo.jpg: has no sound beside it, expected --audio too"),
        ([], None, "bark.wav", "bark.wav: has no picture beside it, expected --image too"),
        (["trip"], "photo.jpg", None, "trip: is a folder, expected a file"),
        (["a.mp4", "b.MOV"], None, "bark.wav", "found 2 clips beside --image or --audio"),
        (["a.mp4", "trip"], None, None, "trip/a.mp4: its outputs would be called a, as those of"),
    ],
)
def test_what_cannot_be_looked_at_is_told(
    named: list[str], image: str | None, audio: str | None, said: str, here: Path
) -> None:
    with pytest.raises(InputError) as caught:
        asked_clips(named, Path(image) if image else None, Path(audio) if audio else None)
    assert said in str(caught.value) and "\n" not in str(caught.value)
