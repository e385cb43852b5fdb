"""What each word of sureness is worth: how often it is said, and how often it is right.

Three kinds of pairs are asked about: frames under a sound of something in them, in scenes also
under that of an object that is silent there, and frames under a sound of a class that nothing in
them has. Under the last nothing is right, and the word tells whether the model notices.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.benchmarks import NOISE, SILENCE, Benchmark
from pipeline.benchmarks.metrics.bootstrap import intervals
from pipeline.benchmarks.metrics.localization import pointing
from pipeline.benchmarks.tasks import ScenesBenchmark
from pipeline.clips.decoded import DecodedCorpus
from pipeline.errors import InputError
from pipeline.methods.contract import Method
from pipeline.predict.predictor import Predictor, synthetic_sounds
from pipeline.predict.sureness import WORDS, sureness

OWN, SILENT, ABSENT = (
    "a sound of what is seen",
    "a sound of a silent object",
    "a sound of nothing in the picture",
)


@dataclass(frozen=True)
class Row:
    """Of the pairs of one kind: how many there are, how many of them get a `word`, and of these the
    share, 0 to 1, whose map is largest inside what sounds, with its 95 % interval; None where
    nothing sounds or the word is never said."""

    kind: str
    word: str
    pairs: int
    said: int
    right: tuple[float, float, float] | None


def sureness_rows(benchmark: Benchmark, method: Method, corpus: DecodedCorpus) -> list[Row]:
    """How often each word is said of a benchmark's samples, and right. Raises `InputError` for a
    benchmark without maps or without any sample in whose frame something sounds."""
    if not benchmark.wants_maps:
        raise InputError("the benchmark scores no maps, so there is nothing to be sure of")
    truth = {n: mask for n in range(len(benchmark.samples)) if (mask := _truth(benchmark, n)).any()}
    if not truth:
        raise InputError("the benchmark has no sample in which something sounds")
    reserved = dict(zip((SILENCE, NOISE), synthetic_sounds(method), strict=True))
    predictor = Predictor(method, corpus, reserved=reserved)
    places = list(truth)
    pairs = [(benchmark.samples[n].frame_clip, benchmark.samples[n].sound_clip) for n in places]
    absent = _absent(benchmark, places)
    maps = predictor.maps([*pairs, *absent])
    frames = list(dict.fromkeys(frame for frame, _ in pairs))
    made = predictor.maps([(frame, name) for frame in frames for name in reserved])
    floors = dict(zip(frames, made.reshape(len(frames), -1).max(axis=1), strict=True))
    margins = maps.max(axis=(1, 2)) - [floors[frame] for frame, _ in [*pairs, *absent]]
    words = np.array([sureness(float(margin)) for margin in margins])
    right = pointing(maps[: len(pairs)], np.stack([truth[n] for n in places]))
    first_swap = len(benchmark.scenes) if isinstance(benchmark, ScenesBenchmark) else None
    swaps = np.array([first_swap is not None and n >= first_swap for n in places])
    own = words[: len(pairs)]
    return [
        *_rows(OWN, own[~swaps], right[~swaps]),
        *_rows(SILENT, own[swaps], right[swaps]),
        *_rows(ABSENT, words[len(pairs) :], None),
    ]


def _truth(benchmark: Benchmark, place: int) -> np.ndarray:
    return np.asarray(benchmark.outline(place), dtype=bool)


def _rows(kind: str, words: np.ndarray, right: np.ndarray | None) -> list[Row]:
    rows = []
    for word in WORDS if len(words) else ():
        said = words == word
        share = None
        if right is not None and said.any():
            hits = right[said][:, None]
            low, high = intervals(hits)[:, 0]
            share = float(hits.mean()), float(low), float(high)
        rows.append(Row(kind, word, len(words), int(said.sum()), share))
    return rows


def _absent(benchmark: Benchmark, places: Sequence[int]) -> list[tuple[str, str]]:
    """Each different frame with the sound of the next sample in the list whose class none of the
    frame's objects has, those that are silent included; none where classes are not known."""
    labels = benchmark.labels
    if not labels:
        return []
    seen: dict[str, set[str]] = {}
    for place in places:
        seen.setdefault(benchmark.samples[place].frame_clip, set()).add(labels[place])
    if isinstance(benchmark, ScenesBenchmark):
        for scene, sample in zip(benchmark.scenes, benchmark.samples, strict=False):
            seen[sample.frame_clip] |= {silent.label for silent in scene.distractors}
    found: dict[str, tuple[str, str]] = {}
    for start, place in enumerate(places):
        frame = benchmark.samples[place].frame_clip
        others = (*places[start + 1 :], *places[:start])
        other = next((n for n in others if labels[n] not in seen[frame]), None)
        if other is not None and frame not in found:
            found[frame] = (frame, benchmark.samples[other].sound_clip)
    return list(found.values())
