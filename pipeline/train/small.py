"""A training list that is smaller than its settings were made for: a folder of one's own.

Ten videos are no batch of 50 and have no 20 neighbours each. What is there is taken then, and told;
where a list is large enough nothing changes, and a k beyond the stored neighbours stays an error.
"""

from dataclasses import fields, replace
from typing import Any

from pipeline.errors import InputError
from pipeline.train.settings import Train

_SMALLEST = 2  # clips; one alone has nothing to be told from


def fitted(method: Any, recipe: Train, clips: int, neighbours: int) -> tuple[Any, Train, list[str]]:
    """A method's settings and the recipe for a list of `clips`, each with so many `neighbours`
    stored: a batch of no more clips than there are, and, where all others are neighbours, a `k` of
    no more than these; and a line for each that differs.

    Raises `InputError` for fewer than two clips."""
    if clips < _SMALLEST:
        raise InputError(f"the training list has {clips} clips, expected at least {_SMALLEST}")
    told = []
    if clips < recipe.batch:
        told.append(
            f"{clips} clips to train on: a batch has all of them, in place of {recipe.batch}"
        )
        recipe = replace(recipe, batch=clips)
    asks = any(entry.name == "k" for entry in fields(method))
    if asks and neighbours == clips - 1 and method.k > neighbours:
        told.append(f"{clips} clips to train on: k is {neighbours}, in place of {method.k}")
        method = replace(method, k=neighbours)
    return method, recipe, told
