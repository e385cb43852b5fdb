"""What a paper's method is, and all that the loop, the predictor and the report may know of it.

A method is one file `pipeline/methods/<name>.py` with one class, `METHOD`, imported by name when it
is asked for, so a new one touches no other file. The loop knows inputs, views, features and named
losses; it may cut a batch over ranks, cache gradients, compile and autocast `encode`, kill and
resume, and a method that keeps to this page is exact under all of them: every random number comes
from the `Dice` of a step, and what a run carries along (momentum copies, frozen networks) is part
of the module.
"""

import reprlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.clips.flow import FlowForm
from pipeline.clips.sound_form import SoundForm
from pipeline.errors import InputError

# What a view is encoded into: one tensor, or several where a method has several spaces.
Features: TypeAlias = Tensor | tuple[Tensor, ...]


@dataclass(frozen=True)
class Input:
    """Something stored that a method wants of each clip of a batch.

    `part`: the clip's `frame`, the optical `flow` from it to the next, stored in the form `flow`,
    or a window of its `sound` in the method's form; or its `kin`: which clips of the batch are
    among its `k` nearest or have it among theirs. `of`: the clip itself (`own`), one of its `k`
    nearest in image or in sound space, drawn anew each epoch, or any other clip of the training
    list. `window`: the sound's `middle`, or at a `random` place. `seconds`: the window's length,
    the method's own by default.
    """

    part: Literal["frame", "sound", "flow", "kin"]
    of: Literal["own", "image_neighbour", "sound_neighbour", "other"] = "own"
    window: Literal["middle", "random"] = "middle"
    k: int = 0
    seconds: float | None = None
    flow: FlowForm = "bytes"


class View(NamedTuple):
    """What goes through a network: `input` (b, ...), of the `modality` 'frame', 'sound' or 'flow';
    or 'kin', which `encode` hands on as it is.

    `noise` (b, ...) are random numbers that encoding uses (of a dropout, say), drawn with the view,
    so that encoding it twice is encoding it once. With `momentum` the momentum copies encode it,
    without a gradient."""

    modality: str
    input: Tensor
    noise: Tensor | None = None
    momentum: bool = False


class Moment(NamedTuple):
    """Where a run stands: step (from 0) of steps, epoch (from 0) of epochs."""

    step: int
    steps: int
    epoch: int
    epochs: int


class OwnTest(NamedTuple):
    """How a method's own published code scores maps, in the words of the benchmarks' `OwnForm`,
    whose fields these are: `resize` to 224 px, the `threshold` (median, or half of the range) and
    whether it is `inclusive`; the map's `share` in object-guided localization, None where the code
    has none, and whether both maps are `scaled` by min-max before."""

    resize: str = "half-pixel"
    threshold: Literal["median", "half"] = "median"
    inclusive: bool = False
    share: float | None = None
    scaled: bool = True


def own_form_entry(form: OwnTest | None) -> dict[str, Any]:
    """The entry `test_form` of a run's run.json, by which a report tells the form; none where a
    method has no form of its own."""
    return {} if form is None else {"test_form": form._asdict()}


class Dice:
    """The random numbers of one step: functions of (seed, step, name) alone, drawn for the whole
    batch, of which a rank takes its part. `epoch`, from 0, is the step's, for views that are not
    the same from the first epoch to the last."""

    def __init__(self, seed: int, step: int, rank: int = 0, ranks: int = 1, epoch: int = 0) -> None:
        self.seed, self.step, self.rank, self.ranks = seed, step, rank, ranks
        self.epoch = epoch

    def generator(self, name: str = "") -> torch.Generator:
        """A generator of the step's own, one for each name."""
        words = [self.seed, self.step, *name.encode()]
        mixed = np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> np.uint64(1)
        return torch.Generator().manual_seed(int(mixed))

    def part(self, whole: Tensor) -> Tensor:
        """This rank's part of numbers of the whole batch, (b x ranks, ...) to (b, ...)."""
        return whole.chunk(self.ranks)[self.rank] if self.ranks > 1 else whole

    def uniform(self, name: str, clips: int, *shape: int) -> Tensor:
        """Numbers in [0, 1) for this rank's `clips` clips: (clips, *shape) float32, CPU."""
        whole = torch.rand(clips * self.ranks, *shape, generator=self.generator(name))
        return self.part(whole)


