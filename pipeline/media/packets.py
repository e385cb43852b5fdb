"""What the packets of a file say, before anything is decoded.

The time stamps of all packets are read before anything is decoded, once for sound and picture. That
costs some milliseconds for a 10 s clip and says what headers do not: how long the streams really
are, whether the file is whole, which frame is the middle one, and which frames nothing depends on;
leaving those undecoded saves more (about a fifth of the time of a 720p clip) than the reading
costs. What packets say is a claim, not what is shown: whoever decodes by it checks it against the
decoded frames.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Literal, NamedTuple, TypeVar

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream

from pipeline.media.container import SHORTFALL, SLACK, Deadline, packets_of
from pipeline.media.errors import MediaError

Middle = Literal[
    "own",  # of the stream itself, whenever it begins and ends
    "clip",  # of the whole clip, from its first picture or sound to its last
]

# Containers without a declared length; what FFmpeg says there is its own guess from the bit rate or
# from the stamps that opening happens to see.
_GUESSED = frozenset(
    {"mpegts", "mpeg", "mpegvideo", "aac", "ac3", "eac3", "h264", "hevc", "m4v", "mjpeg"}
)
RESTART = 1  # s; a clock that goes back by more has been started anew
S = TypeVar("S", VideoStream, AudioStream)
KEPT_UP_TO = 16 * 2**20  # bytes; of a larger file the packets are read anew to decode them


class Packet(NamedTuple):
    """One packet: when its frame is shown and how long, in the stream's time base."""

    time: int | None
    duration: int
    key: bool
    coded: int | None  # when it is decoded


class Kept:
    """A stream of which nothing has been decoded, and all its packets with the empty one at the
    end: what the file, opened anew, would give."""

    def __init__(self, stream: VideoStream | AudioStream, packets: list[av.Packet]) -> None:
        self._stream, self._packets = stream, packets
        self._taken = False

    def take(self, kind: type[S]) -> tuple[S, list[av.Packet]] | None:
        """The stream, if it is of this kind, and its packets, for one decoding: None to the next
        one who asks, since a decoder has a state by then."""
        if self._taken or not isinstance(self._stream, kind):
            return None
        self._taken = True
        return self._stream, self._packets


@dataclass(frozen=True)
class Packets:
    """The packets of all streams, by stream, in decoding order, without those an edit list hides;
    `counts`: how many there are with the hidden ones; `first_key`: whether the first of all is a
    key frame; `far`: whether the container was opened so; `kept`: of a small file all packets
    themselves, until the track of their stream has them."""

    of: dict[int, list[Packet]]
    counts: dict[int, int]
    first_key: dict[int, bool]
    spans: dict[int, tuple[Fraction, Fraction]]  # s; begin and end of pictures and sounds
    far: bool
    kept: dict[int, list[av.Packet]]

    def shown(self) -> dict[int, int]:
        """How many packets of each stream are shown or heard."""
        return {index: len(packets) for index, packets in self.of.items()}

    def clip(self, index: int) -> tuple[Fraction, Fraction]:
        """Begin and end (s, on the file's clock) of the clip that the stream `index` is part of: of
        all pictures and sounds that overlap with it. One that does not lies on another clock."""
        own = self.spans.get(index, (Fraction(0), Fraction(0)))
        together = [own] + [s for s in self.spans.values() if s[0] < own[1] and own[0] < s[1]]
        return min(s[0] for s in together), max(s[1] for s in together)


@dataclass(frozen=True)
class Track:
    """What the packets of one stream say.

    `order`: how its frames find their times: "time" by their stamps; "rank" by their number, since
    the stamps are missing or, as in AVI, tell the order of decoding; "shown" only by decoding all
    of them, since the stamps contradict each other.
    """

    index: int
    far: bool
    format: str
    time_base: Fraction
    packets: list[Packet]  # in decoding order, without those an edit list hides
    order: Literal["time", "rank", "shown"]
    times: list[int] | None  # of the frames in the order in which they are shown
    start: float | None  # s, of the first frame or sample; None without time stamps
    length: int  # in the stream's time base, from the start of the first to the end of the last
    seconds: float  # the same in seconds
    clip: tuple[Fraction, Fraction]  # s; see `Packets.clip`
    kept: Kept | None  # of a small file, which takes as long to open again as to decode


