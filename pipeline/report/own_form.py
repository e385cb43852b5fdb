"""How a method's own released code scores its maps, in the words of a table's row."""

from collections.abc import Mapping
from typing import Any

from pipeline.benchmarks.contract import OwnForm

_RESIZES = {
    "half-pixel": "bilinearly",
    "corners": "bilinearly with aligned corners",
    "bicubic": "bicubically",
    "bicubic-corners": "bicubically with aligned corners",
}
_CUTS = {"median": "its median", "half": "half of its range"}


def form_words(entry: Mapping[str, Any] | None) -> tuple[str, ...]:
    """The entry `test_form` of a run's run.json in words: how the map is resized and where it is
    cut, and behind it what OGL takes of it, where the form has OGL; none of no entry."""
    if entry is None:
        return ()
    form = OwnForm(**entry)
    cut = f"{'at or above' if form.inclusive else 'above'} {_CUTS[form.threshold]}"
    words = f"map resized {_RESIZES.get(form.resize, form.resize)}, cut {cut}"
    if form.share is None:
        return (words,)
    raw = "" if form.scaled else ", no min-max"
    return words, f"OGL with {form.share:g} of the map{raw}"
