"""One frame and one sound of a clip by other decoders, each asked as its documentation shows.

torchcodec and decord are no dependencies: what cannot be imported is told and left out. Each gives
the frame that is shown at half of what it takes for the picture's duration, and all of its default
sound, mono at 16 kHz, on one thread.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import av
import numpy as np

SAMPLE_RATE = 16000


@dataclass(frozen=True)
class Decoder:
    """`picture`: the middle frame, (h, w, 3) uint8. `sound`: (n,) float32 at 16 kHz, and when its
    first sample is heard, s on the file's clock; None where it does not tell. `refusals` are what
    either raises of a clip that it does not give."""

    picture: Callable[[Path], np.ndarray]
    sound: Callable[[Path], tuple[np.ndarray, float | None]]
    refusals: tuple[type[Exception], ...]


# Of bindings, whose metadata are None and whose lists are empty where they know nothing.
_BINDINGS = (OSError, RuntimeError, ValueError, IndexError, TypeError)


def load_decoders() -> tuple[dict[str, Decoder], dict[str, str]]:
    """The decoders that can be had here, by their names and versions, and of each other why not."""
    pyav = Decoder(
        _picture_by_pyav, _sound_by_pyav, (*_BINDINGS, av.error.FFmpegError, StopIteration)
    )
    found = {f"PyAV {av.__version__}": pyav}
    absent = {}
    for name, picture, sound, own in (
        ("torchcodec", _picture_by_torchcodec, _sound_by_torchcodec, ()),
        (
            "decord",
            _picture_by_decord,
            _sound_by_decord,
            ("DECORDError", "DECORDLimitReachedError"),
        ),
    ):
        try:
            module = import_module(name)
        except (ImportError, OSError, RuntimeError) as error:  # nor may its FFmpeg be found
            absent[name] = f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"
        else:
            raised = (*_BINDINGS, *(getattr(module, each) for each in own))
            found[f"{name} {module.__version__}"] = Decoder(picture, sound, raised)
    return found, absent


def _picture_by_pyav(path: Path) -> np.ndarray:
    """Behind a seek to half of the duration that the stream, or else the file, declares."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        video.codec_context.thread_count = 1
        length = video.duration
        if length is None and video.time_base is not None:  # Matroska's streams tell none
            length = round((container.duration or 0) / av.time_base / video.time_base)
        middle = (video.start_time or 0) + (length or 0) // 2
        container.seek(middle, stream=video)
        frames = container.decode(video)
        shown = next(frames)
        for frame in frames:
            if (frame.pts or 0) > middle:
                break
            shown = frame
        return shown.to_ndarray(format="rgb24")


def _sound_by_pyav(path: Path) -> tuple[np.ndarray, None]:
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("flt", "mono", SAMPLE_RATE)
        blocks = [
            part.to_ndarray()[0]
            for heard in container.decode(audio=0)
            for part in resampler.resample(heard)
        ]
        blocks += [part.to_ndarray()[0] for part in resampler.resample(None)]
    return np.concatenate(blocks), None


def _picture_by_torchcodec(path: Path) -> np.ndarray:
    """In its exact mode, which reads the stamps of all packets first."""
    video = import_module("torchcodec.decoders").VideoDecoder(
        path, seek_mode="exact", num_ffmpeg_threads=1, dimension_order="NHWC"
    )
    said = video.metadata
    middle = (said.begin_stream_seconds + said.end_stream_seconds) / 2
    frame: np.ndarray = video.get_frame_played_at(middle).data.numpy()
    return frame


def _sound_by_torchcodec(path: Path) -> tuple[np.ndarray, float]:
    decoder = import_module("torchcodec.decoders").AudioDecoder(
        path, sample_rate=SAMPLE_RATE, num_channels=1
    )
    sound = decoder.get_all_samples()
    return sound.data[0].numpy(), sound.pts_seconds


def _picture_by_decord(path: Path) -> np.ndarray:
    """By the time stamps that it gives of its frames."""
    decord = import_module("decord")
    video = decord.VideoReader(str(path), ctx=decord.cpu(0), num_threads=1)
    shown = video.get_frame_timestamp(range(len(video)))
    middle = (shown[0, 0] + shown[-1, 1]) / 2
    number = max(0, int(np.searchsorted(shown[:, 0], middle + 1e-4)) - 1)
    frame: np.ndarray = video[number].asnumpy()
    return frame


def _sound_by_decord(path: Path) -> tuple[np.ndarray, None]:
    decord = import_module("decord")
    sound = decord.AudioReader(str(path), ctx=decord.cpu(0), sample_rate=SAMPLE_RATE, mono=True)
    return sound[:].asnumpy()[0], None