def list_packets(container: InputContainer, deadline: Deadline, *, far: bool = False) -> Packets:
    """Read the time stamps of all streams; of a small file the packets are kept too."""
    of: dict[int, list[Packet]] = {stream.index: [] for stream in container.streams}
    counts: dict[int, int] = dict.fromkeys(of, 0)
    first_key: dict[int, bool] = {}
    kept: dict[int, list[av.Packet]] = {}
    is_small = 0 < container.size <= KEPT_UP_TO
    for packet in packets_of(container):
        deadline.check()
        index, pts, coded = packet.stream_index, packet.pts, packet.dts
        if is_small:
            kept.setdefault(index, []).append(packet)
        if not packet.size:
            if pts is not None or coded is not None:
                counts[index] += 1
            continue
        counts[index] += 1
        key = packet.is_keyframe
        if counts[index] == 1:
            first_key[index] = key
        if not (packet.is_discard or _is_priming(packet)):
            of[index].append(Packet(pts, packet.duration or 0, key, coded))
    for index in [stream.index for stream in container.streams.video]:
        if not first_key.get(index, True):
            of[index] = _from_first_key(of[index])
    spans = {}
    for stream in (*container.streams.video, *container.streams.audio):
        times = [(p.time, p.duration) for p in of[stream.index] if p.time is not None]
        if times:
            base = stream.time_base or Fraction(1)
            ends = max(time + duration for time, duration in times)
            spans[stream.index] = min(times)[0] * base, ends * base
    return Packets(of, counts, first_key, spans, far, kept)


def _is_priming(packet: av.Packet) -> bool:
    """Whether nothing of a sound's packet is heard: what an encoder needs before the first sample.
    MP4 marks it as discarded; Matroska has it before the stream's own start, unmarked."""
    stream = packet.stream
    if not isinstance(stream, AudioStream) or packet.pts is None or not packet.duration:
        return False
    start = stream.start_time
    return start is not None and packet.pts < 0 and packet.pts + packet.duration <= start


def _from_first_key(packets: list[Packet]) -> list[Packet]:
    """What can be decoded of a recording that begins between two key frames: from the first one on,
    without what is shown before it."""
    first = next((number for number, packet in enumerate(packets) if packet.key), None)
    if first is None:
        return packets
    begin = packets[first].time
    return [
        packet
        for packet in packets[first:]
        if begin is None or packet.time is None or packet.time >= begin
    ]


def track_of(container: InputContainer, stream: VideoStream | AudioStream, found: Packets) -> Track:
    """What the packets say about `stream`; "breaks midway" where the file ends too early. What is
    kept of them goes to the first track that asks."""
    packets, kept = found.of[stream.index], found.kept.pop(stream.index, None)
    time_base = stream.time_base or Fraction(1)
    order, times = _display_times(packets, time_base, stream, container.format.name)
    start: float | None = None
    length = sum(packet.duration for packet in packets)
    if times is not None:
        last = _last_distance(packets, times, order, container.format.name)
        length = times[-1] + last - times[0]
    stamps = [packet.time for packet in packets if packet.time is not None]
    if stamps and len(stamps) == len(packets):
        start = float(min(stamps) * time_base)
    track = Track(
        stream.index,
        found.far,
        container.format.name,
        time_base,
        packets,
        order,
        times,
        start,
        length,
        float(length * time_base),
        found.clip(stream.index),
        None if kept is None else Kept(stream, kept),
    )
    _check_whole(container, stream, found, track)
    return track


