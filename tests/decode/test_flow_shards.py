"""The optical flow of a corpus' frames, apart from all else, whatever happens on the way."""

import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from made_media import moving_square, tones, write_media
from PIL import Image
from test_spectrograms import content

from pipeline.base.files import read_parquet, write_json, write_parquet
from pipeline.clips.decoded import DecodedCorpus
from pipeline.clips.flow import FlowForm
from pipeline.corpora.source import Source
from pipeline.decode.corpus import decode_corpus
from pipeline.decode.flow import make_flow
from pipeline.decode.flows import FlowTask, make_flows
from pipeline.errors import InputError
from pipeline.execution.pool import Report
from pipeline.execution.run import Engine
from pipeline.media.file import read_pair
from pipeline.media.flow import stored_flow
from pipeline.media.resizing import Aspect

SHARDS, SIDE = 3, 24
BOTH: tuple[FlowForm, ...] = ("bytes", "signed")


def make(
    corpus: Path,
    root: Path,
    folder: Path,
    *,
    name: str = "one",
    workers: int = 2,
    forms: Sequence[FlowForm] = BOTH,
    aspect: Aspect = "squashed",
    worker: Callable[[FlowTask, Report], None] = make_flows,
) -> dict[str, int]:
    return make_flow(
        corpus,
        root,
        folder / "spectrograms" / name / "flow",
        work=folder / "work" / name,
        forms=forms,
        side=SIDE,
        aspect=aspect,
        shards=SHARDS,
        seconds_limit=60.0,
        engine=Engine(workers=workers),
        worker=worker,
    )


def decode(sources: list[Source], root: Path, folder: Path, aspect: Aspect = "squashed") -> Path:
    decode_corpus(
        sources, root, folder / "decoded", work=folder / "decoding", side=SIDE, max_seconds=4.0,
        shards=SHARDS, seconds_limit=60.0, max_reject_share=0.5, engine=Engine(workers=2),
        aspect=aspect,
    )  # fmt: skip
    return folder / "decoded"


def opened(corpus: Path, spectrograms: Path) -> DecodedCorpus:
    """The corpus with the flow below a folder that holds no sound."""
    rows = read_parquet(corpus / "clips.parquet").num_rows
    table = read_parquet(corpus / "clips.parquet").select(["clip_id"])
    for name, value in (("start", -1), ("steps", 0)):
        table = table.append_column(name, [[value] * rows])
    write_parquet(spectrograms / "sounds.parquet", table)
    write_json(spectrograms / "form.json", {})
    (spectrograms / "shards").mkdir(exist_ok=True)
    np.save(spectrograms / "shards/spectrograms_00000.npy", np.zeros((1, 257), np.float16))
    return DecodedCorpus(corpus, spectrograms)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, list[Source]]:
    """Six videos, a picture file and a sound alone, and them decoded."""
    root = tmp_path_factory.mktemp("media")
    sources = []
    for number in range(6):
        path = root / f"clip{number}.mp4"
        size = (64, 48) if number % 2 else (48, 64)
        write_media(path, seconds=0.5 + 0.1 * number, size=size, sound=tones(1, 16000))
        sources.append(Source(f"clip{number}", path, path))
    still = root / "still.png"
    Image.fromarray(moving_square(0, 64, 48)).save(still)
    sources.append(Source("still", still, root / "clip0.mp4"))
    sources.append(Source("only_sound", None, root / "clip1.mp4"))
    return root, decode(sources, root, tmp_path_factory.mktemp("decoded")), sources


