"""How a method's own released code scores its maps, in the words of a table's row."""

from pipeline.benchmarks.contract import OwnForm
from pipeline.errors import InputError
from pipeline.methods.contract import load_method

_RESIZES = {
    "half-pixel": "bilinearly",
    "corners": "bilinearly with aligned corners",
    "bicubic": "bicubically",
    "bicubic-corners": "bicubically with aligned corners",
}
_CUTS = {"median": "its median", "half": "half of its range"}


def own_form(method: str) -> tuple[str, ...]:
    """The `test_form` of a method in words, none where it has none or there is no such method (a
    run that came from elsewhere)."""
    try:
        form = load_method(method).test_form
    except InputError:
        return ()
    return () if form is None else form_words(OwnForm(**form._asdict()))


def form_words(form: OwnForm) -> tuple[str, ...]:
    """How the map is resized and where it is cut, and behind it what OGL takes of it, where the
    form has OGL."""
    cut = f"{'at or above' if form.inclusive else 'above'} {_CUTS[form.threshold]}"
    words = f"map resized {_RESIZES.get(form.resize, form.resize)}, cut {cut}"
    if form.share is None:
        return (words,)
    raw = "" if form.scaled else ", no min-max"
    return words, f"OGL with {form.share:g} of the map{raw}"
