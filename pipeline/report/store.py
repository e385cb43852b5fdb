"""What the failure browser shows of a study, as bytes inside the page.

Every sample of every benchmark that scores maps, under every run. A pair of a frame and a sound is
one map, however many benchmarks ask for it, and a clip one frame. Maps travel as their cells, a
byte each, and the page's script enlarges, colours and cuts them; frames are WebP pictures that are
the smaller the more there are. What a page cannot hold is left out in an order and said: sounds
beyond `SOUNDS` bytes, of each benchmark spread evenly from its best to its worst sample, and maps
beyond `MAPS` bytes, further seeds first and then the last benchmarks.
"""

import base64
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from PIL import Image

from pipeline.benchmarks.tasks.parts import SIZE_BANDS
from pipeline.report.clips import Clips
from pipeline.report.facts import BenchmarkFacts, RunFacts
from pipeline.report.failures import KINDS, MEANINGS
from pipeline.report.heat import COLOURS, levels, scaled

FRAMES = 12 * 2**20  # bytes of all frames, by the estimate below
SOUNDS = 4 * 2**20  # bytes of all sounds that are not in the page anyway
MAPS = 24 * 2**20
_AHEAD = SOUNDS // 2**14  # sounds that are read ahead: at 16 KB each, all that a page holds
_NEXT = 16  # and while they are taken
CELLS = 28  # of a map's side; a larger map is averaged
_PIXEL = 0.2  # bytes of a frame's pixel, as WebP of a photograph of 112 pixels a side
_LARGEST, _SMALLEST, _STEP = 192, 64, 16  # sides of a frame
NOT_KNOWN = 65535  # an IoU of a sample in which nothing sounds
IOU_STEPS = 10000


@dataclass(frozen=True)
class Seen:
    """A run on a benchmark as the browser shows it: its name, whether it is the first seed of its
    kind, its facts and its raw maps (N, h, w)."""

    label: str
    first: bool
    facts: RunFacts
    maps: np.ndarray


@dataclass(frozen=True)
class _Entry:
    key: str
    title: str
    corpus: str
    facts: BenchmarkFacts
    runs: Sequence[Seen]
    pairs: Sequence[int]  # of each sample, the place of its pair among the corpus' pairs


@dataclass
class _Corpus:
    clips: Clips
    ids: dict[str, int] = field(default_factory=dict)
    framed: set[str] = field(default_factory=set)
    pairs: dict[tuple[str, str], int] = field(default_factory=dict)