@pytest.fixture(scope="module")
def made(corpus: tuple[Path, Path, list[Source]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The flow of the corpus in both forms, made without disturbance."""
    folder = tmp_path_factory.mktemp("undisturbed")
    counts = make(corpus[1], corpus[0], folder)
    assert counts == {"clips": 8, "frames": 7, "without_next_frame": 1, "linked_shards": 0}
    assert not (folder / "work/one").exists()
    return folder


def test_each_flow_is_its_files(corpus: tuple[Path, Path, list[Source]], made: Path) -> None:
    _, folder, sources = corpus
    content_before = content(made)
    found = opened(folder, made / "spectrograms/one")
    table = {
        row["clip_id"]: row
        for row in read_parquet(made / "spectrograms/one/flow/flow.parquet").to_pylist()
    }
    for source in sources:
        row = found.row(source.clip_id)
        if source.picture is None:
            assert table[source.clip_id]["start"] == -1 and not table[source.clip_id]["paired"]
            continue
        pair = read_pair(source.picture)
        assert table[source.clip_id]["paired"] == (pair is not None)
        for form in BOTH:
            flow = found.flow(row, form)
            assert flow.shape == (SIDE, SIDE, 2)
            if pair is None:
                assert not flow.any()
            else:
                expected = stored_flow(pair, signed=form == "signed", side=SIDE)
                np.testing.assert_array_equal(flow, expected)
                assert flow.any() and flow.dtype == expected.dtype
    for path in ("sounds.parquet", "form.json", "shards/spectrograms_00000.npy"):
        (made / "spectrograms/one" / path).unlink()
    (made / "spectrograms/one/shards").rmdir()
    assert content(made) == content_before


def test_frames_of_their_own_aspect_have_flow_of_it(
    corpus: tuple[Path, Path, list[Source]], tmp_path: Path
) -> None:
    root, _, sources = corpus
    folder = decode(sources, root, tmp_path, "kept")
    make(folder, root, tmp_path, aspect="kept")
    found = opened(folder, tmp_path / "spectrograms/one")
    for source in sources[:-1]:
        row = found.row(source.clip_id)
        flow = found.flow(row, "signed")
        assert flow.shape[:2] == found.frame(row).shape[:2] != (SIDE, SIDE)
        pair = source.picture and read_pair(source.picture)
        if pair:
            expected = stored_flow(pair, signed=True, side=SIDE, aspect="kept")
            np.testing.assert_array_equal(flow, expected)
        else:
            assert not flow.any()


def test_the_number_of_workers_changes_no_byte(
    corpus: tuple[Path, Path, list[Source]], made: Path, tmp_path: Path
) -> None:
    make(corpus[1], corpus[0], tmp_path, workers=1)
    assert content(tmp_path) == content(made)


def forbidden(task: FlowTask, report: Report) -> None:
    raise AssertionError("a finished shard is made again")


def test_what_is_made_is_taken_over_by_itself_and_by_another_method(
    corpus: tuple[Path, Path, list[Source]], made: Path, tmp_path: Path
) -> None:
    root, folder, _ = corpus
    make(folder, root, tmp_path)
    make(folder, root, tmp_path, worker=forbidden)
    assert content(tmp_path) == content(made)
    assert make(folder, root, tmp_path, name="two", worker=forbidden)["linked_shards"] == SHARDS
    one, two = (tmp_path / "spectrograms" / name / "flow" for name in ("one", "two"))
    assert content(one) == content(two)
    for path in (one / "shards").iterdir():
        assert path.samefile(two / "shards" / path.name)
    assert make(folder, root, tmp_path, name="three", forms=["signed"])["linked_shards"] == 0
    kinds = {
        path.name.split("_")[0] for path in (tmp_path / "spectrograms/three/flow/shards").iterdir()
    }
    assert kinds == {"signed", "flow"}


def dying(task: FlowTask, report: Report) -> None:
    """Dies at clip4, as a process does that the system kills for its memory."""

    def reported(number: int) -> None:
        report(number)
        if number < len(task.clips) and task.clips[number].clip_id == "clip4":
            os.kill(os.getpid(), signal.SIGKILL)

    make_flows(task, reported)


def test_a_picture_that_cannot_be_decoded_any_more_is_named(
    corpus: tuple[Path, Path, list[Source]], made: Path, tmp_path: Path
) -> None:
    root, folder, _ = corpus
    with pytest.raises(InputError, match=r"clip4\.mp4: the picture of clip clip4 .* died .* twice"):
        make(folder, root, tmp_path, worker=dying)
    assert not (tmp_path / "spectrograms/one/flow/flow.parquet").exists()
    make(folder, root, tmp_path)  # goes on from what is whole
    assert content(tmp_path) == content(made)

    path = tmp_path / "media/clip.mp4"
    write_media(path, seconds=1, sound=tones(1, 16000))
    own = decode([Source("clip", path, path)], path.parent, tmp_path, "kept")
    write_media(path, seconds=1, size=(64, 48), sound=tones(1, 16000))
    make(own, path.parent, tmp_path, name="same aspect", aspect="kept")
    write_media(path, seconds=1, size=(36, 48), sound=tones(1, 16000))
    with pytest.raises(InputError, match=r"clip\.mp4: .* clip clip .*32 x 24 px, not 24 x 32"):
        make(own, path.parent, tmp_path, name="other", aspect="kept")
    path.write_bytes(b"no media")
    with pytest.raises(InputError, match=r"clip\.mp4: the picture of clip clip .*unreadable"):
        make(own, path.parent, tmp_path, name="other", aspect="kept")


def test_what_no_flow_can_be_made_of(
    corpus: tuple[Path, Path, list[Source]], tmp_path: Path
) -> None:
    root, folder, sources = corpus
    with pytest.raises(InputError, match="no form of flow is asked for"):
        make(folder, root, tmp_path, forms=[])
    heard = decode(sources[-1:], root, tmp_path)
    with pytest.raises(InputError, match="holds no clip with a picture"):
        make(heard, root, tmp_path)


def test_flow_that_is_absent_or_of_another_corpus_is_named(
    corpus: tuple[Path, Path, list[Source]], tmp_path: Path
) -> None:
    root, folder, sources = corpus
    spectrograms = tmp_path / "spectrograms/one"
    with pytest.raises(
        InputError, match=r"one/flow: not found, expected the optical flow .* active"
    ):
        opened(folder, spectrograms).flow(0, "bytes")
    make(folder, root, tmp_path, forms=["bytes"])
    with pytest.raises(InputError, match=r"one/flow: holds no flow in the form 'signed', expected"):
        opened(folder, spectrograms).flow(0, "signed")
    fewer = decode(sources[:3], root, tmp_path)
    with pytest.raises(InputError, match=r"one/flow: holds the flow of 8 clips, expected .* 3"):
        opened(fewer, spectrograms).flow(0, "bytes")
    with pytest.raises(InputError, match="open without spectrograms"):
        DecodedCorpus(folder).flow(0, "bytes")
