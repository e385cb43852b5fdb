"""What every benchmark is: samples out, maps and similarities in, metrics and tables back.

A sample names its frame's clip and its sound's clip separately, so mismatched pairs, made sounds
and five frames over one sound are ordinary samples and need no copies of media. The price is that
a network may meet the same frame or sound several times; it may cache by clip id.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, NamedTuple, Protocol, cast

import numpy as np
import pyarrow as pa

from pipeline.errors import InputError

# Sounds that no clip has: a sample's `sound_clip` may be one of these, and whoever runs the network
# makes it. Silence is a waveform of zeros, noise a seeded standard normal one clipped to [-1, 1].
SILENCE = "<silence>"
NOISE = "<noise>"

Available = Callable[[str], bool] | Container[str]
Window = tuple[float, float, float, float]  # see `Benchmark.through`


@dataclass(frozen=True)
class Sample:
    """A pair to be scored: `frame_clip` and `sound_clip` are clip ids (or `SILENCE`, `NOISE`)."""

    sample_id: str
    frame_clip: str
    sound_clip: str


class OwnForm(NamedTuple):
    """How a method's own published code scores its maps, where that is not the benchmark's way.

    `resize` is one of `RESIZES`; `threshold` the median, or half of the map's range; `inclusive`
    whether what lies at it is predicted too. `share` is the audio-visual map's in object-guided
    localization, None where the code has none; both maps are `scaled` by min-max before, or taken
    as (cosine + 1) / 2 and object / 2.5 (SLAVC)."""

    resize: str = "half-pixel"
    threshold: Literal["median", "half"] = "median"
    inclusive: bool = False
    share: float | None = None
    scaled: bool = True


@dataclass
class Predictions:
    """What any method hands over, in the order of the benchmark's samples.

    `maps` (N, h, w) are raw similarities, higher is louder; `object_maps` (N, h', w') the frames'
    object maps and add the OGL numbers. `similarities` are matrices between the frames (rows) and
    the sounds (columns) of the first `retrieval_count` samples, by name: 's_A', 's_L'. `trained`
    holds the clips that the method was trained on, None where nobody knows: retrieval is then
    counted once more over the other queries. `form` is how the method's own published code scores
    maps, None where it scores as the benchmark does, or is not public.
    """

    maps: np.ndarray | None = None
    object_maps: np.ndarray | None = None
    similarities: Mapping[str, np.ndarray] = field(default_factory=dict)
    trained: Collection[str] | None = None
    form: OwnForm | None = None


@dataclass
class Scores:
    """Metrics (flat; in per cent but for counts and thresholds), one row a sample, curves.

    A metric is called `<metric>[@<part>][:low|:high]`: a part of the samples (`tasks/parts.py`)
    begins with a letter, unlike the 5 of R@5, and low and high are the ends of the 95 % interval of
    a share of samples (`metrics/bootstrap.py`). No name holds a dot, behind which evaluation puts a
    baseline's. Counts begin with 'samples', 'sounding_samples', 'images' or 'official_'.
    """

    metrics: dict[str, float]
    rows: pa.Table
    curves: dict[str, pa.Table] = field(default_factory=dict)


class Benchmark(Protocol):
    """A benchmark whose missing clips are already left out of `samples`.

    Opening one reads lists and boxes; masks and XML files are first opened by `ground_truth`. A
    class that inherits `Defaults` needs only to say what is unusual about it.
    """

    @property
    def samples(self) -> list[Sample]:
        """The pairs to be scored, in the order that predictions have to be in."""
        ...

    @property
    def official_count(self) -> int:
        """The number of samples of the official list, present or not."""
        ...

    @property
    def wants_maps(self) -> bool:
        """Whether it scores maps (and object maps)."""
        ...

    @property
    def retrieval_count(self) -> int:
        """For how many of its first samples it wants similarities; 0 for none."""
        ...

    @property
    def resize(self) -> str:
        """How its protocol brings a raw map to 224x224, one of `metrics.heatmaps.RESIZES`."""
        ...

    @property
    def labels(self) -> Sequence[str]:
        """The class of what sounds in each sample, one a sample; empty where it names none."""
        ...

    @property
    def images(self) -> Sequence[str]:
        """The image of each sample, one a sample, where several samples share one; empty where each
        frame clip is an image of its own."""
        ...

    @property
    def classes(self) -> Sequence[str] | None:
        """The class of each sample as retrieval counts it, one a sample; None where unknown."""
        ...

    def outline(self, place: int) -> np.ndarray:
        """What sounds in the sample at `place`, to be drawn: bool (224, 224), all False for
        nothing."""
        ...

    def through(self, windows: Sequence[Window]) -> "Benchmark":
        """The same where the frames show a window of their pictures alone, one a sample: left,
        upper, right and lower edge as shares of width and height. Raises `InputError` where the
        benchmark knows only whole pictures."""
        ...

    def score(self, predictions: Predictions) -> Scores:
        """The numbers; raises `InputError` for predictions of a wrong shape or with NaN, and where
        no sample is left."""
        ...

    def ground_truth(self, start: int, stop: int) -> np.ndarray:
        """The truth of samples `start` to `stop`: (n, 224, 224), bool or a consensus of 0 to 1; all
        zero where there is none."""
        ...


class Defaults(ABC):
    """What most benchmarks answer: maps are scored, nothing is retrieved, nothing is named."""

    wants_maps: ClassVar[bool] = True
    resize: str = "half-pixel"
    labels: Sequence[str] = ()
    images: Sequence[str] = ()
    classes: Sequence[str] | None = None

    @property
    def retrieval_count(self) -> int:
        """See `Benchmark.retrieval_count`."""
        return 0

    def through(self, windows: Sequence[Window]) -> Benchmark:
        """See `Benchmark.through`: as it is where no map is scored, else not known."""
        if self.wants_maps:
            raise InputError(
                f"{type(self).__name__}: its ground truth is of whole pictures, found frames whose "
                f"edges are cropped; expected a corpus decoded with aspect: squashed"
            )
        return cast(Benchmark, self)

    @abstractmethod
    def ground_truth(self, start: int, stop: int) -> np.ndarray:
        """See `Benchmark.ground_truth`."""

    def outline(self, place: int) -> np.ndarray:
        """See `Benchmark.outline`: where the ground truth is not 0."""
        return self.ground_truth(place, place + 1)[0] > 0


def pair_id(frame_clip: str, sound_clip: str) -> str:
    """The sample id of a frame with another clip's sound, whose frame's own id is taken."""
    return f"{frame_clip}+{sound_clip}"


def is_available(clip_id: str, available: Available) -> bool:
    """Whether a clip can be had; made sounds always can."""
    if clip_id in (SILENCE, NOISE):
        return True
    return available(clip_id) if callable(available) else clip_id in available


def available_rows(samples: Sequence[Sample], available: Available) -> list[int]:
    """The positions of the samples whose frame and sound can both be had."""
    return [
        row
        for row, sample in enumerate(samples)
        if is_available(sample.frame_clip, available) and is_available(sample.sound_clip, available)
    ]


def sample_columns(samples: Sequence[Sample]) -> dict[str, list[str]]:
    """The first columns of every table of samples."""
    return {
        "sample_id": [sample.sample_id for sample in samples],
        "frame_clip": [sample.frame_clip for sample in samples],
        "sound_clip": [sample.sound_clip for sample in samples],
    }


def counted(metrics: Mapping[str, float], samples: int, official: int) -> dict[str, float]:
    """`metrics` with the two counts that stand beside every score."""
    return {**metrics, "samples": samples, "official_samples": official}


def checked_maps(maps: np.ndarray | None, count: int, name: str = "maps") -> np.ndarray:
    """`maps` as (count, h, w) float32; `InputError` for another shape or dtype, NaN, infinity, and
    for a count of 0, which no metric is defined for."""
    if not count:
        raise InputError(f"{name}: no sample is left to score, expected at least one")
    if maps is None:
        raise InputError(f"{name}: found none, expected ({count}, h, w)")
    if maps.dtype.kind not in "fiub":
        raise InputError(f"{name}: found values of type {maps.dtype}, expected real numbers")
    if maps.ndim != 3 or len(maps) != count or 0 in maps.shape:
        raise InputError(f"{name}: found shape {maps.shape}, expected ({count}, h, w)")
    with np.errstate(over="ignore"):
        single = np.ascontiguousarray(maps, dtype=np.float32)
    # Minimum and maximum carry NaN and infinity through; a sum could overflow by itself.
    flat = single.reshape(count, -1)
    finite = np.isfinite(flat.min(axis=1)) & np.isfinite(flat.max(axis=1))
    if not finite.all():
        bad = int(np.argmin(finite))
        raise InputError(f"{name}: NaN or infinity in entry {bad}, expected finite values")
    return single


def checked_similarities(
    similarities: Mapping[str, np.ndarray], count: int
) -> dict[str, np.ndarray]:
    """The leading (count, count) block of each matrix, in the order that they are given in, the
    method's default first. Raises `InputError` for none at all, a smaller matrix, NaN and a count
    of 0."""
    if not count:
        raise InputError("similarities: no sample is left to score, expected at least one")
    if not similarities:
        raise InputError(f"similarities: found none, expected a ({count}, {count}) matrix")
    blocks = {}
    for name, matrix in similarities.items():
        if matrix.ndim != 2 or min(matrix.shape) < count or matrix.dtype.kind != "f":
            raise InputError(
                f"similarities {name}: found {matrix.dtype} {matrix.shape}, expected real numbers "
                f"({count}, {count})"
            )
        blocks[name] = matrix[:count, :count]
        if np.isnan(blocks[name].min()):
            raise InputError(f"similarities {name}: found NaN, expected numbers")
    return blocks


def checked_object_maps(predictions: Predictions, count: int) -> np.ndarray | None:
    """The object maps (count, h, w) float32, or None; raises as `checked_maps`."""
    if predictions.object_maps is None:
        return None
    return checked_maps(predictions.object_maps, count, "object_maps")
