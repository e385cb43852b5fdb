"""A decoded corpus as later rooms read it: frames alone, or with the sounds of one form."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from made_corpus import make_corpus

from pipeline.base.files import write_json, write_npy, write_parquet
from pipeline.clips.decoded import DecodedCorpus, read_form
from pipeline.clips.sound_form import SSL_TIE_FORM, SoundForm
from pipeline.errors import InputError


def test_decoded_corpus(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    frames = rng.integers(0, 256, (3, 4, 4, 3), dtype=np.uint8)
    sounds = rng.normal(size=(30, 5)).astype(np.float16)
    write_npy(tmp_path / "shards" / "frames_00000.npy", frames[:1])
    write_npy(tmp_path / "shards" / "frames_00001.npy", frames[1:])
    heard = tmp_path / "heard"
    write_npy(heard / "shards" / "spectrograms_00000.npy", sounds[:10])
    write_npy(heard / "shards" / "spectrograms_00001.npy", sounds[10:])
    columns = {
        "clip_id": ["a", "b", "c", "only-sound"],
        "frame_row": pa.array([0, 1, 2, -1], pa.int64()),
        "sound_seconds": pa.array([1.0, 2.0, None, 3.0]),
    }
    write_parquet(tmp_path / "clips.parquet", pa.table(columns))
    columns = {
        "clip_id": columns["clip_id"],
        "start": pa.array([0, 10, -1, 17], pa.int64()),
        "steps": pa.array([10, 7, 0, 13], pa.int32()),
    }
    write_parquet(heard / "sounds.parquet", pa.table(columns))
    form = SoundForm(bands=5)
    write_json(heard / "form.json", asdict(form))
    corpus = DecodedCorpus(tmp_path, heard)
    assert corpus.form == form and corpus.sounds_folder == heard
    assert len(corpus) == 4 and "b" in corpus and "z" not in corpus
    np.testing.assert_array_equal(corpus.rows(["c", "a"]), [2, 0])
    np.testing.assert_array_equal(corpus.frame(2), frames[2])
    np.testing.assert_array_equal(corpus.spectrogram(1), sounds[10:17])
    np.testing.assert_array_equal(corpus.spectrogram(3, 2, 5), sounds[19:24])
    np.testing.assert_array_equal(corpus.middle_window(1, 3), sounds[12:15])
    assert corpus.has_sound(3) and not corpus.has_frame(3) and not corpus.has_sound(2)
    with pytest.raises(InputError, match="holds no clip 'z'"):
        corpus.row("z")
    with pytest.raises(IndexError):
        corpus.spectrogram(0, 8, 3)
    assert [corpus.sound_length(row) for row in range(4)] == [10, 7, 0, 13]
    frames_alone = DecodedCorpus(tmp_path)
    assert [frames_alone.has_sound(row) for row in range(4)] == [True, True, False, True]
    np.testing.assert_array_equal(frames_alone.frame(2), frames[2])
    for asked in (frames_alone.sound_length, frames_alone.spectrogram):
        with pytest.raises(InputError, match="open without spectrograms"):
            asked(0)
    with pytest.raises(InputError, match="open without spectrograms"):
        _ = frames_alone.form


def test_sounds_of_another_corpus_or_form_are_refused(tmp_path: Path) -> None:
    frames = np.zeros((2, 4, 4, 3), np.uint8)
    sounds = [np.zeros((3, 4))] * 2
    one = make_corpus(tmp_path / "one", frames, sounds)
    make_corpus(tmp_path / "two", frames, sounds, clip_ids=["other", "clip01"])
    with pytest.raises(InputError, match=r"two/spectrograms: holds the sounds of 2 clips, exp"):
        DecodedCorpus(one.folder, tmp_path / "two/spectrograms")
    write_json(one.sounds_folder / "form.json", asdict(SSL_TIE_FORM))
    with pytest.raises(InputError, match=r"hold \(4,\) bins a time step, expected 257"):
        DecodedCorpus(one.folder, one.sounds_folder)


def test_a_form_comes_back_as_it_was(tmp_path: Path) -> None:
    write_json(tmp_path / "form.json", asdict(SSL_TIE_FORM))
    assert read_form(tmp_path) == SSL_TIE_FORM
    for wrong, said in (
        ({"hop": 0}, r"form\.json: hop is 0, expected 1 to window, 512"),
        ({"unknown": 1}, r"form\.json\.unknown: unknown key, expected one of sample_rate"),
        ([], r"form\.json: found \[\], expected a mapping"),
    ):
        write_json(tmp_path / "form.json", wrong)
        with pytest.raises(InputError, match=said):
            read_form(tmp_path)
