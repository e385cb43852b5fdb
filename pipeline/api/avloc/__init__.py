"""avloc from Python: the published numbers of anyone's maps, and the map of a clip.

    import avloc

    mine = avloc.score(maps, ids, "vggss", annotations="data/annotations")
    print(mine)                                    # beside the paper's rows, with 95 % intervals
    print(mine.against(avloc.score("theirs.npz", benchmark="vggss")))

    found = avloc.load("toy").localize("clip.mp4")
    print(found)                                   # where, and how sure
    found.save("map.png")

    names = avloc.ids("vggss")                     # the order of maps that bring no ids

Paths are texts or `pathlib.Path`s. A mistake raises `avloc.InputError` with one line that says what
was found and what was expected. Importing this imports nothing that takes long; `score` and `load`
import what they need. Everything else that avloc can do is the command of that name.
"""

from typing import TYPE_CHECKING, Any

from pipeline.errors import InputError

if TYPE_CHECKING:
    from avloc.localizer import Localization, Localizer, load
    from avloc.scoring import Comparison, Parts, Score, ids, score

__all__ = [
    "Comparison",
    "InputError",
    "Localization",
    "Localizer",
    "Parts",
    "Score",
    "ids",
    "load",
    "score",
]

_PLACES = {
    **dict.fromkeys(("Localization", "Localizer", "load"), "localizer"),
    **dict.fromkeys(("Comparison", "Parts", "Score", "ids", "score"), "scoring"),
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
