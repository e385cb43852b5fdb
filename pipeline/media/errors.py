"""Why a clip's picture or sound cannot be had."""

from typing import Literal, get_args

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
