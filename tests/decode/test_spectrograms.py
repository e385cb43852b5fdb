"""A decoded corpus' sounds in any form, apart from its pictures, whatever happens on the way."""

import hashlib
import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from made_media import tones, write_media

from pipeline.clips.decoded import DecodedCorpus
from pipeline.clips.sound_form import SSL_TIE_FORM, SoundForm
from pipeline.clips.spectrogram import log_spectrogram, repeat_to, to_spectrogram
from pipeline.corpora.source import Source
from pipeline.decode.corpus import decode_corpus
from pipeline.decode.sounds import SoundsTask, make_sounds
from pipeline.decode.spectrograms import make_spectrograms
from pipeline.errors import InputError
from pipeline.execution.pool import Report
from pipeline.execution.run import Engine
from pipeline.media.file import read_sound

SHARDS = 3
TOY = SoundForm(hop=320, bands=32)


def make(
    corpus: Path,
    root: Path,
    folder: Path,
    form: SoundForm = TOY,
    *,
    name: str = "one",
    workers: int = 2,
    seconds: float = 1.5,
    max_seconds: float = 4.0,
    worker: Callable[[SoundsTask, Report], None] = make_sounds,
) -> dict[str, int | float]:
    return make_spectrograms(
        corpus,
        root,
        folder / "spectrograms" / name,
        work=folder / "work" / name,
        form=form,
        seconds=seconds,
        max_seconds=max_seconds,
        shards=SHARDS,
        seconds_limit=60.0,
        engine=Engine(workers=workers),
        worker=worker,
    )


def content(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    assert files
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def decode(sources: list[Source], root: Path, folder: Path) -> Path:
    decode_corpus(
        sources, root, folder / "decoded", work=folder / "decoding", side=16, max_seconds=4.0,
        shards=SHARDS, seconds_limit=60.0, max_reject_share=0.5, engine=Engine(workers=2),
    )  # fmt: skip
    return folder / "decoded"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, list[Source]]:
    """The media of nine clips of one to three seconds, one without sound, and them decoded."""
    root = tmp_path_factory.mktemp("media")
    sources = []
    for number in range(8):
        path = root / f"clip{number}.mp4"
        write_media(path, seconds=1, sound=tones(1 + 2 * (number % 2), 16000))
        sources.append(Source(f"clip{number}", path, path))
    sources.append(Source("only_picture", root / "clip1.mp4", None))
    return root, decode(sources, root, tmp_path_factory.mktemp("decoded")), sources


