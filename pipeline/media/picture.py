"""One frame out of a media file, or a picture file's picture."""

from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream
from PIL import Image, ImageOps, UnidentifiedImageError

from pipeline.media.container import (
    MAX_PIXELS,
    Deadline,
    Track,
    best_picture,
    opened,
    reason,
    use_one_thread,
)
from pipeline.media.errors import MediaError

PICTURE_FILES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})

# Pillow goes by content, too, and hands a script in PostScript to an interpreter that runs it.
_PICTURE_FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF")
_LOOK_BEFORE = 3  # frames before the middle that are decoded even if nothing depends on them
_STILL_LEVELS = 6  # of 255: what compression alone changes in a thumbnail of a still picture
_STILL_SAMPLES = 8


@dataclass(frozen=True)
class Picture:
    """The middle frame of a clip and what its file says about the picture.

    `frame`: (side, side, 3) uint8 RGB, squashed. `width`, `height`: pixels of the upright picture.
    `duration`: s, `frame_rate`: frames/s on average, `still`: whether nothing changes over the
    frames looked at; all three None for a picture file.
    """

    frame: np.ndarray
    width: int
    height: int
    duration: float | None
    frame_rate: float | None
    still: bool | None


def picture_of_track(path: Path, track: Track, side: int, deadline: Deadline) -> Picture:
    """The picture of the file whose video stream says `track`."""
    if not track.packets:
        raise MediaError("no picture", "the video stream holds no frame")
    # AVI stores no display times, so where packets change order they carry false ones.
    by_time = track.start is not None and track.format != "avi"
    frame, still = (_middle_by_time if by_time else _middle_by_count)(path, track, deadline)
    image = frame.to_image()
    if frame.rotation:
        image = image.rotate(frame.rotation, expand=True)
    return Picture(
        _squash(image, side),
        image.width,
        image.height,
        track.seconds,
        len(track.packets) / track.seconds if track.seconds > 0 else None,
        still,
    )


class _Stillness:
    """Whether the frames looked at all have the thumbnail of the first one."""

    def __init__(self) -> None:
        self.still = True
        self._first: np.ndarray | None = None

    def look(self, frame: av.VideoFrame) -> None:
        if not self.still:
            return
        thumbnail = frame.reformat(width=32, height=32, format="gray", interpolation="AREA")
        levels = thumbnail.to_ndarray().astype(np.int16)
        if self._first is None:
            self._first = levels
        self.still = bool(np.abs(levels - self._first).max() <= _STILL_LEVELS)

    def look_at_next(
        self, container: InputContainer, stream: VideoStream, deadline: Deadline
    ) -> None:
        """Decode one frame from where `container` stands, and look at it."""
        for packet in container.demux(stream):
            deadline.check()
            for frame in stream.decode(packet):
                self.look(frame)
                return


def _middle_by_time(path: Path, track: Track, deadline: Deadline) -> tuple[av.VideoFrame, bool]:
    """Seek to the key frame before the middle and decode on to the frame displayed there."""
    stamps = [packet.time or 0 for packet in track.packets]
    times = sorted(stamps)
    rank = bisect_right(times, times[0] + Fraction(track.length, 2)) - 1
    wanted, earliest = times[rank], times[max(0, rank - _LOOK_BEFORE)]
    place = stamps.index(wanted)
    keys = [i for i, packet in enumerate(track.packets) if packet.key]
    key = max((i for i in keys if i <= place and stamps[i] <= wanted), default=0)
    step = max(1, (place - key) // _STILL_SAMPLES)
    stillness = _Stillness()
    with opened(path) as container:
        stream = best_picture(container)
        _prepare(stream)
        if key > 0:
            stillness.look_at_next(container, stream, deadline)
            container.seek(stamps[key], stream=stream)
        met = key == 0
        seen = 0
        found: av.VideoFrame | None = None
        for packet in container.demux(stream):
            deadline.check()
            if packet.size:
                met = met or (packet.is_keyframe and packet.pts == stamps[key])
                # Stored behind the key frame but displayed before it: leans on what was before.
                if not met or (key > 0 and packet.pts is not None and packet.pts < stamps[key]):
                    continue
                near = packet.pts is None or earliest <= packet.pts <= wanted
                stream.codec_context.skip_frame = "DEFAULT" if near else "NONREF"
            for frame in stream.decode(packet):
                if frame.pts is not None and earliest <= frame.pts <= wanted:
                    found = frame
                if seen % step == 0 or found is frame:
                    stillness.look(frame)
                seen += 1
            if found is not None and (found.pts == wanted or (frame.pts or 0) > wanted):
                break
        if met and found is not None and not found.is_corrupt:
            if stillness.still and keys[-1] > place:
                container.seek(stamps[keys[-1]], stream=stream)
                stillness.look_at_next(container, stream, deadline)
            return found, stillness.still
    if not met:  # the container cannot seek to where its own packets are
        return _middle_by_count(path, track, deadline, rank)
    raise MediaError("breaks midway", "the middle frame cannot be decoded")


def _middle_by_count(
    path: Path, track: Track, deadline: Deadline, rank: int | None = None
) -> tuple[av.VideoFrame, bool]:
    """Decode from the start to frame number `rank`, by default half of the number of frames."""
    rank = len(track.packets) // 2 if rank is None else rank
    step = max(1, rank // _STILL_SAMPLES)
    stillness = _Stillness()
    with opened(path) as container:
        stream = best_picture(container)
        _prepare(stream)
        seen = 0
        for packet in container.demux(stream):
            deadline.check()
            for frame in stream.decode(packet):
                if seen % step == 0 or seen == rank:
                    stillness.look(frame)
                if seen == rank and not frame.is_corrupt:
                    return frame, stillness.still
                seen += 1
    raise MediaError("breaks midway", "the middle frame cannot be decoded")


def _prepare(stream: VideoStream) -> None:
    use_one_thread(stream)
    # FFmpeg conceals errors by default: a damaged frame that nobody hears of.
    stream.codec_context.options = {"err_detect": "explode"}


def picture_of_file(path: Path, side: int) -> Picture:
    try:
        with Image.open(path, formats=_PICTURE_FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise MediaError(
                    "too large", f"the picture has {image.width} x {image.height} pixels"
                )
            upright = ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        # Pillow's messages for unknown files hold the path.
        unknown = isinstance(error, UnidentifiedImageError)
        detail = "not a picture" if unknown else reason(error)
        raise MediaError("unreadable", detail) from error
    return Picture(_squash(upright, side), upright.width, upright.height, None, None, None)


def _squash(image: Image.Image, side: int) -> np.ndarray:
    """(side, side, 3) uint8: the whole picture, its proportions given up."""
    return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC))
