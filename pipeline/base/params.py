"""params.yaml as typed, checked values; a wrong key or value is named with its path.

A stage asks for each key that it needs (`Parameters.read`), and what it asked for is kept
(`Parameters.keys`), so that a test can hold what a stage reads against what dvc.yaml declares.
That is why the sections are read one by one and never as a whole file.
"""

import reprlib
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml

from pipeline.errors import InputError

T = TypeVar("T")

# What is found may be anything of any size; aliases make a short file's repr endless.
_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = 80
_REPR.maxlevel = 2
_shown = _REPR.repr


@dataclass(frozen=True)
class Range:
    """The closed range that a number must lie in."""

    low: float
    high: float = float("inf")

    def __str__(self) -> str:
        return f">= {self.low:g}" if self.high == float("inf") else f"{self.low:g} to {self.high:g}"


Count = Annotated[int, Range(1)]
Natural = Annotated[int, Range(0)]
Share = Annotated[float, Range(0, 1)]
Positive = Annotated[float, Range(1e-12)]
Names = list[str]


@dataclass(frozen=True)
class Toy:
    """How the toy corpus is made: clips a list, native size in pixels, seconds of a clip."""

    seed: Natural
    train: Count
    validation: Count
    test: Count
    labelled: Count
    width: Annotated[int, Range(16)]
    height: Annotated[int, Range(16)]
    seconds: Positive


@dataclass(frozen=True)
class Decode:
    """Frames and log-spectrograms (4.1): see `pipeline.decode.corpus.decode_corpus`."""

    side: Count
    seconds: Positive
    max_seconds: Positive
    sample_rate: Count
    window: Count
    hop: Count
    bands: Natural
    shards: Count
    seconds_limit: Positive
    max_reject_share: Share

    def __post_init__(self) -> None:
        if self.max_seconds < self.seconds:
            raise InputError(
                f"max_seconds is {self.max_seconds:g}, expected at least seconds, {self.seconds:g}"
            )
        if self.hop > self.window:
            raise InputError(f"hop is {self.hop}, expected at most window, {self.window}")
        if self.bands > self.window // 2:
            raise InputError(
                f"bands is {self.bands}, expected at most window // 2, {self.window // 2}"
            )


@dataclass(frozen=True)
class Encoders:
    """The toy's labelled encoders: see `pipeline.toy.encoders`."""

    seed: Natural
    image_epochs: Count
    audio_epochs: Count
    threads: Count


@dataclass(frozen=True)
class Embed:
    """Off-the-shelf features (3.3): the timm model, its input side, the seconds of sound used."""

    image_model: str
    side: Count
    sound_seconds: Positive
    batch: Count
    threads: Count


@dataclass(frozen=True)
class Neighbours:
    """Top-k search (3.3): `index` is exact, or approximate for corpora too large for it; `effort`
    is then what `pipeline.neighbours.search` says. The rest says which listed clips are left out of
    the training: see `pipeline.neighbours.training_list`."""

    k: Count
    index: Literal["exact", "ivf", "hnsw"]
    effort: Count | None
    threads: Count
    exclude_test_clips: bool
    leave_out_silent: bool
    leave_out_still: bool
    leave_out_duplicates: bool
    shortest_seconds: Annotated[float, Range(0)]


@dataclass(frozen=True)
class Network:
    """The two ResNets (4.1): blocks, channels and stride of each stage; depth of p_v and p_a."""

    blocks: list[Count]
    channels: list[Count]
    strides: list[Count]
    projection_layers: Count

    def __post_init__(self) -> None:
        if not len(self.blocks) == len(self.channels) == len(self.strides) > 0:
            raise InputError(
                f"blocks, channels and strides hold {len(self.blocks)}, {len(self.channels)} and "
                f"{len(self.strides)} stages, expected the same number"
            )