class Store:
    """Collects benchmark after benchmark, and is then packed once."""

    def __init__(self) -> None:
        self._entries: list[_Entry] = []
        self._corpora: dict[str, _Corpus] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def add(
        self,
        key: str,
        title: str,
        corpus: str,
        clips: Clips,
        facts: BenchmarkFacts,
        runs: Sequence[Seen],
    ) -> None:
        """Take the samples of a benchmark, `key` being its section's, and the runs on it."""
        known = self._corpora.setdefault(corpus, _Corpus(clips))
        pairs = []
        for pair in zip(facts.frames, facts.sounds, strict=True):
            pairs.append(known.pairs.setdefault(pair, len(known.pairs)))
            known.framed.add(pair[0])
            for clip in pair:
                known.ids.setdefault(clip, len(known.ids))
        self._entries.append(_Entry(key, title, corpus, facts, runs, pairs))

    def packed(self) -> tuple[dict[str, object], dict[str, object], list[str]]:
        """The index, what lies beside it by the id of its element (texts are lines, all else is
        JSON), and sentences that say what the page holds."""
        labels = list(dict.fromkeys(run.label for entry in self._entries for run in entry.runs))
        kept, left_out = self._chosen()
        beside: dict[str, object] = {}
        for number, entry in enumerate(self._entries):
            for run in entry.runs:
                if places := kept.get((number, run.label)):
                    pairs = np.array([entry.pairs[place] for place in places], "<u4")
                    content = {"pairs": _base64(pairs), **_maps(run.maps, places)}
                    beside[f"maps-{labels.index(run.label)}-{number}"] = content
        side = frame_side(sum(len(corpus.framed) for corpus in self._corpora.values()))
        heard = self._sounds()
        corpora = {}
        for place, (name, corpus) in enumerate(self._corpora.items()):
            beside[f"frames-{place}"] = _frames(corpus, side)
            beside[f"sounds-{place}"] = heard[name]
            shapes = [
                corpus.clips.shape(clip) if clip in corpus.framed else 1 for clip in corpus.ids
            ]
            corpora[name] = {
                "place": place,
                "ids": list(corpus.ids),
                "shapes": [round(shape, 3) for shape in shapes],
            }
        index: dict[str, object] = {
            "runs": labels,
            "kinds": list(KINDS),
            "meanings": {KINDS[kind]: words for kind, words in MEANINGS.items()},
            "bands": [[low, high] for low, high in SIZE_BANDS.values()],
            "colours": _base64(COLOURS),
            "corpora": corpora,
            "benchmarks": [
                _benchmark(entry, labels, {run for n, run in kept if n == number})
                for number, entry in enumerate(self._entries)
            ],
        }
        frames = sum(len(corpus.framed) for corpus in self._corpora.values())
        notes = [f"Frames are {side} pixels a side, since there are {frames:,} of them."]
        clips = {clip for name in heard for clip in heard[name]}
        if any(len(c.ids) > len(clips) + len(c.clips.played) for c in self._corpora.values()):
            notes.append(
                "Not every sample has its sound: a page holds "
                f"{SOUNDS // 2**20} MB of them, spread evenly from the best to the worst."
            )
        if left_out:
            notes.append(f"A page holds {MAPS // 2**20} MB of maps; left out: {left_out}.")
        return index, beside, notes

    def _chosen(self) -> tuple[dict[tuple[int, str], list[int]], str]:
        """Which runs of which benchmarks (by place) the page holds, with the samples whose maps no
        earlier benchmark has of that run, which may not be scored on all; the others in words."""
        offered = [
            (not run.first, number, run.label, len(entry.facts.ids), run.maps)
            for number, entry in enumerate(self._entries)
            for run in entry.runs
        ]
        kept: dict[tuple[int, str], list[int]] = {}
        held: dict[tuple[str, str], set[int]] = {}
        left, total = [], 0
        for _, number, label, _, maps in sorted(offered, key=lambda one: one[:2]):
            height, width = (min(CELLS, size) for size in maps.shape[1:])
            entry = self._entries[number]
            known = held.setdefault((entry.corpus, label), set())
            new: dict[int, int] = {}
            for place, pair in enumerate(entry.pairs):
                if pair not in known:
                    new.setdefault(pair, place)
            total += len(new) * height * width
            if total <= MAPS:
                known.update(new)
                kept[number, label] = list(new.values())
            else:
                left.append(f"{label} on {self._entries[number].title}")
        return kept, ", ".join(left)

    def read_ahead(self) -> None:
        """Begin to read the sounds that `packed` takes first of what was added so far."""
        for name, clip in islice(self._wanted(), _AHEAD):
            self._corpora[name].clips.read_ahead(clip)

    def _wanted(self) -> Iterator[tuple[str, str]]:
        """The corpus and the clip of each sound, once, those that a page needs most first."""
        waiting = []
        for number, entry in enumerate(self._entries):
            lead = entry.runs[0].facts
            iou = np.nan_to_num(lead.cuts[lead.lead], nan=-1.0)
            order = np.argsort(-iou, kind="stable")
            for turn, rank in enumerate(spread(len(order))):
                sample = int(order[rank])
                waiting.append((turn, number, entry.corpus, entry.facts.sounds[sample]))
        ordered = sorted(waiting, key=lambda one: one[:2])
        return iter(dict.fromkeys((name, clip) for _, _, name, clip in ordered))

    def _sounds(self) -> dict[str, dict[str, str]]:
        """By corpus, the sounds (Base64 of MP3) of clips that are not in the page yet."""
        found: dict[str, dict[str, str]] = {name: {} for name in self._corpora}
        played = {name: set(corpus.clips.played) for name, corpus in self._corpora.items()}
        wanted = [(name, clip) for name, clip in self._wanted() if clip not in played[name]]
        total = 0
        for place, (name, clip) in enumerate(wanted):
            if total >= SOUNDS:
                break
            for coming, following in wanted[place : place + _NEXT]:
                self._corpora[coming].clips.read_ahead(following)
            uri = self._corpora[name].clips.player(clip).uri
            if uri:
                found[name][clip] = uri.partition(",")[2]
                total += len(found[name][clip]) * 3 // 4
        return found