class Method(nn.Module, ABC):
    """A method: its networks, what it learns by, and what it says of a frame and a sound."""

    # Dataclass of the settings, with defaults; `<settings>.methods.<name>` of params.yaml. It holds
    # `side`, the frame's in pixels, and `seconds`, the sound's window.
    Settings: ClassVar[type[Any]]
    # Names of the parts whose sum is the loss: columns of the history.
    parts: ClassVar[tuple[str, ...]] = ("contrastive",)
    # The values that a map's cells can take; confidences are made of them.
    map_range: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    # How its own code scores, None where that is as the benchmarks do, or unknown.
    test_form: ClassVar[OwnTest | None] = None
    # The paper of the method, as a table names it.
    title: ClassVar[str] = ""

    def __init__(self, settings: Any, form: SoundForm) -> None:
        """`form` is that of the spectrograms that the method hears. A subclass takes further
        `seed`, from which every weight is drawn whatever torch's global generator did before, and
        `start`, the entries of an ImageNet network by torchvision's names, None where the settings
        ask for none, and, where its settings have a `sound_model`, `sound_start`, the entries of
        that file."""
        super().__init__()
        self.settings, self.form = settings, form

    @property
    def side(self) -> int:
        """The frame's side in pixels."""
        return int(self.settings.side)

    @property
    def steps(self) -> int:
        """The time steps of the sound's window."""
        return self.form.steps(self.settings.seconds)

    @property
    def flow_form(self) -> FlowForm | None:
        """The form of optical flow that the method asks for beside a frame, None for none."""
        return next((w.flow for w in self.inputs().values() if w.part == "flow"), None)

    # -- while training

    @abstractmethod
    def inputs(self) -> Mapping[str, Input]:
        """What the loop has to bring for a batch, by names of the method's choice."""

    @abstractmethod
    def views(self, inputs: Mapping[str, Any], dice: Dice) -> dict[str, View]:
        """Stored bytes on the device to the networks' inputs: a function of both alone, and of no
        weight that is learned, since the loop makes a step's views while the one before is at work.

        inputs: for a frame (b, height, width, 3) uint8, for a sound (b, steps, bins) float16, for
        a flow (b, height, width, 2), right and down, in pixels of the video: uint8 in the form
        "bytes", float16 in the form "signed". Where the training keeps their aspect, frames and
        flows are `pipeline.clips.frames.Frames` (all of `pipeline.clips.views` takes both)."""

    @abstractmethod
    def encode(self, view: View) -> Features:
        """One view's features; a function of the weights and the view alone. The loop may call it
        twice, compile it and run it in lower precision."""

    @abstractmethod
    def loss(
        self, features: Mapping[str, Features], dice: Dice, moment: Moment
    ) -> dict[str, Tensor]:
        """The loss's `parts` by name, each the mean over this rank's clips; their sum is minimised.
        Negatives of other ranks come by `pipeline.networks.ranks.gather`."""

    def before_step(self, moment: Moment) -> None:
        """What happens before a step's views are encoded: momentum copies follow here."""

    def parameter_groups(self, rate: float) -> list[dict[str, Any]]:
        """What the optimiser learns, with a rate for each group."""
        return [{"params": [p for p in self.parameters() if p.requires_grad], "lr": rate}]

    # -- when asked

    @abstractmethod
    def frame_features(self, frames: Tensor) -> Features:
        """Features of stored frames, (B, height, width, 3) uint8 RGB, of any size; where the method
        asks for flow, of frames in which nothing moves."""

    def moving_features(self, frames: Tensor, flow: Tensor) -> Features:
        """Features of stored frames, of any size, and of the optical flow stored beside each,
        (B, height, width, 2); of a method that asks for flow, which says so by its `inputs`."""
        raise TypeError(f"{method_name(self)} asks for no optical flow")

    @abstractmethod
    def sound_features(self, sounds: Tensor) -> Features:
        """Features of windows of log-spectrograms, (B, steps, bins), as the form makes them."""

    @abstractmethod
    def maps(self, v: Features, a: Features) -> Tensor:
        """The localization map of each pair: n frames' and n sounds' features to (n, h, w) float32
        in `map_range`, higher where it sounds."""

    @abstractmethod
    def similarities(self, v: Features, a: Features) -> dict[str, Tensor]:
        """Every frame against every sound, (n, m) float32, by name, the method's default first."""

    def vectors(self, modality: Literal["frame", "sound"], features: Features) -> dict[str, Tensor]:
        """Of those similarities that are inner products of a frame's vector and a sound's, by name:
        the vectors, (n, d) float32, of the features of n frames or of n sounds. None for a method
        that compares a frame and a sound in another way."""
        return {}

    @abstractmethod
    def map_size(self) -> tuple[int, int]:
        """(h, w) of the maps."""

    @classmethod
    def label(cls, settings: Any) -> str:
        """In a few words what tells the variant with these settings apart, for a table's row."""
        return ""

    @classmethod
    def read_published(
        cls, state: Mapping[str, Tensor], settings: Any, form: SoundForm, name: str
    ) -> tuple["Method", list[str]]:
        """The method of its authors' weight file, in evaluation mode, and the names of the entries
        that have no use here. `state` is what `pipeline.networks.weights.read_state` gives, `name`
        the file's, for errors. Raises `InputError` where a layer is missing or does not fit, and
        where no file of this method was published."""
        raise InputError(f"{name}: no weight file of this method is published, expected our own")

    @classmethod
    def is_published(cls, state: Mapping[str, Tensor]) -> bool:
        """Whether these entries are those of a weight file of its authors, as far as names and
        dimensions tell. Methods of the same networks share them; where no file is published, none
        are."""
        return False


def method_names() -> list[str]:
    """The names of all methods that have a file here, in order."""
    folder = Path(__file__).parent
    return sorted(p.stem for p in folder.glob("*.py") if p.stem not in ("__init__", "contract"))


def load_method(name: str) -> type[Method]:
    """The class of the method in `pipeline/methods/<name>.py`. Raises `InputError` for a name that
    has no such file, with those that have one."""
    known = method_names()
    if name not in known:
        raise InputError(f"method {reprlib.repr(name)}: expected one of {', '.join(known)}")
    found: type[Method] = import_module(f"pipeline.methods.{name}").METHOD
    return found


def method_name(method: Method) -> str:
    """The name of a method's file."""
    return type(method).__module__.rsplit(".", 1)[-1]


def select(features: Features, places: Tensor) -> Features:
    """The features of the clips at `places`."""
    if isinstance(features, Tensor):
        return features[places]
    return tuple(part[places] for part in features)


def join(features: Sequence[Features]) -> Features:
    """The features of several batches, one behind the other."""
    if isinstance(features[0], Tensor):
        return torch.cat([part for part in features if isinstance(part, Tensor)])
    return tuple(torch.cat(parts) for parts in zip(*features, strict=True))


def expand(features: Features, count: int) -> Features:
    """The features of a single clip, as often as wanted, without a copy."""
    if isinstance(features, Tensor):
        return features.expand(count, *features.shape[1:])
    return tuple(part.expand(count, *part.shape[1:]) for part in features)
