"""What a training that is looked at shows after every epoch: scores of a validation list, and the
maps of eight of its clips, the same ones each time."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from pipeline.benchmarks import NOISE, SILENCE, Benchmark, Predictions, Sample, open_benchmark
from pipeline.benchmarks.contract import available_rows
from pipeline.benchmarks.tasks.localization import boxes_benchmark
from pipeline.benchmarks.tasks.retrieval import RetrievalBenchmark
from pipeline.clips.decoded import DecodedCorpus
from pipeline.corpora.ground_truth import read_vggss
from pipeline.corpora.lists import read_clip_list
from pipeline.errors import InputError
from pipeline.methods.contract import Method
from pipeline.predict.predictor import Predictor, synthetic_sounds
from pipeline.report.figures import TRUE, outline, overlay
from pipeline.report.fonts import font
from pipeline.report.words import wrapped
from pipeline.train.watch import Seen

SHOWN = 8
_COLUMNS, _CELL, _GAP = 4, 224, 8  # pixels
_SIZE, _LINE = 13, 17
_PAPER, _INK = (255, 255, 255), (27, 31, 36)


def open_validation(
    name: str, annotations: Path, corpus: DecodedCorpus, media: Path | None = None
) -> Benchmark:
    """The samples that a training is asked about, as far as `corpus` has their clips.

    `name` is a file of boxes in the form of vggss.json, a list of clips (.txt or .csv), whose clips
    are retrieved among each other, or a benchmark's name, see `open_benchmark`. Raises `InputError`
    as that does, and where the corpus has no clip of it."""
    benchmark: Benchmark
    if name.endswith(".json"):
        every = boxes_benchmark(read_vggss(Path(name)))
        benchmark = every.select(available_rows(every.samples, corpus))
    elif name.endswith((".txt", ".csv")):
        listed = [Sample(clip, clip, clip) for clip in read_clip_list(Path(name))]
        whole = RetrievalBenchmark(listed, len(listed))
        benchmark = whole.select(available_rows(listed, corpus))
    else:
        benchmark = open_benchmark(name, annotations, corpus, media)
    if not benchmark.samples:
        raise InputError(
            f"{corpus.folder}: has none of the {benchmark.official_count} samples of {name}, "
            f"expected some; execution.watch names both"
        )
    return benchmark


class Validation:
    """A benchmark to ask a method about again and again."""

    def __init__(self, benchmark: Benchmark, corpus: DecodedCorpus, batch: int = 64) -> None:
        """`corpus` holds the benchmark's clips; `batch` frames are encoded at a time."""
        self.benchmark, self.corpus, self.batch = benchmark, corpus, batch
        places = np.linspace(0, len(benchmark.samples) - 1, SHOWN).round().astype(int)
        self.shown = [int(place) for place in np.unique(places)]

    def __call__(self, method: Method) -> Seen:
        """The scores, without the ends of their intervals and the numbers of parts and of samples,
        and the maps of the shown samples over their frames. The method is asked where it lies, in
        float32, and is in evaluation mode afterwards."""
        benchmark, samples = self.benchmark, self.benchmark.samples
        reserved = dict(zip((SILENCE, NOISE), synthetic_sounds(method), strict=True))
        device = next(method.parameters()).device
        predictor = Predictor(
            method, self.corpus, reserved=reserved, batch=self.batch, device=device
        )
        pairs = [(sample.frame_clip, sample.sound_clip) for sample in samples]
        maps = None
        if benchmark.wants_maps:
            maps = predictor.maps(pairs)
            shown = maps[self.shown]
        else:
            shown = predictor.maps([pairs[place] for place in self.shown])
        predictions = Predictions(maps)
        if count := benchmark.retrieval_count:
            frames, sounds = zip(*pairs[:count], strict=True)
            predictions.similarities = predictor.similarities(frames, sounds)
        metrics = benchmark.score(predictions).metrics
        scores = {name: float(value) for name, value in metrics.items() if _is_score(name)}
        return Seen(scores, self._sheet(shown))

    def _sheet(self, maps: np.ndarray) -> np.ndarray:
        """Each shown sample's frame under its map (h, w), what sounds outlined, and below it what
        that is and the largest value of the map, which the picture cannot tell."""
        letters = font(_SIZE)
        captions = [
            wrapped(f"{self._name(place)}, peak {heat.max():.2f}", _CELL, letters.getlength)
            for place, heat in zip(self.shown, maps, strict=True)
        ]
        columns = min(_COLUMNS, len(maps))
        row = _CELL + _LINE * max(map(len, captions)) + _GAP
        size = (columns * (_CELL + _GAP) + _GAP, -(-len(maps) // columns) * (row + _GAP) + _GAP)
        sheet = Image.new("RGB", size, _PAPER)
        draw = ImageDraw.Draw(sheet)
        for number, (place, heat, lines) in enumerate(zip(self.shown, maps, captions, strict=True)):
            frame = self.corpus.square(self.corpus.row(self.benchmark.samples[place].frame_clip))
            cell = outline(overlay(frame, heat, _CELL), self.benchmark.outline(place), TRUE)
            left = _GAP + number % columns * (_CELL + _GAP)
            top = _GAP + number // columns * (row + _GAP)
            sheet.paste(cell, (left, top))
            for line, text in enumerate(lines):
                draw.text((left, top + _CELL + 3 + line * _LINE), text, fill=_INK, font=letters)
        return np.asarray(sheet)

    def _name(self, place: int) -> str:
        labels = self.benchmark.labels
        return labels[place] if labels else self.benchmark.samples[place].sample_id


def _is_score(name: str) -> bool:
    counts = ("samples", "sounding_samples", "images", "official_")
    return not (":" in name or "@" in name.replace("R@", "") or name.startswith(counts))
