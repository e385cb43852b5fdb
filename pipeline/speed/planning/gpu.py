"""What `avloc bench train --gpu --json FILE` found, read for a plan. The cards that were measured
for the project lie beside this file, each by its name.
"""

from dataclasses import dataclass
from pathlib import Path

from pipeline.base.files import read_json
from pipeline.errors import InputError

CARDS = sorted(path.stem for path in Path(__file__).parent.glob("h[0-9]*.json"))
NOT_MEASURED = (
    "not measured: run `avloc bench train --gpu --json gpu.json`, then plan --gpu gpu.json; or "
    f"--gpu {' or '.join(CARDS)}, a card measured before"
)


@dataclass(frozen=True)
class Card:
    """A graphics card: clips a second of a training step of each method, at the paper's sizes."""

    name: str
    clips: dict[str, float]

    def seconds(self, method: str, clips: float) -> float | None:
        """How long it trains on so many clips; None for a method that it was not measured with."""
        rate = self.clips.get(method)
        return None if rate is None else clips / rate


def read_card(path: Path) -> Card:
    """The card of a file, or of a name of `CARDS`. Raises `InputError` for a file that is missing,
    of another form, or of no GPU (`--tiny`)."""
    if str(path) in CARDS:
        path = Path(__file__).parent / f"{path}.json"
    found = read_json(path)
    try:
        name = found["machine"]["gpu"]
        clips: dict[str, float] = {}
        for row in found["rows"]["train"]:
            method = row["name"].partition(",")[0]
            facts = {fact["name"]: fact["value"] for fact in row["facts"]}
            clips.setdefault(method, float(facts["clips/s"]))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(
            f"{path}: expected what `avloc bench train --gpu --json` writes, found: {error!r}"
        ) from None
    if not name:
        raise InputError(f"{path}: measured on no GPU, expected one's figures")
    return Card(str(name), clips)
