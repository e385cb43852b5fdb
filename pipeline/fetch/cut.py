"""The seconds that are wanted out of a long video, to the frame and to the sample.

Copying packets would begin at the key frame before, which leaves up to seconds of picture that
nobody sees in front of the clip; so the stretch is decoded and encoded again (H.264, AAC), and
picture and sound begin together at 0.
"""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.error import ExitError, FFmpegError, HTTPError, HTTPNotFoundError
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from pipeline.base.files import atomic_file
from pipeline.fetch.errors import Cause, FetchError
from pipeline.fetch.videos import Remote, one_line

_CLOCK = Fraction(1, 90_000)
_SOUND_RATE = 44_100
_GOOD = {"preset": "veryfast", "crf": "18"}
_SHORTEST = 1.0  # s; less is no clip of ten
_MISSING = 0.5  # s that a stretch may end before the video says that it does


def cut(remote: Remote, start: float, seconds: float, path: Path, *, stall: float) -> None:
    """Write the `seconds` from second `start` of a video to `path`, an .mp4; nothing is left there
    where that fails.

    The picture begins with the frame that is shown at `start`. A video that ends on the way gives
    what there is of it. Raises `FetchError`: "too short" for less than a second, "network" for an
    answer that takes longer than `stall` s or breaks off, "damaged" where nothing can be decoded.
    """
    try:
        with (
            _open(remote.picture, remote.headers, stall) as pictures,
            _open(remote.sound, remote.headers, stall) as sounds,
            atomic_file(path) as file,
            av.open(file, "w", format="mp4") as output,
        ):
            _write(pictures, sounds, output, start, seconds)
    except FFmpegError as error:
        raise FetchError(_cause(error), one_line(error)) from error


def _cause(error: FFmpegError) -> Cause:
    if isinstance(error, HTTPNotFoundError):
        return "gone"
    # PyAV's ExitError is an answer that came too late.
    return "network" if isinstance(error, OSError | HTTPError | ExitError) else "damaged"


def _open(address: str, headers: Mapping[str, str], stall: float) -> InputContainer:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return av.open(address, options={"headers": lines} if lines else {}, timeout=stall)


def _write(
    pictures: InputContainer,
    sounds: InputContainer,
    output: OutputContainer,
    start: float,
    seconds: float,
) -> None:
    for kind, streams in (("picture", pictures.streams.video), ("sound", sounds.streams.audio)):
        if not streams:
            raise FetchError("damaged", f"found no {kind}")
    seen, heard = pictures.streams.video[0], sounds.streams.audio[0]
    video = output.add_stream("libx264", rate=seen.average_rate or 25, options=_GOOD)
    video.width, video.height = (edge // 2 * 2 for edge in (seen.width, seen.height))
    video.pix_fmt = "yuv420p"
    video.time_base = video.codec_context.time_base = _CLOCK
    layout = "mono" if heard.channels == 1 else "stereo"
    audio = output.add_stream("aac", rate=_SOUND_RATE, layout=layout)
    audio.bit_rate = 128_000
    last = 0.0
    for frame, last in _stretch(pictures, seen, start, seconds):
        picture = frame.reformat(video.width, video.height, "yuv420p")
        picture.pts, picture.time_base = round(last / _CLOCK), _CLOCK
        picture.pict_type = PictureType.NONE  # its place in the old file means nothing here
        output.mux(video.encode(picture))
    output.mux(video.encode(None))
    _check_end("picture", last, pictures, start, seconds)
    samples, end = _samples(sounds, heard, layout, start, seconds)
    _check_end("sound", end, sounds, start, seconds)
    sound = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
    sound.sample_rate, sound.pts, sound.time_base = _SOUND_RATE, 0, Fraction(1, _SOUND_RATE)
    output.mux(audio.encode(sound))
    output.mux(audio.encode(None))


def _stretch(
    source: InputContainer, stream: VideoStream, start: float, seconds: float
) -> Iterator[tuple[VideoFrame, float]]:
    """The frames that are shown in the stretch, and when (s) after its begin each appears."""
    before = None
    for frame in _decoded(source, stream, start):
        at = frame.time - start
        if at >= seconds:
            break
        if at < 0:
            before = frame
            continue
        if before is not None and at > 0:
            yield before, 0.0  # still shown at the begin
        before = None
        yield frame, at
    if before is not None:
        yield before, 0.0


def _samples(
    source: InputContainer, stream: AudioStream, layout: str, start: float, seconds: float
) -> tuple[np.ndarray, float]:
    """The stretch's sound, (channels, n) float32, silent where the video has none, and when (s)
    after its begin it ends."""
    resampler = AudioResampler("fltp", layout, _SOUND_RATE)
    samples = np.zeros((2 if layout == "stereo" else 1, round(seconds * _SOUND_RATE)), np.float32)
    end = 0
    for frame in _decoded(source, stream, start):
        if frame.time >= start + seconds:
            break
        for piece in resampler.resample(frame):
            assert piece.time is not None  # of frames with a time
            at = round((piece.time - start) * _SOUND_RATE)
            heard = piece.to_ndarray()[:, max(0, -at) :][:, : max(0, samples.shape[1] - max(0, at))]
            if heard.shape[1]:
                end = max(0, at) + heard.shape[1]
                samples[:, end - heard.shape[1] : end] = heard
    return samples[:, :end], end / _SOUND_RATE


def _decoded(
    source: InputContainer, stream: VideoStream | AudioStream, start: float
) -> Iterator[Any]:
    """The frames of a stream with a time, from the last key frame before `start` on, or where a
    file's index is wrong from its begin."""
    assert stream.time_base is not None
    source.seek(max(0, int(start / stream.time_base)), stream=stream)
    first = True
    for frame in _timed(source, stream):
        if first and frame.time > start:
            break
        first = False
        yield frame
    if first:
        source.seek(0)
        yield from _timed(source, stream)


def _timed(source: InputContainer, stream: VideoStream | AudioStream) -> Iterator[Any]:
    found: Iterator[Any] = source.decode(stream)
    return (frame for frame in found if frame.time is not None)


def _check_end(what: str, end: float, source: InputContainer, start: float, seconds: float) -> None:
    """Raise where a stretch ends before the video says that it does: an answer that breaks off
    looks like the end of a file."""
    known = None if source.duration is None else source.duration / av.time_base - start
    expected = seconds if known is None else min(seconds, known)
    if end < _SHORTEST and expected < _SHORTEST + _MISSING:
        raise FetchError("too short", f"the {what} ends {max(end, 0):.1f} s after second {start:g}")
    if end < expected - _MISSING:
        raise FetchError(
            "network", f"the {what} breaks off after {end:.1f} s, expected {expected:.1f} s"
        )
