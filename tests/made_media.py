"""Small media files for tests, written by PyAV: what a camera, an editor or an accident makes."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.bitstream import BitStreamFilterContext
from av.stream import Disposition

SHARED_MEDIA = Path(__file__).parents[2] / "shared" / "media"


def moving_square(index: int, width: int, height: int) -> np.ndarray:
    """A frame whose content tells its number: a square that moves, over a ramp of colours."""
    picture = np.zeros((height, width, 3), dtype=np.uint8)
    picture[..., 0] = np.linspace(0, 255, width)
    picture[..., 1] = np.linspace(0, 255, height)[:, None]
    size = max(1, min(width, height) // 4)
    x, y = (3 * index) % max(1, width - size), (2 * index) % max(1, height - size)
    picture[y : y + size, x : x + size] = (255, 255, 255)
    picture[..., 2] = (8 * index) % 256
    return picture


def tones(seconds: float, sample_rate: int, channels: int = 1) -> np.ndarray:
    """(channels, n) float32: one tone per channel."""
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    return np.stack(
        [0.3 * np.sin(2 * np.pi * (300 + 200 * channel) * time) for channel in range(channels)]
    ).astype(np.float32)


def write_media(
    path: Path,
    *,
    seconds: float = 2.0,
    size: tuple[int, int] | None = (48, 36),
    rate: int = 20,
    video_codec: str = "libx264",
    pixels: str = "yuv420p",
    group: int = 10,
    times: Sequence[int] | None = None,
    rotation: int = 0,
    picture: Callable[[int, int, int], np.ndarray] = moving_square,
    sound: np.ndarray | None = None,
    sample_rate: int = 16000,
    audio_codec: str = "aac",
    sound_delay: float = 0.0,
    container_options: dict[str, str] | None = None,
    codec_options: dict[str, str] | None = None,
    matrix: Sequence[float] | None = None,
    sound_hole: tuple[float, float] | None = None,
) -> Path:
    """Write a media file and give its path.

    `size`: width and height, None for no picture. `times`: display times of the frames in
    milliseconds, otherwise `rate` frames/s. `matrix`: a, b, c, d of a display matrix. `sound`:
    (channels, n), None for no sound. `sound_hole`: begin and end (s) of what is left out of it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    layouts = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}
    with av.open(str(path), "w", container_options=container_options or {}) as container:
        video = audio = None
        if size is not None:
            # On pictures this small x264's macroblock tree reads what it never wrote: other bytes
            # now and then.
            options = {"mbtree": "0"} if video_codec == "libx264" else {}
            options |= codec_options or {}
            video = container.add_stream(video_codec, rate=rate, options=options)
            video.width, video.height, video.pix_fmt = *size, pixels
            video.codec_context.gop_size = group
            if times is not None:
                video.codec_context.time_base = Fraction(1, 1000)
            if rotation:
                video.set_display_rotation(rotation)
            if matrix is not None:
                a, b, c, d = (round(number * 2**16) for number in matrix)
                video.set_display_matrix([a, b, 0, c, d, 0, 0, 0, 2**30])
        if sound is not None:
            audio = container.add_stream(audio_codec, rate=sample_rate, layout=layouts[len(sound)])
        if video is not None:
            count = round(seconds * rate) if times is None else len(times)
            for index in range(count):
                frame = av.VideoFrame.from_ndarray(picture(index, *size), format="rgb24")
                frame.pts = index if times is None else times[index]
                frame.time_base = Fraction(1, rate) if times is None else Fraction(1, 1000)
                container.mux(video.encode(frame))
            container.mux(video.encode())
        if audio is not None:
            layout, block = layouts[len(sound)], audio.codec_context.frame_size or 1024
            resampler = av.AudioResampler(audio.codec_context.format.name, layout, sample_rate)
            for begin in range(0, sound.shape[1], block):
                if sound_hole and sound_hole[0] <= begin / sample_rate < sound_hole[1]:
                    continue
                # Packed: PyAV 18 fails on planes of 8 channels.
                part = np.ascontiguousarray(sound[:, begin : begin + block].T).reshape(1, -1)
                formed = av.AudioFrame.from_ndarray(part, format="flt", layout=layout)
                formed.sample_rate = sample_rate
                formed.time_base = Fraction(1, sample_rate)
                formed.pts = begin + round(sound_delay * sample_rate)
                for ready in resampler.resample(formed):
                    container.mux(audio.encode(ready))
            container.mux(audio.encode())
    return path


def all_frames(path: Path, stream: int = 0) -> list[np.ndarray]:
    """Every frame of a video in display order, (height, width, 3) uint8: the slow, plain way."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=stream)]


def remux(
    source: Path,
    path: Path,
    change: Callable[[int, av.Packet], bool],
    *,
    filtered: str | None = None,
) -> Path:
    """Write the packets of the first picture and the first sound of `source` to `path`.

    `change(n, packet)` may alter packet number n of its stream; one for which it is false is left
    out. `filtered`: a bit stream filter for the picture.
    """
    with av.open(str(source)) as old, av.open(str(path), "w") as new:
        streams = {
            stream.index: new.add_stream_from_template(stream)
            for stream in (*old.streams.video[:1], *old.streams.audio[:1])
        }
        filters = (
            BitStreamFilterContext(filtered, old.streams.video[0]) if filtered is not None else None
        )
        counts = dict.fromkeys(streams, 0)
        for packet in old.demux():
            if packet.stream_index not in streams or not packet.size:
                continue
            stream = streams[packet.stream_index]
            number = counts[packet.stream_index]
            counts[packet.stream_index] += 1
            if not change(number, packet):
                continue
            parts = (
                [packet] if filters is None or stream.type != "video" else filters.filter(packet)
            )
            for part in parts:
                part.stream = stream
                new.mux(part)
    return path


def with_text_tag(flv: Path, path: Path) -> Path:
    """An FLV file with an onTextData tag in its middle, as captions have: a further stream that
    begins behind what opening looks at."""
    content = flv.read_bytes()
    place = 9 + 4  # behind the header and the size of no tag
    while place < len(content) // 2:
        place += 11 + int.from_bytes(content[place + 1 : place + 4], "big") + 4
    time = content[place + 4 : place + 8]

    def text(value: bytes) -> bytes:
        return len(value).to_bytes(2, "big") + value

    data = b"\x02" + text(b"onTextData") + b"\x08" + (1).to_bytes(4, "big")
    data += text(b"text") + b"\x02" + text(b"a word") + b"\x00\x00\x09"
    tag = b"\x12" + len(data).to_bytes(3, "big") + time + b"\x00\x00\x00" + data
    tag += len(tag).to_bytes(4, "big")
    path.write_bytes(content[:place] + tag + content[place:])
    return path


def write_films(path: Path, films: Sequence[tuple[int, tuple[int, int], bool]]) -> Path:
    """A file of several video streams: of each the number of frames (25/s), their width and height,
    and whether it is the default one."""
    with av.open(str(path), "w") as container:
        streams = []
        for _, (width, height), default in films:
            stream = container.add_stream("libx264", rate=25, options={"mbtree": "0"})
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.disposition = Disposition.default if default else Disposition(0)
            streams.append(stream)
        for stream, (count, size, _) in zip(streams, films, strict=True):
            for index in range(count):
                frame = av.VideoFrame.from_ndarray(moving_square(index, *size), format="rgb24")
                frame.pts, frame.time_base = index, Fraction(1, 25)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
    return path