@dataclass(frozen=True)
class Train:
    """The localizer's training (3.2 to 3.4, 4.1): see `pipeline.train.loop.train`."""

    seed: Natural
    network: Network
    input_side: Count
    window_seconds: Positive
    pooling: Literal["mean", "top", "softmax", "max", "trimap"]
    pooling_share: Annotated[float, Range(1e-6, 1)]
    pooling_temperature: Positive
    semantic: bool
    multi_view: bool
    feature_alignment: bool
    symmetric: bool
    k: Count
    temperature: Positive
    simclr_strength: Annotated[float, Range(0, 1.25)]
    simclr_smallest_crop: Annotated[float, Range(0.01, 1)]
    epochs: Count
    batch: Annotated[int, Range(2)]
    learning_rate: Positive
    schedule: Literal["constant", "one-cycle"]
    precision: Literal["float32", "bfloat16", "float16"]
    channels_last: bool
    compile: bool
    cache_gradients: bool
    sync_batch_norm: bool
    workers: Natural
    threads: Count


@dataclass(frozen=True)
class Evaluate:
    """How a localizer is scored: seed of the baselines, batch size of the network."""

    seed: Natural
    batch: Count
    threads: Count


@dataclass(frozen=True)
class Execution:
    """Where decode and embed run: see `pipeline.execution.ray`. No result depends on it, so no
    stage declares it."""

    engine: Literal["local", "ray"]
    address: str | None


@dataclass(frozen=True)
class ToyItem:
    """A toy corpus to make; `section` is the key of its settings."""

    section: str
    encoders: str


@dataclass(frozen=True)
class CorpusItem:
    """A corpus on disk: its layout, its folder, the key of its settings and what differs."""

    reader: str
    root: str
    decode: str
    override: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class EmbeddingItem:
    """Features of a corpus: the folder with the encoders' weight files, the key of the settings."""

    corpus: str
    weights: str
    embed: str


@dataclass(frozen=True)
class SearchItem:
    """A neighbour search among the clips of one training list of an embedded corpus; the lists in
    `annotations` say which of its clips are a benchmark's."""

    corpus: str
    list: str
    annotations: str
    neighbours: str


@dataclass(frozen=True)
class RunItem:
    """A training run: its corpus and neighbours, the key of its settings and what differs."""

    corpus: str
    search: str
    train: str
    override: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PublishedItem:
    """Somebody's localizer file in place of a training: the list that it was trained on, the corpus
    that says how its sounds are decoded, and the key of what else it is fed (`train`'s). A file
    that has p_v and p_a names them nowhere, so `projections` may."""

    corpus: str
    weights: str
    list: str
    train: str
    override: dict[str, Any] = field(default_factory=dict)
    projections: Names | None = None

    def __post_init__(self) -> None:
        if self.projections is not None and len(self.projections) != 2:
            raise InputError(
                f"projections: found {self.projections}, expected p_v's and p_a's name"
            )


@dataclass(frozen=True)
class Ground:
    """What a benchmark stands on: corpus, its folder (for masks), annotations, OGL's encoder."""

    corpus: str
    root: str
    annotations: str
    weights: str
    embed: str
    evaluate: str


@dataclass(frozen=True)
class EvaluationItem:
    """A run on a benchmark."""

    run: str
    benchmark: str
    ground: Ground


@dataclass(frozen=True)
class Study:
    """What one `dvc repro` makes: the matrix of each stage."""

    toys: dict[str, ToyItem]
    corpora: dict[str, CorpusItem]
    embeddings: dict[str, EmbeddingItem]
    searches: dict[str, SearchItem]
    runs: dict[str, RunItem]
    published: dict[str, PublishedItem]
    evaluations: dict[str, EvaluationItem]


