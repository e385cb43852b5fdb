"""What the toy world's twelve classes look and sound like: the one table both halves draw from.

A class is a shape, a texture and a typical hue together with a source and an envelope. No single
trait names a class on its own except the texture, and hues overlap, so that neither colour alone
nor outline alone finds a sound's object. The price of twelve hand-made classes is that nothing
larger can be drawn without adding rows here.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class ToyClass:
    """One class: `key` is its name where a set allows one word only, `name` the full one."""

    key: str
    name: str
    group: str
    shape: str
    texture: str
    hue: float  # typical hue in turns, 0 to 1
    source: str
    envelope: str


CLASSES: tuple[ToyClass, ...] = (
    ToyClass("horn", "blowing horn", "music", "disc", "stripes", 0.02, "saw", "sustained"),
    ToyClass("motor", "motor idling", "vehicle", "square", "rings", 0.60, "saw", "gallop"),
    ToyClass("organ", "playing organ", "music", "triangle", "checks", 0.35, "odd", "slow"),
    ToyClass("alarm", "alarm beeping, buzzing", "tools", "star", "zigzag", 0.85, "odd", "fast"),
    ToyClass("bell", "bell, fm", "home", "cross", "speckle", 0.15, "bell", "slow"),
    ToyClass("xylophone", "playing xylophone", "music", "pill", "grid", 0.70, "bell", "gallop"),
    ToyClass("wind", "wind blowing", "nature", "flower", "spokes", 0.45, "rumble", "sustained"),
    ToyClass("maracas", "maracas, shaker", "music", "drop", "dots", 0.95, "hiss", "fast"),
    ToyClass("steam", "steam train, chuffing", "vehicle", "disc", "spiral", 0.25, "hiss", "gallop"),
    ToyClass("whistle", "slide whistle rising", "music", "square", "core", 0.78, "rise", "slow"),
    ToyClass("zap", "toy laser, zapping", "toys", "triangle", "bricks", 0.52, "fall", "fast"),
    ToyClass(
        "violin", "playing violin, vibrato", "music", "star", "rim", 0.10, "vibrato", "sustained"
    ),
)
