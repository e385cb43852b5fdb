"""Twelve real clips of VGG-SS under their official boxes: the frames that are tested, and how sharp
they are: `pytest -n 0 -s -k sharp tests/decode/test_real_clips.py` prints that."""

import itertools
import json
import shutil
from functools import cache
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from made_media import SHARED_MEDIA
from PIL import Image

from pipeline.base.params import Parameters
from pipeline.base.study import Study
from pipeline.benchmarks import Benchmark, open_benchmark
from pipeline.benchmarks.tasks import LocalizationBenchmark
from pipeline.clips.decoded import DecodedCorpus
from pipeline.corpora.layouts import find_sources
from pipeline.corpora.lists import read_listed
from pipeline.decode.corpus import decode_corpus
from pipeline.decode.settings import Decode
from pipeline.decode.taken import Taken
from pipeline.execution.run import Engine

ROOT = Path(__file__).resolve().parents[2]
REAL = SHARED_MEDIA / "vggss"
ANNOTATIONS = SHARED_MEDIA.parent / "annotations"
CUT = 8.0  # s of a clip that lost its end
BANDS = np.array([0, 0.25, 0.5, 0.75, 1])  # of the highest frequency that 224 pixels hold


def decode(folder: Path, taken: Taken, side: int = 224) -> DecodedCorpus:
    """The clips in `folder / clips`, decoded beside it."""
    out = folder / f"decoded-{taken.second}"
    decode_corpus(
        find_sources("vggsound", folder / "clips"),
        folder / "clips",
        out,
        work=folder / "work",
        side=side,
        max_seconds=10.0,
        shards=2,
        seconds_limit=120.0,
        max_reject_share=0.0,
        engine=Engine(workers=1),
        taken=taken,
    )
    return DecodedCorpus(out)


@cache
def shown(path: Path, second: float) -> Image.Image:
    """The frame that is shown `second` after the clip begins, of all frames decoded in turn."""
    with av.open(str(path)) as container:
        frames = [(frame.time, frame.to_image()) for frame in container.decode(video=0)]
    with av.open(str(path)) as container:
        heard = min(f.time for f in container.decode(audio=0) if f.time is not None)
    begin = max(0.0, min(heard, min(time for time, _ in frames)))
    return [frame for time, frame in frames if time - begin <= second + 1e-6][-1]


def reference(path: Path, second: float) -> np.ndarray:
    """That frame in one resize, (224, 224, 3) uint8."""
    return np.asarray(shown(path, second).resize((224, 224), Image.Resampling.BICUBIC))


def by_way_of_246(image: Image.Image) -> np.ndarray:
    """A picture in two resizes, to the side of a stored frame and from there to the network's,
    (224, 224, 3) uint8: what is not done."""
    stored = np.array(image.resize((246, 246), Image.Resampling.BICUBIC), np.float32)
    twice = torch.nn.functional.interpolate(
        torch.from_numpy(stored).permute(2, 0, 1)[None], (224, 224), mode="bilinear", antialias=True
    )
    return np.rint(twice[0].permute(1, 2, 0).numpy()).astype(np.uint8)


def energies(frame: np.ndarray) -> np.ndarray:
    """Of a frame (side, side, 3) uint8 the energy of its grey levels in each of `BANDS`, but for
    their mean; a wave's frequency is the larger one of its two."""
    grey = frame @ np.array([0.299, 0.587, 0.114])
    power = np.abs(np.fft.fft2(grey - grey.mean())) ** 2
    along = 2 * np.abs(np.fft.fftfreq(len(frame)))
    return np.histogram(np.maximum.outer(along, along), BANDS, weights=power)[0]


