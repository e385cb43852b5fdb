"""A clip, and beside it the same with its heat map moving over it, as H.264 and AAC in one file.

Frames are encoded in a thread of their own while the next is drawn: a fifth less time on two cores.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream
from PIL import Image, ImageOps

from pipeline.base.files import atomic_file
from pipeline.errors import InputError
from pipeline.execution.progress import track
from pipeline.media.errors import MediaError
from pipeline.media.picture_file import PICTURE_FILES
from pipeline.media.playback import play_picture, play_sound
from pipeline.report.film_canvas import Canvas

T = TypeVar("T")

FILMS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}  # endings, and formats

_CLOCK = Fraction(1, 90000)
_SHORTEST = 1 / 61  # s; of more than 60 frames a second some are left out
_LARGEST = 8192  # pixels of a side; what decoders take
_WAITING = 4  # frames drawn and not yet encoded
_SOUND_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)  # of AAC


def draw_film(
    path: Path,
    picture: Path,
    sound: Path,
    maps: np.ndarray,
    *,
    interval: float,
    frames: int,
    height: int = 480,
    strengths: np.ndarray | None = None,
    lines: Sequence[Sequence[str]] | None = None,
) -> None:
    """Write `picture`, beside it the same with `maps` over it, and the sound of `sound` to `path`,
    whose ending is one of `FILMS`.

    `maps` (T, h, w) float32 are raw; map i belongs to the moment (i + 0.5) x `interval` s, and
    between moments they are blended. `strengths` (T,), 0 to 1, say how strongly each is drawn (all
    wholly where None), `lines` what stands below the pictures then. `frames` is the number of the
    picture's frames; for a picture file one frame is written for each map. `height` is that of the
    picture in the film in pixels, even.
    The file appears when it is whole. Raises `InputError` naming a file that cannot be decoded, or
    the picture where the film would be too large.
    """
    still = picture.suffix.lower() in PICTURE_FILES
    shown = _still(picture, len(maps), interval) if still else play_picture(picture)
    total = 1 + (len(maps) if still else frames)
    steady = np.ones(len(maps)) if strengths is None else strengths
    said = [[""]] * len(maps) if lines is None else lines
    with (
        atomic_file(path) as file,
        av.open(file, "w", format=FILMS[path.suffix.lower()]) as container,
        _Writer(container) as writer,
    ):
        pictures: _Pictures | None = None
        heard: _Sound | None = None
        last, end = -1.0, 0.0
        for end, frame in track(_named(shown, picture), "draw", total):
            if pictures is None or heard is None:
                size = 2 * max(1, round(height * frame.width / frame.height / 2)), height
                if 2 * max(size) + max(size) // 40 > _LARGEST:
                    raise InputError(
                        f"{picture}: {frame.width} x {frame.height} pixels make a film of two "
                        f"pictures of {size[0]} x {size[1]}, expected at most {_LARGEST} a side"
                    )
                canvas = Canvas(maps, steady, said, size, _matrix(frame))
                pictures = _Pictures(container, writer, canvas)
                heard = _Sound(container, writer, _named(play_sound(sound), sound))
            if end - last >= _SHORTEST:
                pictures.write(frame, end, end / interval - 0.5)
                last = end
            heard.write_until(end)
        if pictures is not None and heard is not None:
            pictures.close()
            heard.close()


def _matrix(first: av.VideoFrame) -> Colorspace:
    """How a clip's colours are coded; what does not say so is taken as players take it, by its
    size."""
    fine = first.height >= 720 and first.colorspace == 2
    return Colorspace.ITU709 if first.colorspace == 1 or fine else Colorspace.ITU601


class _Writer:
    """Encodes frames and writes them to a container, in the order in which they come, in a thread
    that has the container to itself once the first frame is there."""

    def __init__(self, container: OutputContainer) -> None:
        self.container = container
        self.thread = ThreadPoolExecutor(1)
        self.waiting: deque[Future[None]] = deque()

    def write(
        self, stream: VideoStream | AudioStream, frame: av.VideoFrame | av.AudioFrame | None
    ) -> None:
        """Take a frame of a stream, None for what its codec still holds; waits while too many are
        not done. What went wrong with one before is raised here."""
        self.waiting.append(self.thread.submit(self._write, stream, frame))
        if len(self.waiting) > _WAITING:
            self.waiting.popleft().result()

    def _write(self, stream: Any, frame: Any) -> None:
        self.container.mux(stream.encode(frame))

    def __enter__(self) -> "_Writer":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.thread.shutdown(cancel_futures=kind is not None)
        if kind is None:
            for done in self.waiting:
                done.result()


class _Pictures:
    """The video stream and the canvas of its frames."""

    def __init__(self, container: OutputContainer, writer: _Writer, canvas: Canvas) -> None:
        self.writer, self.canvas = writer, canvas
        self.stream = container.add_stream("libx264", rate=30, options={"preset": "veryfast"})
        self.stream.width, self.stream.height = canvas.full
        self.stream.pix_fmt = "yuv420p"
        codec = self.stream.codec_context
        codec.time_base = _CLOCK
        codec.colorspace = 1 if canvas.matrix == Colorspace.ITU709 else 6
        codec.color_primaries = codec.color_trc = codec.colorspace
        codec.color_range = ColorRange.MPEG

    def write(self, frame: av.VideoFrame, time: float, moment: float) -> None:
        """Encode a frame, shown at `time` s, with the map of a moment between two of the maps."""
        drawn = self.canvas.draw(frame, moment)
        drawn.pts, drawn.time_base = round(time / _CLOCK), _CLOCK
        self.writer.write(self.stream, drawn)

    def close(self) -> None:
        """Encode what the codec still holds."""
        self.writer.write(self.stream, None)


class _Sound:
    """The sound stream, encoded as far as the picture has come."""

    def __init__(
        self, container: OutputContainer, writer: _Writer, frames: Iterator[av.AudioFrame]
    ) -> None:
        self.writer, self.frames = writer, frames
        self.time = 0.0
        self.next = next(frames, None)
        rate, channels = (
            (self.next.sample_rate, self.next.layout.nb_channels) if self.next else (48000, 1)
        )
        rate = min((r for r in _SOUND_RATES if r >= rate), default=_SOUND_RATES[-1])
        layout = "mono" if channels == 1 else "stereo"
        self.stream = container.add_stream("aac", rate=rate, layout=layout)
        self.resampler = av.AudioResampler("fltp", layout, rate, frame_size=1024)

    def write_until(self, time: float) -> None:
        """Encode the sound up to `time` s."""
        while self.next is not None and self.time < time:
            if self.next.time is not None:
                self.time = self.next.time
            self._encode(self.next)
            self.time += self.next.samples / self.next.sample_rate
            self.next = next(self.frames, None)

    def close(self) -> None:
        """Encode what the resampler and the codec still hold."""
        self._encode(None)
        self.writer.write(self.stream, None)

    def _encode(self, frame: av.AudioFrame | None) -> None:
        for part in self.resampler.resample(frame):
            self.writer.write(self.stream, part)


def _still(path: Path, count: int, interval: float) -> Iterator[tuple[float, av.VideoFrame]]:
    """A picture file as the frames of a clip, one for each map, and its end."""
    with Image.open(path) as image:
        upright = ImageOps.exif_transpose(image).convert("RGB")
    frame = av.VideoFrame.from_ndarray(np.asarray(upright), format="rgb24")
    for number in range(count + 1):
        yield number * interval, frame


def _named(items: Iterator[T], path: Path) -> Iterator[T]:
    """`items`, whose `MediaError` becomes an `InputError` that names the file."""
    try:
        yield from items
    except MediaError as error:
        raise InputError(f"{path}: {error}") from None