@pytest.fixture(scope="module")
def made(corpus: tuple[Path, Path, list[Source]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sounds of the corpus in one form, made without disturbance."""
    folder = tmp_path_factory.mktemp("undisturbed")
    summary = make(corpus[1], corpus[0], folder)
    assert (summary["clips"], summary["sounds"], summary["linked_shards"]) == (9, 8, 0)
    return folder


@pytest.mark.parametrize("form", [TOY, SoundForm(), SoundForm(22050, hop=238), SSL_TIE_FORM])
def test_each_sound_is_its_files_in_the_form(
    corpus: tuple[Path, Path, list[Source]], tmp_path: Path, form: SoundForm
) -> None:
    root, folder, sources = corpus
    make(folder, root, tmp_path, form)
    found = DecodedCorpus(folder, tmp_path / "spectrograms/one")
    assert found.form == form
    for source in sources:
        row = found.row(source.clip_id)
        assert found.has_sound(row) == (source.sound is not None)
        if source.sound is None:
            assert found.sound_length(row) == 0
            continue
        heard = read_sound(source.sound, sample_rate=form.sample_rate, max_seconds=4.0).samples
        wanted = round(1.5 * form.sample_rate)
        values = to_spectrogram(repeat_to(torch.from_numpy(heard), wanted), form)
        np.testing.assert_array_equal(found.spectrogram(row), values.T.half().numpy())
        assert found.sound_length(row) >= form.steps(1.5)
    assert not (tmp_path / "work/one").exists()


def test_the_default_forms_numbers_are_what_they_always_were(
    corpus: tuple[Path, Path, list[Source]], made: Path
) -> None:
    found = DecodedCorpus(corpus[1], made / "spectrograms/one")
    heard = torch.from_numpy(read_sound(corpus[0] / "clip1.mp4").samples)
    logs = log_spectrogram(heard, hop=320, bands=32).T.half().numpy()
    np.testing.assert_array_equal(found.spectrogram(found.row("clip1")), logs)


def test_the_number_of_workers_changes_no_byte(
    corpus: tuple[Path, Path, list[Source]], made: Path, tmp_path: Path
) -> None:
    make(corpus[1], corpus[0], tmp_path, workers=1)
    assert content(tmp_path) == content(made)


def test_long_sounds_keep_their_centre(
    corpus: tuple[Path, Path, list[Source]], tmp_path: Path
) -> None:
    make(corpus[1], corpus[0], tmp_path, max_seconds=2.0)
    found = DecodedCorpus(corpus[1], tmp_path / "spectrograms/one")
    assert found.sound_length(found.row("clip1")) == TOY.steps(2.0)


def forbidden(task: SoundsTask, report: Report) -> None:
    raise AssertionError("a finished shard is made again")


def test_one_more_clip_makes_one_shard_and_the_rest_is_taken_over(
    corpus: tuple[Path, Path, list[Source]], made: Path, tmp_path: Path
) -> None:
    root, folder, sources = corpus
    make(folder, root, tmp_path)
    make(folder, root, tmp_path, worker=forbidden)
    assert content(tmp_path) == content(made)
    shards = tmp_path / "spectrograms/one/shards"
    inodes = {path: path.stat().st_ino for path in shards.iterdir()}
    more = [*sources, Source("one_more", root / "clip2.mp4", root / "clip2.mp4")]
    make(decode(more, root, tmp_path), root, tmp_path)
    changed = {path.stem[-5:] for path, inode in inodes.items() if path.stat().st_ino != inode}
    assert len(changed) == 1
    found = DecodedCorpus(tmp_path / "decoded", tmp_path / "spectrograms/one")
    one, two = (found.spectrogram(found.row(clip)) for clip in ("one_more", "clip2"))
    np.testing.assert_array_equal(one, two)


def test_equal_forms_are_made_once_and_linked(
    corpus: tuple[Path, Path, list[Source]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root, folder, _ = corpus
    make(folder, root, tmp_path, name="one")
    summary = make(folder, root, tmp_path, name="two", worker=forbidden)
    assert summary["linked_shards"] == SHARDS
    assert "3 shards are those of" in capsys.readouterr().err
    one, two = (tmp_path / "spectrograms" / name for name in ("one", "two"))
    assert content(one) == content(two)
    for path in (one / "shards").iterdir():
        assert path.samefile(two / "shards" / path.name)
    assert make(folder, root, tmp_path, SoundForm(), name="three")["linked_shards"] == 0


def dying(task: SoundsTask, report: Report) -> None:
    """Dies at clip4, as a process does that the system kills for its memory."""

    def reported(number: int) -> None:
        report(number)
        if number < len(task.clips) and task.clips[number][0] == "clip4":
            os.kill(os.getpid(), signal.SIGKILL)

    make_sounds(task, reported)


def test_a_sound_that_cannot_be_decoded_any_more_is_named(
    corpus: tuple[Path, Path, list[Source]], made: Path, tmp_path: Path
) -> None:
    root, folder, _ = corpus
    with pytest.raises(InputError, match=r"clip4\.mp4: the sound of clip clip4 .* died .* twice"):
        make(folder, root, tmp_path, worker=dying)
    assert not (tmp_path / "spectrograms/one/sounds.parquet").exists()
    make(folder, root, tmp_path)
    assert content(tmp_path) == content(made)

    path = tmp_path / "media/clip.mp4"
    write_media(path, seconds=1, sound=tones(1, 16000))
    own = decode([Source("clip", path, path)], path.parent, tmp_path)
    path.write_bytes(b"no media")
    with pytest.raises(InputError, match=r"clip\.mp4: the sound of clip clip .*unreadable"):
        make(own, path.parent, tmp_path, name="other")


def test_what_no_spectrogram_can_be_made_of(
    corpus: tuple[Path, Path, list[Source]], tmp_path: Path
) -> None:
    root, folder, sources = corpus
    with pytest.raises(InputError, match=r"seconds: found 0\.01, expected at least one window"):
        make(folder, root, tmp_path, seconds=0.01)
    silent = decode(sources[-1:], root, tmp_path)
    with pytest.raises(InputError, match="holds no clip with a sound"):
        make(silent, root, tmp_path)


def test_a_name_that_is_no_utf8_is_found_again(tmp_path: Path) -> None:
    path = tmp_path / "media" / os.fsdecode(b"caf\xe9.mp4")
    write_media(tmp_path / "plain.mp4", seconds=1, sound=tones(1, 16000))
    path.parent.mkdir()
    (tmp_path / "plain.mp4").rename(path)
    folder = decode([Source("cafe", path, path)], path.parent, tmp_path)
    assert make(folder, path.parent, tmp_path)["sounds"] == 1
