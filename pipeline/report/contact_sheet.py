"""A contact sheet: a corpus' decoded frames with what truly sounds in them, to be judged by eye.

What is outlined is what is scored: the benchmark's own ground truth, in the rounding of its
protocol, over the frame that the networks see. A wrong moment, a missed rotation or boxes of
another scale show at once, and no number tells them. Stored frames are squashed to a square; here
they have the video's own shape again.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pipeline.base.files import atomic_file
from pipeline.benchmarks import Benchmark
from pipeline.clips.decoded import DecodedCorpus
from pipeline.errors import InputError
from pipeline.report.figures import TRUE, outline
from pipeline.report.words import wrapped

_WIDTH, _HEIGHT = 320, 240  # pixels that a frame is fitted into
_GAP, _EDGE = 10, 14
_SIZE, _LINE = 13, 16  # pixels of the letters, and of a line of text
_PAPER, _INK, _SHADOW = (255, 255, 255), (27, 31, 36), (16, 16, 20)


def draw_contact_sheet(
    path: Path,
    corpus: DecodedCorpus,
    benchmark: Benchmark,
    places: Sequence[int],
    head: str,
    columns: int = 4,
) -> None:
    """Write, as PNG, the frames of the samples at `places` of a benchmark under the line `head`,
    each with the outline of its ground truth, its clip and its class below it.

    Raises `InputError` for no place, and for a clip that the corpus does not hold or that has no
    picture.
    """
    if not places:
        raise InputError(f"{corpus.folder}: no sample of the benchmark is there, expected some")
    frames = [_framed(corpus, benchmark, place) for place in places]
    texts = [_lines(_label(benchmark, place), _WIDTH) for place in places]
    columns = min(columns, len(places))
    width = 2 * _EDGE + columns * _WIDTH + (columns - 1) * _GAP
    above = _lines(head, width - 2 * _EDGE)
    cell = _HEIGHT + max(map(len, texts)) * _LINE + _GAP
    top = _EDGE + len(above) * _LINE + _GAP
    rows = -(-len(places) // columns)
    sheet = Image.new("RGB", (width, top + rows * cell - _GAP + _EDGE), _PAPER)
    draw = ImageDraw.Draw(sheet)
    _write(draw, (_EDGE, _EDGE), above)
    for number, (frame, text) in enumerate(zip(frames, texts, strict=True)):
        x = _EDGE + number % columns * (_WIDTH + _GAP)
        y = top + number // columns * cell
        sheet.paste(frame, (x + (_WIDTH - frame.width) // 2, y + _HEIGHT - frame.height))
        _write(draw, (x, y + _HEIGHT), text)
    with atomic_file(path) as file:
        sheet.save(file, format="PNG", optimize=True)


def first_of_each_frame(benchmark: Benchmark, count: int) -> list[int]:
    """The places of the first `count` samples of different frames in which something sounds: an
    extended set pairs a frame with several sounds, most of which nothing in it makes."""
    found: dict[str, int] = {}
    for place, sample in enumerate(benchmark.samples):
        if len(found) == count:
            break
        if sample.frame_clip not in found and benchmark.outline(place).any():
            found[sample.frame_clip] = place
    return list(found.values())


def _framed(corpus: DecodedCorpus, benchmark: Benchmark, place: int) -> Image.Image:
    """The frame of a sample in its video's shape, fitted into a cell, with the ground truth."""
    clip = benchmark.samples[place].frame_clip
    row = corpus.row(clip)
    if not corpus.has_frame(row):
        raise InputError(f"{corpus.folder}: clip {clip} has no picture, expected one to draw")
    pixels = corpus.frame(row)
    sizes = [
        corpus.clips[name][row].as_py() if name in corpus.clips.column_names else None
        for name in ("width", "height")
    ]
    width, height = (own or stored for own, stored in zip(sizes, pixels.shape[1::-1], strict=True))
    scale = min(_WIDTH / width, _HEIGHT / height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    picture = Image.fromarray(np.asarray(pixels)).resize(size, Image.Resampling.BICUBIC)
    truth = benchmark.outline(place)
    # A dark line inside the white one keeps it visible on a light picture.
    return outline(outline(picture, truth, _SHADOW, 4), truth, TRUE, 2)


def _label(benchmark: Benchmark, place: int) -> str:
    sample = benchmark.samples[place]
    return " ".join([sample.frame_clip, *benchmark.labels[place : place + 1]])


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=_SIZE)


def _lines(text: str, width: int) -> list[str]:
    return wrapped(text, width, _font().getlength)


def _write(draw: ImageDraw.ImageDraw, place: tuple[int, int], lines: Sequence[str]) -> None:
    for number, line in enumerate(lines):
        draw.text((place[0], place[1] + number * _LINE), line, fill=_INK, font=_font())