def _display_times(
    packets: list[Packet], time_base: Fraction, stream: VideoStream | AudioStream, form: str
) -> tuple[Literal["time", "rank", "shown"], list[int] | None]:
    """How the frames of a stream find their times, and these, where packets tell them."""
    stamps = [packet.time for packet in packets if packet.time is not None]
    coded = [packet.coded for packet in packets if packet.coded is not None]
    if _restarts(coded, time_base):
        return "shown", None
    if form == "avi" and isinstance(stream, VideoStream):
        # A chunk's place is its time; what FFmpeg derives from it is wrong where frames change
        # their order. In the order of display the n-th frame takes the n-th time.
        return "rank", sorted(coded) if coded and len(coded) == len(packets) else None
    if packets and len(stamps) == len(packets):
        return "time", sorted(stamps)
    return ("shown" if stamps else "rank"), None


def _restarts(coded: Sequence[int], time_base: Fraction) -> bool:
    """Whether the clock of a stream goes back: two recordings written one behind the other."""
    limit = math.floor(RESTART / time_base)  # of whole numbers, so none is a fraction
    return any(before - after > limit for before, after in pairwise(coded))


def _last_distance(packets: list[Packet], times: list[int], order: str, form: str) -> int:
    """How long the last frame or block of samples is shown or heard."""
    last = max(packets, key=lambda p: (p.coded if order == "rank" else p.time) or 0)
    distance = last.duration
    if distance == 0 and len(times) > 1:  # some files do not say how long a frame is
        return (times[-1] - times[0]) // (len(times) - 1)
    if form.startswith("mov") and last is not packets[-1] and len(times) > 1:
        # The durations of an MP4 or MOV file are distances of decoding. Where frames change their
        # order that of the last one may span a picture held long before it.
        between = times[-1] - times[-2]
        distance = min(distance, between) if between > 0 else distance
    return distance


def _check_whole(
    container: InputContainer, stream: VideoStream | AudioStream, found: Packets, track: Track
) -> None:
    """Raise "breaks midway" where the file holds less of a stream than it declares."""
    kind = "sound" if isinstance(stream, AudioStream) else "picture"
    count = found.counts[stream.index]
    if track.format.startswith("mov") and stream.frames > 0:
        # An edit list hides part of what the file declares, so packets are counted, not seconds:
        # all those of the index that are left of it. An older PyAV does not give the index.
        said = len(getattr(stream, "index_entries", ())) or stream.frames
        if count < (1 - SHORTFALL) * said - 1:
            raise MediaError(
                "breaks midway", f"the file ends after {count} of {said} packets of {kind}"
            )
        return
    if stream.frames > 0 and count >= (1 - SHORTFALL) * stream.frames:
        return
    if track.format in _GUESSED or track.order == "shown":
        return
    declared = _declared_seconds(container, stream, found, track)
    if declared is not None and track.seconds < (1 - SHORTFALL) * declared - SLACK:
        raise MediaError(
            "breaks midway",
            f"the file ends after {track.seconds:.2f} of {declared:.2f} s of {kind}",
        )


def _declared_seconds(
    container: InputContainer, stream: VideoStream | AudioStream, found: Packets, track: Track
) -> float | None:
    """How long the file says that the stream is; None where it does not say so credibly."""
    # Where opening a Matroska file does not meet a stream, FFmpeg gives it the length of the file.
    if stream.duration and stream.duration > 0 and not track.format.startswith("matroska"):
        return float(stream.duration * track.time_base)
    parts = stream.metadata.get("DURATION", "").split(":")  # Matroska
    try:
        if len(parts) == 3:
            stated = int(parts[0]) * 3600 + int(parts[1]) * 60 + float(parts[2])
            # The tag tells where the stream ends on the file's clock.
            return stated - max(0.0, track.start or 0.0)
    except ValueError:
        return None
    # The container's length is that of its longest stream; a stream may rightly be shorter,
    # unless every stream is.
    if not container.duration or container.duration < 0 or not found.spans:
        return None
    whole = container.duration / av.time_base
    begin = float(min(span[0] for span in found.spans.values()))
    end = float(max(span[1] for span in found.spans.values()))
    if end - begin >= (1 - SHORTFALL) * whole:
        return None
    if begin > SLACK and end <= whole + SLACK:  # Matroska's length counts from the clock's zero
        whole -= begin
        if end - begin >= (1 - SHORTFALL) * whole:
            return None
    return whole
