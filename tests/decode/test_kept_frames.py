"""Frames whose aspect is kept: shapes of their own, over several shards, contiguous to read."""

from pathlib import Path

import numpy as np
import pytest
from made_media import tones, write_media

from pipeline.base.files import map_npy
from pipeline.clips.decoded import DecodedCorpus
from pipeline.corpora.source import Source
from pipeline.decode.corpus import decode_corpus
from pipeline.execution.run import Engine
from pipeline.media.file import read_picture
from pipeline.media.resizing import Aspect

SIZES = {"wide": (64, 20), "high": (20, 48), "square": (32, 32), "usual": (48, 36)}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[Source]:
    """Videos of different shapes, and a clip without a picture."""
    root = tmp_path_factory.mktemp("media")
    paths = [
        write_media(root / f"{name}.mp4", seconds=0.5, size=size) for name, size in SIZES.items()
    ]
    sound = write_media(root / "heard.mp4", seconds=1, sound=tones(1, 16000))
    return [*(Source(path.stem, path, None) for path in paths), Source("heard", None, sound)]


def decode(
    sources: list[Source], folder: Path, aspect: Aspect, antialias: bool = True
) -> DecodedCorpus:
    decode_corpus(
        sources, Path("/"), folder / "decoded", work=folder / "work", side=16, max_seconds=4.0,
        shards=2, seconds_limit=60.0, max_reject_share=0.0, engine=Engine(workers=2), aspect=aspect,
        antialias=antialias,
    )  # fmt: skip
    return DecodedCorpus(folder / "decoded")


def test_kept_frames_are_the_files_in_their_own_shapes(
    sources: list[Source], tmp_path: Path
) -> None:
    found = decode(sources, tmp_path, "kept")
    assert found.aspect == "kept"
    assert len(found) == 5 and not found.has_frame(found.row("heard"))
    for source in sources[:-1]:
        row = found.row(source.clip_id)
        frame = read_picture(source.picture, side=16, aspect="kept").frame
        assert min(frame.shape[:2]) == 16 and found.frame_size(row) == frame.shape[:2]
        np.testing.assert_array_equal(found.frame(row), frame)
        assert found.frame(row)[2:9].flags.c_contiguous  # the rows of a crop are one read
    assert found.frame_size(found.row("wide")) == (16, 51)
    assert found.frame_size(found.row("high")) == (38, 16)
    shards = [map_npy(path) for path in (found.folder / "shards").glob("frames_*.npy")]
    # One byte behind the other, with nothing between: a padded form would hold more.
    sizes = [found.frame_size(found.row(name)) for name in SIZES]
    assert sum(map(len, shards)) == sum(3 * height * width for height, width in sizes)


@pytest.mark.parametrize("aspect", ["squashed", "cropped"])
def test_other_frames_are_squares(sources: list[Source], tmp_path: Path, aspect: Aspect) -> None:
    found = decode(sources, tmp_path, aspect)
    assert found.aspect == aspect
    for source in sources[:-1]:
        row = found.row(source.clip_id)
        frame = read_picture(source.picture, side=16, aspect=aspect).frame
        assert found.frame_size(row) == (16, 16)
        np.testing.assert_array_equal(found.frame(row), frame)


def test_kept_frames_are_squared_where_squares_are_wanted(
    sources: list[Source], tmp_path: Path
) -> None:
    kept = decode(sources, tmp_path / "kept", "kept")
    squashed = decode(sources, tmp_path / "squashed", "squashed")
    for source in sources[:-1]:
        row = kept.row(source.clip_id)
        square = kept.square(row)
        assert square.shape == (16, 16, 3)
        np.testing.assert_array_equal(squashed.square(row), squashed.frame(row))
        # Resampled twice along one axis: near what one resize gives.
        apart = np.abs(square.astype(int) - squashed.frame(squashed.row(source.clip_id)))
        assert apart.mean() < 4


def test_frames_without_antialiasing(sources: list[Source], tmp_path: Path) -> None:
    found = decode(sources, tmp_path, "squashed", antialias=False)
    plain = 0
    for source in sources[:-1]:
        row = found.row(source.clip_id)
        frame = read_picture(source.picture, side=16, antialias=False).frame
        np.testing.assert_array_equal(found.frame(row), frame)
        plain += bool((frame == read_picture(source.picture, side=16).frame).all())
    assert plain < 2  # a picture of 32 pixels is halved as well
