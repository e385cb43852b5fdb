"""How a method's own released code scores its maps, in the words of a table's row."""

from pipeline.benchmarks.contract import OwnForm
from pipeline.errors import InputError
from pipeline.methods.contract import load_method

_RESIZES = {
    "half-pixel": "bilinear",
    "corners": "bilinear with aligned corners",
    "bicubic": "bicubic",
    "bicubic-corners": "bicubic with aligned corners",
}
_CUTS = {"median": "its median", "half": "half of its range"}


def own_form(method: str) -> str:
    """The `test_form` of a method in words, "" where it has none or there is no such method (a run
    that came from elsewhere)."""
    try:
        form = load_method(method).test_form
    except InputError:
        return ""
    return "" if form is None else form_words(OwnForm(**form._asdict()))


def form_words(form: OwnForm) -> str:
    """In a line: how the map is resized, where it is cut, and what of it OGL takes."""
    resize = _RESIZES.get(form.resize, form.resize)
    cut = f"{'at or above' if form.inclusive else 'above'} {_CUTS[form.threshold]}"
    words = f"resize {resize}; predicted is what is {cut}"
    if form.share is None:
        return words
    raw = "" if form.scaled else ", no min-max"
    return f"{words}; OGL with {form.share:g} of the map{raw}"