def cut(source: Path, target: Path) -> None:
    """The first `CUT` seconds of a clip, its packets as they are."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(source)) as read, av.open(str(target), "w") as written:
        streams = {
            stream.index: written.add_stream_from_template(stream)
            for stream in (read.streams.video[0], read.streams.audio[0])
        }
        for packet in read.demux(read.streams.video[0], read.streams.audio[0]):
            if packet.dts is None or packet.dts * packet.time_base >= CUT:
                continue
            packet.stream = streams[packet.stream.index]
            written.mux(packet)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not REAL.is_dir() or not (ANNOTATIONS / "vggss.json").is_file():
        pytest.skip("the real clips and lists (../shared/media/vggss, annotations) are absent")
    folder = tmp_path_factory.mktemp("real")
    shutil.copytree(REAL, folder / "clips")
    return folder


@pytest.fixture(scope="module")
def tested(clips: Path) -> DecodedCorpus:
    """The clips as every study of VGG-SS decodes them to be tested."""
    parameters = Parameters(ROOT / "params.yaml")
    corpus = parameters.read("studies.vggsound-144k", Study).corpora["vggss"]
    values = parameters.read("paper.decode", Decode, corpus.decode)
    assert (values.side, values.second, values.aspect) == (224, 5.0, "squashed")
    listed = read_listed(ANNOTATIONS / Path(corpus.list).name)
    decoded = decode(clips, values.taken)
    assert set(decoded.clip_ids) <= set(listed)
    return decoded


def test_the_benchmark_opens_on_the_real_clips(tested: DecodedCorpus) -> None:
    benchmark: Benchmark = open_benchmark("vggss", ANNOTATIONS, tested)
    assert isinstance(benchmark, LocalizationBenchmark)
    assert (len(benchmark.samples), benchmark.official_count) == (12, 5158)
    assert benchmark.parts["available"].all()  # the authors had all twelve
    entries = json.loads((ANNOTATIONS / "vggss.json").read_text())
    official = {entry["file"]: entry for entry in entries}
    for place, sample in enumerate(benchmark.samples):
        entry = official[sample.frame_clip]
        assert benchmark.labels[place] == entry["class"]
        # Each pixel's centre against the boxes, whose edges lie within a pixel of it.
        x, y = np.meshgrid((np.arange(224) + 0.5) / 224, (np.arange(224) + 0.5) / 224)
        inside = np.zeros((224, 224), bool)
        for x0, y0, x1, y1 in np.clip(entry["bbox"], 0, 1):
            inside |= (x0 <= x) & (x <= x1) & (y0 <= y) & (y <= y1)
        truth = benchmark.ground_truth(place, place + 1)[0]
        assert truth.any() and (truth ^ inside).mean() < 0.02 * len(entry["bbox"])


def test_the_tested_frame_is_the_one_at_5_seconds(clips: Path, tested: DecodedCorpus) -> None:
    for row, path in enumerate(tested.clips["picture_path"].to_pylist()):
        expected = reference(clips / "clips" / path, 5.0)
        np.testing.assert_array_equal(tested.frame(row), expected, err_msg=path)


def test_one_resize_keeps_a_tested_frame_sharp(clips: Path, tested: DecodedCorpus) -> None:
    once, twice = [], []
    for row, path in enumerate(tested.clips["picture_path"].to_pylist()):
        file = clips / "clips" / path
        whole = energies(reference(file, 5.0))
        once.append(energies(tested.frame(row)) / whole)
        twice.append(energies(by_way_of_246(shown(file, 5.0))) / whole)
    print(f"\nenergy against one direct resize, mean of {len(once)} clips, by frequency")
    print("of the highest  " + "  ".join(f"{a:.2f}-{b:.2f}" for a, b in itertools.pairwise(BANDS)))
    for name, shares in (("as tested", once), ("by way of 246", twice)):
        print(f"{name:14}  " + "  ".join(f"{share:9.3f}" for share in np.mean(shares, axis=0)))
    np.testing.assert_allclose(once, 1)
    lost = np.mean(twice, axis=0)
    assert lost[0] > 0.98 and (np.diff(lost) < 0).all() and lost[-1] < 0.7


def test_a_shortened_copy_is_tested_on_the_annotated_frame(
    tested: DecodedCorpus, clips: Path, tmp_path: Path
) -> None:
    """[B5]: half of a shorter copy is another moment than the one that the boxes were drawn at."""
    moving = []
    for clip, path in zip(tested.clip_ids, tested.clips["picture_path"].to_pylist(), strict=True):
        source = clips / "clips" / path
        if tested.clips["still"][tested.row(clip)].as_py():
            continue
        cut(source, tmp_path / "clips" / path)
        moving.append(clip)
    assert len(moving) >= 8
    at_5, at_half = (decode(tmp_path, Taken(second=second)) for second in (5.0, None))
    durations = at_5.clips["duration"].to_numpy()
    np.testing.assert_allclose(durations, CUT, atol=0.3)
    for clip in moving:
        annotated = tested.frame(tested.row(clip)).astype(int)
        assert np.abs(at_5.frame(at_5.row(clip)) - annotated).max() == 0, clip
        assert np.abs(at_half.frame(at_half.row(clip)) - annotated).mean() > 0.5, clip
