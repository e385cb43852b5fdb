"""Where the media of a video are, as yt-dlp finds them; its errors become causes.

yt-dlp finds addresses alone. What lies there is read by `pipeline.fetch.cut`, which takes of a film
of hours the seconds that are wanted.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from pipeline.errors import InputError
from pipeline.fetch.errors import Cause, FetchError

YOUTUBE = "https://www.youtube.com/watch?v={video}"

# What yt-dlp and the sites behind it say, in small letters; the first that fits counts.
_SAYINGS: tuple[tuple[str, Cause], ...] = (
    ("not a bot", "blocked"),
    ("too many requests", "blocked"),
    ("http error 429", "blocked"),
    ("rate-limit", "blocked"),
    ("http error 5", "network"),
    ("confirm your age", "age"),
    ("age-restricted", "age"),
    ("inappropriate for some users", "age"),
    ("private", "private"),
    ("members-only", "private"),
    ("join this channel", "private"),
    ("requires payment", "private"),
    ("sign in", "private"),
    ("in your country", "region"),
    ("from your location", "region"),
    ("geo restriction", "region"),
    ("geo-restricted", "region"),
    ("unavailable", "gone"),
    ("not available", "gone"),
    ("removed", "gone"),
    ("terminated", "gone"),
    ("does not exist", "gone"),
    ("http error 404", "gone"),
    ("http error 410", "gone"),
)


class Remote(NamedTuple):
    """Addresses of a video's picture and of its sound, which may be one, and the headers that the
    server wants with the questions."""

    picture: str
    sound: str
    headers: Mapping[str, str]


Finder = Callable[[str], Remote]


def finder(address: str, tallest: int, stall: float) -> Finder:
    """A function from a video's id to its `Remote`: of the forms up to `tallest` pixels high the
    best. `address` holds `{video}`; an answer that takes longer than `stall` s is none.

    The function raises `FetchError`. Raises `InputError` where yt-dlp is not installed, and for an
    address without a place for the video.
    """
    if "{video}" not in address:
        raise InputError(f"address: found {address!r}, expected one with {{video}} in it")
    try:
        import yt_dlp  # an extra: who has the clips needs none of it
    except ImportError:
        raise InputError("yt-dlp: not installed, expected `pip install -e '.[fetch]'`") from None
    options = {
        "quiet": True,
        "no_warnings": True,
        "noplaylist": True,
        "cachedir": False,
        "logger": _Silent(),
        "socket_timeout": stall,
        "retries": 0,
        "extractor_retries": 0,
        "format": f"bv*[height<={tallest}]+ba/b[height<={tallest}]/b",
    }

    def find(video: str) -> Remote:
        try:
            with yt_dlp.YoutubeDL(options) as site:
                found = site.extract_info(address.format(video=video), download=False)
        except yt_dlp.utils.YoutubeDLError as error:
            raise FetchError(cause_of(str(error)), one_line(error)) from error
        return _remote(found)

    return find


def cause_of(said: str) -> Cause:
    """The cause that a site's words stand for; "network" for words that say nothing of the clip."""
    small = said.lower()
    return next((cause for words, cause in _SAYINGS if words in small), "network")


def one_line(error: Exception) -> str:
    """What an exception says, without colours and "ERROR:", in one line of at most 200 letters."""
    said = " ".join(str(error).split()).removeprefix("ERROR: ")
    return (said or type(error).__name__)[:200]


def _remote(found: Mapping[str, Any] | None) -> Remote:
    forms = (found or {}).get("requested_formats") or [found or {}]
    addresses = [form.get("url") for form in forms]
    if not all(addresses):
        raise FetchError("gone", "the site names no media")
    headers = forms[0].get("http_headers") or {}
    return Remote(addresses[0], addresses[-1], dict(headers))


class _Silent:
    """yt-dlp's own lines would stand among those of the progress; what matters is raised too."""

    def debug(self, line: str) -> None:
        pass

    warning = error = info = debug
