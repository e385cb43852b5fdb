"""The learning rate of a step."""

import math


def learning_rate(schedule: str, peak: float, step: int, steps: int) -> float:
    """The rate of step `step` (from 0) of `steps`.

    ``constant`` is the paper's. ``one-cycle`` rises from peak / 25 over the first 30 % of the
    steps and falls to peak / 250,000, along half cosines (Smith and Topin 2018, as in torch's
    OneCycleLR)."""
    if schedule == "constant":
        return peak
    low, end = peak / 25, peak / 25e4
    turn = 0.3 * steps - 1
    if step <= turn:
        return peak + (low - peak) / 2 * (1 + math.cos(math.pi * step / turn))
    passed = (step - turn) / (steps - 1 - turn)
    return end + (peak - end) / 2 * (1 + math.cos(math.pi * passed))
