"""Why a clip could not be had."""

from typing import Literal, get_args

Cause = Literal[
    "gone",  # removed, or its account is closed
    "private",  # for its owner, its members or who pays
    "region",  # not for the country that asks
    "age",  # for who is signed in and old enough
    "too short",  # the video ends before the clip begins
    "damaged",  # what arrives cannot be decoded
    "blocked",  # the site wants fewer questions
    "network",  # no answer, an answer that breaks off, an error of the server
]
CAUSES: tuple[Cause, ...] = get_args(Cause)

# Asking again changes nothing about the others within a run or the next one.
PASSING: frozenset[Cause] = frozenset({"damaged", "blocked", "network"})


class FetchError(Exception):
    """Why a clip could not be had: `cause` out of `CAUSES`, `detail` for people."""

    def __init__(self, cause: Cause, detail: str) -> None:
        super().__init__(f"{cause}: {detail}")
        self.cause: Cause = cause
        self.detail = detail
