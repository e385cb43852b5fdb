"""A clip with its heat map moving over it, as H.264 and AAC in an mp4 file.

Pictures are blended in the planes that the codec takes (luma, and chroma of half the size), where a
colour map is a table of 256 entries for each plane; that takes a third of the time that it takes in
RGB. Maps are scaled by the smallest and the largest value of the whole clip, not each by its own as
on a still picture, so that what is brightest was heard best of all that the clip holds. Frames are
encoded in a thread of their own while the next is drawn: a fifth less time on two cores.
"""

from collections import deque
from collections.abc import Iterator
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
from pipeline.report.heat import COLOURS, scaled

T = TypeVar("T")

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
) -> None:
    """Write `picture` with `maps` over it and the sound of `sound` to `path`, an mp4 file.

    `maps` (T, h, w) float32 are raw; map i belongs to the moment (i + 0.5) x `interval` s, and
    between moments they are blended. `frames` is the number of the picture's frames; for a picture
    file one frame is written for each map. `height` is that of the film in pixels, even.
    The file appears when it is whole. Raises `InputError` naming a file that cannot be decoded, or
    the picture where the film would be too large.
    """
    still = picture.suffix.lower() in PICTURE_FILES
    shown = _still(picture, len(maps), interval) if still else play_picture(picture)
    total = 1 + (len(maps) if still else frames)
    with (
        atomic_file(path) as file,
        av.open(file, "w", format="mp4") as container,
        _Writer(container) as writer,
    ):
        canvas: _Canvas | None = None
        heard: _Sound | None = None
        last, end = -1.0, 0.0
        for end, frame in track(_named(shown, picture), "draw", total):
            if canvas is None or heard is None:
                size = 2 * max(1, round(height * frame.width / frame.height / 2)), height
                if max(size) > _LARGEST:
                    raise InputError(
                        f"{picture}: {frame.width} x {frame.height} pixels make a film of "
                        f"{size[0]} x {size[1]}, expected at most {_LARGEST} a side"
                    )
                canvas = _Canvas(container, writer, frame, maps, size)
                heard = _Sound(container, writer, _named(play_sound(sound), sound))
            if end - last >= _SHORTEST:
                canvas.write(frame, end, end / interval - 0.5)
                last = end
            heard.write_until(end)
        if canvas is not None and heard is not None:
            canvas.close()
            heard.close()


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


class _Canvas:
    """The video stream and the tables by which maps are drawn on its frames."""

    def __init__(
        self,
        container: OutputContainer,
        writer: _Writer,
        first: av.VideoFrame,
        maps: np.ndarray,
        size: tuple[int, int],
    ) -> None:
        self.writer = writer
        self.width, self.height = size
        # What does not say how its colours are coded is taken as players take it, by its size.
        fine = first.height >= 720 and first.colorspace == 2
        self.matrix = Colorspace.ITU709 if first.colorspace == 1 or fine else Colorspace.ITU601
        self.stream = container.add_stream("libx264", rate=30, options={"preset": "veryfast"})
        self.stream.width, self.stream.height = self.width, self.height
        self.stream.pix_fmt = "yuv420p"
        codec = self.stream.codec_context
        codec.time_base = _CLOCK
        codec.colorspace = 1 if self.matrix == Colorspace.ITU709 else 6
        codec.color_primaries = codec.color_trc = codec.colorspace
        codec.color_range = ColorRange.MPEG
        self.maps = 255 * scaled(maps)
        cells = maps.shape[1], maps.shape[2]
        self.enlargements = [
            Enlargement(cells, self.height, self.width),
            Enlargement(cells, self.height // 2, self.width // 2),
        ]
        self.colours = _colour_tables(self.matrix)

    def write(self, frame: av.VideoFrame, time: float, moment: float) -> None:
        """Encode a frame, shown at `time` s, with the map of a moment between two of the maps."""
        drawn = frame.reformat(
            self.width,
            self.height,
            format="yuv420p",
            src_colorspace=self.matrix,
            dst_colorspace=self.matrix,
            interpolation="FAST_BILINEAR",
        ).to_ndarray()
        moment = min(max(moment, 0.0), len(self.maps) - 1.0)
        before = int(moment)
        after = min(before + 1, len(self.maps) - 1)
        heat = self.maps[before] + (moment - before) * (self.maps[after] - self.maps[before])
        flat, area = drawn.reshape(-1), self.height * self.width
        cells = [
            enlarge(heat).round().astype(np.uint8).reshape(-1) for enlarge in self.enlargements
        ]
        for plane, first, last in (
            (0, 0, area),
            (1, area, area * 5 // 4),
            (2, area * 5 // 4, area * 3 // 2),
        ):
            part = flat[first:last]
            level = cells[min(plane, 1)]
            mixed = part * _PICTURE[level]
            mixed += self.colours[plane][level]
            part[:] = mixed >> 8
        blended = av.VideoFrame.from_ndarray(drawn, format="yuv420p")
        blended.pts, blended.time_base = round(time / _CLOCK), _CLOCK
        self.writer.write(self.stream, blended)

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


class Enlargement:
    """Bilinear enlargement of maps (h, w) to (height, width), float32.

    Not a product of matrices: for one as small as this BLAS wakes all its threads, which then wait
    for each other on the cores that the codecs need; that took half of a film's time.
    """

    def __init__(self, cells: tuple[int, int], height: int, width: int) -> None:
        self.upper, self.lower, down = _between(cells[0], height)
        self.left, self.right, self.across = _between(cells[1], width)
        self.down = down[:, None]

    def __call__(self, heat: np.ndarray) -> np.ndarray:
        left = heat[:, self.left]
        wide = left + self.across * (heat[:, self.right] - left)
        upper, fine = wide[self.upper], wide[self.lower]
        fine -= upper
        fine *= self.down
        fine += upper
        return fine


def _between(cells: int, pixels: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each of `pixels`, the two cells that it lies between and how far it is from the first."""
    place = np.clip((np.arange(pixels) + 0.5) * cells / pixels - 0.5, 0, cells - 1)
    first = place.astype(np.intp)
    return first, np.minimum(first + 1, cells - 1), (place - first).astype(np.float32)


# How much of the picture is left under each level of a map, and of the colour over it, in 1/256.
_OPACITY = (256 * (COLOURS[:, 3] / 255)).round()
_PICTURE = (256 - _OPACITY).astype(np.uint16)


def _colour_tables(matrix: Colorspace) -> list[np.ndarray]:
    """What each of 256 levels of a map adds to the luma and the two chroma planes, in 1/256 of a
    step of the plane: three (256,) uint16."""
    red, _, blue = colours = COLOURS[:, :3].T / 255
    if matrix == Colorspace.ITU709:
        luma = np.array([0.2126, 0.7152, 0.0722]) @ colours
        chroma = (blue - luma) / 1.8556, (red - luma) / 1.5748
    else:
        luma = np.array([0.299, 0.587, 0.114]) @ colours
        chroma = (blue - luma) / 1.772, (red - luma) / 1.402
    planes = [16 + 219 * luma, *(128 + 224 * part for part in chroma)]
    return [(_OPACITY * plane + 128).astype(np.uint16) for plane in planes]
