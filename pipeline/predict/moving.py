"""A localizer asked about every tenth of a second of a clip.

The sound's window is centred on the moment, as far as the sound goes: nearer to an end than half a
window, the first or the last window is what the localizer hears. Frames go to the network's side by
FFmpeg's scaler instead of Pillow's, six times as fast and different by a few levels.
"""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import torch
from av.video.reformatter import VideoReformatter
from torch import Tensor

from pipeline.clips.decoded import DecodedCorpus
from pipeline.clips.flow import DTYPES, FlowForm
from pipeline.clips.windows import moment_starts, moving_windows, sound_window, windows_at
from pipeline.errors import InputError
from pipeline.media.errors import MediaError
from pipeline.media.file import read_sound
from pipeline.media.flow import stored_flow
from pipeline.media.picture_file import PICTURE_FILES
from pipeline.media.playback import play_picture
from pipeline.methods.contract import Features, Method, expand
from pipeline.networks.device import best_device
from pipeline.predict.media import PALEST, SILENT_POWER, picture_of
from pipeline.predict.predictor import synthetic_sounds
from pipeline.predict.sights import Sight, sight_features, stored_sight
from pipeline.predict.sureness import strength

INTERVAL = 0.1  # s between maps
_BATCH = 32
_DELAY = 0.1  # s; by this much a clip's sound may end earlier only because of its codec


@dataclass(frozen=True)
class Moving:
    """Raw maps (T, h, w) float32, map i that of the moment (i + 0.5) x `INTERVAL`; the length of
    the clip in s and how many frames its picture has, 0 for a picture file. `margins` (T,) float32:
    by how much each map's largest value is above those of its picture under silence and under
    noise. `silent` (T,) bool: whether nothing is to be heard around the moment."""

    maps: np.ndarray
    seconds: float
    frames: int
    margins: np.ndarray
    silent: np.ndarray

    @property
    def strengths(self) -> np.ndarray:
        """How strongly each map is to be drawn, (T,) float64, `PALEST` to 1: 0 where nothing is
        heard."""
        return np.where(self.silent, 0.0, np.maximum(PALEST, strength(self.margins)))


@torch.inference_mode()
def localize_moving(method: Method, picture: Path, sound: Path) -> Moving:
    """The maps of a clip: the frames of `picture` under the sound of `sound` around them, on the
    GPU where there is one.

    It lasts as long as the picture, or as the sound where the picture is a still one; a sound that
    is shorter is followed by silence. Raises `InputError` naming the file that has no picture or
    sound, or cannot be decoded.
    """
    rate = method.form.sample_rate
    try:
        heard = read_sound(sound, sample_rate=rate, seconds_limit=float("inf")).samples
    except MediaError as error:
        raise InputError(f"{sound}: {error}") from None
    asked = _Asked(method)
    method = asked.method
    if picture.suffix.lower() in PICTURE_FILES:
        seconds, count = len(heard) / rate, 0
        still = Sight(picture_of(picture, method.side).frame)
        moments = max(1, round(seconds / INTERVAL))
        v = sight_features(method, [still], asked.device)
        parts = []
        for first in range(0, moments, _BATCH):
            number = min(_BATCH, moments - first)
            parts.append(asked.maps(expand(v, number), heard, seconds, first, number))
    else:
        collector = _Moments(method.side, method.flow_form)
        try:
            parts = list(_played(asked, collector.batches(picture), collector, heard))
        except MediaError as error:
            raise InputError(f"{picture}: {error}") from None
        seconds, count = collector.seconds, collector.frames
    maps, margins = (torch.cat(part).numpy() for part in zip(*parts, strict=True))
    silent = _silent_moments(heard, len(maps), rate, method.form.seconds(method.steps))
    return Moving(maps, seconds, count, margins, silent)


class _Asked:
    """A method on the device, with the features of silence and of noise."""

    def __init__(self, method: Method) -> None:
        self.device = best_device()
        self.method = method.to(self.device).eval()
        made = (torch.from_numpy(sound[None]).float() for sound in synthetic_sounds(method))
        self.synthetic = [self.method.sound_features(one.to(self.device)) for one in made]

    def maps(
        self, v: Features, heard: np.ndarray, seconds: float, first: int, number: int
    ) -> tuple[Tensor, Tensor]:
        """The maps of the features `v` of `number` frames, at the moments from `first` on, and
        their margins; on the CPU."""
        form, steps = self.method.form, self.method.steps
        windows = moving_windows(
            heard, seconds, number, form, steps, first=first, interval=INTERVAL
        )
        own = self.method.maps(v, self.method.sound_features(windows.to(self.device)))
        silence, noise = (self.method.maps(v, expand(one, number)) for one in self.synthetic)
        nothing = torch.maximum(silence.amax(dim=(1, 2)), noise.amax(dim=(1, 2)))
        return own.cpu(), (own.amax(dim=(1, 2)) - nothing).cpu()


