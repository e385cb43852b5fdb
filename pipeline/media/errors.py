"""Why a clip's picture or sound cannot be had, and the border at which a decoder's errors end."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, get_args

import av.error

Cause = Literal[
    "unreadable",  # not media, damaged from the start, or of a codec that is not supported
    "no picture",  # a media file without a video stream
    "no sound",  # a media file without a sound stream, or with an empty one
    "too short",  # less sound than one window of the spectrogram
    "too large",  # a picture of more pixels than 8192 x 8192
    "breaks midway",  # opens well, but ends or cannot be decoded before what is wanted
    "time limit",  # takes longer than a clip may take
    "worker died",  # the process that decoded it was killed, twice
]
CAUSES: tuple[Cause, ...] = get_args(Cause)


class MediaError(Exception):
    """Why a clip's picture or sound cannot be had: `cause` out of `CAUSES`, `detail` for people."""

    def __init__(self, cause: Cause, detail: str) -> None:
        super().__init__(f"{cause}: {detail}")
        self.cause: Cause = cause
        self.detail = detail


@contextmanager
def decoding(cause: Cause) -> Iterator[None]:
    """The border of the decoders: whatever they raise within becomes a `MediaError`.

    What FFmpeg and Pillow report about a file gets `cause`, any other exception "unreadable"; the
    detail of both is the `reason`.
    """
    try:
        yield
    except MediaError:
        raise
    except (av.error.FFmpegError, ValueError) as error:
        raise MediaError(cause, reason(error)) from error
    except Exception as error:
        # Deliberately broad, here and nowhere else: bindings and codecs are other people's code
        # over strangers' bytes, and one file of 200,000 must not end a corpus. The type is told,
        # so a defect shows in the table of rejects.
        raise MediaError("unreadable", reason(error)) from error


def reason(error: Exception) -> str:
    """What went wrong and behind it the exception's type, in one line: "Invalid data found when
    processing input (InvalidDataError)". FFmpeg's errors and the system's come without the file's
    path, which differs between machines."""
    said = " ".join(str(getattr(error, "strerror", None) or error).split())
    return f"{said} ({type(error).__name__})" if said else type(error).__name__