def frame_side(count: int) -> int:
    """The pixels of a frame's side, a multiple of 16, with which `count` frames take about `FRAMES`
    bytes."""
    side = math.isqrt(int(FRAMES / (_PIXEL * max(count, 1)))) // _STEP * _STEP
    return min(_LARGEST, max(_SMALLEST, side))


def spread(count: int) -> list[int]:
    """The numbers below `count` in an order whose beginning is spread evenly over all of them (van
    der Corput's sequence)."""
    bits = max(1, (count - 1).bit_length())
    turned = (int(f"{number:0{bits}b}"[::-1], 2) for number in range(2**bits))
    return [number for number in turned if number < count]


def _maps(maps: np.ndarray, places: Sequence[int]) -> dict[str, object]:
    """Maps as one byte a cell of each one's own range, with the range's ends."""
    chosen = np.asarray(maps[np.array(places)], np.float32)
    height, width = (min(CELLS, size) for size in chosen.shape[1:])
    if (height, width) != chosen.shape[1:]:
        chosen = np.stack(
            [
                np.asarray(Image.fromarray(one).resize((width, height), Image.Resampling.BOX))
                for one in chosen
            ]
        )
    ends = [chosen.min(axis=(1, 2)), chosen.max(axis=(1, 2))]
    cells = np.stack([levels(scaled(one)) for one in chosen])
    low, high = (_base64(end.astype("<f4")) for end in ends)
    return {"size": [height, width], "low": low, "high": high, "cells": _base64(cells)}


def _frames(corpus: _Corpus, side: int) -> str:
    """A line for each clip, empty for one whose frame nobody looks at."""
    return "\n".join(
        corpus.clips.thumbnail(clip, side) if clip in corpus.framed else "" for clip in corpus.ids
    )


def _benchmark(entry: _Entry, labels: Sequence[str], kept: set[str]) -> dict[str, object]:
    facts = entry.facts
    names = list(dict.fromkeys(facts.classes))
    plain = [i == f for i, f in zip(facts.ids, facts.frames, strict=True)]
    return {
        "key": entry.key,
        "title": entry.title,
        "corpus": entry.corpus,
        "resize": facts.resize,
        "count": len(facts.ids),
        # Where a sample is called as its frame is, its name is not said again.
        "ids": ["" if same else name for name, same in zip(facts.ids, plain, strict=True)],
        "frames": list(facts.frames),
        "sounds": ["" if s == f else s for s, f in zip(facts.sounds, facts.frames, strict=True)],
        "pairs": _base64(np.array(entry.pairs, "<u4")),
        "classes": names,
        "class": _base64(np.array([names.index(name) for name in facts.classes], "<u2")),
        "area": _base64(facts.area.astype("<f4")),
        "regions": _base64(np.frombuffer(b"".join(facts.regions), np.uint8)),
        "lengths": _base64(np.array([len(region) for region in facts.regions], "<u2")),
        "conditions": {
            name: _base64(rows.astype(np.uint8)) for name, rows in facts.conditions.items()
        },
        "runs": {
            str(labels.index(run.label)): _run(run.facts) for run in entry.runs if run.label in kept
        },
    }


def _run(facts: RunFacts) -> dict[str, object]:
    def steps(iou: np.ndarray) -> np.ndarray:
        known = np.round(np.nan_to_num(iou) * IOU_STEPS)
        return np.where(np.isnan(iou), NOT_KNOWN, known).astype("<u2")

    return {
        "lead": facts.lead,
        "threshold": facts.threshold,
        "cuts": {name: _base64(steps(iou)) for name, iou in facts.cuts.items()},
        "sure": _base64(facts.sureness.astype("<f4")),
        "kind": _base64(facts.kinds),
    }


def _base64(values: np.ndarray) -> str:
    return base64.b64encode(values.tobytes()).decode()
