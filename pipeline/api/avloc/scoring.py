"""The published numbers of maps that any method made."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from pipeline.benchmarks import open_benchmark
from pipeline.errors import InputError
from pipeline.report.anyones.arrays import Arrays
from pipeline.report.anyones.compare import Difference, compare
from pipeline.report.anyones.files import open_arrays
from pipeline.report.anyones.kinds import check_benchmark
from pipeline.report.anyones.parts import Part, by_class, by_size
from pipeline.report.anyones.score import Scored, score_arrays
from pipeline.report.anyones.score_table import differences_text, latex, parts_text, score_text
from pipeline.report.anyones.statistics import Estimate, estimates

Kind = Literal["localization", "detection", "segmentation", "retrieval"]
Text = str | Path

ANNOTATIONS = "data/annotations"


def score(
    maps: Any,
    ids: Sequence[str] | None = None,
    benchmark: str | None = None,
    *,
    annotations: Text = ANNOTATIONS,
    kind: Kind | None = None,
    media: Text | None = None,
    object_maps: Any = None,
    boxes: Any = None,
    masks: Any = None,
    resize: str | None = None,
    label: str | None = None,
) -> "Score":
    """The published scores of maps, in the benchmark's own protocol.

        mine = avloc.score(maps, ids, "vggss")           # maps (N, h, w), ids N texts
        print(mine.metrics["cIoU"], mine.intervals["cIoU"])
        print(mine)                                      # beside the paper's rows

    maps: an array or tensor (N, h, w) of real numbers, raw similarities, higher is louder; a
        mapping from ids to maps (h, w); or the path of a file or a folder that `avloc score`
        takes, which may bring ids, object_maps, boxes, masks, or image and audio for retrieval.
    ids: a name for each map, in any spelling that the field's lists have; without them the maps
        are in the order of `avloc.ids`.
    benchmark: as `avloc score` takes it; None where `boxes` or `masks` are the truth: boxes a list
        for each map of [x0, y0, x1, y1] in fractions of the frame, or numbers (N, k, 4) with rows
        of NaN for none; masks (N, 224, 224) of 0 and 1.
    annotations: the folder of the official lists and boxes.
    kind: what it is scored as; by default what the benchmark or the truth says.
    media: the folder of AVSBench, whose masks lie there.
    object_maps: (N, h', w') for object-guided localization.
    resize: 'half-pixel', 'corners', 'bicubic' or 'bicubic-corners', in place of the protocol's.
    label: what its rows are called.

    Raises `InputError` for anything else.
    """
    given = {"ids": ids, "object_maps": object_maps, "boxes": boxes, "masks": masks}
    if benchmark is not None:
        check_benchmark(kind, benchmark)
    if isinstance(maps, str | Path):
        arrays = open_arrays(Path(maps))
        named = [key for key, value in given.items() if value is not None]
        if named:
            raise InputError(f"{maps}: found a file and {', '.join(named)}, expected one of them")
        label = label or Path(maps).stem
    else:
        arrays = Arrays("maps", _arrays(maps, given))
    folder = None if benchmark is None else Path(annotations)
    scored = score_arrays(
        arrays, kind, benchmark, folder, None if media is None else Path(media), resize
    )
    return Score(scored, label or "maps")


def ids(benchmark: str, *, annotations: Text = ANNOTATIONS) -> list[str]:
    """The ids of a benchmark's samples, in the order of maps that bring none.

        names = avloc.ids("vggss")
        maps = np.stack([my_model(name) for name in names])
        avloc.score(maps, benchmark="vggss")

    Raises `InputError` for an unknown benchmark and where its lists are not in `annotations`.
    """
    check_benchmark(None, benchmark)
    opened = open_benchmark(benchmark, Path(annotations), lambda _: True)
    return [sample.sample_id for sample in opened.samples]


class Score:
    """The scores of maps; printed as a table beside the paper's rows, in per cent.

    print(mine)
    print(mine.by("size"), mine.by("class"))
    print(mine.against(theirs))                      # a paired test
    """

    def __init__(self, scored: Scored, label: str) -> None:
        self.scored = scored
        self.label = label

    @property
    def metrics(self) -> dict[str, float]:
        """Every score by its name, as `metrics.json` has them; per cent but for counts."""
        return self.scored.metrics

    @cached_property
    def intervals(self) -> dict[str, Estimate]:
        """The value and the ends `low` and `high` of the 95 % bootstrap interval over samples of
        each score that has one, in per cent."""
        return estimates(self.scored.kind, self.scored.columns)

    @property
    def samples(self) -> pa.Table:
        """A row a sample, in the order of the maps: `sample_id`, `iou`, `area`, ..."""
        return self.scored.rows

    def by(self, what: Literal["class", "size"]) -> "Parts":
        """The scores of each class, or of each band of size of what sounds. Raises `InputError`
        where the benchmark names no classes, and for the sizes of retrieval."""
        if what not in ("class", "size"):
            raise InputError(f"by {what!r}: expected class or size")
        return Parts(by_class(self.scored) if what == "class" else by_size(self.scored), self, what)

    def against(self, other: "Score") -> "Comparison":
        """The paired bootstrap test of each score against another method's over the same samples;
        see `pipeline.report.anyones.compare.compare`. Raises `InputError` for others."""
        return Comparison(compare(self.scored, other.scored), self.label, other.label)

    def latex(self) -> str:
        """A row of LaTeX for a table, below a comment that names its columns."""
        return latex(self.scored, self.label)

    def __str__(self) -> str:
        return score_text(self.scored, self.label)

    def __repr__(self) -> str:
        shown = ", ".join(f"{name} {e.value:.2f}" for name, e in list(self.intervals.items())[:2])
        return f"<avloc.Score {self.label} on {self.scored.benchmark}: {shown}>"


class Parts(Sequence[Part]):
    """The scores of parts of the samples, each with `name`, `samples` and `estimates`; printed as a
    table."""

    def __init__(self, parts: Sequence[Part], score: Score, what: str) -> None:
        self._parts, self._kind, self._what = list(parts), score.scored.kind, what

    def __getitem__(self, place: Any) -> Any:
        return self._parts[place]

    def __len__(self) -> int:
        return len(self._parts)

    def __str__(self) -> str:
        return parts_text(self._parts, self._kind, self._what)


class Comparison(Mapping[str, Difference]):
    """The paired test of each score: `first`, `second`, `difference`, `low`, `high` in per cent and
    `p`; printed as a table."""

    def __init__(self, found: dict[str, Difference], first: str, second: str) -> None:
        self._found, self._first, self._second = found, first, second

    def __getitem__(self, metric: str) -> Difference:
        return self._found[metric]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def __str__(self) -> str:
        return differences_text(self._found, self._first, self._second)


def _arrays(maps: Any, given: dict[str, Any]) -> dict[str, np.ndarray]:
    """What was handed over as arrays by name."""
    if isinstance(maps, Mapping):
        if given["ids"] is not None:
            raise InputError("maps: found a mapping from ids and ids, expected one of them")
        shapes = {np.shape(heat) for heat in maps.values()}
        if len(shapes) != 1:
            raise InputError(f"maps: found shapes {sorted(shapes)}, expected one")
        given = {**given, "ids": list(maps)}
        maps = np.stack([_numbers(heat) for heat in maps.values()])
    found = {"maps": _numbers(maps)}
    for key, value in given.items():
        if value is None:
            continue
        if key == "ids":
            found[key] = np.array([str(name) for name in value], dtype=np.str_)
        elif key == "boxes" and not hasattr(value, "shape"):
            found[key] = np.array(_json(value))
        else:
            found[key] = _numbers(value)
    return found


def _numbers(value: Any) -> np.ndarray:
    """An array of anything that NumPy takes; a tensor from wherever it lies."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = value.float() if "bfloat16" in str(value.dtype) else value
    try:
        return np.asarray(value)
    except (ValueError, TypeError) as error:
        raise InputError(f"maps: expected real numbers (N, h, w), found: {error}") from error


def _json(boxes: Any) -> str:
    import json

    try:
        return json.dumps([[[float(edge) for edge in box] for box in each] for each in boxes])
    except (ValueError, TypeError) as error:
        raise InputError(
            f"boxes: expected a list for each map of [x0, y0, x1, y1], found: {error}"
        ) from error