def _silent_moments(heard: np.ndarray, moments: int, rate: int, window: float) -> np.ndarray:
    """Whether the `window` s of a sound around each moment are silent, as far as the sound goes:
    (moments,) bool. Silence follows where the sound ends."""
    bins = max(moments, math.ceil(len(heard) / (INTERVAL * rate)))
    edges = [min(len(heard), round(n * INTERVAL * rate)) for n in range(bins + 1)]
    parts = (heard[begin:end] for begin, end in pairwise(edges))
    energy = np.cumsum([0.0, *(float(np.dot(part, part)) for part in parts)])
    wide = min(bins, max(1, round(window / INTERVAL)))
    first = np.clip(np.arange(moments) - wide // 2, 0, bins - wide)
    return energy[first + wide] - energy[first] < SILENT_POWER * wide * INTERVAL * rate


def _played(
    asked: _Asked,
    batches: Iterator[list[Sight]],
    collector: "_Moments",
    heard: np.ndarray,
) -> Iterator[tuple[Tensor, Tensor]]:
    """The maps and margins of each batch of pictures as soon as the sound around it is certain, so
    that no more features are kept than a window is long."""
    first = 0
    waiting: deque[tuple[int, Features]] = deque()
    for batch in batches:
        waiting.append((len(batch), sight_features(asked.method, batch, asked.device)))
        # Whether silence follows a sound that has ended is known when the picture goes on.
        certain = collector.seconds - _DELAY - asked.method.form.seconds(asked.method.steps)
        while waiting and (first + waiting[0][0]) * INTERVAL < certain:
            number, v = waiting.popleft()
            yield asked.maps(v, heard, collector.seconds, first, number)
            first += number
    for number, v in waiting:
        yield asked.maps(v, heard, collector.seconds, first, number)
        first += number


@torch.inference_mode()
def localize_stored(
    method: Method,
    corpus: DecodedCorpus,
    frame_clip: str,
    sound_clip: str,
    longest: float = math.inf,
) -> np.ndarray:
    """The maps (T, h, w) float32 of one frame of a corpus under one of its sounds, every
    `INTERVAL`; of a sound longer than `longest` s under its middle, as `read_sound` cuts it.
    Raises `InputError` for a clip that the corpus lacks or that has no such part."""
    form = method.form
    picture, sound = corpus.row(frame_clip), corpus.row(sound_clip)
    for clip, present, part in (
        (frame_clip, corpus.has_frame(picture), "picture"),
        (sound_clip, corpus.has_sound(sound), "sound"),
    ):
        if not present:
            raise InputError(f"{corpus.folder}: clip {clip} has no {part}")
    length = corpus.sound_length(sound)
    if stored_seconds(corpus, sound_clip) > longest:
        length = form.steps(longest)
    length = max(length, method.steps)
    whole = torch.from_numpy(sound_window(corpus, sound, length).copy())
    moments = max(1, round(form.seconds(length) / INTERVAL))
    starts = moment_starts(0, moments, length, form, method.steps, INTERVAL)
    v = sight_features(method.eval(), [stored_sight(method, corpus, picture)])
    maps = []
    for part in starts.split(_BATCH):
        a = method.sound_features(windows_at(whole, part, method.steps))
        maps.append(method.maps(expand(v, len(part)), a))
    return torch.cat(maps).numpy()


def stored_seconds(corpus: DecodedCorpus, clip_id: str) -> float:
    """How much of a clip's sound the corpus holds, up to one step more."""
    return corpus.form.seconds(corpus.sound_length(corpus.row(clip_id)) + 1)


class _Moments:
    """What a clip shows at its moments: pictures (side, side, 3) uint8 and, in a `form`, their flow
    to the frame that follows."""

    def __init__(self, side: int, form: FlowForm | None) -> None:
        self.side, self.form = side, form
        self._scaler = VideoReformatter()  # one, which keeps its filters and threads
        self.frames, self.seconds = 0, 0.0

    def batches(self, path: Path) -> Iterator[list[Sight]]:
        """The pictures in order; when all are given, `frames` and `seconds` are the clip's."""
        batch: list[Sight] = []
        previous, seen, moments = None, None, 0
        for self.seconds, frame in play_picture(path):
            self.frames += 1
            # A clip shorter than one interval still has its first moment.
            while previous is not None and (moments + 0.5) * INTERVAL < self.seconds:
                if seen is None:
                    picture = self._scaler.reformat(
                        previous, self.side, self.side, format="rgb24", interpolation="BICUBIC"
                    ).to_ndarray()
                    seen = Sight(picture, self._flow(previous, frame))
                batch.append(seen)
                moments += 1
                if len(batch) == _BATCH:
                    yield batch
                    batch = []
            previous, seen = frame, None
        self.frames -= 1  # the last entry repeats the last frame
        if not moments and previous is not None:
            picture = previous.reformat(self.side, self.side, format="rgb24").to_ndarray()
            batch.append(Sight(picture, self._flow(previous, previous)))
        if batch:
            yield batch

    def _flow(self, frame: av.VideoFrame, following: av.VideoFrame) -> np.ndarray | None:
        """From a frame to the one that follows; none where the size changes between the two."""
        if self.form is None:
            return None
        pair = frame.to_image(), following.to_image()
        if pair[0].size != pair[1].size:
            return np.zeros((self.side, self.side, 2), DTYPES[self.form])
        return stored_flow(pair, signed=self.form == "signed", side=self.side)