# The C parser, where YAML was built with it, reads params.yaml several times as fast.
class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """As safe as YAML's own, which takes the last of two equal keys and says nothing."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key.value!r} is given twice", key.start_mark
                )
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


class Parameters:
    """The parameter file, read key by key."""

    def __init__(self, path: Path = Path("params.yaml")) -> None:
        """Load `path`. Raises `InputError` where it is missing or not YAML."""
        self.path = path
        self.keys: list[str] = []
        try:
            self._content = yaml.load(path.read_text(encoding="utf-8-sig"), _Loader)
        except FileNotFoundError:
            raise InputError(f"{path}: not found; run avloc in the project's folder") from None
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}") from error
        # ValueError: a date or a number that YAML's form allows and Python's does not.
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            found = " ".join(str(error).split())
            raise InputError(f"{path}: expected YAML, found: {found}") from error

    def read(self, key: str, kind: type[T], override: Mapping[str, Any] | None = None) -> T:
        """The value at the dotted `key` as a `kind`, with `override` put over its entries.

        Raises `InputError` with the full path of the first missing, unknown or wrong entry.
        """
        value = self._content
        for done, part in enumerate(key.split(".")):
            if not isinstance(value, Mapping) or part not in value:
                above = ".".join(key.split(".")[:done]) or "the file"
                known = ", ".join(map(str, value)) if isinstance(value, Mapping) else _shown(value)
                raise InputError(f"{self.path}: {key}: not found; {above} holds: {known}")
            value = value[part]
        self.keys.append(key)
        if override:
            value = _merged(value, override)
        return _bound(kind, value, f"{self.path}: {key}")

    def studies(self) -> list[Study]:
        """The active study, and then all of them; raises as `read` does."""
        return [self.read("active", Study), *self.read("studies", dict[str, Study]).values()]


def _merged(value: Any, override: Mapping[str, Any]) -> Any:
    """`value` with the entries of `override` in place of its own, mappings entry by entry."""
    if not isinstance(value, Mapping):
        return override
    merged = dict(value)
    for key, replacement in override.items():
        deeper = isinstance(replacement, Mapping)
        merged[key] = _merged(merged.get(key), replacement) if deeper else replacement
    return merged


def _bound(kind: Any, value: Any, path: str) -> Any:
    """`value` checked against the type `kind` and converted to it."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        bound = _bound(arguments[0], value, path)
        for rule in arguments[1:]:
            if isinstance(rule, Range) and not rule.low <= bound <= rule.high:
                raise InputError(f"{path}: found {_shown(value)}, expected {rule}")
        return bound
    if origin is Literal:
        if value not in arguments:
            allowed = ", ".join(arguments)
            raise InputError(f"{path}: found {_shown(value)}, expected one of {allowed}")
        return value
    if origin in (typing.Union, types.UnionType):
        return None if value is None else _bound(arguments[0], value, path)
    if origin is list:
        if not isinstance(value, list):
            raise InputError(f"{path}: found {_shown(value)}, expected a list")
        return [_bound(arguments[0], v, f"{path}[{i}]") for i, v in enumerate(value)]
    if origin is dict:
        if not isinstance(value, Mapping):
            raise InputError(f"{path}: found {_shown(value)}, expected a mapping")
        return {str(k): _bound(arguments[1], v, f"{path}.{k}") for k, v in value.items()}
    if is_dataclass(kind):
        return _bound_dataclass(kind, value, path)
    return value if kind is Any else _bound_scalar(kind, value, path)


def _bound_dataclass(kind: Any, value: Any, path: str) -> Any:
    if not isinstance(value, Mapping):
        raise InputError(f"{path}: found {_shown(value)}, expected a mapping")
    hints = typing.get_type_hints(kind, include_extras=True)
    for key in value:
        if key not in hints:
            raise InputError(f"{path}.{key}: unknown key, expected one of {', '.join(hints)}")
    entries = {}
    for entry in fields(kind):
        if entry.name in value:
            inner = f"{path}.{entry.name}"
            entries[entry.name] = _bound(hints[entry.name], value[entry.name], inner)
        elif entry.default is MISSING and entry.default_factory is MISSING:
            raise InputError(f"{path}.{entry.name}: missing")
    try:
        return kind(**entries)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _bound_scalar(kind: type, value: Any, path: str) -> Any:
    if kind is float:
        try:
            # YAML 1.1 takes 1e-4 for text, and `dvc exp run -S` writes it so.
            if not isinstance(value, bool) and isinstance(value, int | float | str):
                number = float(value)
                if number == number and abs(number) != float("inf"):
                    return number
        except (ValueError, OverflowError):
            pass  # refused below, together with every other kind of value
        raise InputError(f"{path}: found {_shown(value)}, expected a finite number")
    expected = {int: "a whole number", bool: "true or false", str: "text"}[kind]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise InputError(f"{path}: found {_shown(value)}, expected {expected}")
    return value
