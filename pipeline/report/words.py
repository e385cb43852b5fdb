"""Labels broken into lines, so that none is cut and none lies over its neighbour."""

from collections.abc import Callable


def wrapped(text: str, width: float, measure: Callable[[str], float]) -> list[str]:
    """`text` in lines that `measure` finds at most `width` wide, broken between words; a word that
    is wider than that is divided, and no letter is lost. One empty line for no text."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".lstrip()
        if measure(longer) <= width:
            lines[-1] = longer
            continue
        if lines[-1]:
            lines.append("")
        for letter in word:
            if lines[-1] and measure(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
    return lines
